"""What the registry knows, in memory, and questions to it. Rules are in registry.py, the file in store.py."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from devstack.registry.compatibility import Level
from devstack.registry.errors import (
    ApiError,
    invalid_schema,
    schema_not_found,
    subject_not_found,
    version_not_found,
)
from devstack.registry.schemas import Reference, Schema

LATEST = "latest"
_MAX_VERSION = 2**31 - 1


@dataclass
class Version:
    """A schema's place in a subject. A deleted one is hidden until it is deleted for good."""

    number: int
    schema_id: int
    deleted: bool = False


@dataclass(frozen=True)
class Registered:
    """A schema in a subject, as it is told to clients."""

    subject: str
    version: int
    id: int
    schema: Schema


@dataclass
class Contents:
    """Schemas by id and subjects' versions. `last_numbers` keeps a number from being given twice."""

    next_id: int = 1
    schemas: dict[int, Schema] = field(default_factory=dict)
    subjects: dict[str, list[Version]] = field(default_factory=dict)
    last_numbers: dict[str, int] = field(default_factory=dict)
    level: Level = Level.BACKWARD
    levels: dict[str, Level] = field(default_factory=dict)

    def level_of(self, subject: str) -> Level:
        """The level that counts for the subject."""
        return self.levels.get(subject, self.level)

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """The subject's versions, oldest first. Raises ApiError 40401 if there are none."""
        found = [item for item in self.subjects.get(subject, []) if deleted or not item.deleted]
        if not found:
            raise subject_not_found(subject)
        return found

    def version(self, subject: str, number: str, *, deleted: bool = False) -> Version:
        """A version by number, `latest` or -1. Raises ApiError 40401, 40402, 42202."""
        wanted = _parse_number(number)
        versions = self.versions(subject, deleted=deleted)
        if wanted is None:
            return versions[-1]
        found = next((item for item in versions if item.number == wanted), None)
        if found is None:
            raise version_not_found(number)
        return found

    def registered(self, subject: str, version: Version) -> Registered:
        """The version with its schema."""
        return Registered(subject, version.number, version.schema_id, self.schemas[version.schema_id])

    def all(self, prefix: str = "", *, deleted: bool = False) -> list[Registered]:
        """Every schema in every subject whose name starts with `prefix`."""
        return [
            self.registered(name, version)
            for name, versions in sorted(self.subjects.items())
            if name.startswith(prefix)
            for version in versions
            if deleted or not version.deleted
        ]

    def find(self, subject: str, schema: Schema, *, deleted: bool = False) -> Registered | None:
        """The newest version of the subject that holds the same schema."""
        for version in reversed(self.subjects.get(subject, [])):
            same = self.schemas[version.schema_id].identity == schema.identity
            if same and (deleted or not version.deleted):
                return self.registered(subject, version)
        return None

    def schemas_of(self, subject: str) -> list[Schema]:
        """The subject's schemas that are not deleted, oldest first."""
        return [self.schemas[item.schema_id] for item in self.subjects.get(subject, []) if not item.deleted]

    def schema(self, schema_id: int) -> Schema:
        """The schema with this id. Raises ApiError 40403."""
        if schema_id not in self.schemas:
            raise schema_not_found(schema_id)
        return self.schemas[schema_id]

    def resolve(self, reference: Reference) -> Schema:
        """The schema that a reference means. Raises ApiError 42201."""
        try:
            version = self.version(reference.subject, str(reference.version), deleted=True)
        except ApiError as exc:
            raise invalid_schema(
                f"its reference {reference.name!r} to version {reference.version} of subject "
                f"{reference.subject!r} leads nowhere: {exc.message}"
            ) from exc
        return self.schemas[version.schema_id]

    def referencing(self, subject: str, number: int) -> list[int]:
        """Ids of the schemas that refer to this version."""
        return sorted(
            schema_id
            for schema_id, schema in self.schemas.items()
            if any((item.subject, item.version) == (subject, number) for item in schema.references)
        )

    def add(self, subject: str, schema: Schema) -> Registered:
        """Put a schema into a subject as its newest version; the same schema keeps its id everywhere."""
        schema_id = next((key for key, old in self.schemas.items() if old.identity == schema.identity), None)
        if schema_id is None:
            schema_id, self.next_id = self.next_id, self.next_id + 1
            self.schemas[schema_id] = schema
        number = self.last_numbers.get(subject, 0) + 1
        self.last_numbers[subject] = number
        version = Version(number, schema_id)
        self.subjects.setdefault(subject, []).append(version)
        return self.registered(subject, version)

    def remove(self, subject: str, versions: Sequence[Version]) -> None:
        """Take versions out for good, with schemas that nobody else has and a subject left empty."""
        self.subjects[subject] = [item for item in self.subjects[subject] if item not in versions]
        if not self.subjects[subject]:
            for mapping in (self.subjects, self.last_numbers, self.levels):
                mapping.pop(subject, None)
        used = {item.schema_id for kept in self.subjects.values() for item in kept}
        self.schemas = {key: schema for key, schema in self.schemas.items() if key in used}


def _parse_number(text: str) -> int | None:
    """A version's number, None for the latest. Raises ApiError 42202."""
    if text in (LATEST, "-1"):
        return None
    # Only ASCII digits: int() would also take signs, blanks, underscores and other scripts' digits.
    if text.isascii() and text.isdigit() and 1 <= int(text[:11]) <= _MAX_VERSION:
        return int(text[:11])
    raise ApiError(
        42202,
        f"The specified version '{text}' is not a valid version id. Allowed values are between "
        f'[1, 2^31-1] and the string "{LATEST}"',
    )
