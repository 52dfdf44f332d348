"""Emitters for values with parts: records, arrays, maps, unions. Others are in `schemas.emit_leaf`."""

from schemas.binary import long
from schemas.codegen import Code
from schemas.emit_leaf import Parts, choice, doubles, fixed, longs, scalar
from schemas.shapes import (
    Array,
    Choice,
    Dispatch,
    Field,
    Fixed,
    Map,
    Null,
    Record,
    Root,
    Scalar,
    Shape,
    Union,
    python_classes,
)


def emit(code: Code, shape: Shape, value: str, prefix: bytes = b"") -> Parts:
    """Emit the statements for the variable `value` and return its parts."""
    match shape:
        case Scalar():
            return scalar(code, shape, value, prefix)
        case Fixed():
            return fixed(code, shape, value, prefix)
        case Choice():
            return choice(code, shape, value, prefix)
        case Null():
            return [repr(prefix)]
        case Array():
            return _array(code, shape, value, prefix)
        case Map():
            return _map(code, shape, value, prefix)
        case Union():
            return _union(code, shape, value)
        case Root():
            require_class(code, shape, value)
            return emit(code, shape.inner, code.once(f"{value}.root", "root"), prefix)
        case Record():
            require_class(code, shape, value)
            return ([repr(prefix)] if prefix else []) + fields(code, shape.fields, value)


def fields(code: Code, declared: tuple[Field, ...], record: str) -> Parts:
    """The parts of a record's fields; neighbouring doubles are packed in one call."""
    parts: Parts = []
    waiting: list[str] = []
    for field in declared:
        value = field_value(code, field, record)
        if isinstance(field.shape, Scalar) and field.shape.kind == "double":
            waiting.append(value)
            continue
        if waiting:
            parts.append(doubles(code, waiting))
            waiting = []
        parts += emit(code, field.shape, value)
    return [*parts, doubles(code, waiting)] if waiting else parts


def field_value(code: Code, field: Field, record: str) -> str:
    """The variable of a field; pydantic keeps declared fields in the instance's dictionary."""
    if field.computed:
        return code.once(f"{record}.{field.name}", field.name)
    held = code.once(f"{record}.__dict__", "held")
    return code.once(f"{held}[{field.name!r}]", field.name)


def require_class(code: Code, shape: Shape, value: str) -> None:
    """Emit a check that the variable `value` is what the shape's values are in Python."""
    classes = python_classes(shape)
    usual = code.constant(classes[0], classes[0].__name__)
    with code.block(f"if {value}.__class__ is not {usual}:"):
        code.line(f"require({value}, {code.constant(classes, 'classes')})")


def _array(code: Code, shape: Array, value: str, prefix: bytes) -> Parts:
    require_class(code, shape, value)
    item = code.name("item")
    with code.aside() as body:
        parts = emit(code, shape.items, item)
    with code.aside() as filled:
        if body or len(parts) > 1:
            items = code.name("items")
            code.line(f"{items} = []")
            with code.block(f"for {item} in {value}:"):
                code.lines(body)
                if shape.unordered:
                    code.line(f"{items}.append({joined(parts)})")
                else:
                    code.line(f"{items} += ({', '.join(parts)},)")
        else:
            items = f"[{parts[0]} for {item} in {value}]"
        if shape.unordered:
            items = f"sorted({items})"
    return _blocks(code, value, filled, items, prefix)


def _map(code: Code, shape: Map, value: str, prefix: bytes) -> Parts:
    require_class(code, shape, value)
    key, item, items = code.name("key"), code.name("item"), code.name("items")
    with code.aside() as filled:
        code.line(f"{items} = []")
        with code.block(f"for {key}, {item} in sorted({value}.items()):"):
            text = code.once(f"utf8({key})", "text")
            parts = [f"{longs(code)}[len({text})]", text, *emit(code, shape.values, item)]
            code.line(f"{items} += ({', '.join(parts)})")
    return _blocks(code, value, filled, items, prefix)


def _blocks(code: Code, value: str, filled: list[tuple[int, str]], items: str, prefix: bytes) -> Parts:
    """An array or map: one block with the count and all items, then the empty one, which ends it."""
    whole = code.name("blocks")
    with code.block(f"if {value}:"):
        code.lines(filled)
        code.line(f"{whole} = {longs(code, prefix)}[len({value})] + join({items}) + b'\\0'")
    with code.block("else:"):
        code.line(f"{whole} = {prefix + long(0)!r}")
    return [whole]


def _union(code: Code, shape: Union, value: str) -> Parts:
    present = [(index, branch) for index, branch in enumerate(shape.branches) if branch != Null()]
    if len(present) == 1:
        (index, inner), none = present[0], long(1 - present[0][0])
        return _optional(code, inner, value, long(index), none)
    which = code.once(f"{code.constant(Dispatch(shape), 'branches')}[{value}.__class__]", "branch")
    whole = code.name("union")
    for index, branch in enumerate(shape.branches):
        with code.block(f"{'elif' if index else 'if'} {which} == {index}:"):
            parts = emit(code, branch, value, long(index))
            code.line(f"{whole} = {joined(parts)}")
    return [whole]


def _optional(code: Code, inner: Shape, value: str, prefix: bytes, none: bytes) -> Parts:
    if isinstance(inner, Scalar) and inner.kind == "long":
        return [f"{longs(code, prefix, none)}[{value}]"]
    with code.aside() as body:
        parts = emit(code, inner, value, prefix)
    if not body and len(parts) == 1:
        return [f"({none!r} if {value} is None else {parts[0]})"]
    names = [code.name("part") for _ in parts]
    with code.block(f"if {value} is None:"):
        code.line(f"{', '.join(names)} = {', '.join([repr(none)] + [repr(b'')] * (len(parts) - 1))}")
    with code.block("else:"):
        code.lines(body)
        code.line(f"{', '.join(names)} = {', '.join(parts)}")
    return names


def joined(parts: Parts) -> str:
    """One expression for all parts."""
    return parts[0] if len(parts) == 1 else f"join(({', '.join(parts)}))"
