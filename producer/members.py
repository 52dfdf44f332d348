"""Which partitions of the jobs topic have an owner now, by the group's own word."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from producer.errors import BrokerAwayError

_TIMEOUT = 10.0


def owned_partitions(properties: Mapping[str, Any], group: str, topic: str) -> frozenset[int]:
    """The partitions of `topic` that members of `group` have; none if there is no such group.

    Raises BrokerAwayError, also where the broker does not tell.
    """
    # Kept until the answer is there: the future of a client that is gone never comes.
    admin = AdminClient(dict(properties))
    future = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT)[group]
    try:
        members = future.result(timeout=_TIMEOUT).members
    except KafkaException as exc:
        if exc.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return frozenset()
        raise BrokerAwayError(f"the broker does not say who is in the group {group}: {exc}") from exc
    except TimeoutError as exc:
        raise BrokerAwayError(f"the broker does not say who is in the group {group}") from exc
    owned = [place for member in members for place in member.assignment.topic_partitions]
    return frozenset(place.partition for place in owned if place.topic == topic)
