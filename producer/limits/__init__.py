"""How often a source may run and how often an upstream may be asked, counted so that restarts change nothing.

`producer.limiter` is the door. Inside: windows (one limit), budget (several at once), learned (what the API
tells), record, store and written (what is kept in Kafka), upstream (all of it for one upstream), source (what
one of its sources asks).
"""
