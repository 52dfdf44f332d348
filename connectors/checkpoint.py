"""A place between items at which a connector can go on: yielded among them."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`yield Checkpoint(cursor)`: everything up to `cursor` has been yielded; a later run may begin there.

    What came before is committed together with `cursor`, a value of the cursor field's type, or the
    connector's `State`. The next run gets it as `since`, also when this one fails or is killed.
    """

    cursor: Any

    def __post_init__(self) -> None:
        # A state that its connector goes on to change must not run ahead of what is committed.
        object.__setattr__(self, "cursor", deepcopy(self.cursor))
