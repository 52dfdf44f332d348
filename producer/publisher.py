"""One run's way into Kafka: each checkpoint is published once, whatever happens to broker and connection.

Records, dead letters, the ledger's entry and the position commit in one transaction (rules P1 to P4, P8).
Which records there are, and when a checkpoint is due, is the run's.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from producer.checkpoint import Checkpoint
from producer.errors import BrokerAwayError, ProducerError, PublisherFencedError, PublishFailedError
from producer.positions import Ends, Position
from producer.target import TRANSACTION_SECONDS, Target
from producer.transactions import DoubtError, Transactions

# So often the same checkpoint is tried after errors of which nobody has heard before.
_ATTEMPTS = 5
# So often, and with such pauses, a successor that has not written yet is asked for its name.
_LOOKS = 50
_LOOK_SECONDS = 0.2
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Closing:
    """What ends a checkpoint: the source's position after it, the ledger's entry as key and value, and the
    ends of the source's topics.
    """

    position: Position
    entry: tuple[bytes, bytes]
    ends: Ends


class Publisher:
    """Publishes one run's checkpoints. A context manager, used by one thread.

    `open_epoch` makes a producer that has not begun, and that explains refusals if asked to; `load` reads the
    source's position, `ends` tells where topics end now, `owned` whether this process may still run the
    source.
    """

    def __init__(
        self,
        target: Target,
        *,
        open_epoch: Callable[[bool], Transactions],
        load: Callable[[str], Position | None],
        ends: Callable[[Sequence[str]], Ends],
        owned: Callable[[], bool] = lambda: True,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._target = target
        self._open_epoch = open_epoch
        self._load = load
        self._ends = ends
        self._owned = owned
        self._sleep = sleep
        self._epoch: Transactions | None = None
        self._known: Position | None = None
        # How many slices of the next checkpoint are in the open transaction; None while none is open.
        self._sent: int | None = None
        self._failure: ProducerError | None = None
        self._doubted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def take_over(self) -> Position | None:
        """Fence whoever published this source before, then say where it stands.

        Waits for the broker. Raises what `Transactions` raises, except for DoubtError.
        """
        self._known = self._next_epoch()
        return self._known

    def write_position(self, position: Position) -> None:
        """Commit a position alone, after `take_over`. PublishFailedError if the outcome is not known."""
        assert self._epoch is not None
        key, value = position.message()
        try:
            self._epoch.begin()
            self._epoch.produce(self._target.cursors_topic, value, key=key)
            self._epoch.commit()
        except DoubtError as exc:
            raise PublishFailedError(
                f"{self._target.source}: whether its cursor was written is not known: {exc}. Look at it"
            ) from exc

    def send(self, checkpoint: Checkpoint) -> bool:
        """Begin to publish: queue what has come so far, while it is in the processor's cache.

        `publish` must follow as soon as nothing more comes at once: the transaction is open from here on
        (P1). False: something is wrong, which `publish` will deal with.
        """
        if self._failure is None:
            try:
                self._produced(checkpoint)
            except ProducerError as exc:
                self._failure = exc
        return self._failure is None

    def publish(self, checkpoint: Checkpoint, close: Callable[[Ends], Closing]) -> Closing:
        """Publish all of `checkpoint` and what `close` makes of its ends; returns when that is committed.

        A commit whose outcome nobody knows is settled by a new epoch and the position that it finds. Raises
        PublisherFencedError, which names who has taken over, PublishFailedError, and PublishAbandonedError.
        """
        tried: list[Closing] = []
        doubt: Exception | None = None
        for _ in range(_ATTEMPTS):
            try:
                if doubt is not None and self._settled(tried):
                    return self._committed(tried[-1])
                self._transaction(checkpoint, close, tried)
                return self._committed(tried[-1])
            except PublisherFencedError as exc:
                self._check_takeover(exc, tried)
                doubt = exc
            except (DoubtError, BrokerAwayError) as exc:
                doubt = exc
            self._doubted = True
            _log.warning("checkpoint_in_doubt", why=str(doubt))
        raise PublishFailedError(
            f"{self._target.topic}: a checkpoint could not be published in {_ATTEMPTS} attempts, the last "
            f"one ended with: {doubt}. The cursor has not moved past it."
        ) from doubt

    def _committed(self, closing: Closing) -> Closing:
        self._known = closing.position
        self._doubted = False
        return closing

    def _settled(self, tried: Sequence[Closing]) -> bool:
        """Begin a new epoch; True if it finds that the last attempt was committed after all."""
        position = self._next_epoch()
        if tried and _same(position, tried[-1].position):
            _log.info("checkpoint_was_committed", checkpoint=tried[-1].position.checkpoint)
            return True
        self._check_unchanged(position)
        return False

    def _check_unchanged(self, position: Position | None) -> None:
        """Raise PublisherFencedError if somebody else has published the source in between."""
        if position is not None and not (self._known and _same(position, self._known)):
            self._discard()
            raise PublisherFencedError(
                f"{self._target.source}: {position.writer} has taken over with run {position.run_id}"
            )

    def _transaction(
        self, checkpoint: Checkpoint, close: Callable[[Ends], Closing], tried: list[Closing]
    ) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        epoch = self._produced(checkpoint)
        for letter in checkpoint.letters:
            epoch.produce(self._target.dead_letter_topic, letter.value, headers=letter.headers)
        epoch.flush()
        closing = close(self._ends(self._target.topics))
        tried.append(closing)
        key, value = closing.entry
        epoch.produce(self._target.ledger_topic, value, key=key)
        key, value = closing.position.message()
        epoch.produce(self._target.cursors_topic, value, key=key)
        epoch.commit()
        self._sent = None

    def _produced(self, checkpoint: Checkpoint) -> Transactions:
        """The producer that has queued all records of `checkpoint` in its open transaction."""
        if self._sent is None:
            if self._epoch is None or not self._epoch.clean:
                # A late request may be on its way; it cannot touch the next epoch (P4).
                self._check_unchanged(self._next_epoch())
            assert self._epoch is not None
            self._epoch.begin()
            self._sent = 0
        assert self._epoch is not None
        for messages in checkpoint.messages(self._sent):
            self._epoch.produce_batch(messages)
            self._sent += 1
        return self._epoch

    def _next_epoch(self) -> Position | None:
        self._discard()
        if not self._owned():
            raise PublisherFencedError(f"{self._target.source}: it belongs to another producer now")
        # Reports cost time for each message: they are asked for when there is a question.
        self._epoch = self._open_epoch(self._doubted)
        self._epoch.begin_epoch()
        # In this order: what the one before commits while it is being fenced must be seen.
        return self._read()

    def _check_takeover(self, fenced: PublisherFencedError, tried: Sequence[Closing]) -> None:
        """Raise it again unless it was the broker that ended a transaction open for too long."""
        epoch = self._epoch
        if epoch is not None and epoch.open_for >= TRANSACTION_SECONDS and self._owned():
            return
        self._discard()
        raise PublisherFencedError(f"{fenced}. {self._successor(tried)}") from fenced

    def _successor(self, tried: Sequence[Closing]) -> str:
        """Who has taken over: it signs the position with its first checkpoint, which may be a moment away."""
        ours = [*filter(None, [self._known]), *(closing.position for closing in tried)]
        for _ in range(_LOOKS):
            position = self._read()
            if position is not None and not any(_same(position, one) for one in ours):
                return (
                    f"The last to write the position of the source: {position.writer}, run {position.run_id}"
                )
            self._sleep(_LOOK_SECONDS)
        return "It has not written a position of the source yet, so nobody knows its name"

    def _read(self) -> Position | None:
        while True:
            try:
                return self._load(self._target.source)
            except BrokerAwayError as exc:
                if self._epoch is None:
                    raise
                self._epoch.wait(str(exc))

    def _discard(self) -> None:
        epoch, self._epoch = self._epoch, None
        self._sent = None
        if epoch is not None:
            epoch.close()


def _same(stored: Position | None, written: Position) -> bool:
    return stored is not None and (stored.run_id, stored.checkpoint) == (written.run_id, written.checkpoint)
