"""Confluent's REST interface as a FastAPI application: paths. Rules are in registry.py, forms in wire.py."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from devstack.registry import wire
from devstack.registry.compatibility import parse_level
from devstack.registry.contents import Registered
from devstack.registry.errors import ApiError
from devstack.registry.registry import Registry
from devstack.registry.schemas import TYPES
from devstack.registry.wire import (
    Answer,
    DeletedOnly,
    LatestOnly,
    LevelBody,
    Name,
    Prefix,
    SchemaBody,
    SchemaId,
    ToGlobal,
    registered_answer,
    schema_answer,
    text_answer,
)


def build_app(registry: Registry) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="Schema registry of the dev stack", default_response_class=Answer, openapi_url=None)
    app.add_middleware(wire.UndecodedPath)
    app.add_exception_handler(ApiError, wire.refused)
    app.add_exception_handler(RequestValidationError, wire.not_understood)
    app.add_exception_handler(HTTPException, wire.no_such_path)
    for router in (
        _subjects(registry),
        _schemas(registry),
        _levels(registry),
        _compatibility(registry),
        _fixed(),
    ):
        app.include_router(router)
    return app


def _subjects(registry: Registry) -> APIRouter:
    router = APIRouter(prefix="/subjects")

    @router.get("")
    def subjects(prefix: Prefix = "", deleted: bool = False, deleted_only: DeletedOnly = False) -> list[str]:
        return registry.subjects(prefix, deleted=deleted, deleted_only=deleted_only)

    @router.post("/{subject}")
    def lookup(subject: Name, body: SchemaBody, deleted: bool = False) -> dict[str, Any]:
        return registered_answer(registry.lookup(subject, body.as_sent(), deleted=deleted))

    @router.delete("/{subject}")
    def delete_subject(subject: Name, permanent: bool = False) -> list[int]:
        return registry.delete_subject(subject, permanent=permanent)

    @router.get("/{subject}/versions")
    def versions(subject: Name, deleted: bool = False) -> list[int]:
        return registry.versions(subject, deleted=deleted)

    @router.post("/{subject}/versions")
    def register(subject: Name, body: SchemaBody) -> dict[str, Any]:
        return registered_answer(registry.register(subject, body.as_sent()))

    @router.get("/{subject}/versions/{version}")
    def version(subject: Name, version: str, deleted: bool = False) -> dict[str, Any]:
        return registered_answer(registry.version(subject, version, deleted=deleted))

    @router.get("/{subject}/versions/{version}/schema")
    def version_schema(subject: Name, version: str, deleted: bool = False) -> Answer:
        return text_answer(registry.version(subject, version, deleted=deleted).schema)

    @router.get("/{subject}/versions/{version}/referencedby")
    def referenced_by(subject: Name, version: str) -> list[int]:
        return registry.referencing(subject, version)

    @router.delete("/{subject}/versions/{version}")
    def delete_version(subject: Name, version: str, permanent: bool = False) -> int:
        return registry.delete_version(subject, version, permanent=permanent)

    return router


def _schemas(registry: Registry) -> APIRouter:
    router = APIRouter(prefix="/schemas")

    @router.get("")
    def schemas(
        prefix: Prefix = "", deleted: bool = False, latest_only: LatestOnly = False
    ) -> list[dict[str, Any]]:
        found = registry.registered(prefix, deleted=deleted)
        return [registered_answer(item) for item in (_latest(found) if latest_only else found)]

    @router.get("/types")
    def types() -> tuple[str, ...]:
        return TYPES

    @router.get("/ids/{schema_id}")
    def schema(schema_id: SchemaId) -> dict[str, Any]:
        return schema_answer(registry.schema(schema_id))

    @router.get("/ids/{schema_id}/schema")
    def schema_text(schema_id: SchemaId) -> Answer:
        return text_answer(registry.schema(schema_id))

    @router.get("/ids/{schema_id}/versions")
    def places(schema_id: SchemaId, deleted: bool = False) -> list[dict[str, Any]]:
        uses = registry.uses(schema_id, deleted=deleted)
        return [{"subject": item.subject, "version": item.version} for item in uses]

    @router.get("/ids/{schema_id}/subjects")
    def subjects(schema_id: SchemaId, deleted: bool = False) -> list[str]:
        return sorted({item.subject for item in registry.uses(schema_id, deleted=deleted)})

    return router


def _latest(found: list[Registered]) -> list[Registered]:
    return list({item.subject: item for item in found}.values())


def _levels(registry: Registry) -> APIRouter:
    router = APIRouter(prefix="/config")

    @router.get("")
    def level() -> dict[str, str]:
        return {"compatibilityLevel": registry.level(None)}

    @router.put("")
    def set_level(body: LevelBody) -> dict[str, str]:
        level = parse_level(body.compatibility)
        registry.set_level(None, level)
        return {"compatibility": level}

    @router.delete("")
    def reset_level() -> dict[str, str]:
        return {"compatibilityLevel": registry.reset_level(None)}

    @router.get("/{subject}")
    def subject_level(subject: Name, to_global: ToGlobal = False) -> dict[str, str]:
        return {"compatibilityLevel": registry.level(subject, default_to_global=to_global)}

    @router.put("/{subject}")
    def set_subject_level(subject: Name, body: LevelBody) -> dict[str, str]:
        level = parse_level(body.compatibility)
        registry.set_level(subject, level)
        return {"compatibility": level}

    @router.delete("/{subject}")
    def reset_subject_level(subject: Name) -> dict[str, str]:
        return {"compatibilityLevel": registry.reset_level(subject)}

    return router


def _compatibility(registry: Registry) -> APIRouter:
    router = APIRouter(prefix="/compatibility/subjects")

    def told(messages: list[str], *, verbose: bool) -> dict[str, Any]:
        answer: dict[str, Any] = {"is_compatible": not messages}
        return {**answer, "messages": messages} if verbose else answer

    @router.post("/{subject}/versions")
    def with_all(subject: Name, body: SchemaBody, verbose: bool = False) -> dict[str, Any]:
        return told(registry.differences(subject, body.as_sent()), verbose=verbose)

    @router.post("/{subject}/versions/{version}")
    def with_one(subject: Name, version: str, body: SchemaBody, verbose: bool = False) -> dict[str, Any]:
        return told(registry.differences(subject, body.as_sent(), version), verbose=verbose)

    return router


def _fixed() -> APIRouter:
    """What clients ask for and this registry has one answer to."""
    router = APIRouter()

    @router.get("/")
    def root() -> dict[str, str]:
        return {}

    @router.get("/contexts")
    def contexts() -> list[str]:
        return ["."]

    @router.get("/mode")
    def mode() -> dict[str, str]:
        return {"mode": "READWRITE"}

    @router.get("/mode/{subject}")
    def subject_mode(subject: Name, to_global: ToGlobal = False) -> dict[str, str]:
        if not to_global:
            raise ApiError(40409, f"Subject '{subject}' does not have subject-level mode configured")
        return {"mode": "READWRITE"}

    return router
