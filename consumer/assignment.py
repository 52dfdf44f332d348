"""The partitions that this loader owns: where each stands, what of it is unfinished, what may be committed.

Commits are the lowest unfinished offset, never more. Knows no Kafka client; `rebalancing` feeds it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from confluent_kafka import TopicPartition

from consumer import metrics
from consumer.container import Place
from consumer.epochs import TopicId

# Replays that raise it come with the replay command; until then every load is the first generation.
GENERATION = 1
_GENERATION_SHIFT = 32
NOWHERE = -1


@dataclass(eq=False, slots=True)
class Assigned:
    """One partition for as long as it is ours; assigned again, it is another object.

    `unfinished` maps batches to their first offset here, `committed` is the offset last committed. A
    non-empty `stopped` says why nothing more is taken from this partition.
    """

    topic: str
    partition: int
    topic_id: TopicId
    committed: int = NOWHERE
    stopped: str = ""
    lost: bool = False
    unfinished: dict[object, int] = field(default_factory=dict)
    _places: dict[int | None, Place] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """Topic and partition."""
        return self.topic, self.partition

    def place(self, leader_epoch: int | None) -> Place:
        """What rows from here carry; one object per leader epoch (None where the broker has none)."""
        place = self._places.get(leader_epoch)
        if place is None:
            version = (GENERATION << _GENERATION_SHIFT) + (leader_epoch or 0)
            place = self._places[leader_epoch] = Place(version, self.topic_id.epoch, self.partition)
        return place

    def safe_offset(self, position: int) -> int:
        """Where a successor must start, given how far we have read; NOWHERE if nothing was read yet."""
        if position < 0:
            return NOWHERE
        # A batch from before a rebalance may begin after the position that we were put back to.
        return min([position, *self.unfinished.values()])

    def commit(self, offset: int) -> TopicPartition:
        """The commit of `offset`, with what a later reader needs to tell a reset from a restart (C1)."""
        metadata = {"generation": GENERATION, "offset": offset, "topic_id": self.topic_id.text}
        text = json.dumps(metadata, separators=(",", ":"))
        return TopicPartition(self.topic, self.partition, offset, metadata=text)


class Assignment:
    """All partitions of this loader."""

    def __init__(self) -> None:
        self._ours: dict[tuple[str, int], Assigned] = {}

    def __iter__(self) -> Iterator[Assigned]:
        return iter(list(self._ours.values()))

    def __len__(self) -> int:
        return len(self._ours)

    def get(self, topic: str, partition: int) -> Assigned | None:
        """The partition, if it is ours."""
        return self._ours.get((topic, partition))

    def add(self, assigned: Assigned) -> None:
        """It is ours from now on."""
        self._ours[assigned.key] = assigned

    def remove(self, gone: Iterable[Assigned]) -> None:
        """They are no longer ours; what is unfinished of them is of no interest any more."""
        for assigned in gone:
            assigned.lost = True
            if assigned.stopped:
                metrics.STOPPED.labels(assigned.topic, assigned.partition).set(0)
            self._ours.pop(assigned.key, None)

    def of_topic(self, topic: str) -> list[Assigned]:
        """The partitions of one topic that are taken from."""
        return [assigned for assigned in self if assigned.topic == topic and not assigned.stopped]
