"""The seam to ClickHouse: the only module that speaks clickhouse-connect, and that translates its errors.

What an error means is in `verdicts`, what is inserted in `container`, which tables there are in `tables`.
"""

import time
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Any, NoReturn, Self

import clickhouse_connect
import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from consumer import sql
from consumer.container import COMPRESSION
from consumer.errors import (
    AnswerLostError,
    ClickHouseAwayError,
    ConsumerError,
    RecordsRefusedError,
    TableMissingError,
    TopicStoppedError,
)
from consumer.verdicts import Verdict, verdict
from runtime.settings import ClickHouseSettings

CONNECT_SECONDS = 5
COMMAND_SECONDS = 60
PING_SECONDS = 2.0
MESSAGE_LIMIT = 600

_ERRORS: dict[Verdict, type[ConsumerError]] = {
    Verdict.RETRY: ClickHouseAwayError,
    Verdict.REPAIR: TableMissingError,
    Verdict.RECORDS: RecordsRefusedError,
    Verdict.STOP: TopicStoppedError,
}

# Each says why it is not left to the server's defaults.
_INSERT_SETTINGS: dict[str, Any] = {
    "async_insert": 0,  # an answer must mean stored
    "wait_end_of_query": 1,  # an error after the first bytes of the answer must still be an error
    "input_format_null_as_default": 1,  # an absent list is empty; `ddl` lets no other null through
    "input_format_avro_allow_missing_fields": 0,  # every named column is read, or the insert fails
    "throw_on_max_partitions_per_insert_block": 0,  # log times may be spread over many months
    "materialize_skip_indexes_on_insert": 0,  # none of ours; somebody else's must not slow loading
}

_log = structlog.get_logger(__name__)


class ClickHouse:
    """One ClickHouse, connected when first needed and again after it was away. For several threads.

    Everything raises the errors of `consumer.errors`. `database` is where the tables are.
    """

    def __init__(
        self, settings: ClickHouseSettings, *, new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    ) -> None:
        self.database = settings.address.database
        self._settings = settings
        self._deadline = settings.insert_deadline_seconds
        self._new_id = new_id
        self._lock = Lock()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def ping(self) -> str | None:
        """None when ClickHouse answers, else what is wrong, for a readiness check."""
        try:
            client = self._connected()
        except ConsumerError as exc:
            return str(exc)
        return (
            None if client.ping(PING_SECONDS) else f"ClickHouse at {self._settings.address} does not answer"
        )

    def rows(self, query: str) -> Sequence[Sequence[Any]]:
        """The answer to a query."""
        try:
            return self._connected().query(query).result_rows
        except (ClickHouseError, HTTPError, OSError) as exc:
            self._raise(exc, "query")

    def command(self, statement: str) -> None:
        """Execute DDL."""
        try:
            self._connected().command(statement, settings={"max_execution_time": COMMAND_SECONDS})
        except (ClickHouseError, HTTPError, OSError) as exc:
            self._raise(exc, "statement")

    def insert(self, into: str, parts: Generator[Any, None, None], token: str) -> float:
        """Insert a compressed Avro container; returns seconds. `into` is the table with columns, quoted.

        `token` is the same whenever the same bytes are sent again, and never otherwise: a retry whose first
        attempt did happen is then stored once. Raises AnswerLostError when nobody knows whether it happened.
        """
        client, query_id = self._connected(), self._new_id()
        settings = {
            **_INSERT_SETTINGS,
            "query_id": query_id,
            "insert_deduplication_token": token,
            "max_execution_time": max(1, int(self._deadline)),
        }
        started = time.monotonic()
        try:
            # A generator, since clickhouse-connect would repeat bytes behind our back after a lost answer.
            client.raw_insert(
                into, insert_block=parts, fmt="Avro", compression=COMPRESSION, settings=settings
            )
        except (ClickHouseError, HTTPError, OSError) as exc:
            if _never_answered(exc):
                self._kill(query_id)
                raise AnswerLostError(
                    f"ClickHouse did not answer an insert into {into.partition(' (')[0]} within "
                    f"{time.monotonic() - started:.0f} s: {_short(exc)}"
                ) from exc
            self._raise(exc, "insert")
        return time.monotonic() - started

    def _kill(self, query_id: str) -> None:
        """Stop what may still be running. Best effort: identity makes a row written twice one row."""
        with suppress(ClickHouseError, HTTPError, OSError, ConsumerError):
            self._connected().command(f"KILL QUERY WHERE query_id = {sql.text(query_id)} SYNC")

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Client:
        arguments = self._settings.client_arguments()
        # Connecting to a database that does not exist yet would fail; every statement names it anyway.
        arguments.pop("database")
        try:
            return clickhouse_connect.get_client(
                **arguments,
                autogenerate_session_id=False,
                connect_timeout=CONNECT_SECONDS,
                send_receive_timeout=int(self._deadline) + CONNECT_SECONDS,
                dedicated_pool=True,
                query_retries=0,
            )
        except (ClickHouseError, HTTPError, OSError) as exc:
            self._raise(exc, "connection")

    def _raise(self, exc: Exception, what: str) -> NoReturn:
        code = getattr(exc, "code", None)
        decision, reason = verdict(code, str(exc))
        if decision is Verdict.RETRY and code is None:
            raise ClickHouseAwayError(
                f"ClickHouse at {self._settings.address} does not answer: {_short(exc)}"
            ) from exc
        raise _ERRORS[decision](f"ClickHouse refuses the {what}, {reason}: {_short(exc)}") from exc


def _short(exc: Exception) -> str:
    return " ".join(str(exc).split())[:MESSAGE_LIMIT]


def _never_answered(exc: Exception) -> bool:
    """True when the request may have been executed: it was sent, and there was no answer with a code."""
    if isinstance(exc, DatabaseError) and exc.code is not None:
        return False
    cause: BaseException | None = exc
    while cause is not None:
        reason = cause.reason if isinstance(cause, MaxRetryError) else cause
        if isinstance(reason, NewConnectionError | ConnectTimeoutError | ConnectionRefusedError):
            return False
        cause = cause.__cause__ or cause.__context__
    return True
