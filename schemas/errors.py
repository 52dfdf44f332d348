"""Everything `schemas` can refuse, grouped by what the caller does next.

SchemaError
├── RegistryUnavailableError      try again
├── UnencodableRecordError        skip this record (dead-letter it)
├── UnfitValueError               skip this record (what UnencodableRecordError is made of)
├── FramingError                  skip this record
├── UnknownSchemaError            skip this record
├── RegistryRefusedError          stop: credentials or request refused
├── IncompatibleSchemaError       stop: the new schema would break readers or tables
├── TopicNameError                stop: not a topic of ours
└── ContractError                 stop: what the connector declares cannot be published
    ├── SourceNameError
    └── UnmappableFieldError
"""

from collections.abc import Sequence


class SchemaError(Exception):
    """Root of the errors of this package."""


class RegistryUnavailableError(SchemaError):
    """The schema registry did not answer, or cannot serve now; the same call may succeed later."""


class UnencodableRecordError(SchemaError):
    """A record holds a value that its Avro schema cannot carry.

    `index` is its place in the slice, `path` the field ("Record.items[3].price"), `encoded` the finished
    messages of the records before it, so the caller can go on with `records[index + 1:]`.
    """

    def __init__(self, index: int, path: str, why: str, encoded: Sequence[dict[str, bytes]] = ()) -> None:
        super().__init__(f"record {index} of the slice: {path} {why}")
        self.index, self.path, self.why, self.encoded = index, path, why, encoded


class UnfitValueError(SchemaError):
    """One value that its Avro type cannot carry; `path` is the field, `why` continues a sentence about it."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} {why}")
        self.path, self.why = path, why


class FramingError(SchemaError):
    """A message value does not start with Confluent's five framing bytes."""


class UnknownSchemaError(SchemaError):
    """The registry has no schema of this id."""


class RegistryRefusedError(SchemaError):
    """The registry answered and said no: credentials, permissions, or a request it does not understand."""


class IncompatibleSchemaError(SchemaError):
    """A new schema does not go with what is already in the topic; `differences` has a line per field.

    `fault` continues the sentence "the new schema …".
    """

    def __init__(
        self, subject: str, differences: Sequence[str], fault: str = "cannot read records already published"
    ) -> None:
        lines = "".join(f"\n  - {line}" for line in differences)
        super().__init__(f"{subject}: the new schema {fault}.{lines}")
        self.subject, self.differences = subject, list(differences)


class TopicNameError(SchemaError):
    """A topic or prefix name that does not follow `schemas.names`."""


class ContractError(SchemaError):
    """What a connector declares (name, key, sort, event time, mode, fields) cannot be published."""


class SourceNameError(ContractError):
    """A source name that cannot become a topic, a table and a view."""


class UnmappableFieldError(ContractError):
    """A model field that Avro cannot carry: where (`path`), `why`, and what to declare `instead`."""

    def __init__(self, path: str, why: str, instead: str) -> None:
        super().__init__(f"{path}: {why}. {instead}")
        self.path, self.why, self.instead = path, why, instead
