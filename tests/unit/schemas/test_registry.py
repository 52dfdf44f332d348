"""What the client makes of a registry's answers, good and bad."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from schemas.errors import (
    IncompatibleSchemaError,
    RegistryRefusedError,
    RegistryUnavailableError,
    UnknownSchemaError,
)
from schemas.registry import COMPATIBILITY, RegisteredSchema, SchemaRegistry

SUBJECT = "ingest.weather-value"
OLD = {"type": "record", "name": "Record", "fields": [{"name": "x", "type": "long"}]}
NEW = {"type": "record", "name": "Record", "fields": [{"name": "x", "type": "string"}]}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
NOT_FOUND = {"error_code": 40401, "message": "Subject not found."}


@pytest.fixture
def registry(httpserver: HTTPServer) -> Iterator[SchemaRegistry]:
    with SchemaRegistry(httpserver.url_for(""), timeout=5) as client:
        yield client


def answers(httpserver: HTTPServer, method: str, path: str, body: Any, status: int = 200) -> None:
    httpserver.expect_request(path, method=method).respond_with_json(body, status=status)


def calls(httpserver: HTTPServer) -> list[str]:
    return [f"{request.method} {request.path}" for request, _ in httpserver.log]


def holds(httpserver: HTTPServer, schema: dict[str, Any]) -> None:
    """The subject has one version."""
    answers(httpserver, "POST", f"/subjects/{SUBJECT}", NOT_FOUND | {"error_code": 40403}, 404)
    answers(httpserver, "GET", f"/subjects/{SUBJECT}/versions", [1])
    version = {"subject": SUBJECT, "version": 1, "id": 3, "schema": json.dumps(schema)}
    answers(httpserver, "GET", f"/subjects/{SUBJECT}/versions/1", version)


def test_a_schema_that_is_there_keeps_its_id_and_is_asked_for_once(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    there = {"subject": SUBJECT, "version": 2, "id": 9, "schema": json.dumps(OLD)}
    answers(httpserver, "POST", f"/subjects/{SUBJECT}", there)
    assert [registry.register(SUBJECT, OLD), registry.register(SUBJECT, OLD)] == [9, 9]
    assert calls(httpserver) == [f"POST /subjects/{SUBJECT}"]


def test_a_new_subject_is_made_backward_transitive_before_its_first_schema(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    answers(httpserver, "POST", f"/subjects/{SUBJECT}", NOT_FOUND, 404)
    answers(httpserver, "GET", f"/subjects/{SUBJECT}/versions", NOT_FOUND, 404)
    httpserver.expect_request(
        f"/config/{SUBJECT}", method="PUT", json={"compatibility": COMPATIBILITY}
    ).respond_with_json({"compatibility": COMPATIBILITY})
    answers(httpserver, "POST", f"/subjects/{SUBJECT}/versions", {"id": 1})
    assert registry.register(SUBJECT, OLD) == 1
    httpserver.check()
    assert calls(httpserver)[-2:] == [f"PUT /config/{SUBJECT}", f"POST /subjects/{SUBJECT}/versions"]


def test_a_subject_that_is_there_keeps_the_level_it_has(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    holds(httpserver, OLD)
    answers(httpserver, "POST", f"/subjects/{SUBJECT}/versions", {"id": 4})
    assert registry.register(SUBJECT, {**OLD, "doc": "new"}) == 4
    assert not [call for call in calls(httpserver) if call.startswith("PUT")]


def test_an_incompatible_schema_is_refused_by_its_fields(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    holds(httpserver, OLD)
    answers(httpserver, "POST", f"/subjects/{SUBJECT}/versions", {"error_code": 409, "message": "no"}, 409)
    with pytest.raises(IncompatibleSchemaError) as caught:
        registry.register(SUBJECT, NEW)
    assert caught.value.subject == SUBJECT
    assert caught.value.differences == [
        "Record.x was long, and now is string; keep the type, or publish it as a new field under another name"
    ]


def test_where_we_see_no_difference_the_registrys_words_are_kept(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    holds(httpserver, OLD)
    answers(
        httpserver, "POST", f"/subjects/{SUBJECT}/versions", {"error_code": 409, "message": "a rule"}, 409
    )
    with pytest.raises(IncompatibleSchemaError, match="a rule"):
        registry.register(SUBJECT, {**OLD, "doc": "other"})


def test_a_changed_meaning_is_refused_before_the_registry_is_asked(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    holds(httpserver, {**OLD, "fields": [{"name": "x", "type": MONEY}]})
    with pytest.raises(IncompatibleSchemaError, match=r"Record\.x was bytes \(decimal, 9, 2\)"):
        registry.register(SUBJECT, {**OLD, "fields": [{"name": "x", "type": {**MONEY, "scale": 3}}]})
    assert f"POST /subjects/{SUBJECT}/versions" not in calls(httpserver)


def test_a_check_lists_what_stands_against_a_schema(httpserver: HTTPServer, registry: SchemaRegistry) -> None:
    holds(httpserver, OLD)
    path = f"/compatibility/subjects/{SUBJECT}/versions"
    answers(httpserver, "POST", path, {"is_compatible": False})
    assert [line.split(",")[0] for line in registry.check(SUBJECT, NEW)] == ["Record.x was long"]
    [line] = registry.check(SUBJECT, {**OLD, "doc": "other"})
    assert "compatibility level" in line


def test_nothing_stands_against_a_compatible_schema_or_a_new_subject(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    answers(httpserver, "GET", "/subjects/new-value/versions", NOT_FOUND, 404)
    assert registry.check("new-value", NEW) == []
    holds(httpserver, OLD)
    answers(httpserver, "POST", f"/compatibility/subjects/{SUBJECT}/versions", {"is_compatible": True})
    assert registry.check(SUBJECT, {**OLD, "doc": "other"}) == []


@pytest.mark.parametrize("kind", ["AVRO", "JSON", "PROTOBUF"])
def test_a_schema_is_looked_up_by_its_id_once(
    httpserver: HTTPServer, registry: SchemaRegistry, kind: str
) -> None:
    answer = {"schema": "text", **({"schemaType": kind} if kind != "AVRO" else {})}
    answers(httpserver, "GET", "/schemas/ids/5", answer)
    found = [registry.schema(5), registry.schema(5)]
    assert found == [RegisteredSchema(5, kind, "text")] * 2  # type: ignore[arg-type]
    assert len(calls(httpserver)) == 1


def test_an_unknown_id_is_told_apart_from_a_registry_that_is_away(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    answers(httpserver, "GET", "/schemas/ids/5", {"error_code": 40403, "message": "Schema not found"}, 404)
    with pytest.raises(UnknownSchemaError, match="has no schema 5"):
        registry.schema(5)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_answer_that_may_change_is_worth_another_try(
    httpserver: HTTPServer, registry: SchemaRegistry, status: int
) -> None:
    httpserver.expect_request("/schemas/ids/5").respond_with_data("<html>busy</html>", status=status)
    with pytest.raises(RegistryUnavailableError, match=f"schema 5.*{status}"):
        registry.schema(5)
    assert len(calls(httpserver)) == 1


@pytest.mark.parametrize("status", [401, 403, 422])
def test_an_answer_that_stays_is_not(httpserver: HTTPServer, registry: SchemaRegistry, status: int) -> None:
    answers(httpserver, "GET", "/schemas/ids/5", {"error_code": status, "message": "no"}, status)
    with pytest.raises(RegistryRefusedError, match="no"):
        registry.schema(5)


@pytest.mark.parametrize("body", ["<html>Welcome</html>", "[]", '"text"'])
def test_a_server_that_is_no_registry_is_named(
    httpserver: HTTPServer, registry: SchemaRegistry, body: str
) -> None:
    httpserver.expect_request("/schemas/ids/5").respond_with_data(body)
    with pytest.raises(RegistryRefusedError, match="is the address a registry's"):
        registry.schema(5)


def test_a_registry_that_is_away_is_worth_another_try() -> None:
    with HTTPServer(port=0) as server:
        address = server.url_for("")
    with (
        SchemaRegistry(address, timeout=1) as away,
        pytest.raises(RegistryUnavailableError, match="no answer"),
    ):
        away.schema(5)


def test_credentials_are_sent_and_never_shown(httpserver: HTTPServer) -> None:
    def handle(request: Request) -> Response:
        assert request.authorization is not None
        told = (request.authorization.username, request.authorization.password)
        return Response(json.dumps({"schema": f"{told}"}), content_type="application/json")

    httpserver.expect_request("/schemas/ids/5").respond_with_handler(handle)
    with SchemaRegistry(httpserver.url_for(""), basic_auth=("me", "s3:cret")) as registry:
        assert registry.schema(5).text == "('me', 's3:cret')"
    inside = httpserver.url_for("").replace("//", "//me:s3cret@")
    with SchemaRegistry(inside) as registry, pytest.raises(RegistryUnavailableError) as caught:
        registry.schema(6)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:8081", "", "ftp://x"])
def test_an_address_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    with pytest.raises(RegistryRefusedError):
        SchemaRegistry(url)


def test_a_certificate_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryRefusedError, match="cannot be set up"):
        SchemaRegistry("https://localhost:1", ca_file=tmp_path / "ca.pem")


DECLARED = {**OLD, "ingest": {"mode": "append", "sort": ["x"], "key": ["x"]}}


def test_what_tables_and_ids_are_made_by_is_compared_with_the_newest_version_only(
    httpserver: HTTPServer, registry: SchemaRegistry
) -> None:
    answers(httpserver, "POST", f"/subjects/{SUBJECT}", NOT_FOUND | {"error_code": 40403}, 404)
    answers(httpserver, "GET", f"/subjects/{SUBJECT}/versions", [1, 2])
    for number, schema in ((1, {**DECLARED, "ingest": {"key": ["y"]}}), (2, DECLARED)):
        version = {"subject": SUBJECT, "version": number, "id": number, "schema": json.dumps(schema)}
        answers(httpserver, "GET", f"/subjects/{SUBJECT}/versions/{number}", version)
    answers(httpserver, "POST", f"/subjects/{SUBJECT}/versions", {"id": 4})
    changed = {**DECLARED, "ingest": {"mode": "append", "sort": [], "key": ["x"]}}
    with pytest.raises(IncompatibleSchemaError, match="does not go with") as caught:
        registry.register(SUBJECT, changed)
    assert [line.split(";")[0] for line in caught.value.differences] == ["sort was (x), and now is ()"]
    assert f"POST /subjects/{SUBJECT}/versions" not in calls(httpserver)
    answers(httpserver, "POST", f"/compatibility/subjects/{SUBJECT}/versions", {"is_compatible": True})
    assert registry.check(SUBJECT, changed) == caught.value.differences
    assert registry.register(SUBJECT, {**DECLARED, "doc": "new"}) == 4
