"""What the commands themselves can refuse.

CommandError
├── NotFoundError       a topic or file that was named does not exist
├── RunFailedError      `ingest run` ended with an error of the connector's
│   └── RunPutOffError  a limit lets it begin, or go on, only later
├── CursorRefusedError  what was typed is no cursor of the source
└── ServerFaultError    a server does not answer as it should
"""

from collections.abc import Mapping
from typing import Any


class CommandError(Exception):
    """A command cannot do what it was asked for; the message says why and what to do."""


class NotFoundError(CommandError):
    """What the command was pointed at does not exist."""


class RunFailedError(CommandError):
    """The connector's own code ended the run; the message says where, and what had been published.

    `step` is what to do next, `details` are the same facts for --json.
    """

    def __init__(self, message: str, *, step: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.step = step
        self.details = details


class RunPutOffError(RunFailedError):
    """A limit lets the source run, or go on, only later; the message says when."""


class CursorRefusedError(CommandError):
    """What was typed is no value of the source's cursor."""


class ServerFaultError(CommandError):
    """What is wrong with a server, and `fix`: what to do about it."""

    def __init__(self, detail: str, fix: str) -> None:
        super().__init__(detail)
        self.fix = fix
