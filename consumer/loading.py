"""What becomes of one batch: each record is in ClickHouse, or in the dead letter topic, or is tried again.

The usual way is one insert of the framed bytes. Everything else here happens only when something is wrong
with a schema or a record.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice

from consumer import metrics
from consumer.batches import Batch
from consumer.clickhouse import ClickHouse
from consumer.container import Block, Piece, Row, container
from consumer.dead_letters import DeadLetters
from consumer.decoding import UndecodableError
from consumer.errors import RecordsRefusedError, SchemaUnusableError, TableMissingError
from consumer.fallback import isolate
from consumer.letters import Doubt, Letter, letter, unframed
from consumer.originals import Originals
from consumer.plans import Plan, Plans
from schemas.wire import FRAME_SIZE

_LETTERS_AT_A_TIME = 2000


class BatchLoader:
    """Loads batches, one call each. For several threads."""

    def __init__(
        self, plans: Plans, clickhouse: ClickHouse, dead_letters: DeadLetters, originals: Originals
    ) -> None:
        self._plans = plans
        self._clickhouse = clickhouse
        self._dead_letters = dead_letters
        self._originals = originals

    def load(self, batch: Batch) -> None:
        """Return when each record is stored or dead-lettered.

        Raises RetryError when the same call must be made again later (rows written twice are one row),
        TopicStoppedError when that will not help until a person acts.
        """
        if batch.frame is None:
            self._dead_letters.send([unframed(assigned, message) for assigned, message in batch.messages])
            return
        try:
            plan = self._plans.plan(batch.topic, batch.frame)
        except SchemaUnusableError as exc:
            self._bury(batch, (Doubt(row, exc.reason, str(exc)) for row in _rows(_whole(batch.blocks))))
            return
        try:
            self._load(batch, plan)
        except TableMissingError:
            self._plans.forget(plan)
            raise

    def _load(self, batch: Batch, plan: Plan) -> None:
        doubts: list[Doubt] = []
        blocks = batch.blocks
        if plan.decode:
            blocks = [_decoded(block, batch, plan, doubts) for block in batch.blocks]
        pieces = _whole(blocks)
        try:
            self._insert(batch, plan, pieces)
        except RecordsRefusedError:
            metrics.REFUSED.labels(batch.topic).inc()
            refused = isolate(pieces, lambda part: self._insert(batch, plan, part))
            errors = {_at(row): one.error for one in refused for row in one.piece.each()}
            rows = _as_read(batch.blocks, errors) if plan.decode else _rows(one.piece for one in refused)
            doubts += [_explained(row, plan, errors[_at(row)]) for row in rows]
        self._bury(batch, iter(doubts))

    def _insert(self, batch: Batch, plan: Plan, pieces: Sequence[Piece]) -> None:
        table, rows = plan.spec.table, sum(piece.rows for piece in pieces)
        seconds = self._clickhouse.insert(
            plan.into, container(plan.header, batch.framer.sync, pieces), _token(batch, pieces)
        )
        if rows:
            metrics.INSERTS.labels(table).observe(seconds)
            metrics.BATCH_ROWS.labels(table).observe(rows)
            metrics.ROWS.labels(table).inc(rows)

    def _bury(self, batch: Batch, doubts: Iterator[Doubt]) -> None:
        while some := list(islice(doubts, _LETTERS_AT_A_TIME)):
            self._dead_letters.send(list(self._letters(batch, some)))

    def _letters(self, batch: Batch, doubts: Sequence[Doubt]) -> Iterator[Letter]:
        by_partition: dict[int, list[Doubt]] = defaultdict(list)
        for doubt in doubts:
            by_partition[doubt.row.place.partition].append(doubt)
        for partition, some in by_partition.items():
            offsets = {doubt.row.offset for doubt in some}
            originals = self._originals.read(batch.topic, partition, offsets)
            for doubt in some:
                original = originals.get(doubt.row.offset)
                if original is not None and original.value() != doubt.row.value:
                    # The topic was made anew meanwhile: another record stands there now.
                    original = None
                yield letter(batch.assigned(partition), doubt, original)


def _whole(blocks: Sequence[Block]) -> list[Piece]:
    return [Piece(block, 0, block.rows) for block in blocks if block.rows]


def _rows(pieces: Iterable[Piece]) -> Iterator[Row]:
    return chain.from_iterable(piece.each() for piece in pieces)


def _at(row: Row) -> tuple[int, int]:
    return row.place.partition, row.offset


def _as_read(blocks: Sequence[Block], places: Collection[tuple[int, int]]) -> Iterator[Row]:
    """The rows at these places as they were before they were decoded: letters carry a record's own bytes."""
    return (row for row in _rows(_whole(blocks)) if _at(row) in places)


def _token(batch: Batch, pieces: Sequence[Piece]) -> str:
    """The same for the same bytes only: the batch's random id and where its parts were cut."""
    if not pieces:
        return f"{batch.token}:empty"
    first = next(pieces[0].cut(0, 1).each())
    last = next(pieces[-1].cut(pieces[-1].rows - 1, pieces[-1].rows).each())
    ends = (f"{row.place.partition}.{row.offset}" for row in (first, last))
    return ":".join((batch.token, *ends, str(len(pieces))))


def _decoded(block: Block, batch: Batch, plan: Plan, doubts: list[Doubt]) -> Block:
    """The block in the form that passed the gate; records that cannot be read go to `doubts`."""
    kept: list[tuple[Row, bytes]] = []
    for row in Piece(block, 0, block.rows).each():
        try:
            body = plan.decoder.decode(row.value[FRAME_SIZE:])
        except UndecodableError as exc:
            doubts.append(Doubt(row, "undecodable", str(exc)))
        else:
            kept.append((row, row.value[:FRAME_SIZE] + body))
    return batch.framer.block(
        block.place,
        [row.offset for row, _ in kept],
        [row.time for row, _ in kept],
        [value for _, value in kept],
    )


def _explained(row: Row, plan: Plan, error: str) -> Doubt:
    """ClickHouse's refusal, together with what our own reading of the record finds."""
    try:
        plan.decoder.decode(row.value[FRAME_SIZE:])
    except UndecodableError as exc:
        return Doubt(row, "undecodable", f"{exc}. {error}")
    return Doubt(row, "refused", error)
