"""A Confluent-compatible schema registry kept in a file.

Avro schemas are checked for validity and compatibility by the official `avro` package; JSON and Protobuf ones
are stored as they come. One process, one node; contexts, exporters, rules and modes other than READWRITE are
left out.
"""
