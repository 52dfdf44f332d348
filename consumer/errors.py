"""What can go wrong while loading, grouped by what to do next.

ConsumerError
├── RetryError                    try the same again; the records are not to blame
│   ├── ClickHouseAwayError       no connection, or the server cannot take rows now
│   ├── AnswerLostError           sent, but never answered: it may or may not have happened
│   ├── TableMissingError         the table is not as it was: look again, create what is missing, insert again
│   └── BrokerAwayError           Kafka did not answer in time
├── RecordsRefusedError           ClickHouse blames the bytes of this batch: find the records
├── SchemaUnusableError           no record of this schema can ever be loaded: dead-letter them
└── TopicStoppedError             the topic stands still until a person acts; looked at again now and then
"""


class ConsumerError(Exception):
    """Root of what this room raises."""


class RetryError(ConsumerError):
    """The same attempt may succeed later."""


class ClickHouseAwayError(RetryError):
    """ClickHouse cannot be reached, or says that it cannot take rows now."""


class AnswerLostError(RetryError):
    """An insert was sent and never answered; it is sent again with the same bytes and the same token."""


class TableMissingError(RetryError):
    """A table, view, column or database that was there is gone."""


class BrokerAwayError(RetryError):
    """The broker did not answer in time."""


class RecordsRefusedError(ConsumerError):
    """ClickHouse refuses what is in the rows; nothing of the batch was stored."""


class SchemaUnusableError(ConsumerError):
    """Records of this schema cannot become rows; the message says what stands against it.

    `reason` is the class of reason that dead letters and metrics carry.
    """

    def __init__(self, message: str, reason: str = "unusable_schema") -> None:
        super().__init__(message)
        self.reason = reason


class TopicStoppedError(ConsumerError):
    """This topic cannot go on without a person: what, where, why and what to do."""
