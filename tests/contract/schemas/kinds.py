"""Every kind of field, with values to put into it and what a reader finds; and random models made of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from hypothesis import strategies as st
from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    HttpUrl,
    NaiveDatetime,
    RootModel,
    SecretBytes,
    SecretStr,
    create_model,
)


class Colour(StrEnum):
    """Legal as symbols."""

    RED = "red"
    BLUE = "blue"


class Weather(Enum):
    """Not legal as symbols."""

    CLEAR = "clear sky"
    RAIN = "rain, light"


class Level(IntEnum):
    LOW = -1
    HIGH = 70_000


class Point(BaseModel):
    x: float
    y: float
    label: str | None = None


class Tags(RootModel[list[str]]):
    pass


@dataclass(frozen=True)
class Kind:
    """A field's annotation, values for it, and what fastavro's reader gives back for each."""

    annotation: Any
    values: st.SearchStrategy[Any]
    read: Callable[[Any], Any] = lambda value: value


def _utf8(value: str) -> bytes:
    return value.encode()


def _micros(value: timedelta) -> int:
    return value // timedelta(microseconds=1)


def _encoded_long(value: int) -> bytes:
    zigzag, encoded = value << 1 ^ value >> 63, b""
    while zigzag > 127:
        encoded, zigzag = encoded + bytes((zigzag & 127 | 128,)), zigzag >> 7
    return encoded + bytes((zigzag,))


def _day(year: int, month: int, day: int) -> datetime:
    return datetime.combine(date(year, month, day), time())


def _by_bytes(texts: set[str]) -> list[str]:
    return sorted(texts, key=lambda text: _encoded_long(len(_utf8(text))) + _utf8(text))


def _points(value: dict[str, list[Point | None]]) -> dict[str, list[dict[str, Any] | None]]:
    return {key: [dict(point) if point else None for point in points] for key, points in value.items()}


LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    (0, -1, 63, 64, -64, -65, 8191, 8192, -1024, -1025, 2**49, 2**56)
)
TEXTS = st.text() | st.sampled_from(("", "\0", "é:\\", "𝄞" * 20, "x" * 9000))
OFFSETS = st.builds(timezone, st.integers(-1439, 1439).map(lambda minutes: timedelta(minutes=minutes)))
# A day's margin keeps the moment within year 1 and 9999 in every zone.
NAIVE = st.datetimes(_day(1, 1, 2), _day(9999, 12, 30)) | st.datetimes(_day(1960, 1, 1), _day(1990, 1, 1))
AWARE = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), NAIVE, OFFSETS | st.just(UTC))
AMOUNTS = st.decimals(Decimal("-9999999.99"), Decimal("9999999.99"), places=2, allow_nan=False)
POINTS = st.builds(Point, x=st.floats(), y=st.floats(allow_nan=False), label=st.none() | TEXTS)
NESTED = st.dictionaries(TEXTS, st.lists(st.none() | POINTS, max_size=3), max_size=3)
WIDE = POINTS | st.sampled_from(Colour) | st.lists(LONGS) | st.floats() | st.none()
JSONS = st.recursive(
    st.none() | st.booleans() | LONGS | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)

SCALARS: dict[str, Kind] = {
    "bool": Kind(bool, st.booleans()),
    "int": Kind(int, LONGS),
    "float": Kind(float, st.floats()),
    "str": Kind(str, TEXTS),
    "bytes": Kind(bytes, st.binary()),
    "datetime": Kind(datetime, NAIVE | AWARE, lambda v: v if v.tzinfo else v.replace(tzinfo=UTC)),
    "aware": Kind(AwareDatetime, AWARE),
    "naive": Kind(NaiveDatetime, NAIVE),
    "date": Kind(date, st.dates()),
    "time": Kind(time, st.times()),
    "timedelta": Kind(timedelta, st.timedeltas(-timedelta(days=10**8), timedelta(days=10**8)), _micros),
    "decimal": Kind(Annotated[Decimal, Field(max_digits=9, decimal_places=2)], AMOUNTS),
    "uuid": Kind(UUID, st.uuids()),
    "ip": Kind(IPv4Address | IPv6Address, st.ip_addresses(), str),
    "network": Kind(IPv6Network, st.ip_addresses(v=6).map(IPv6Network), str),
    "path": Kind(Path, st.sampled_from(("/a/b", "c", "é")).map(Path), str),
    "url": Kind(HttpUrl, st.sampled_from(("http://a.example/", "https://b.example/x?y=1")).map(HttpUrl), str),
    "secret": Kind(SecretStr, TEXTS.map(SecretStr), lambda v: v.get_secret_value()),
    "secret_bytes": Kind(SecretBytes, st.binary().map(SecretBytes), lambda v: v.get_secret_value()),
    "enum": Kind(Colour, st.sampled_from(Colour), str),
    "text_enum": Kind(Weather, st.sampled_from(Weather), lambda v: v.value),
    "int_enum": Kind(Level, st.sampled_from(Level), int),
    "literal": Kind(Literal["on", "off"], st.sampled_from(("on", "off"))),
    "json": Kind(
        Any, JSONS, lambda v: json.dumps(v, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    ),
}

COMPOSED: dict[str, Kind] = {
    "list": Kind(list[int], st.lists(LONGS)),
    "texts": Kind(tuple[str, ...], st.lists(TEXTS).map(tuple), list),
    "set": Kind(set[str], st.sets(st.text(max_size=20)), _by_bytes),
    "numbers": Kind(frozenset[int], st.frozensets(LONGS), lambda v: sorted(v, key=_encoded_long)),
    "map": Kind(dict[str, float | None], st.dictionaries(TEXTS, st.none() | st.floats())),
    "point": Kind(Point, POINTS, lambda v: dict(v)),
    "points": Kind(list[Point], st.lists(POINTS, max_size=4), lambda v: [dict(p) for p in v]),
    "nested": Kind(dict[str, list[Point | None]], NESTED, _points),
    "union": Kind(int | str | bool, LONGS | TEXTS | st.booleans()),
    "wide_union": Kind(
        Point | Colour | list[int] | float | None, WIDE, lambda v: dict(v) if isinstance(v, Point) else v
    ),
    "root": Kind(Tags, st.lists(TEXTS).map(Tags), lambda v: v.root),
    "free": Kind(dict[str, Any], st.dictionaries(st.text(), JSONS, max_size=3), SCALARS["json"].read),
}

KINDS = SCALARS | COMPOSED


def optional(kind: Kind) -> Kind:
    """The same, or None."""
    return Kind(
        kind.annotation | None, st.none() | kind.values, lambda v: None if v is None else kind.read(v)
    )


def model(kinds: dict[str, Kind], name: str = "Record") -> type[BaseModel]:
    """A model with a field of each kind."""
    fields: dict[str, Any] = {field: (kind.annotation, ...) for field, kind in kinds.items()}
    made: type[BaseModel] = create_model(name, **fields)
    return made


@st.composite
def random_kinds(draw: st.DrawFn) -> dict[str, Kind]:
    """Up to eight fields of random kinds, in random order, some of them optional."""
    names = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=8))
    chosen = [
        optional(KINDS[name]) if name != "json" and draw(st.booleans()) else KINDS[name] for name in names
    ]
    return {f"f{place}_{name}": kind for place, (name, kind) in enumerate(zip(names, chosen, strict=True))}


def values(kinds: dict[str, Kind]) -> st.SearchStrategy[dict[str, Any]]:
    """A value for each field."""
    return st.fixed_dictionaries({name: kind.values for name, kind in kinds.items()})
