"""Every setting of the platform: its name, type, default and meaning, in frozen models.

Where values come from is `layers.py`; how a refusal is worded is `complaints.py`. A connector's own
settings are declared in its own file and only carried here, unread, under `sources`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from runtime.addresses import ClickHouseAddress, clickhouse_address, http_url
from runtime.complaints import explain
from runtime.errors import SettingsError
from runtime.kafka_properties import SECRET, property_name, property_value_problems
from runtime.keys import Keys
from runtime.layers import Layer, read_layers

# At most what waits and librdkafka's numbers can hold; an endless time to stop would be none.
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(gt=0, le=2**31 - 1)]
PropertyName = Annotated[str, AfterValidator(property_name)]
BrokerDefault = Annotated[int, Field(ge=-1)]


class Part(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Part):
    """The broker."""

    bootstrap_servers: str = Field("localhost:9092", min_length=1, description="Brokers, `host:port,…`")
    properties: dict[PropertyName, str | bool | int | SecretStr] = Field(
        default_factory=dict,
        description="librdkafka properties for security, sessions, fetching, batching, from a fixed list; "
        "a JSON object, or one variable each: `INGEST_KAFKA__PROPERTIES__SASL_PASSWORD`",
    )

    @field_validator("properties")
    @classmethod
    def _together(cls, given: dict[str, Any]) -> dict[str, Any]:
        if problems := property_value_problems(given):
            raise ValueError("; ".join(problems))
        return {name: SecretStr(str(value)) if name in SECRET else value for name, value in given.items()}


class RegistrySettings(Part):
    """The schema registry."""

    url: str = Field("http://localhost:8081", description="Address of a Confluent-compatible registry")
    username: str | None = Field(None, description="User, where the registry asks for one")
    password: SecretStr | None = Field(None, description="Password of that user")
    ca_file: FilePath | None = Field(None, description="Certificates to trust instead of the system's (PEM)")

    _check_url = field_validator("url")(http_url)

    @property
    def basic_auth(self) -> tuple[str, str] | None:
        """User and password, or None when no user is set."""
        if self.username is None:
            return None
        return self.username, self.password.get_secret_value() if self.password else ""


class ClickHouseSettings(Part):
    """The warehouse."""

    url: SecretStr = Field(
        SecretStr("http://default@localhost:8123/default"),
        description="HTTP interface, `http://user:password@host:8123/database`",
    )
    cluster: str | None = Field(
        None,
        description="Kept for `ON CLUSTER` of a later version: the loader does not start while it is set",
    )
    insert_deadline_seconds: Seconds = Field(120, description="How long one insert may take")
    ca_file: FilePath | None = Field(None, description="Certificates to trust instead of the system's (PEM)")

    @field_validator("url")
    @classmethod
    def _readable(cls, url: SecretStr) -> SecretStr:
        clickhouse_address(url.get_secret_value())
        return url

    @property
    def address(self) -> ClickHouseAddress:
        """The URL in parts; its text and repr hold no password."""
        return clickhouse_address(self.url.get_secret_value())

    def client_arguments(self) -> dict[str, Any]:
        """Keyword arguments for `clickhouse_connect.get_client`."""
        trust = {"ca_cert": str(self.ca_file)} if self.ca_file else {}
        return {**self.address.client_arguments(), **trust}


class ConnectorsSettings(Part):
    """Where connectors are found."""

    paths: tuple[Path, ...] = Field((), description=f"Folders with connectors, separated by `{os.pathsep}`")
    skip: tuple[str, ...] = Field((), description="Sources that the producer does not run, separated by `,`")

    @field_validator("paths", "skip", mode="before")
    @classmethod
    def _split(cls, given: Any, info: ValidationInfo) -> Any:
        separator = os.pathsep if info.field_name == "paths" else ","
        if not isinstance(given, str):
            return given
        return tuple(part.strip() for part in given.split(separator) if part.strip())


class ProducerSettings(Part):
    """The daemon that extracts and publishes."""

    slice_records: Count = Field(250, description="Records that are encoded and produced together, at most")
    slice_seconds: Seconds = Field(1.0, description="How long a record waits for its slice to fill, at most")
    checkpoint_records: Count = Field(20_000, description="Records that are committed together, at most")
    checkpoint_bytes: ByteSize = Field(
        ByteSize(16 * 1024**2), gt=0, description="Bytes that are committed together, at most"
    )
    checkpoint_seconds: Seconds = Field(
        1.0, description="How long an encoded record waits for its commit, at most"
    )
    drain_seconds: Seconds = Field(25, description="Time to finish after SIGTERM")
    workers: Count = Field(8, description="Sources that run at the same time, at most")
    group: str = Field("ingest-producer", min_length=1, description="Consumer group of the producers")
    session_seconds: Seconds = Field(
        10,
        description="How long a producer may be silent before others take its sources over; "
        "`session.timeout.ms` of INGEST_KAFKA__PROPERTIES wins",
    )
    revoke_seconds: Seconds = Field(
        20, description="Time for runs to end when their source goes to another producer"
    )
    job_partitions: Count = Field(
        24, description="Partitions of the jobs topic when it is made: shares into which sources are divided"
    )
    topic_partitions: BrokerDefault = Field(
        -1, description="Partitions of new topics; -1: as the broker does"
    )
    topic_replication: BrokerDefault = Field(-1, description="Replicas of new topics; -1: as the broker does")


class ConsumerSettings(Part):
    """The daemon that loads ClickHouse."""

    group: str = Field("ingest-loader", min_length=1, description="Consumer group of the loaders")
    batch_rows: Count = Field(200_000, description="Rows of one insert, at most")
    batch_bytes: ByteSize = Field(ByteSize(64 * 1024**2), gt=0, description="Bytes of one insert, at most")
    batch_seconds: Seconds = Field(1.0, description="How long a record waits for its insert to fill, at most")
    memory_bytes: ByteSize = Field(
        ByteSize(12 * 1024**2), gt=0, description="Bytes of unloaded records (compressed), at most"
    )
    drain_seconds: Seconds = Field(25, description="Time to finish after SIGTERM")
    discovery_seconds: Seconds = Field(5, description="How soon new topics are found, at most")


class HttpSettings(Part):
    """Health and metrics of a daemon."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="Interface to listen on; in containers `0.0.0.0`"
    )
    port: int = Field(8080, ge=0, le=65535, description="Port for probes and metrics; 0 takes any free one")


class LogSettings(Part):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged"
    )
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto` is `console` in a terminal and `json` elsewhere"
    )


class Settings(BaseSettings):
    """All settings. Build it with `load_settings`, which reads, checks and explains."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    topic_prefix: str = Field(
        "ingest",
        pattern=r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*$",
        max_length=180,
        description="First part of the names of topics and subjects",
    )
    kafka: KafkaSettings = KafkaSettings()
    registry: RegistrySettings = RegistrySettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    connectors: ConnectorsSettings = ConnectorsSettings()
    producer: ProducerSettings = ProducerSettings()
    consumer: ConsumerSettings = ConsumerSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    # Not in repr: which of these are secret is known to the connector only.
    sources: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        repr=False,
        description="Settings of connectors, one variable each: `INGEST_SOURCES__<SOURCE>__<FIELD>`",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind the caller's back.

        The stock sources skip unknown names and forget origins.
        """
        return (init_settings,)


@dataclass(frozen=True)
class LoadedSettings:
    """Settings together with where each value came from."""

    settings: Settings
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Where the value of `kafka.bootstrap_servers` came from; "default" when nobody set it."""
        return self.origins.get(key, "default")


def load_settings(
    overrides: Mapping[str, Any] | None = None, *, env: Mapping[str, str] = os.environ
) -> Settings:
    """Read, merge and check all settings; raises SettingsError that names every fault found.

    Precedence: `overrides` (dotted keys or nested) > environment > secret files > TOML file > default.
    """
    return load_with_origins(overrides, env=env).settings


def load_with_origins(
    overrides: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    config: Path | None = None,
) -> LoadedSettings:
    """Like `load_settings`, and remembers the origin of each value.

    `config` is the TOML file of a `--config`, in place of the one that INGEST_CONFIG names.
    """
    keys = Keys.of(Settings)
    layers, problems = read_layers(keys, overrides or {}, env, config)
    entries = {entry.path: entry for layer in reversed(layers) for entry in layer.entries}
    try:
        settings = Settings(_build_sources=(tuple(_LayerSource(layer) for layer in layers), {}))
    except ValidationError as exc:
        raise SettingsError([*problems, *explain(exc, entries, keys)]) from None
    if problems:
        raise SettingsError(problems)
    return LoadedSettings(settings, {".".join(path): entry.origin for path, entry in entries.items()})


class _LayerSource(PydanticBaseSettingsSource):
    """One layer in the form that pydantic-settings merges."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(Settings)
        self._layer = layer

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """The layer's value of one top-level field."""
        return self._layer.nested().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._layer.nested()
