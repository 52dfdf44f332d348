"""Splits SQL into tokens by ClickHouse's rules, so that words inside strings and comments are not mistaken
for keywords.

Only what the front needs is told apart; whether the text is a valid statement is the engine's business.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass


class Kind(enum.Enum):
    """What a token is."""

    WORD = enum.auto()
    QUOTED = enum.auto()
    STRING = enum.auto()
    MARK = enum.auto()


@dataclass(frozen=True)
class Token:
    """A significant token: bytes `start` to `end` of the text it was found in."""

    kind: Kind
    text: bytes
    start: int
    end: int

    def is_word(self, *words: bytes) -> bool:
        """Whether this is one of the keywords (given in upper case), unquoted."""
        return self.kind is Kind.WORD and self.text.upper() in words

    def is_mark(self, mark: bytes) -> bool:
        """Whether this is the given punctuation character."""
        return self.kind is Kind.MARK and self.text == mark

    @property
    def name(self) -> bytes | None:
        """The identifier this token stands for, None if it is none. Escapes are left as they are."""
        if self.kind is Kind.WORD:
            return self.text
        return self.text[1:-1] if self.kind is Kind.QUOTED else None


# Quotes escape by a backslash or by doubling. An open quote or comment runs to the end of the text: the
# engine then reports it in its own words.
_TOKEN = re.compile(
    rb"""
    (?P<space> [ \t\n\r\f\v\x00]++ | --[^\n]*+ | //[^\n]*+ | \#[ !][^\n]*+ )
  | (?P<comment> /\* )
  | (?P<string> '(?:[^'\\]++|\\.|'')*+ (?:'|\Z|\\\Z)
              | \$(?P<tag>[A-Za-z0-9_]*+)\$ .*? \$(?P=tag)\$
              | \xe2\x80\x98.*?(?:\xe2\x80\x99|\Z) )
  | (?P<quoted> `(?:[^`\\]++|\\.|``)*+ (?:`|\Z|\\\Z)
              | "(?:[^"\\]++|\\.|"")*+ (?:"|\Z|\\\Z)
              | \xe2\x80\x9c.*?(?:\xe2\x80\x9d|\Z) )
  | (?P<word> [A-Za-z0-9_$]++ )
  | (?P<mark> . )
    """,
    re.DOTALL | re.VERBOSE,
)
_COMMENT_EDGE = re.compile(rb"/\*|\*/")
_KINDS = {"string": Kind.STRING, "quoted": Kind.QUOTED, "word": Kind.WORD, "mark": Kind.MARK}


def tokens(text: bytes, start: int = 0) -> Iterator[Token]:
    """Yield the significant tokens of `text` from `start`; white space and comments are passed over."""
    position = start
    while position < len(text):
        found = _TOKEN.match(text, position)
        # The last alternative takes any byte, so something always matches.
        assert found is not None
        group = found.lastgroup
        assert group is not None
        position = found.end()
        if group == "comment":
            position = _comment_end(text, position)
        elif group != "space":
            yield Token(_KINDS[group], found.group(group), found.start(), position)


def _comment_end(text: bytes, position: int) -> int:
    """Return where the comment ends whose opening mark lies before `position`; comments nest."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(text, position)
        if edge is None:
            return len(text)
        depth += 1 if edge.group() == b"/*" else -1
        position = edge.end()
    return position
