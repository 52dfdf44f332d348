"""Quoting for ClickHouse. Every name or text that comes from outside enters SQL through here.

Topic and field names are whatever others registered: backticks, quotes, newlines, keywords.
"""

_ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\r": "\\r", "\n": "\\n", "\t": "\\t", "\0": "\\0"}
_IN_TEXT = str.maketrans({**_ESCAPES, "'": "\\'"})
_IN_NAME = str.maketrans({**_ESCAPES, "`": "\\`"})


def identifier(name: str) -> str:
    """`name` in backticks; safe for any text."""
    return f"`{_clean(name).translate(_IN_NAME)}`"


def qualified(database: str, name: str) -> str:
    """`database`.`name`, both quoted."""
    return f"{identifier(database)}.{identifier(name)}"


def text(value: str) -> str:
    """`value` as a string literal; safe for any text."""
    return f"'{_clean(value).translate(_IN_TEXT)}'"


def _clean(value: str) -> str:
    # JSON can carry half of a surrogate pair, which has no UTF-8 form.
    return value.encode(errors="replace").decode()
