"""Who has which partition of the jobs topic now, by the group's own word.

A member's client id ends with the name of its process, the one that it tells its sources' states by.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from producer.errors import BrokerAwayError
from producer.target import process_name

_TIMEOUT = 10.0


def member_id(client_id: str) -> str:
    """The client id of this process as a member of the group."""
    return f"{client_id}/{process_name()}"


@dataclass(frozen=True)
class Members:
    """How many there are, and who has each partition: host and process, None for one that does not say."""

    count: int
    holders: Mapping[int, str | None]


def members_of(properties: Mapping[str, Any], group: str, topic: str) -> Members:
    """The members of `group`, none if there is no such group, and the partitions of `topic` that they have.

    Raises BrokerAwayError, also where the broker does not tell.
    """
    # Kept until the answer is there: the future of a client that is gone never comes.
    admin = AdminClient(dict(properties))
    future = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT)[group]
    try:
        members = future.result(timeout=_TIMEOUT).members
    except KafkaException as exc:
        if exc.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return Members(0, {})
        raise BrokerAwayError(f"the broker does not say who is in the group {group}: {exc}") from exc
    except TimeoutError as exc:
        raise BrokerAwayError(f"the broker does not say who is in the group {group}") from exc
    held = {
        place.partition: _process_of(str(member.client_id))
        for member in members
        for place in member.assignment.topic_partitions
        if place.topic == topic
    }
    return Members(len(members), held)


def _process_of(client_id: str) -> str | None:
    # A person's client id may have slashes, too.
    found = re.search(r"/([^/]+:\d+(?:-[0-9a-f]+)?)$", client_id)
    return found[1] if found else None
