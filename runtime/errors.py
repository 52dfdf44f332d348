"""What can go wrong around a daemon, grouped by what to do next.

PlatformError
├── StartError            stop, change something, start again
│   ├── SettingsError     settings that are unknown, unreadable or out of range
│   └── PortTakenError    somebody else listens on the port for health and metrics
└── DependencyError       a server did not answer in time: try again when it does
"""

from collections.abc import Sequence


class PlatformError(Exception):
    """Root of what this room raises."""


class StartError(PlatformError):
    """The process cannot start as it is set up."""


class SettingsError(StartError):
    """One or more settings are wrong.

    `problems` holds one sentence each: which setting, where it stands, why it is refused, what to write
    instead. No sentence holds a secret's value.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class PortTakenError(StartError):
    """The address for health and metrics is in use."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        super().__init__(
            f"{host}:{port} for health and metrics is taken by another process. "
            "Set INGEST_HTTP__PORT to a free port, or to 0 for any free one."
        )


class DependencyError(PlatformError):
    """A server we depend on did not answer in time; trying again later may work."""
