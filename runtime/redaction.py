"""Keeps secrets out of what people and log stores see: by the look of a name, and by the known values."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, SecretStr

from runtime.settings import Settings

HIDDEN = "**********"

_SECRET_NAME = re.compile(
    r"passw|pwd|secret|token|credential|authori[sz]ation|cookie|jwt|bearer|(api|access|private|signing|auth)[_.-]?key"
    r"|^auth$",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")

# Hiding a value this short would blank out half of every line and protect nobody.
_SHORTEST = 4


def looks_secret(name: str) -> bool:
    """True for names under which secrets are usually kept, such as `api_key` or `sasl.password`."""
    return bool(_SECRET_NAME.search(name))


def hide(value: Any, secrets: Iterable[str] = (), *, name: str = "") -> Any:
    """A copy of `value` for showing: secrets, passwords in URLs and values under secret names are replaced.

    Goes through dicts, lists and tuples; anything that is not plain data is returned as it is.
    """
    if isinstance(value, SecretStr) or (looks_secret(name) and value not in (None, "", 0)):
        return HIDDEN
    if isinstance(value, str):
        return hide_text(value, secrets)
    if isinstance(value, Mapping):
        return {key: hide(inner, secrets, name=str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [hide(inner, secrets) for inner in value]
    return value


def hide_text(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the known secrets and without passwords in URLs."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _USER_INFO.sub(rf"\1:{HIDDEN}@", text) if "://" in text else text


def secret_values(settings: Settings) -> Sequence[str]:
    """The secrets in these settings, the longest first, each also as it looks inside a URL or a `repr`."""
    found = {settings.clickhouse.address.password, *_secrets_in(dict(settings), "")}
    # Of this URL only the password is one: without it, it is where ClickHouse is, and errors must say so.
    found.discard(settings.clickhouse.url.get_secret_value())
    # A line break at the end, from an editor or `echo`, is escaped or lost where an error quotes the value.
    found |= {secret.strip() for secret in found}
    spellings = found | {quote(secret, safe="") for secret in found} | {repr(each)[1:-1] for each in found}
    return sorted((text for text in spellings if len(text) >= _SHORTEST), key=len, reverse=True)


def _secrets_in(value: Any, name: str) -> Collection[str]:
    if isinstance(value, SecretStr):
        return {value.get_secret_value()}
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        return {secret for key, inner in value.items() for secret in _secrets_in(inner, str(key))}
    if isinstance(value, list | tuple):
        return {secret for inner in value for secret in _secrets_in(inner, name)}
    if isinstance(value, str):
        in_urls = {match.group(2) for match in _USER_INFO.finditer(value)}
        # In a log line `key` is a record's key; in a connector's settings it is where people put the API's.
        return in_urls | ({value} if looks_secret(name) or name == "key" else set())
    return set()
