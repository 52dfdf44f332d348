"""Daemon one: runs connectors on their schedules and publishes what they yield, at least once, in bounded
memory.

What a source looks like belongs to `connectors`, bytes and names to `schemas`, loading to the consumer.
"""
