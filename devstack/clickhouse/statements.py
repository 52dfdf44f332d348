"""Tells what kind of statement a text is, and rewrites the few that chdb needs put differently.

- An INSERT with data becomes `INSERT … FROM INFILE`: only then does the engine report what it refuses.
- `query_id` in KILL QUERY and system.processes becomes the setting that carries the client's query id,
  because chdb gives queries ids of its own.
- What a server refuses over HTTP and chdb would do (two statements, INTO OUTFILE, INFILE) is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from devstack.clickhouse.errors import StatementError, syntax_error
from devstack.clickhouse.lexer import Kind, Token, tokens

# Holds the client's query id while a query runs; chdb keeps no query log, so nothing else needs the setting.
QUERY_ID_SETTING = "log_comment"
_QUERY_ID = b"Settings['log_comment']"
_PROCESSES = (
    b"(SELECT * REPLACE (if(empty(" + _QUERY_ID + b"), query_id, " + _QUERY_ID + b") AS query_id)"
    b" FROM system.processes)"
)

_RESULT_WORDS = (b"SELECT", b"WITH", b"FROM", b"SHOW", b"DESCRIBE", b"DESC", b"EXPLAIN", b"EXISTS", b"CHECK")


@dataclass(frozen=True)
class Query:
    """A statement without data. `format` is the answer's format if the text names one."""

    text: bytes
    returns_rows: bool
    format: str | None = None


@dataclass(frozen=True)
class Insert:
    """An INSERT with data; the data begins at `data_start` of the text that was parsed."""

    target: bytes
    clauses: bytes
    format: bytes
    data_start: int

    def from_file(self, name: str) -> bytes:
        """The statement that reads the data from the file `name` (letters and digits only)."""
        assert name.isalnum()
        infile = f" FROM INFILE '{name}' COMPRESSION 'none' ".encode()
        return self.target + infile + self.clauses + b" FORMAT " + self.format


def parse(text: bytes) -> Query | Insert:
    """Return the statement in `text`.

    Raises StatementError for empty text, several statements, and what a server refuses over HTTP. Anything
    else that is wrong is left to the engine.
    """
    stream = tokens(text)
    first = next(stream, None)
    if first is None:
        raise syntax_error("Syntax error: failed at position 1 (end of query): Empty query.")
    if first.is_word(b"INSERT") and (insert := _Insertion(text).parse()):
        return insert
    found = list(tokens(text))
    _refuse(found)
    found = _without_end(found)
    if not found:
        raise syntax_error("Syntax error: failed at position 1 (;): Empty query.")
    if first.is_word(b"KILL"):
        return Query(_rewritten_kill(text, found), returns_rows=True, format=_format(found))
    if first.is_word(b"SELECT", b"WITH"):
        return Query(_rewritten_select(text, found), returns_rows=True, format=_format(found))
    return Query(text[: found[-1].end], first.is_word(*_RESULT_WORDS) or first.is_mark(b"("), _format(found))


class _Insertion:
    """Walks over an INSERT's tokens up to where the data begins, and not into it."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._stream = tokens(text)
        self._token = next(self._stream, None)

    def parse(self) -> Insert | None:
        """Return the insert, None if no data follows (INSERT … SELECT, or not an INSERT after all)."""
        self._skip_target()
        clauses: int | None = None
        while (token := self._token) is not None:
            if token.is_word(b"SETTINGS") and clauses is None:
                clauses = token.start
            elif token.is_word(b"VALUES"):
                self._next()
                start = self._token.start if self._token else len(self._text)
                return self._insert(clauses, token, b"Values", start)
            elif token.is_word(b"FORMAT"):
                return self._with_format(clauses, token)
            elif token.is_word(b"SELECT", b"WITH", b"WATCH", b"EXPLAIN", b"FROM") or token.is_mark(b";"):
                return None
            elif token.is_mark(b"("):
                self._skip_brackets()
                continue
            self._next()
        return None

    def _next(self) -> None:
        self._token = next(self._stream, None)

    def _skip_word(self, word: bytes) -> bool:
        if self._token is None or not self._token.is_word(word):
            return False
        self._next()
        return True

    def _skip_target(self) -> None:
        """Pass INSERT [INTO] [TABLE] [FUNCTION] name[.name], whatever words the name is made of."""
        self._next()
        self._skip_word(b"INTO")
        self._skip_word(b"TABLE")
        self._skip_word(b"FUNCTION")
        self._next()
        while self._token is not None and self._token.is_mark(b"."):
            self._next()
            self._next()

    def _skip_brackets(self) -> None:
        depth = 0
        while (token := self._token) is not None:
            depth += token.is_mark(b"(") - token.is_mark(b")")
            self._next()
            if depth == 0:
                return

    def _with_format(self, clauses: int | None, keyword: Token) -> Insert | None:
        self._next()
        name = self._token
        if name is None or name.name is None:
            return None
        start = name.end
        if self._text[start : start + 1] == b";":
            raise syntax_error("You have excessive ';' symbol before data for INSERT")
        while self._text[start : start + 1] in (b" ", b"\t", b"\f"):
            start += 1
        # One line break after the name belongs to the statement, whatever follows is data.
        start += self._text[start : start + 1] == b"\r"
        start += self._text[start : start + 1] == b"\n"
        return self._insert(clauses, keyword, name.text, start)

    def _insert(self, clauses: int | None, keyword: Token, name: bytes, start: int) -> Insert:
        end = keyword.start if clauses is None else clauses
        return Insert(self._text[:end], self._text[end : keyword.start], name, start)


def _refuse(found: Sequence[Token]) -> None:
    """Raise for what chdb would carry out and a server does not allow over HTTP."""
    for token, after in pairwise(found):
        if token.is_mark(b";") and not after.is_mark(b";"):
            at = token.start + 1
            raise syntax_error(
                f"Syntax error (Multi-statements are not allowed): failed at position {at} (;)"
            )
        if token.is_word(b"INTO") and after.is_word(b"OUTFILE"):
            raise StatementError(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed")
        if token.is_word(b"FROM") and after.is_word(b"INFILE"):
            raise StatementError(
                78, "UNKNOWN_TYPE_OF_QUERY", "Query has infile and was send directly to server"
            )
        if found[0].is_word(b"INSERT") and token.is_word(b"INPUT") and after.is_mark(b"("):
            raise StatementError(
                48,
                "NOT_IMPLEMENTED",
                "The dev stack's ClickHouse front does not carry data for input(); "
                "insert with FORMAT, or into a table and SELECT from that",
            )


def _without_end(found: list[Token]) -> list[Token]:
    while found and found[-1].is_mark(b";"):
        found = found[:-1]
    return found


def _format(found: Sequence[Token]) -> str | None:
    """The format named at the end of a statement, before SETTINGS or nothing."""
    for index in range(len(found) - 2, 0, -1):
        if found[index].is_word(b"FORMAT") and found[index + 1].kind is Kind.WORD:
            after = found[index + 2] if index + 2 < len(found) else None
            if after is None or after.is_word(b"SETTINGS"):
                return found[index + 1].text.decode()
    return None


def _rewritten_kill(text: bytes, found: Sequence[Token]) -> bytes:
    ids = [(token.start, token.end, _QUERY_ID) for token in found if token.name == b"query_id"]
    return _replaced(text, found[-1].end, ids)


def _rewritten_select(text: bytes, found: Sequence[Token]) -> bytes:
    """The text with system.processes replaced by one whose query_id is the client's."""
    places = [
        (first.start, last.end, _PROCESSES)
        for first, dot, last in zip(found, found[1:], found[2:], strict=False)
        if first.name == b"system" and dot.is_mark(b".") and last.name == b"processes"
    ]
    return _replaced(text, found[-1].end, places)


def _replaced(text: bytes, end: int, places: Sequence[tuple[int, int, bytes]]) -> bytes:
    parts: list[bytes] = []
    position = 0
    for start, stop, new in places:
        parts += [text[position:start], new]
        position = stop
    return b"".join([*parts, text[position:end]])
