"""A stand-in for Open-Meteo with real weather: New York's three airports, every hour of 2013.

`python -m devstack.upstream --port P` answers `/v1/forecast` and `/v1/archive` as Open-Meteo does, with its
units, its lists for several places, its errors and, now and then, its refusals (429, 503), so that a
connector's paging and retries are seen working on a machine without internet. Deliberately broken answers
are not made here; tests that need them bring their own server.
"""
