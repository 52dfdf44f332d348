"""Confluent's client works against the registry's process unchanged, and data survives it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.devstack_server import DevstackServer

MODULE = "devstack.registry"
STRANGE = ["ingest.weather-value", "a/b", "%2F", "sp ace+plus", "ünï:©de?#&", "a//b/../c", "{x}"]


def _record(*fields: tuple[str, object]) -> Schema:
    listed = [
        {"name": name, "type": kind, **({"default": None} if isinstance(kind, list) else {})}
        for name, kind in fields
    ]
    return Schema(json.dumps({"type": "record", "name": "Record", "fields": listed}), "AVRO")


ONE = _record(("a", "long"))
TWO = _record(("a", "long"), ("b", ["null", "string"]))
BAD = _record(("a", "long"), ("c", "string"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevstackServer]:
    with DevstackServer(MODULE, tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture
def client(server: DevstackServer) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": server.address}) as client:
        yield client
        for subject in client.get_subjects(deleted=True):
            if subject in client.get_subjects():
                client.delete_subject(subject)
            client.delete_subject(subject, permanent=True)


@pytest.fixture
def http(server: DevstackServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.address) as http:
        yield http


@pytest.mark.parametrize("subject", STRANGE)
def test_a_subject_may_have_any_name(client: SchemaRegistryClient, subject: str) -> None:
    first = client.register_schema(subject, ONE)
    second = client.register_schema(subject, TWO)

    assert first != second
    assert client.get_subjects() == [subject]
    assert client.get_versions(subject) == [1, 2]
    assert client.get_version(subject, 1).schema_id == first
    assert client.get_latest_version(subject).subject == subject
    assert client.lookup_schema(subject, TWO).version == 2
    client.set_compatibility(subject, "FULL_TRANSITIVE")
    assert client.get_compatibility(subject) == "FULL_TRANSITIVE"
    assert client.delete_subject(subject) == [1, 2]


def test_rejections_reach_the_client_with_their_codes(client: SchemaRegistryClient) -> None:
    client.register_schema("s", ONE)
    calls: dict[int, Callable[[], Any]] = {
        409: lambda: client.register_schema("s", BAD),
        42201: lambda: client.register_schema("s", Schema("{", "AVRO")),
        42203: lambda: client.set_compatibility("s", "sometimes"),
        40401: lambda: client.get_versions("nobody"),
        40402: lambda: client.get_version("s", 7),
        40403: lambda: client.get_schema(4711),
        40408: lambda: client.get_compatibility("s"),
        40407: lambda: client.delete_version("s", 1, permanent=True),
    }
    for code, call in calls.items():
        with pytest.raises(SchemaRegistryError) as refused:
            call()
        assert refused.value.error_code == code
        assert refused.value.http_status_code == (code if code < 1000 else code // 100)


def test_compatibility_is_tested_by_the_subjects_level(
    client: SchemaRegistryClient, http: httpx.Client
) -> None:
    client.register_schema("s", ONE)
    client.register_schema("s", TWO)

    assert client.test_compatibility("s", ONE)
    assert not client.test_compatibility("s", BAD)
    assert not client.test_compatibility_all_versions("s", BAD)
    assert client.test_compatibility_all_versions("new", BAD)
    body = {"schema": BAD.schema_str}
    verbose = http.post("/compatibility/subjects/s/versions/latest?verbose=true", json=body).json()
    assert verbose["is_compatible"] is False
    assert "/fields/1: c" in verbose["messages"][0]
    assert http.post("/compatibility/subjects/s/versions/1", json=body).json() == {"is_compatible": False}


def test_serializer_and_deserializer_find_each_other(
    client: SchemaRegistryClient, server: DevstackServer
) -> None:
    context = SerializationContext("topic", MessageField.VALUE)
    value = {"a": 5, "b": "text"}
    message = AvroSerializer(client, TWO.schema_str)(value, context)
    assert message is not None
    with SchemaRegistryClient({"url": server.address}) as other:
        assert AvroDeserializer(other)(message, context) == value
        narrow = AvroDeserializer(other, ONE.schema_str)(message, context)

    assert narrow == {"a": 5}
    assert client.get_subjects() == ["topic-value"]


def test_json_and_protobuf_schemas_are_kept_as_they_are(
    client: SchemaRegistryClient, server: DevstackServer
) -> None:
    for kind, text in (("JSON", '{"type": "object"}'), ("PROTOBUF", 'syntax = "proto3";\nmessage A {}')):
        schema_id = client.register_schema(kind, Schema(text, kind))
        with SchemaRegistryClient({"url": server.address}) as fresh:
            found = fresh.get_schema(schema_id)
        assert (found.schema_type, found.schema_str) == (kind, text)


def test_answers_have_confluents_form(http: httpx.Client, client: SchemaRegistryClient) -> None:
    schema_id = client.register_schema("s", ONE)

    assert http.get("/subjects").headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    assert http.get("/schemas/types").json() == ["JSON", "PROTOBUF", "AVRO"]
    assert http.get(f"/schemas/ids/{schema_id}").json() == {"schema": ONE.schema_str}
    assert http.get(f"/schemas/ids/{schema_id}/schema").json() == json.loads(ONE.schema_str or "")
    assert http.get(f"/schemas/ids/{schema_id}/subjects").json() == ["s"]
    assert http.get(f"/schemas/ids/{schema_id}/versions").json() == [{"subject": "s", "version": 1}]
    assert http.get("/subjects/s/versions/latest/schema").json() == json.loads(ONE.schema_str or "")
    assert http.get("/subjects/s/versions/1").json()["id"] == schema_id
    assert http.get("/subjects?subjectPrefix=x").json() == []
    assert http.get("/schemas?latestOnly=true").json()[0]["subject"] == "s"
    assert http.get("/config").json() == {"compatibilityLevel": "BACKWARD"}
    assert http.put("/config", json={"compatibility": "none"}).json() == {"compatibility": "NONE"}
    assert http.delete("/config").json() == {"compatibilityLevel": "NONE"}
    assert http.get("/config/s?defaultToGlobal=true").json() == {"compatibilityLevel": "BACKWARD"}
    assert http.get("/mode").json() == {"mode": "READWRITE"}
    assert http.get("/mode/s").json()["error_code"] == 40409
    assert http.get("/").json() == {}


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/subjects/s/versions", "{", 422),
        ("POST", "/subjects/s/versions", "{}", 422),
        ("POST", "/subjects/s/versions", '{"schema": 5}', 422),
        ("GET", "/nowhere", "", 404),
        ("PATCH", "/subjects", "", 405),
        ("GET", "/schemas/ids/x", "", 404),
        ("GET", "/subjects?deleted=perhaps", "", 422),
    ],
)
def test_what_is_not_understood_is_answered_in_the_same_form(
    http: httpx.Client, method: str, path: str, content: str, status: int
) -> None:
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    answer = http.request(method, path, content=content, headers=headers)

    assert answer.status_code == status
    assert set(answer.json()) == {"error_code", "message"}


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    with DevstackServer(MODULE, tmp_path) as server:
        with SchemaRegistryClient({"url": server.address}) as client:
            ids = [client.register_schema("s", schema) for schema in (ONE, TWO)]
            client.set_compatibility("s", "FULL")
        server.process.kill()
        server.start()
        with SchemaRegistryClient({"url": server.address}) as client:
            assert [client.get_version("s", version).schema_id for version in (1, 2)] == ids
            assert client.get_compatibility("s") == "FULL"
        assert server.terminate() == 0


def test_a_taken_port_and_a_folder_in_use_are_told(tmp_path: Path, server: DevstackServer) -> None:
    code, said = DevstackServer(MODULE, tmp_path, port=server.port).run_to_its_end()
    assert code == 1
    assert f"port {server.port} on 127.0.0.1 is taken" in said

    code, said = DevstackServer(MODULE, tmp_path / "b", "--data", str(server.data)).run_to_its_end()
    assert code == 1
    assert "give another folder with --data" in said
