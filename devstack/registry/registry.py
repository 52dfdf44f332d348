"""The registry's rules: what may be registered, deletion in two steps, levels. Each method is atomic."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

from devstack.registry import compatibility
from devstack.registry.compatibility import Level
from devstack.registry.contents import Contents, Registered, Version
from devstack.registry.errors import ApiError, incompatible, schema_not_found, subject_not_found
from devstack.registry.schemas import Schema, checked
from devstack.registry.store import Store


class Registry:
    """Schemas under subjects. Safe to use from many threads; what changes is on disk before it returns."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()

    def register(self, subject: str, schema: Schema) -> Registered:
        """Return the schema's place in the subject, made if it is not there yet.

        The same schema has the same id in all subjects. Raises ApiError: 42201 for a schema that is not
        valid, 409 for one that the subject's level does not allow.
        """
        with self._reading() as contents:
            checked(schema, contents.resolve)
            if known := contents.find(subject, schema):
                return known
            if details := self.differences(subject, schema):
                raise incompatible(subject, [*details, f"{{compatibility: '{contents.level_of(subject)}'}}"])
            with self._changing():
                return contents.add(subject, schema)

    def lookup(self, subject: str, schema: Schema, *, deleted: bool = False) -> Registered:
        """Return the schema's place in the subject. Raises ApiError 40401, 40403, 42201."""
        with self._reading() as contents:
            contents.versions(subject, deleted=deleted)
            checked(schema, contents.resolve)
            if found := contents.find(subject, schema, deleted=deleted):
                return found
            raise schema_not_found()

    def differences(self, subject: str, schema: Schema, number: str | None = None) -> list[str]:
        """Return what keeps the schema out of the subject by its level; empty when nothing does.

        With `number`, that version alone counts. Raises ApiError 42201, and for a number 40401, 40402, 42202.
        """
        with self._reading() as contents:
            checked(schema, contents.resolve)
            earlier: Sequence[Schema] = contents.schemas_of(subject)
            if number is not None:
                earlier = [contents.registered(subject, contents.version(subject, number)).schema]
            return compatibility.differences(schema, earlier, contents.level_of(subject), contents.resolve)

    def subjects(self, prefix: str = "", *, deleted: bool = False, deleted_only: bool = False) -> list[str]:
        """Return the names of subjects, sorted; deleted ones only when asked for."""
        with self._reading() as contents:
            every = {item.subject for item in contents.all(prefix, deleted=True)}
            live = {item.subject for item in contents.all(prefix)}
            return sorted(every - live if deleted_only else every if deleted else live)

    def versions(self, subject: str, *, deleted: bool = False) -> list[int]:
        """Return the subject's version numbers. Raises ApiError 40401."""
        with self._reading() as contents:
            return [version.number for version in contents.versions(subject, deleted=deleted)]

    def version(self, subject: str, number: str, *, deleted: bool = False) -> Registered:
        """Return a version by number or `latest`. Raises ApiError 40401, 40402, 42202."""
        with self._reading() as contents:
            return contents.registered(subject, contents.version(subject, number, deleted=deleted))

    def schema(self, schema_id: int) -> Schema:
        """Return the schema with this id. Raises ApiError 40403."""
        with self._reading() as contents:
            return contents.schema(schema_id)

    def uses(self, schema_id: int, *, deleted: bool = False) -> list[Registered]:
        """Return where the schema with this id is registered. Raises ApiError 40403."""
        with self._reading() as contents:
            contents.schema(schema_id)
            return [item for item in contents.all(deleted=deleted) if item.id == schema_id]

    def registered(self, prefix: str = "", *, deleted: bool = False) -> list[Registered]:
        """Return every schema in every subject whose name starts with `prefix`."""
        with self._reading() as contents:
            return contents.all(prefix, deleted=deleted)

    def referencing(self, subject: str, number: str) -> list[int]:
        """Return the ids of schemas that refer to this version. Raises as `version` does."""
        with self._reading() as contents:
            return contents.referencing(subject, contents.version(subject, number).number)

    def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        """Hide a subject, or remove a hidden one for good; return its versions.

        Raises ApiError 40401, 40404 (hidden already), 40405 (not hidden yet), 42206 (referred to).
        """
        with self._reading() as contents:
            versions = contents.versions(subject, deleted=True)
            live = [version for version in versions if not version.deleted]
            _check_order(f"Subject '{subject}'", permanent=permanent, hidden=not live, codes=(40404, 40405))
            return self._delete(subject, versions if permanent else live, permanent=permanent)

    def delete_version(self, subject: str, number: str, *, permanent: bool = False) -> int:
        """Hide a version, or remove a hidden one for good; return its number.

        Raises ApiError 40401, 40402, 42202, 40406 (hidden already), 40407 (not hidden yet), 42206.
        """
        with self._reading() as contents:
            version = contents.version(subject, number, deleted=True)
            what = f"Subject '{subject}' Version {version.number}"
            _check_order(what, permanent=permanent, hidden=version.deleted, codes=(40406, 40407))
            return self._delete(subject, [version], permanent=permanent)[0]

    def level(self, subject: str | None, *, default_to_global: bool = False) -> Level:
        """Return the subject's level, or the global one for None. Raises ApiError 40408."""
        with self._reading() as contents:
            if subject is None:
                return contents.level
            if subject in contents.levels or default_to_global:
                return contents.level_of(subject)
            raise ApiError(40408, f"Subject '{subject}' does not have subject-level compatibility configured")

    def set_level(self, subject: str | None, level: Level) -> None:
        """Set the subject's level, or the global one for None."""
        with self._changing() as contents:
            if subject is None:
                contents.level = level
            else:
                contents.levels[subject] = level

    def reset_level(self, subject: str | None) -> Level:
        """Undo `set_level` and return the level that was set. Raises ApiError 40401."""
        with self._changing() as contents:
            if subject is None:
                before, contents.level = contents.level, Level.BACKWARD
                return before
            if subject not in contents.levels:
                raise subject_not_found(subject)
            return contents.levels.pop(subject)

    def _delete(self, subject: str, versions: Sequence[Version], *, permanent: bool) -> list[int]:
        with self._changing() as contents:
            for version in versions:
                if contents.referencing(subject, version.number):
                    raise ApiError(
                        42206,
                        "One or more references exist to the schema "
                        f"{{subject={subject},version={version.number}}}.",
                    )
            if permanent:
                contents.remove(subject, versions)
            for version in versions:
                version.deleted = True
            return [version.number for version in versions]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Contents]:
        with self._lock:
            yield self._store.contents

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Contents]:
        """Hold the lock and save what was changed; where that fails, nothing has changed."""
        with self._lock:
            try:
                yield self._store.contents
                self._store.save()
            except BaseException:
                self._store.reload()
                raise


def _check_order(what: str, *, permanent: bool, hidden: bool, codes: tuple[int, int]) -> None:
    """Raise unless hiding comes first and removal second."""
    if permanent and not hidden:
        raise ApiError(codes[1], f"{what} was not deleted first before being permanently deleted")
    if hidden and not permanent:
        raise ApiError(codes[0], f"{what} was soft deleted. Set permanent=true to delete permanently")
