"""The only place where topic, subject, namespace and table names are built.

Quoting names for SQL is the consumer's job: a topic found by pattern may carry any name that Kafka allows.
"""

import re
from dataclasses import dataclass

from schemas.errors import SourceNameError, TopicNameError

_SOURCE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*")
_TOPIC_PART = re.compile(r"[A-Za-z0-9_-]+")
# Kafka's limit is 249 characters for a topic; this leaves room for the longest source and ".dlq".
_PREFIX_MAX = 180


def check_source_name(name: str) -> str:
    """Return `name` if it can be a topic, a table and a view; else raise SourceNameError with the reason."""
    if name == "ledger":
        raise SourceNameError(
            "source name 'ledger' is taken by the platform's own account topic; choose another name"
        )
    if not _SOURCE.fullmatch(name):
        raise SourceNameError(
            f"source name {name!r} must be 1 to 63 lower-case letters, digits or underscores "
            "and start with a letter"
        )
    if "__" in name:
        raise SourceNameError(
            f"source name {name!r} must not contain '__': it separates a table from its role ('x__log')"
        )
    return name


@dataclass(frozen=True)
class Names:
    """Every name that follows from a source and the topic prefix. Raises TopicNameError on a bad prefix."""

    prefix: str = "ingest"

    def __post_init__(self) -> None:
        if len(self.prefix) > _PREFIX_MAX or not _PREFIX.fullmatch(self.prefix):
            raise TopicNameError(
                f"topic prefix {self.prefix!r} must be letters, digits, '_' or '-' in parts joined by dots, "
                f"each part starting with a letter, {_PREFIX_MAX} characters at most"
            )

    def topic(self, source: str) -> str:
        """The topic that carries the records of `source`."""
        return f"{self.prefix}.{source}"

    def dead_letter_topic(self, topic: str) -> str:
        """Where records of `topic` go that cannot be published or loaded."""
        return f"{topic}.dlq"

    def subject(self, topic: str) -> str:
        """The registry subject of the topic's values (TopicNameStrategy)."""
        return f"{topic}-value"

    def source(self, topic: str) -> str:
        """The part of `topic` after the prefix, inverse of `topic()`; any legal Kafka name, not only ours.

        Raises TopicNameError for a topic without a source (foreign prefix, dead letters, system topics).
        """
        head, dot, source = topic.rpartition(".")
        if not dot or head != self.prefix or not _TOPIC_PART.fullmatch(source):
            raise TopicNameError(f"topic {topic!r} is not a source topic: those match {self.source_topics}")
        return source

    def namespace(self, source: str) -> str:
        """The Avro namespace of the source's schema; Avro names have no hyphens, they become underscores."""
        return self.topic(source).replace("-", "_")

    def log_table(self, source: str) -> str:
        """The ClickHouse table keyed by place in the log (plain name, not quoted)."""
        return f"{source}__log"

    def view(self, source: str) -> str:
        """The view that readers use (plain name, not quoted)."""
        return source

    def transactional_id(self, source: str) -> str:
        """What makes a new producer of the source fence the one before."""
        return self.topic(source)

    @property
    def source_topics(self) -> str:
        """Subscription pattern for all source topics and the ledger; librdkafka's regex has no look-ahead."""
        return "^" + self.prefix.replace(".", r"\.") + r"\.[^.]+$"

    @property
    def cursors(self) -> str:
        """Compacted topic: how far each source has been extracted."""
        return f"_{self.prefix}.cursors"

    @property
    def jobs(self) -> str:
        """Compacted topic: what asks for runs."""
        return f"_{self.prefix}.jobs"

    @property
    def states(self) -> str:
        """Compacted topic: what each source is doing, by the producer that runs it."""
        return f"_{self.prefix}.states"

    @property
    def limits(self) -> str:
        """Compacted topic: what of each upstream's rate limits is used."""
        return f"_{self.prefix}.limits"

    @property
    def control(self) -> str:
        """Compacted topic: replay requests and epochs."""
        return f"_{self.prefix}.control"

    @property
    def ledger(self) -> str:
        """The account of what was extracted, published, loaded and dead-lettered."""
        return f"{self.prefix}.ledger"
