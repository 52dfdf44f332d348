"""Other sources' transactions, open in every partition of the cursors and the ledger topic."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaException, Producer


class Neighbours:
    """Holds a transaction open for `seconds`, again and again, committed and aborted in turn; with `hanging`
    one more that nobody ends: the broker does, after `timeout` seconds, and the next one begins.
    """

    def __init__(
        self,
        servers: str,
        places: Sequence[tuple[str, int]],
        *,
        seconds: float = 0.2,
        hanging: bool = False,
        timeout: float = 5.0,
    ) -> None:
        self._servers = servers
        self._places = places
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._keep_open, args=(seconds,), daemon=True)]
        if hanging:
            self._threads.append(threading.Thread(target=self._hang, args=(timeout,), daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _keep_open(self, seconds: float) -> None:
        producer = self._begun("busy")
        for number in range(1_000_000):
            if self._over.is_set():
                return
            producer.begin_transaction()
            self._write(producer, "busy")
            self._over.wait(seconds)
            if number % 2:
                producer.abort_transaction(30)
            else:
                producer.commit_transaction(30)

    def _hang(self, timeout: float) -> None:
        producer = self._begun("hanging", **{"transaction.timeout.ms": int(timeout * 1000)})
        while not self._over.is_set():
            producer.begin_transaction()
            self._write(producer, "hanging")
            self._over.wait(timeout + 3)
            with suppress(KafkaException):
                producer.abort_transaction(1)
            producer = self._begun("hanging", **{"transaction.timeout.ms": int(timeout * 1000)})

    def _begun(self, name: str, **properties: Any) -> Producer:
        producer = Producer(
            {"bootstrap.servers": self._servers, "transactional.id": f"other-{name}", **properties}
        )
        producer.init_transactions(30)
        return producer

    def _write(self, producer: Producer, name: str) -> None:
        for topic, partition in self._places:
            producer.produce(topic, b"{}", key=f"other-{name}", partition=partition)
        producer.flush(10)
