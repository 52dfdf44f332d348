"""The crash matrix: `ingest run` of one source, killed at exact points of its transactions, and what it left.

`python -m devstack.crashes` runs it for `connectors.testing.check_crashes`; our chaos tests use its parts.
"""

from devstack.crashes.points import POINTS, Where
from devstack.crashes.victim import Victim

__all__ = ["POINTS", "Victim", "Where"]
