"""The schema registry: register, look up, check. Any Confluent-compatible registry will do.

Errors of the client and its HTTP library are translated here; waiting and trying again are the caller's.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast, get_args

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

# The client's own choice between httpx and its successor, whose errors it lets through.
from confluent_kafka.schema_registry.common._httpx_compat import httpx
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.differences import Difference, differences
from schemas.errors import (
    IncompatibleSchemaError,
    RegistryRefusedError,
    RegistryUnavailableError,
    SchemaError,
    UnknownSchemaError,
)
from schemas.evolution import obstacles

SchemaType = Literal["AVRO", "JSON", "PROTOBUF"]

# Replay reads a topic from its beginning, so a new schema must read what every older one wrote.
COMPATIBILITY = "BACKWARD_TRANSITIVE"

_NOT_FOUND, _CONFLICT = 404, 409
_PASSING = (408, 425, 429)
_SERVER_ERROR = 500


@dataclass(frozen=True)
class RegisteredSchema:
    """A schema as the registry holds it; an id never changes its meaning."""

    id: int
    schema_type: SchemaType
    text: str


class SchemaRegistry:
    """Client of one registry, a context manager; may be shared by threads.

    `timeout` bounds, in seconds, each wait for the registry: to connect, and for the next bytes of an
    answer. Every method raises RegistryUnavailableError where trying again may help, RegistryRefusedError
    where it will not.
    """

    def __init__(
        self,
        url: str,
        *,
        basic_auth: tuple[str, str] | None = None,
        ca_file: Path | None = None,
        timeout: float = 10.0,
    ) -> None:
        settings: dict[str, Any] = {"url": url, "timeout": timeout, "max.retries": 0}
        if basic_auth is not None:
            settings["basic.auth.user.info"] = ":".join(basic_auth)
        if ca_file is not None:
            settings["ssl.ca.location"] = str(ca_file)
        self._where = f"schema registry {_without_credentials(url)}"
        with self._translated("cannot be set up"):
            self._client = SchemaRegistryClient.new_client(settings)
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, RegisteredSchema] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def register(self, subject: str, schema: dict[str, Any]) -> int:
        """The id of `schema` under `subject`, registered if need be; a new subject is set to COMPATIBILITY.

        Raises IncompatibleSchemaError when records already published could not be read with it, or when it
        does not go with the rows and ids made of them. A version that is there already is never refused.
        """
        text = json.dumps(schema)
        if (subject, text) not in self._ids:
            found = self._found(subject, text)
            self._ids[subject, text] = self._registered(subject, schema, text) if found is None else found
        return self._ids[subject, text]

    def schema(self, schema_id: int) -> RegisteredSchema:
        """The schema of an id; asked for once. Raises UnknownSchemaError."""
        if schema_id not in self._schemas:
            try:
                with self._translated(f"schema {schema_id}"):
                    found = self._client.get_schema(schema_id)
            except _NotFoundError as exc:
                raise UnknownSchemaError(f"{self._where} has no schema {schema_id}") from exc
            kind = (found.schema_type or "AVRO").upper()
            if kind not in get_args(SchemaType):
                raise RegistryRefusedError(f"{self._where}: schema {schema_id} is of the unknown type {kind}")
            text = found.schema_str or ""
            self._schemas[schema_id] = RegisteredSchema(schema_id, cast("SchemaType", kind), text)
        return self._schemas[schema_id]

    def check(self, subject: str, schema: dict[str, Any]) -> list[str]:
        """What stands against registering `schema`, one line per field; [] when nothing does."""
        older = self._older(subject)
        if not older:
            return []
        with self._translated(f"compatibility of {subject}"):
            fits = self._client.test_compatibility_all_versions(subject, Schema(json.dumps(schema), "AVRO"))
        found = [*obstacles(schema, older[0]), *_against(schema, older, meaning_only=fits)]
        return found or (
            [] if fits else [f"{self._where} refuses it under the subject's compatibility level"]
        )

    def _found(self, subject: str, text: str) -> int | None:
        try:
            with self._translated(f"look-up in {subject}"):
                return self._client.lookup_schema(subject, Schema(text, "AVRO")).schema_id
        except _NotFoundError:
            return None

    def _registered(self, subject: str, schema: dict[str, Any], text: str) -> int:
        older = self._older(subject)
        if broken := obstacles(schema, older[0]) if older else []:
            raise IncompatibleSchemaError(subject, broken, "does not go with what was made of the former one")
        if changed := _against(schema, older, meaning_only=True):
            raise IncompatibleSchemaError(subject, changed)
        with self._translated(f"registration under {subject}"):
            if not older:
                self._client.set_compatibility(subject, COMPATIBILITY)
            try:
                return self._client.register_schema(subject, Schema(text, "AVRO"))
            except SchemaRegistryError as exc:
                if exc.http_status_code != _CONFLICT:
                    raise
                raise IncompatibleSchemaError(
                    subject, _against(schema, older) or [str(exc.error_message)]
                ) from exc

    def _older(self, subject: str) -> list[Any]:
        """The schemas of a subject that are Avro, the newest first; [] for a subject that is not there."""
        try:
            with self._translated(f"versions of {subject}"):
                versions = self._client.get_versions(subject)
                found = [self._client.get_version(subject, version).schema for version in reversed(versions)]
        except _NotFoundError:
            return []
        texts = [schema.schema_str for schema in found if (schema.schema_type or "AVRO").upper() == "AVRO"]
        return [json.loads(text) for text in texts if text]

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except SchemaError:
            raise
        except SchemaRegistryError as exc:
            raise self._answered(what, exc) from exc
        except httpx.TransportError as exc:
            raise RegistryUnavailableError(f"{self._where}: {what}: no answer ({exc!r})") from exc
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as exc:
            raise RegistryRefusedError(
                f"{self._where}: {what}: {exc!r}; is the address a registry's?"
            ) from exc

    def _answered(self, what: str, error: SchemaRegistryError) -> SchemaError:
        status, told = error.http_status_code, f"{self._where}: {what}: {error}"
        if status == _NOT_FOUND:
            return _NotFoundError(told)
        if status in _PASSING or status >= _SERVER_ERROR:
            return RegistryUnavailableError(told)
        return RegistryRefusedError(told)


class _NotFoundError(RegistryRefusedError):
    """The registry has no such schema, subject or version."""


def _against(schema: Any, older: list[Any], *, meaning_only: bool = False) -> list[str]:
    found: list[Difference] = [item for old in older for item in differences(schema, old)]
    return list(dict.fromkeys(str(item) for item in found if item.meaning or not meaning_only))


def _without_credentials(url: str) -> str:
    return ",".join(part.rpartition("@")[2] if "@" in part else part for part in url.split(","))
