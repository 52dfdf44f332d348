"""Errors as a ClickHouse server words them, with the HTTP status it would answer.

    FrontError
    ├── StatementError       the request is refused or has failed: a code, a name, a message, a status
    └── EngineStartError     the engine cannot open its data folder; the process ends

Engine messages are put into the server's shape here, in one place.
"""

import re

# By code, as in ClickHouse's exceptionCodeToHTTPStatus; everything else is 500.
_STATUSES = {
    400: (
        *(6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123),
        *(167, 168, 223, 321, 376, 427, 441, 675, 676),
    ),
    401: (194,),
    403: (192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    408: (159,),
    411: (381,),
    413: (229,),
    415: (779,),
    501: (48,),
    503: (76, 209, 439),
}
_STATUS_OF = {code: status for status, codes in _STATUSES.items() for code in codes}

_PREFIX = re.compile(r"\s*Code: (\d+)\. DB::Exception: ")
_SUFFIX = re.compile(r"\s*\(version [^()]*(?:\([^()]*\))?\)\.?\s*$")
_NAME = re.compile(r"\s*\(([A-Z][A-Z0-9_]*)\)\.?\s*$")
_AVRO_FROM_FILE = re.compile(
    r"std::exception\. Code: 1001, type: avro::Exception, e\.what\(\) = (.*)", re.DOTALL
)


class FrontError(Exception):
    """Root of the front's errors."""


class EngineStartError(FrontError):
    """The engine cannot open its data folder; the text says why and what to do."""


class StatementError(FrontError):
    """A statement that the server refuses, or that failed while it ran."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status a server answers with."""
        return _STATUS_OF.get(self.code, 500)

    def body(self, version: str) -> bytes:
        """The answer's body in the server's words."""
        end = "" if self.message.endswith(".") else "."
        text = (
            f"Code: {self.code}. DB::Exception: {self.message}{end} ({self.name}) "
            f"(version {version} (official build))\n"
        )
        return text.encode()


def from_engine(text: str) -> StatementError:
    """Return the error that the engine's exception text describes.

    Texts that carry no code become 1002, UNKNOWN_EXCEPTION, the server's code for errors it cannot name.
    """
    code, name = 1002, "UNKNOWN_EXCEPTION"
    start = text.find("Code: ")
    message = text[start:] if start > 0 and _PREFIX.match(text, start) else text
    # Errors met while reading a file arrive wrapped: the code, version and name are there twice.
    while prefix := _PREFIX.match(message):
        code = int(prefix.group(1))
        message = message[prefix.end() :]
    message = _SUFFIX.sub("", message)
    while found := _NAME.search(message):
        name = found.group(1)
        message = _SUFFIX.sub("", message[: found.start()])
    message = _SUFFIX.sub("", message)
    # The engine reads data from a file here where a server reads it from the request; for the latter it
    # has a code of its own (748), and clients should see what a server would show them.
    if code == 1001 and (avro := _AVRO_FROM_FILE.match(message)):
        return StatementError(748, "AVRO_EXCEPTION", f"avro::Exception: {avro.group(1)}")
    return StatementError(code, name, message)


def syntax_error(message: str) -> StatementError:
    """A statement that cannot be parsed."""
    return StatementError(62, "SYNTAX_ERROR", message)
