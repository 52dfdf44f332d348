"""The three addresses a pipeline needs, on one machine: a broker, a schema registry, a ClickHouse endpoint.

Used by `ingest dev`, `ingest demo` and the tests, never by the daemons, which know addresses only. Each
part is a process of its own (`python -m devstack.clickhouse`, `python -m devstack.registry`, …) that listens
on loopback, prints one JSON line when it is ready and ends on SIGTERM. Not for production: one node of
everything, no replication, no access control worth the name.
"""
