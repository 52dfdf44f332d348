"""Emitters for values without parts: scalars, decimals, choices; and for the texts of key fields.

An emitter writes the statements that prepare a value and returns its parts, bytes expressions which the
generated function joins. A prefix (the branch of a union) goes in front of the first.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from schemas import binary
from schemas.codegen import Code
from schemas.identity import key_text
from schemas.shapes import Choice, Field, Fixed, Scalar, ScalarKind

Parts = list[str]

_USED = (
    "DATES", "EPOCH", "NAIVE_EPOCH", "clock", "decimal", "digest", "duration", "escape", "instant", "iso",
    "json_bytes", "plain_bytes", "require", "secret", "text", "utf8",
)  # fmt: skip
# The names that emitted statements may use.
HELPERS: dict[str, Any] = {"join": b"".join, **{name: getattr(binary, name) for name in _USED}}


def scalar(code: Code, shape: Scalar, value: str, prefix: bytes) -> Parts:
    """The parts of the scalar in the variable `value`."""
    if shape.kind in _TEXTS:
        text = _text(code, shape, value)
        return [f"{longs(code, prefix)}[len({text})]", text]
    if shape.kind == "long":
        return [f"{longs(code, prefix)}[{value}]"]
    if shape.kind == "boolean":
        table = {False: prefix + b"\0", True: prefix + b"\1"}
        return [f"{code.constant(table, 'booleans')}[{value}]"]
    if shape.kind == "double":
        return [doubles(code, [value], prefix)]
    return [_behind(prefix, _NUMBERS[shape.kind](code, value))]


def fixed(code: Code, shape: Fixed, value: str, prefix: bytes) -> Parts:
    """The parts of a decimal."""
    unit = code.constant(Decimal(1).scaleb(-shape.scale), "unit")
    exact = code.constant(binary.exact_context(shape.precision), "exact")
    return [_behind(prefix, f"decimal({value}, {unit}, {exact})")]


def choice(code: Code, shape: Choice, value: str, prefix: bytes) -> Parts:
    """The part of an enumeration or Literal, looked up by what Python holds: a member or its value."""
    return [f"{code.constant(choice_table(shape, prefix), 'choices')}[{value}]"]


def choice_table(shape: Choice, prefix: bytes) -> dict[Any, bytes]:
    """The encoding of every value of a choice behind `prefix`."""
    symbols = list(dict.fromkeys(wire for _, wire in shape.members))
    encoded = {
        wire: prefix + (binary.framed(wire.encode()) if shape.avro == "string" else binary.long(number))
        for wire, number in (
            (wire, symbols.index(wire) if shape.avro == "enum" else wire) for wire in symbols
        )
    }
    return encoded | {member: encoded[wire] for member, wire in shape.members}


def doubles(code: Code, values: list[str], prefix: bytes = b"") -> str:
    """One part for neighbouring doubles."""
    if prefix:
        pack = binary.packer(f"<{len(prefix)}s{'d' * len(values)}")
        return f"{code.constant(pack, 'pack')}({prefix!r}, {', '.join(values)})"
    pack = binary.packer(f"<{'d' * len(values)}")
    return f"{code.constant(pack, 'pack')}({', '.join(values)})"


def longs(code: Code, prefix: bytes = b"", none: bytes | None = None) -> str:
    """The name of the table of longs behind `prefix`."""
    return code.constant(binary.longs(prefix, none), "longs")


def key_part(code: Code, field: Field, value: str) -> str:
    """The variable that holds a key field's text, escaped."""
    match field.shape:
        case Scalar("long"):
            return code.once(f"b'%d' % {value}", "key")
        case Scalar("instant"):
            return code.once(f"iso({_since(code, value)})", "key")
        case Scalar("string" | "text" | "uuid" | "secret"):
            text = _text(code, field.shape, value)
            return code.once(f"escape({text}) if b':' in {text} or b'\\\\' in {text} else {text}", "key")
        case _:
            # Seldom part of a key, so the reference does it.
            return code.once(f"{code.constant(partial(_key_text, field), 'key_text')}({value})", "key")


def _key_text(field: Field, value: Any) -> bytes:
    return key_text(field.shape, value, field.name).encode()


def _text(code: Code, shape: Scalar, value: str) -> str:
    return code.once(_TEXTS[shape.kind](code, shape, value), "text")


def _since(code: Code, value: str) -> str:
    return code.once(f"{value} - (NAIVE_EPOCH if {value}.tzinfo is None else EPOCH)", "since")


def _instant(code: Code, value: str) -> str:
    # The event time is a payload field too: both use this one variable.
    return code.once(f"instant({_since(code, value)})", "instant")


def _behind(prefix: bytes, expression: str) -> str:
    return f"{prefix!r} + {expression}" if prefix else expression


def _of_classes(helper: str) -> Callable[[Code, Scalar, str], str]:
    return lambda code, shape, value: f"{helper}({value}, {code.constant(shape.classes, 'classes')})"


# What Avro writes as a length and bytes: how to come by the bytes.
_TEXTS: dict[ScalarKind, Callable[[Code, Scalar, str], str]] = {
    "string": lambda code, shape, value: f"utf8({value})",
    "bytes": lambda code, shape, value: f"plain_bytes({value})",
    "uuid": _of_classes("text"),
    "text": _of_classes("text"),
    "secret": _of_classes("secret"),
    "secret_bytes": _of_classes("secret"),
    "json": _of_classes("json_bytes"),
}

# What Avro writes as a number that Python holds otherwise.
_NUMBERS: dict[ScalarKind, Callable[[Code, str], str]] = {
    "instant": _instant,
    "local_instant": lambda code, value: f"instant({value} - NAIVE_EPOCH)",
    "date": lambda code, value: f"DATES[{value}]",
    "time": lambda code, value: f"clock({value})",
    "duration": lambda code, value: f"duration({value})",
}
