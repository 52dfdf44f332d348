"""The schema registry: register, look up, check. Any Confluent-compatible registry will do."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self


@dataclass(frozen=True)
class RegisteredSchema:
    """A schema as the registry holds it; an id never changes its meaning."""

    id: int
    schema_type: Literal["AVRO", "JSON", "PROTOBUF"]
    text: str


class SchemaRegistry:
    """Client of one registry, a context manager. Every request ends within `timeout` seconds or raises."""

    def __init__(
        self,
        url: str,
        *,
        basic_auth: tuple[str, str] | None = None,
        ca_file: Path | None = None,
        timeout: float = 10.0,
    ) -> None:
        raise NotImplementedError

    def register(self, subject: str, schema: dict[str, Any]) -> int:
        """The id of `schema` under `subject`; a new subject gets BACKWARD_TRANSITIVE first."""
        raise NotImplementedError

    def schema(self, schema_id: int) -> RegisteredSchema:
        """The schema of an id; cached. Raises UnknownSchemaError."""
        raise NotImplementedError

    def check(self, subject: str, schema: dict[str, Any]) -> list[str]:
        """What stands against registering `schema`, one line per field; [] when nothing does."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError
