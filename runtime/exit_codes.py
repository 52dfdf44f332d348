"""What the number a command or daemon ends with means. Scripts and supervisors rely on these.

They do not change.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `ingest`, `python -m producer` and `python -m consumer`."""

    OK = 0
    ERROR = 1
    USAGE = 2
    CONFIG = 3
    UNREACHABLE = 4
    INCOMPATIBLE = 5
    DEAD_LETTERS = 6
    LATER = 75
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line for help pages and documentation."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done; of a daemon: drained after SIGTERM or Ctrl-C",
    ExitCode.ERROR: "an error without a code of its own",
    ExitCode.USAGE: "the command line was not understood",
    ExitCode.CONFIG: "a setting, a connector, a file or a value of yours is wrong",
    ExitCode.UNREACHABLE: "the broker, the registry, ClickHouse or a port is not available",
    ExitCode.INCOMPATIBLE: "a schema is incompatible with what is already registered",
    ExitCode.DEAD_LETTERS: "done, but records were put into a dead letter topic",
    ExitCode.LATER: "not now: a limit lets the run go on later only, the source is paused (or, to change its "
    "cursor, is not), or a pause was not confirmed in time",
    ExitCode.INTERRUPTED: "`ingest run` interrupted before its source's end; a daemon by a second Ctrl-C "
    "(143: by a second SIGTERM)",
}

OK = ExitCode.OK
ERROR = ExitCode.ERROR
USAGE = ExitCode.USAGE
CONFIG = ExitCode.CONFIG
UNREACHABLE = ExitCode.UNREACHABLE
INCOMPATIBLE = ExitCode.INCOMPATIBLE
DEAD_LETTERS = ExitCode.DEAD_LETTERS
LATER = ExitCode.LATER
INTERRUPTED = ExitCode.INTERRUPTED
