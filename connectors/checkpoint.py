"""A place between items at which a connector can go on: yielded among them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`yield Checkpoint(cursor)`: everything up to `cursor` has been yielded; a later run may begin there.

    What came before is committed together with `cursor`, a value of the cursor field's type, or the
    connector's `State`. The next run gets it as `since`, also when this one fails or is killed.
    """

    cursor: Any
