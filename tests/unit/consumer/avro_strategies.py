"""Hypothesis strategies: Avro records as (schema, values), in the class that the gate lets through."""

from itertools import count
from typing import Any

from hypothesis import strategies as st

_numbers = count()
Kind = tuple[Any, st.SearchStrategy[Any]]

INTS = st.integers(-(2**31), 2**31 - 1)
LONGS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)


def _name() -> str:
    return f"T{next(_numbers)}"


def _primitives() -> st.SearchStrategy[Kind]:
    kinds: list[Kind] = [
        ("boolean", st.booleans()),
        ("int", INTS),
        ("long", LONGS),
        ("float", FLOATS),
        ("double", st.floats()),
        ("string", TEXTS),
        ("bytes", st.binary(max_size=12)),
    ]
    return st.sampled_from(kinds)


def _fixed() -> st.SearchStrategy[Kind]:
    def build(size: int) -> Kind:
        return {"type": "fixed", "name": _name(), "size": size}, st.binary(min_size=size, max_size=size)

    return st.integers(1, 20).map(build)


def _enum() -> st.SearchStrategy[Kind]:
    def build(symbols: list[str]) -> Kind:
        return {"type": "enum", "name": _name(), "symbols": symbols}, st.sampled_from(symbols)

    return st.lists(st.sampled_from("ABCDEFGH"), min_size=1, unique=True).map(build)


def _nested(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    def array(kind: Kind) -> Kind:
        return {"type": "array", "items": kind[0]}, st.lists(kind[1], max_size=3)

    def mapped(kind: Kind) -> Kind:
        return {"type": "map", "values": kind[0]}, st.dictionaries(TEXTS, kind[1], max_size=3)

    def nullable(kind: Kind) -> Kind:
        if isinstance(kind[0], list):
            return kind
        return ["null", kind[0]], st.none() | kind[1]

    def record(kinds: list[Kind]) -> Kind:
        fields = [{"name": f"f{number}", "type": kind} for number, (kind, _) in enumerate(kinds)]
        values = st.fixed_dictionaries({f"f{number}": value for number, (_, value) in enumerate(kinds)})
        return {"type": "record", "name": _name(), "fields": fields}, values

    return st.one_of(
        inner.map(array),
        inner.map(mapped),
        inner.map(nullable),
        st.lists(inner, min_size=1, max_size=3).map(record),
    )


KINDS: st.SearchStrategy[Kind] = st.recursive(
    st.one_of(_primitives(), _fixed(), _enum()), _nested, max_leaves=5
)


@st.composite
def records(draw: st.DrawFn, rows: int = 3) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A schema and some records of it."""
    kinds = draw(st.lists(KINDS, min_size=1, max_size=4))
    fields = [{"name": f"c{number}", "type": kind} for number, (kind, _) in enumerate(kinds)]
    schema = {"type": "record", "name": _name(), "namespace": "ingest.made_up", "fields": fields}
    values = st.fixed_dictionaries({f"c{number}": value for number, (_, value) in enumerate(kinds)})
    return schema, draw(st.lists(values, min_size=1, max_size=rows))
