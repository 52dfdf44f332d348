"""Avro's binary encoding of single values: what the generated encoder calls and looks up.

Every helper raises on a value it cannot carry exactly; which field it was is found afterwards by
`schemas.datum`.
"""

import struct
from array import array
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from schemas.datum import json_text
from schemas.identity import ID_BYTES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)

# Varints carry seven bits a byte, and a bit that says "more follows"; these tables make two bytes at a
# time. Arrays of numbers, not lists of bytes, so that they stay in the processor's cache.
_PAIR = 0x3FFF
_MORE = array("H", (n & 0x7F | 0x80 | (n >> 7 | 0x80) << 8 for n in range(_PAIR + 1)))
_LAST = array("H", (n & 0x7F | 0x80 | n >> 7 << 8 if n > 0x7F else n for n in range(_PAIR + 1)))
_TWO_PAIRS, _THREE_PAIRS, _FOUR_PAIRS = (struct.Struct(f"<{pairs}H").pack for pairs in (2, 3, 4))
_INSTANT = struct.Struct("<HH4s").pack
# Between these, a doubled count of microseconds takes eight bytes: from the end of 1978 to the year 3111.
_EIGHT_BYTES_FROM, _EIGHT_BYTES_TO = 1 << 49, 1 << 56

# Every table of longs holds these ready; lengths, counts and small measures are among them.
_READY = range(-1024, 8192)
_NO_OFFSET = timedelta()
_MICROSECOND = timedelta(microseconds=1)


def varint(number: int) -> bytes:
    """A number from 0 to 2^64 - 1 in as few bytes as will do; raises OverflowError beyond."""
    if number < 1 << 14:
        return bytes((number & 0x7F | 0x80, number >> 7)) if number > 0x7F else bytes((number,))
    if number < 1 << 28:
        encoded = _TWO_PAIRS(_MORE[number & _PAIR], _LAST[number >> 14])
        return encoded if number >> 21 else encoded[:3]
    if number < 1 << 42:
        encoded = _THREE_PAIRS(_MORE[number & _PAIR], _MORE[number >> 14 & _PAIR], _LAST[number >> 28])
        return encoded if number >> 35 else encoded[:5]
    if number >= 1 << 64:
        raise OverflowError("beyond 64 bits")
    low = _FOUR_PAIRS(*(_MORE[number >> shift & _PAIR] for shift in (0, 14, 28, 42)))
    if number >> 56:
        return low + varint(number >> 56)
    size = (number.bit_length() - 1) // 7
    return low[:size] + bytes((number >> 7 * size,))


def long(number: int) -> bytes:
    """Avro's long; raises TypeError for what is no int, OverflowError beyond 64 bits."""
    if not isinstance(number, int):
        raise TypeError(f"{type(number).__name__} is not an int")
    # Beyond 64 bits, the zigzag is too, whatever the sign.
    return varint(number << 1 ^ number >> 63)


def framed(body: bytes) -> bytes:
    """A length and the bytes: Avro's bytes and strings."""
    return long(len(body)) + body


class Longs(dict[Any, bytes]):
    """Longs behind a fixed prefix, by subscription: small ones are ready, others are computed and not kept.

    `none` is what None gives, where None is a value.
    """

    def __init__(self, prefix: bytes, none: bytes | None = None) -> None:
        super().__init__((number, prefix + long(number)) for number in _READY)
        self._prefix = prefix
        if none is not None:
            self[None] = none

    def __missing__(self, number: Any) -> bytes:
        return self._prefix + long(number)


@lru_cache(maxsize=64)
def longs(prefix: bytes, none: bytes | None) -> Longs:
    """The table for a prefix, one for all encoders: prefixes are few, and a table takes two megabytes."""
    return Longs(prefix, none)


class _Kept(dict[Any, bytes]):
    """Encodings or texts by value, computed when first met; forgets all when it holds `limit` of them."""

    def __init__(self, compute: Callable[[Any], bytes], limit: int) -> None:
        super().__init__()
        self._compute, self._limit = compute, limit

    def __missing__(self, value: Any) -> bytes:
        if len(self) >= self._limit:
            self.clear()
        self[value] = encoded = self._compute(value)
        return encoded


def _date(day: Any) -> bytes:
    if not isinstance(day, date) or isinstance(day, datetime):
        raise TypeError(f"{type(day).__name__} is not a date")
    return long(day.toordinal() - EPOCH.toordinal())


DATES = _Kept(_date, 4096)


# Neighbouring records have neighbouring times: the upper half of an instant's bytes changes every 134 s.
_INSTANT_ENDS = _Kept(lambda upper: struct.pack("<HH", _MORE[upper & _PAIR], _LAST[upper >> 14]), 4096)


def epoch_of(moment: datetime) -> datetime:
    """What to subtract from `moment`; without a zone it is read as UTC."""
    return NAIVE_EPOCH if moment.tzinfo is None else EPOCH


def instant(since: timedelta) -> bytes:
    """Microseconds since the epoch."""
    doubled = since // _MICROSECOND << 1
    if _EIGHT_BYTES_FROM <= doubled < _EIGHT_BYTES_TO:
        return _INSTANT(_MORE[doubled & _PAIR], _MORE[doubled >> 14 & _PAIR], _INSTANT_ENDS[doubled >> 28])
    return long(doubled >> 1)


_DAY_TEXTS = _Kept(lambda days: f"{(EPOCH + timedelta(days=days)).date()}T".encode(), 4096)
_CLOCK_TEXTS = _Kept(lambda seconds: f"{(EPOCH + timedelta(seconds=seconds)).time()}Z".encode(), 86400)


def iso(since: timedelta) -> bytes:
    """The text of an instant in UTC, given its distance from the epoch."""
    if since.microseconds:
        return f"{(EPOCH + since).replace(tzinfo=None).isoformat()}Z".encode()
    return _DAY_TEXTS[since.days] + _CLOCK_TEXTS[since.seconds]


def duration(value: timedelta) -> bytes:
    """A length of time in microseconds."""
    return long(value // _MICROSECOND)


def clock(value: time) -> bytes:
    """A time of day in microseconds since midnight."""
    if value.tzinfo is not None and value.utcoffset() != _NO_OFFSET:
        raise ValueError("a time of day with an offset")
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return long(seconds * 1_000_000 + value.microsecond)


def decimal(value: Decimal, unit: Decimal, exact: Context) -> bytes:
    """An unscaled integer, big-endian in as few bytes as fastavro uses, framed as bytes.

    `unit` is the last place; `exact` is a context of the schema's precision that refuses to round.
    """
    number = int(value.quantize(unit, context=exact).scaleb(-unit.adjusted(), exact))
    return framed(number.to_bytes((number.bit_length() + 8) // 8, "big", signed=True))


def exact_context(precision: int) -> Context:
    """A decimal context that raises rather than round or exceed `precision` digits."""
    return Context(prec=precision, traps=[Inexact, InvalidOperation])


utf8 = str.encode


@lru_cache(maxsize=256)
def packer(layout: str) -> Callable[..., bytes]:
    """The pack function of a struct, one for all encoders."""
    return struct.Struct(layout).pack


def plain_bytes(value: bytes) -> bytes:
    """`value` itself; raises TypeError for anything that merely has a buffer."""
    require(value, bytes)
    return value


def text(value: Any, classes: tuple[type, ...]) -> bytes:
    """The text of a value that is published as its text (an address, a path, a UUID)."""
    return str(require(value, classes)).encode()


def secret(value: Any, classes: tuple[type, ...]) -> bytes:
    """What a secret holds, in clear."""
    held = require(value, classes).get_secret_value()
    return held if isinstance(held, bytes) else utf8(held)


def json_bytes(value: Any, classes: tuple[type, ...]) -> bytes:
    """JSON text in UTF-8."""
    return json_text(require(value, classes)).encode()


def escape(key: bytes) -> bytes:
    """The text of a key field, so that an unescaped ":" only ever joins two fields."""
    return key.replace(b"\\", b"\\\\").replace(b":", b"\\:")


# Copying one costs half of making one.
_FRESH = blake2b(digest_size=ID_BYTES)


def digest(body: bytes) -> bytes:
    """The id of a record without a key."""
    hasher = _FRESH.copy()
    hasher.update(body)
    return hasher.hexdigest().encode()


def require(value: Any, classes: type | tuple[type, ...]) -> Any:
    """`value`, if it is an instance of `classes`; raises TypeError."""
    if not isinstance(value, classes):
        raise TypeError(f"{type(value).__name__} is not a {classes}")
    return value
