"""What both daemons need and neither owns: settings, logging, signals, probes, exit codes.

Knows no other room.
"""
