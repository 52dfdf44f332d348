"""A registry on a folder of the test's own, and schemas in few words."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.registry.registry import Registry
from devstack.registry.schemas import Schema
from devstack.registry.store import Store


def record(**fields: object) -> Schema:
    """An Avro record: a name and a type each; a type given as (type, default) is an optional field."""
    listed = [
        {"name": name, "type": kind[0], "default": kind[1]}
        if isinstance(kind, tuple)
        else {"name": name, "type": kind}
        for name, kind in fields.items()
    ]
    return Schema("AVRO", json.dumps({"type": "record", "name": "Record", "fields": listed}))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Store(tmp_path) as store:
        yield Registry(store)
