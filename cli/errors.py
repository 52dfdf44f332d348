"""What the commands themselves can refuse.

CommandError
├── NotFoundError       a topic or file that was named does not exist
├── RunFailedError      `ingest run` ended with an error of the connector's, a backfill at a limit
└── ServerFaultError    a server does not answer as it should
"""

from collections.abc import Mapping
from typing import Any


class CommandError(Exception):
    """A command cannot do what it was asked for; the message says why and what to do."""


class NotFoundError(CommandError):
    """What the command was pointed at does not exist."""


class RunFailedError(CommandError):
    """The connector's own code ended the run, or a limit a backfill; the message says where, and what had
    been published.

    `step` is what to do next, `details` are the same facts for --json.
    """

    def __init__(self, message: str, *, step: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.step = step
        self.details = details


class ServerFaultError(CommandError):
    """What is wrong with a server, and `fix`: what to do about it."""

    def __init__(self, detail: str, fix: str) -> None:
        super().__init__(detail)
        self.fix = fix
