"""Pydantic models, their fields, defaults and aliases, to record shapes.

Single types are read in `schemas.types`; what follows from the whole contract (key, sort, event time) is
checked in `schemas.contract`.
"""

import inspect
import re
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pydantic import AliasChoices, BaseModel, RootModel
from pydantic.fields import ComputedFieldInfo, FieldInfo
from pydantic_core import PydanticUndefined

from schemas.choices import AVRO_NAME
from schemas.errors import UnmappableFieldError
from schemas.shapes import UNSET, Dispatch, Field, Record, Root, Shape, Union
from schemas.types import Place

# Factories that always make the same value; any other one (uuid4, now) is no default for a schema.
_CONSTANT_FACTORIES: tuple[Callable[[], Any], ...] = (list, dict, set, frozenset, tuple, deque)

_AVRO_WORDS = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"} | {
    "record", "enum", "array", "map", "fixed", "union", "error"
}  # fmt: skip


@lru_cache(maxsize=256)
def payload_record(cls: type[BaseModel]) -> Record:
    """The shape of a connector's record model, named "Record". Raises UnmappableFieldError.

    Fields keep the order of the model; those with `exclude=True` are left out; computed fields come last.
    """
    if issubclass(cls, RootModel):
        raise UnmappableFieldError(
            cls.__name__,
            "is a RootModel, but a record needs named fields",
            "Declare a BaseModel with one field",
        )
    models = _Models(cls)
    shape = models.nested(cls, Place(models, cls.__name__))
    assert isinstance(shape, Record)
    for field in shape.fields:
        if field.wire.startswith("_"):
            raise UnmappableFieldError(
                f"{cls.__name__}.{field.name}",
                f"would be published as {field.wire!r}, and a leading underscore marks the envelope's fields",
                "Choose another serialization_alias",
            )
    return shape


class _Models:
    """The models and enumerations of one schema: which are being read, and the names they were given."""

    def __init__(self, top: type[BaseModel]) -> None:
        self._names: dict[type, str] = {top: "Record"}
        self._open: list[type[BaseModel]] = []

    def nested(self, cls: type[BaseModel], place: Place) -> Shape:
        """The shape of a model that stands at `place`."""
        if cls in self._open:
            raise place.refuse(
                f"contains {cls.__name__} within itself",
                "Readers cannot bound that: declare the other record's id, or Any to publish JSON text",
            )
        _check_model(cls, place)
        self._open.append(cls)
        try:
            if issubclass(cls, RootModel):
                root = cls.model_fields["root"]
                return Root(cls, place.inside(".root").shape(root.annotation, root.metadata))
            return self._record(cls, place)
        finally:
            self._open.pop()

    def name(self, cls: type) -> str:
        """The class's own name; where another class has it, with where it is defined before it."""
        if cls not in self._names:
            taken = _AVRO_WORDS.union(self._names.values())
            candidates = [
                cls.__name__,
                cls.__qualname__.replace("<locals>.", ""),
                f"{cls.__module__}.{cls.__qualname__}",
            ]
            legal = [re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "Model" for name in candidates]
            legal += [f"{legal[-1]}_{number}" for number in range(2, len(self._names) + 3)]
            self._names[cls] = next(name for name in legal if name not in taken)
        return self._names[cls]

    def _record(self, cls: type[BaseModel], place: Place) -> Record:
        name = self.name(cls)
        fields = [_field(field, info, place) for field, info in cls.model_fields.items() if not info.exclude]
        fields += [_computed(field, info, place) for field, info in cls.model_computed_fields.items()]
        if not fields:
            raise place.refuse(f"{cls.__name__} has no fields", "Declare what is to be published")
        _check_names(fields, place)
        return Record(cls, name, tuple(_without_clashing_aliases(fields)), _doc(cls))


def _check_model(cls: type[BaseModel], place: Place) -> None:
    if not cls.__pydantic_complete__ and not cls.model_rebuild(raise_errors=False):
        raise place.refuse(
            f"{cls.__name__} refers to a type that is not defined", "Define or import it in the module"
        )
    if cls.model_config.get("extra") == "allow":
        raise place.refuse(
            f"{cls.__name__} accepts fields it does not declare (extra='allow')",
            "Use extra='ignore' and declare what is to be published, or a field of dict[str, Any]",
        )
    decorators = cls.__pydantic_decorators__
    serialized = {name for item in decorators.field_serializers.values() for name in item.info.fields}
    if decorators.model_serializers or serialized:
        where = place if decorators.model_serializers else place.inside(f".{min(serialized)}")
        raise where.refuse(
            "has a serializer, which Avro does not run", "Convert in transform() or a validator"
        )


def _field(name: str, info: FieldInfo, place: Place) -> Field:
    here = place.inside(f".{name}")
    _check_always_there(info, here)
    default = _default(info)
    shape = here.shape(info.annotation, info.metadata)
    own_alias = info.serialization_alias if info.serialization_alias != info.alias else None
    return Field(
        name,
        own_alias or name,
        shape if default is UNSET else _default_first(shape, default),
        default,
        info.description or "",
        _former_names(info),
    )


def _check_always_there(info: FieldInfo | ComputedFieldInfo, place: Place) -> None:
    # Pydantic knows this since 2.12.
    if getattr(info, "exclude_if", None) is not None:
        raise place.refuse(
            "is left out of some records (exclude_if)", "Declare it optional with default None"
        )


def _computed(name: str, info: ComputedFieldInfo, place: Place) -> Field:
    here = place.inside(f".{name}")
    _check_always_there(info, here)
    # An alias of priority 1 comes from an alias generator: how others spell all names.
    wire = info.alias if info.alias and info.alias_priority == 2 else name
    return Field(name, wire, here.shape(info.return_type), doc=info.description or "", computed=True)


def _default(info: FieldInfo) -> Any:
    if info.default is not PydanticUndefined:
        return info.default
    return next((factory() for factory in _CONSTANT_FACTORIES if info.default_factory is factory), UNSET)


def _default_first(shape: Shape, default: Any) -> Shape:
    """`shape` with the union branch of the default moved to the front, where Avro looks for it."""
    if isinstance(shape, Root) and isinstance(default, RootModel):
        return Root(shape.cls, _default_first(shape.inner, default.root))
    if not isinstance(shape, Union):
        return shape
    try:
        chosen = shape.branches[Dispatch(shape)[type(default)]]
    except TypeError:
        return shape
    return Union((chosen, *(branch for branch in shape.branches if branch is not chosen)))


def _former_names(info: FieldInfo) -> tuple[str, ...]:
    """Names under which the field is also read: what it may have been called before, or upstream."""
    alias = info.validation_alias
    names = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return tuple(name for name in names if isinstance(name, str) and AVRO_NAME.fullmatch(name))


def _check_names(fields: list[Field], place: Place) -> None:
    seen: dict[str, str] = {}
    for field in fields:
        here = place.inside(f".{field.name}")
        if not AVRO_NAME.fullmatch(field.wire):
            raise here.refuse(
                f"would be published as {field.wire!r}, but Avro names are letters, digits and underscores",
                "Set serialization_alias to such a name",
            )
        other = seen.setdefault(field.wire.lower(), field.name)
        if other != field.name:
            raise here.refuse(
                f"has the same name as {other!r}, upper and lower case apart, and many SQL engines fold case",
                "Rename one, or set its serialization_alias",
            )


def _without_clashing_aliases(fields: list[Field]) -> list[Field]:
    taken = {field.wire for field in fields}
    result = []
    for field in fields:
        aliases = tuple(dict.fromkeys(alias for alias in field.aliases if alias not in taken))
        taken.update(aliases)
        result.append(replace(field, aliases=aliases))
    return result


def _doc(cls: type[BaseModel]) -> str:
    origin = cls.__pydantic_generic_metadata__["origin"]
    return inspect.cleandoc(cls.__doc__ or (origin.__doc__ if origin else None) or "")
