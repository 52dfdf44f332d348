"""The stack's broker: Apache Kafka where Java and Maven (or the jars) are, else Tansu from a wheel.

`choose_broker` decides; both are parts with the same handles (start, stop, kill). What they promise differs:
Tansu keeps everything in memory and is weaker in transactions, offsets and fencing.
"""
