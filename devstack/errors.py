"""What can go wrong with the dev stack, grouped by what to do next.

    DevStackError
    ├── TryAgainError            the same call may work the next time
    │   ├── DownloadError        Maven did not deliver the broker's jars
    │   ├── PartNotReadyError    a process did not answer in time, or ended before it did
    │   └── PartDiedError        a process that had answered has ended by itself
    └── SetupError               nothing changes until a person changes something
        ├── MissingToolError     Java, Maven, a wheel or a data file is not there
        ├── BrokerChoiceError    INGEST_DEV_BROKER or --broker names no broker we have
        ├── FolderInUseError     another live stack works in the folder
        ├── FolderUnusableError  a folder cannot be made or written
        └── PortTakenError       the address that clients were given is held by someone else

Messages say what happened, where, and what to do. The parts' own servers have their own errors.
"""


class DevStackError(Exception):
    """Root of the dev stack's errors."""


class TryAgainError(DevStackError):
    """The same call may work the next time."""


class DownloadError(TryAgainError):
    """Maven did not deliver the broker's jars."""


class PartNotReadyError(TryAgainError):
    """A process did not answer in time, or ended before it did."""


class PartDiedError(TryAgainError):
    """A process that had answered has ended by itself."""


class SetupError(DevStackError):
    """Nothing changes until a person changes something."""


class MissingToolError(SetupError):
    """Java, Maven, a wheel or a data file is not there."""


class BrokerChoiceError(SetupError):
    """INGEST_DEV_BROKER or --broker names no broker we have."""


class FolderInUseError(SetupError):
    """Another live stack works in the folder."""


class FolderUnusableError(SetupError):
    """A folder cannot be made or written."""


class PortTakenError(SetupError):
    """The address that clients were given is held by someone else."""
