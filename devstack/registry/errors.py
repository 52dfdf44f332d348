"""Errors of the registry, with the codes that Confluent's registry answers.

RegistryServerError
├── ApiError      the request is refused: HTTP status, error code, message
└── StoreError    the data cannot be read or is in use; the process does not start
"""


class RegistryServerError(Exception):
    """Root of the registry's errors."""


class StoreError(RegistryServerError):
    """The data folder cannot be used; the text says why and what to do."""


class ApiError(RegistryServerError):
    """A refused request. `code` is Confluent's; its first three digits are the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status that belongs to the code."""
        return self.code if self.code < 1000 else self.code // 100


def subject_not_found(subject: str) -> ApiError:
    """40401."""
    return ApiError(40401, f"Subject '{subject}' not found.")


def version_not_found(version: int | str) -> ApiError:
    """40402."""
    return ApiError(40402, f"Version {version} not found.")


def schema_not_found(schema_id: int | None = None) -> ApiError:
    """40403."""
    return ApiError(40403, "Schema not found" if schema_id is None else f"Schema {schema_id} not found")


def invalid_schema(reason: str) -> ApiError:
    """42201."""
    return ApiError(42201, f"Invalid schema: {reason}")


def incompatible(subject: str, details: list[str]) -> ApiError:
    """409."""
    listed = "; ".join(details)
    return ApiError(
        409,
        "Schema being registered is incompatible with an earlier schema for subject "
        f'"{subject}", details: [{listed}]',
    )
