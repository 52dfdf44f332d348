"""The loading daemon: follows every source topic and keeps one exact ClickHouse table for each.

Leaves extraction to `producer`, names and schemas to `schemas`, settings, signals and health to `runtime`.
"""
