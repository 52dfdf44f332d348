"""What a record model looks like to Avro: a small tree, from which the schema, the reference converter and
the compiled encoder are all derived.

Reading the tree off pydantic models is left to `schemas.types` and `schemas.models`.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

ScalarKind = Literal[
    "boolean", "long", "double", "string", "bytes", "instant", "local_instant", "date", "time", "duration",
    "uuid", "text", "secret", "secret_bytes", "json",
]  # fmt: skip


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET = _Unset()


@dataclass(frozen=True)
class Scalar:
    """One value without parts. `classes` are the Python classes its values have, the usual one first."""

    kind: ScalarKind
    classes: tuple[type, ...]


@dataclass(frozen=True)
class Fixed:
    """A decimal of at most `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int


@dataclass(frozen=True)
class Choice:
    """One of a closed set: an enumeration or a Literal. `members` pairs Python values with Avro ones."""

    avro: Literal["enum", "string", "long"]
    members: tuple[tuple[Any, Any], ...]
    name: str = ""
    doc: str = ""


@dataclass(frozen=True)
class Array:
    """Items of one shape. `unordered` ones (sets) are written in the order of their encoded bytes."""

    items: "Shape"
    unordered: bool = False


@dataclass(frozen=True)
class Map:
    """Text to values of one shape, written in the order of the keys."""

    values: "Shape"


@dataclass(frozen=True)
class Null:
    """Nothing."""


@dataclass(frozen=True)
class Union:
    """One of several shapes, in the order of Avro's branches."""

    branches: "tuple[Shape, ...]"


@dataclass(frozen=True)
class Root:
    """A pydantic RootModel: a class around one value, which alone is written."""

    cls: type[BaseModel]
    inner: "Shape"


@dataclass(frozen=True, eq=False)
class Field:
    """One field of a record: `name` in Python, `wire` in Avro. `default` is the Python value or UNSET."""

    name: str
    wire: str
    shape: "Shape"
    default: Any = UNSET
    doc: str = ""
    aliases: tuple[str, ...] = ()
    computed: bool = False


@dataclass(frozen=True, eq=False)
class Record:
    """A pydantic model. `name` is unique within one schema."""

    cls: type[BaseModel]
    name: str
    fields: tuple[Field, ...]
    doc: str = ""


Shape = Scalar | Fixed | Choice | Array | Map | Null | Union | Root | Record

# How each kind of scalar is declared in Avro.
SCALAR_TYPES: dict[ScalarKind, str | dict[str, Any]] = {
    "boolean": "boolean",
    "long": "long",
    "double": "double",
    "string": "string",
    "bytes": "bytes",
    "instant": {"type": "long", "logicalType": "timestamp-micros"},
    "local_instant": {"type": "long", "logicalType": "local-timestamp-micros"},
    "date": {"type": "int", "logicalType": "date"},
    "time": {"type": "long", "logicalType": "time-micros"},
    "duration": {"type": "long", "unit": "microseconds"},
    "uuid": {"type": "string", "logicalType": "uuid"},
    "text": "string",
    "secret": "string",
    "secret_bytes": "bytes",
    "json": {"type": "string", "format": "json"},
}

LISTS = (list, tuple, deque)
SETS = (set, frozenset)


def avro_name(shape: Shape) -> str:
    """The Avro type that tells union branches apart; of a record or enum its short name."""
    match shape:
        case Scalar():
            declared = SCALAR_TYPES[shape.kind]
            return declared if isinstance(declared, str) else str(declared["type"])
        case Fixed():
            return "bytes"
        case Choice():
            return shape.name if shape.avro == "enum" else shape.avro
        case Record():
            return shape.name
        case Root():
            return avro_name(shape.inner)
        case Union():
            raise TypeError("Avro has no union directly within a union")
        case _:
            return type(shape).__name__.lower()


def leaf_type(shape: Scalar | Fixed | Choice) -> str | dict[str, Any]:
    """The Avro type of a shape without parts; an enum is written out in full."""
    match shape:
        case Scalar():
            return SCALAR_TYPES[shape.kind]
        case Fixed():
            return {
                "type": "bytes",
                "logicalType": "decimal",
                "precision": shape.precision,
                "scale": shape.scale,
            }
        case Choice():
            if shape.avro != "enum":
                return shape.avro
            symbols = list(dict.fromkeys(wire for _, wire in shape.members))
            doc = {"doc": shape.doc} if shape.doc else {}
            return {"type": "enum", "name": shape.name, **doc, "symbols": symbols}


def python_classes(shape: Shape) -> tuple[type, ...]:
    """The Python classes of the shape's values, the usual one first."""
    match shape:
        case Scalar():
            return shape.classes
        case Fixed():
            return (Decimal,)
        case Choice():
            return tuple(
                dict.fromkeys(cls for member, wire in shape.members for cls in (type(member), type(wire)))
            )
        case Array():
            return SETS if shape.unordered else LISTS
        case Map():
            return (dict, Mapping)
        case Root() | Record():
            return (shape.cls,)
        case Null():
            return (type(None),)
        case Union():
            return tuple(cls for branch in shape.branches for cls in python_classes(branch))


class Dispatch(dict[type, int]):
    """Which branch of a union a value takes, by its class; remembers subclasses it meets.

    The usual class of each branch goes before the merely possible ones. Other classes raise TypeError.
    """

    def __init__(self, union: Union) -> None:
        super().__init__()
        classes = [python_classes(branch) for branch in union.branches]
        for rank in range(max(map(len, classes))):
            for index, candidates in enumerate(classes):
                if rank < len(candidates):
                    self.setdefault(candidates[rank], index)
        self._declared = tuple(self.items())

    def __missing__(self, cls: type) -> int:
        for declared, index in self._declared:
            if issubclass(cls, declared):
                self[cls] = index
                return index
        raise TypeError(f"{cls.__name__} is none of the union's types")
