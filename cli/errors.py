"""What the commands themselves can refuse.

CommandError
└── NotFoundError     a topic or file that was named does not exist
"""


class CommandError(Exception):
    """A command cannot do what it was asked for; the message says why and what to do."""


class NotFoundError(CommandError):
    """What the command was pointed at does not exist."""
