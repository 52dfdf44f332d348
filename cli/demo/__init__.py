"""`ingest demo`: real data through the whole pipeline, counted at every stage."""

from cli.demo.flow import run

__all__ = ["run"]
