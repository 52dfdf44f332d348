"""ClickHouse's HTTP interface in front of chdb, the real engine in this process.

Clients such as clickhouse-connect work against it unchanged. The front splits requests into statement and
data, carries settings, parameters and query ids over, and answers with the server's headers, error bodies and
statuses; everything that SQL means is the engine's. Left out: sessions that keep state, native block
compression of answers (`compress=1`), roles, and every protocol but HTTP.
"""
