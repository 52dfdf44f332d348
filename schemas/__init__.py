"""The contracts both daemons agree on: records, jobs, Avro schemas, framing, names and the registry client.

Leaves extraction to `connectors`, Kafka traffic to `producer` and `consumer`. Import the modules directly:
this file stays empty, so that reading a name costs no import of the registry client.
"""
