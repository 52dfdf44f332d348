"""Closed sets of values, enumerations and Literals, to shapes."""

import inspect
import re
from collections.abc import Callable, Sequence
from enum import Enum, Flag
from typing import Any

from schemas.errors import UnmappableFieldError
from schemas.shapes import Choice, Null, Scalar, Shape, Union

# What Avro allows as the name of a type, a field or an enum symbol.
AVRO_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Refuse = Callable[[str, str], UnmappableFieldError]


def enum_shape(cls: type[Enum], name: Callable[[type], str], refuse: Refuse) -> Shape:
    """An Avro enum where all values are legal symbols, text for other strings, a long for integers."""
    values = [member.value for member in cls]
    if issubclass(cls, Flag):
        if issubclass(cls, int):
            # Members combine, so there is no closed set to write down.
            return Scalar("long", (cls, int))
        raise refuse(f"{cls.__name__} is a Flag without a number", "Derive it from IntFlag")
    if not values:
        raise refuse(f"{cls.__name__} has no members", "Give it members, or declare str")
    members = tuple((member, member.value) for member in cls)
    if all(type(value) is int for value in values):
        return Choice("long", members)
    if not all(isinstance(value, str) for value in values):
        raise refuse(
            f"{cls.__name__} mixes kinds of values", "Give all members a str value, or all an int value"
        )
    members = tuple((member, str(value)) for member, value in members)
    if not all(AVRO_NAME.fullmatch(symbol) for _, symbol in members):
        return Choice("string", members)
    return Choice("enum", members, name=name(cls), doc=inspect.cleandoc(cls.__doc__ or ""))


def literal_shape(values: Sequence[Any], name: Callable[[type], str], refuse: Refuse) -> Shape:
    """Text, a long or a boolean of a closed set; with None among the values, optional."""
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if len(present) < len(values) and present:
        return Union((Null(), literal_shape(present, name, refuse)))
    if kinds == {str}:
        return Choice("string", tuple((value, value) for value in present))
    if kinds == {int}:
        return Choice("long", tuple((value, value) for value in present))
    if kinds == {bool}:
        return Scalar("boolean", (bool,))
    if len(kinds) == 1 and issubclass(cls := kinds.pop(), Enum):
        # The whole enumeration is declared, so that the Literal may gain members without a new type.
        return enum_shape(cls, name, refuse)
    raise refuse(
        f"Literal{list(values)} mixes kinds of values",
        "Use strings only, integers only, or members of one enumeration",
    )
