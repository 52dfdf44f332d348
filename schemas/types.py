"""Type annotations, as pydantic understands them, to shapes.

    bool, int, float, str, bytes        boolean, long, double, string, bytes
    datetime (naive: read as UTC)       timestamp-micros; NaiveDatetime: local-timestamp-micros
    date, time, timedelta               date, time-micros, long with "unit": "microseconds"
    Decimal with digits, UUID           decimal in bytes, uuid
    IP addresses, paths, URLs, e-mail   string
    SecretStr, SecretBytes              string, bytes, in clear: the author declared them for publication
    enumerations, Literal               enum, string or long
    list, set, tuple[T, ...], dict      array, array in the order of its bytes, map by key
    Any, Json, dict[str, Any]           string of JSON text with "format": "json"
    models, unions, T | None            record, union, union with null

Models and their fields are read in `schemas.models`; this module only calls back for a nested model. What
cannot be mapped raises UnmappableFieldError with the field's path and what to declare instead.
"""

import collections
import dataclasses
import types
import typing
from collections import abc
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePath
from typing import Annotated, Any, Literal, NewType, Protocol, TypeVar, get_args, get_origin
from uuid import UUID

import pydantic
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from schemas.choices import enum_shape, literal_shape
from schemas.errors import UnmappableFieldError
from schemas.shapes import LISTS, Array, Choice, Fixed, Map, Null, Root, Scalar, Shape, Union, avro_name

# The consumer's fast path takes schemas up to this depth; deeper ones would be decoded one record at a time.
MAX_DEPTH = 16

_IPS = (IPv4Address, IPv6Address, IPv4Interface, IPv6Interface, IPv4Network, IPv6Network)

_URLS = (pydantic.AnyUrl, pydantic.PostgresDsn, pydantic.MongoDsn, pydantic.NatsDsn)
_JSON = Scalar("json", (object,))
_INSTANT = Scalar("instant", (datetime,))
_DATE = Scalar("date", (date,))

# Types that stand for another class at run time, found by identity.
_NAMED: dict[Any, Shape] = {
    Any: _JSON,
    pydantic.Json: _JSON,
    pydantic.JsonValue: _JSON,
    dict: Scalar("json", (dict,)),
    list: Scalar("json", (list,)),
    pydantic.AwareDatetime: _INSTANT,
    pydantic.FutureDatetime: _INSTANT,
    pydantic.PastDatetime: _INSTANT,
    pydantic.NaiveDatetime: Scalar("local_instant", (datetime,)),
    pydantic.FutureDate: _DATE,
    pydantic.PastDate: _DATE,
    pydantic.EmailStr: Scalar("string", (str,)),
    pydantic.NameEmail: Scalar("text", (pydantic.NameEmail,)),
    pydantic.IPvAnyAddress: Scalar("text", (IPv4Address, IPv6Address)),
    pydantic.IPvAnyInterface: Scalar("text", (IPv4Interface, IPv6Interface)),
    pydantic.IPvAnyNetwork: Scalar("text", (IPv4Network, IPv6Network)),
    pydantic.SecretStr: Scalar("secret", (pydantic.SecretStr,)),
    pydantic.SecretBytes: Scalar("secret_bytes", (pydantic.SecretBytes,)),
}

# By subclass, first match wins: bool before int, datetime before date.
_CLASSES: tuple[tuple[type, Shape], ...] = (
    (bool, Scalar("boolean", (bool,))),
    (int, Scalar("long", (int,))),
    (float, Scalar("double", (float, int))),
    (str, Scalar("string", (str,))),
    (bytes, Scalar("bytes", (bytes,))),
    (datetime, _INSTANT),
    (date, _DATE),
    (time, Scalar("time", (time,))),
    (timedelta, Scalar("duration", (timedelta,))),
    (UUID, Scalar("uuid", (UUID,))),
    *((ip, Scalar("text", (ip,))) for ip in _IPS),
    *((url, Scalar("text", (url,))) for url in _URLS),
    (PurePath, Scalar("text", (PurePath,))),
)

_LISTS = (list, tuple, collections.deque, abc.Sequence, abc.MutableSequence)
_SETS = (set, frozenset, abc.Set, abc.MutableSet)
_MAPS = (dict, collections.OrderedDict, collections.defaultdict, abc.Mapping, abc.MutableMapping)


_ALWAYS_NONE = ("is always None", "Leave the field out")

# What has no Avro type, and what an author declares instead.
_REFUSED: tuple[tuple[type, str, str], ...] = (
    (type(None), *_ALWAYS_NONE),
    (object, "is a bare object", "Declare its type, or Any to publish JSON text"),
    (complex, "is a complex number", "Declare two float fields"),
)


class Models(Protocol):
    """Reads nested models and keeps the names that one schema has given out."""

    def nested(self, cls: type[BaseModel], place: "Place") -> Shape:
        """The shape of a model that stands at `place`."""

    def name(self, cls: type) -> str:
        """The name of a record or enum within this schema, the same for the same class."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in a record model a type stands ("Record.items[].price"), and how to read it there."""

    models: Models
    path: str
    depth: int = 1

    def inside(self, suffix: str) -> "Place":
        """One level deeper, at `path` + `suffix`."""
        return Place(self.models, self.path + suffix, self.depth + 1)

    def refuse(self, why: str, instead: str) -> UnmappableFieldError:
        """The error to raise for this place."""
        return UnmappableFieldError(self.path, why, instead)

    def shape(self, annotation: Any, metadata: Iterable[Any] = ()) -> Shape:
        """The shape of `annotation` under pydantic's `metadata`; raises UnmappableFieldError."""
        annotation, notes = _unwrapped(annotation, metadata)
        if self.depth > MAX_DEPTH:
            raise self.refuse(
                f"is nested more than {MAX_DEPTH} levels deep, or within itself", "Flatten the model"
            )
        if any(isinstance(note, pydantic.PlainSerializer | pydantic.WrapSerializer) for note in notes):
            raise self.refuse(
                "has a serializer, which Avro does not run", "Convert in transform() or a validator"
            )
        origin = get_origin(annotation)
        if origin is None:
            return self._plain(annotation, notes)
        if origin in (typing.Union, types.UnionType):
            members = get_args(annotation)
            return self._union([Null() if m is type(None) else self.shape(m, notes) for m in members])
        if origin is Literal:
            return literal_shape(get_args(annotation), self.models.name, self.refuse)
        if isinstance(origin, TypeAliasType):
            return self.inside("").shape(origin.__value__[get_args(annotation)], notes)
        return self._container(annotation, origin, get_args(annotation) or (Any, Any))

    def _plain(self, annotation: Any, notes: tuple[Any, ...]) -> Shape:
        if annotation in _NAMED:
            return _NAMED[annotation]
        if isinstance(annotation, TypeAliasType):
            return self.inside("").shape(annotation.__value__, notes)
        if isinstance(annotation, NewType):
            return self.shape(annotation.__supertype__, notes)
        if isinstance(annotation, TypeVar):
            raise self.refuse(
                f"is an open type variable {annotation}", "Parametrise the generic model: Model[int]"
            )
        if not isinstance(annotation, type):
            raise self.refuse(
                f"{annotation!r} is not a type that Avro knows", "Declare one of the documented types"
            )
        return self._class(annotation, notes)

    def _class(self, cls: type, notes: tuple[Any, ...]) -> Shape:
        if issubclass(cls, BaseModel):
            return self.models.nested(cls, self)
        if issubclass(cls, Enum):
            return enum_shape(cls, self.models.name, self.refuse)
        if issubclass(cls, Decimal):
            return self._decimal(notes)
        for base, shape in _CLASSES:
            if issubclass(cls, base):
                return shape
        for refused, why, instead in _REFUSED:
            if cls is refused:
                raise self.refuse(why, instead)
        if dataclasses.is_dataclass(cls) or hasattr(cls, "__annotations__"):
            raise self.refuse(f"{cls.__name__} is not a pydantic model", "Declare it as a BaseModel")
        raise self.refuse(f"{cls.__name__} has no Avro type", "Declare one of the documented types, or str")

    def _decimal(self, notes: tuple[Any, ...]) -> Shape:
        precision = next((n.max_digits for n in notes if getattr(n, "max_digits", None) is not None), None)
        scale = next(
            (n.decimal_places for n in notes if getattr(n, "decimal_places", None) is not None), None
        )
        if precision is None or scale is None:
            raise self.refuse(
                "is a Decimal whose digits are not bounded",
                "Declare Annotated[Decimal, Field(max_digits=…, decimal_places=…)] with both",
            )
        if not 0 <= scale <= precision or precision < 1:
            raise self.refuse(
                f"is a Decimal of {precision} digits, {scale} of them after the point",
                "Declare 0 <= decimal_places <= max_digits",
            )
        return Fixed(precision, scale)

    def _union(self, members: list[Shape]) -> Shape:
        flat = [
            b for member in members for b in (member.branches if isinstance(member, Union) else (member,))
        ]
        if _JSON in flat:
            # Any takes everything, None included: the whole value is JSON text.
            return _JSON
        branches = _merged([branch for branch in flat if branch != Null()])
        if Null() in flat:
            branches.insert(0, Null())
        if any(isinstance(branch, Root) and isinstance(branch.inner, Union) for branch in branches):
            raise self.refuse(
                "is a union with a RootModel of a union in it", "Declare all members in one union"
            )
        names = [avro_name(branch) for branch in branches]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise self.refuse(
                f"two members of the union are the Avro type {twice!r}, so readers could not tell them apart",
                "Declare one of them, or a model with a field for each",
            )
        if branches == [Null()]:
            raise self.refuse(*_ALWAYS_NONE)
        return branches[0] if len(branches) == 1 else Union(tuple(branches))

    def _container(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Shape:
        if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
            raise self.refuse(
                f"{annotation} is a tuple of fixed places", "Declare a model with a field for each place"
            )
        if origin in _LISTS:
            return self._list(args[0])
        if origin in _SETS:
            items = self.inside("[]").shape(args[0])
            if not isinstance(items, Scalar | Choice | Fixed) or items == _JSON:
                raise self.refuse(
                    "is a set of values without an order", "Declare a set of scalars, or a list"
                )
            return Array(items, unordered=True)
        if origin in _MAPS:
            return self._map(args)
        raise self.refuse(f"{annotation} has no Avro type", "Declare a list, set, dict[str, …] or a model")

    def _list(self, item: Any) -> Shape:
        items = self.inside("[]").shape(item)
        return Scalar("json", LISTS) if items == _JSON else Array(items)

    def _map(self, args: tuple[Any, ...]) -> Shape:
        keys, values = self.inside("[key]").shape(args[0]), self.inside("[]").shape(args[1])
        if keys not in (_JSON, Scalar("string", (str,))):
            raise self.refuse(
                "is a dict whose keys are not str", "Avro maps have text keys: declare dict[str, …]"
            )
        return Scalar("json", (dict, abc.Mapping)) if values == _JSON else Map(values)


def _unwrapped(annotation: Any, metadata: Iterable[Any]) -> tuple[Any, tuple[Any, ...]]:
    """`annotation` without Annotated, and everything noted about it, the innermost first."""
    notes = list(metadata)
    while get_origin(annotation) is Annotated:
        annotation, *inner = get_args(annotation)
        notes[:0] = [n for note in inner for n in (note.metadata if isinstance(note, FieldInfo) else [note])]
    return annotation, tuple(notes)


def _merged(branches: list[Shape]) -> list[Shape]:
    """Union members without repetitions; scalars written alike (str and URLs, both IPs) become one."""
    merged: dict[Any, Shape] = {}
    for branch in branches:
        if not isinstance(branch, Scalar):
            merged[branch] = branch
            continue
        group = "text" if branch.kind == "string" else branch.kind
        known = merged.setdefault(group, branch)
        assert isinstance(known, Scalar)
        kind = known.kind if known.kind == branch.kind else "text"
        merged[group] = Scalar(kind, tuple(dict.fromkeys(known.classes + branch.classes)))
    return list(merged.values())
