"""Confluent's REST interface as it looks on the wire: bodies, parameters, answers, errors, encoded paths."""

import json
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from devstack.registry.contents import Registered
from devstack.registry.errors import ApiError, schema_not_found
from devstack.registry.schemas import AVRO, Reference, Schema


class Answer(JSONResponse):
    """JSON under the registry's own media type."""

    media_type = "application/vnd.schemaregistry.v1+json"


class ReferenceBody(BaseModel):
    """A reference as clients send it."""

    name: str
    subject: str
    version: int


class SchemaBody(BaseModel):
    """A schema as clients send it; metadata and rules are taken and left aside."""

    text: str = Field(alias="schema")
    type: str | None = Field(default=None, alias="schemaType")
    references: list[ReferenceBody] | None = None

    def as_sent(self) -> Schema:
        """The schema in the registry's own terms."""
        references = tuple(Reference(item.name, item.subject, item.version) for item in self.references or ())
        return Schema((self.type or AVRO).upper(), self.text, references)


class LevelBody(BaseModel):
    """A compatibility level as clients send it."""

    compatibility: str | None = None


def _subject_name(request: Request) -> str:
    return unquote(str(request.path_params["subject"]))


def _schema_id(request: Request) -> int:
    """The id in the path; one that is no number is an id that does not exist."""
    text = str(request.path_params["schema_id"])
    if not (text.isascii() and text.isdigit() and len(text) < 11):
        raise schema_not_found()
    return int(text)


Name = Annotated[str, Depends(_subject_name)]
SchemaId = Annotated[int, Depends(_schema_id)]
Prefix = Annotated[str, Query(alias="subjectPrefix")]
DeletedOnly = Annotated[bool, Query(alias="deletedOnly")]
LatestOnly = Annotated[bool, Query(alias="latestOnly")]
ToGlobal = Annotated[bool, Query(alias="defaultToGlobal")]


def schema_answer(schema: Schema) -> dict[str, Any]:
    """A schema as clients get it; AVRO is not said, as they take it for granted."""
    answer: dict[str, Any] = {"schema": schema.text}
    if schema.type != AVRO:
        answer["schemaType"] = schema.type
    if schema.references:
        answer["references"] = [
            {"name": item.name, "subject": item.subject, "version": item.version}
            for item in schema.references
        ]
    return answer


def registered_answer(item: Registered) -> dict[str, Any]:
    """A schema in a subject as clients get it."""
    place = {"subject": item.subject, "version": item.version, "id": item.id}
    return {**place, **schema_answer(item.schema)}


def text_answer(schema: Schema) -> Answer:
    """The schema's text alone: as it is where that is JSON, else as a string."""
    try:
        return Answer(json.loads(schema.text))
    except ValueError:
        return Answer(schema.text)


def refused(_: Request, error: Exception) -> Answer:
    """The answer to a request that the registry refuses."""
    assert isinstance(error, ApiError)
    return Answer({"error_code": error.code, "message": error.message}, status_code=error.status)


def not_understood(_: Request, error: Exception) -> Answer:
    """The answer to a body or parameter that is not what the interface defines."""
    assert isinstance(error, RequestValidationError)
    told = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return Answer({"error_code": 422, "message": told}, status_code=422)


def no_such_path(_: Request, error: Exception) -> Answer:
    """The answer to a path or method that does not exist."""
    assert isinstance(error, HTTPException)
    message = f"HTTP {error.status_code} {error.detail}"
    return Answer({"error_code": error.status_code, "message": message}, status_code=error.status_code)


class UndecodedPath:
    """Has paths matched as they were sent, so that a slash inside a name (%2F) does not part it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("raw_path"):
            sent = scope["raw_path"].partition(b"?")[0]
            scope = {**scope, "path": sent.decode("latin-1")}
        await self._app(scope, receive, send)
