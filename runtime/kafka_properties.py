"""Which librdkafka properties a person may set, for which kind of client, and why the others are refused."""

import difflib
from collections.abc import Mapping
from typing import Literal

Scope = Literal["both", "consumer", "producer"]

_BOTH = """
client.id client.rack client.dns.lookup security.protocol metadata.max.age.ms
topic.metadata.refresh.interval.ms topic.metadata.refresh.fast.interval.ms topic.metadata.refresh.sparse
topic.metadata.propagation.max.ms metadata.recovery.strategy metadata.recovery.rebootstrap.trigger.ms
message.max.bytes message.copy.max.bytes receive.message.max.bytes socket.timeout.ms
socket.send.buffer.bytes socket.receive.buffer.bytes socket.keepalive.enable socket.nagle.disable
socket.max.fails socket.connection.setup.timeout.ms connections.max.idle.ms broker.address.ttl
broker.address.family broker.version.fallback api.version.request api.version.request.timeout.ms
reconnect.backoff.ms reconnect.backoff.max.ms retry.backoff.ms retry.backoff.max.ms log_level
log.connection.close log.thread.name debug enable.metrics.push ssl.ca.location ssl.ca.pem
ssl.certificate.location ssl.certificate.pem ssl.key.location ssl.key.pem
ssl.key.password ssl.keystore.location ssl.keystore.password ssl.cipher.suites ssl.curves.list
ssl.sigalgs.list ssl.crl.location ssl.endpoint.identification.algorithm enable.ssl.certificate.verification
https.ca.location https.ca.pem sasl.mechanism sasl.username sasl.password
sasl.kerberos.service.name sasl.kerberos.principal sasl.kerberos.keytab sasl.oauthbearer.config
sasl.oauthbearer.method sasl.oauthbearer.client.id sasl.oauthbearer.client.secret sasl.oauthbearer.scope
sasl.oauthbearer.extensions sasl.oauthbearer.token.endpoint.url enable.sasl.oauthbearer.unsecure.jwt
"""

_CONSUMER = """
session.timeout.ms heartbeat.interval.ms max.poll.interval.ms group.protocol group.remote.assignor
group.instance.id partition.assignment.strategy coordinator.query.interval.ms
fetch.wait.max.ms fetch.min.bytes fetch.max.bytes max.partition.fetch.bytes
fetch.error.backoff.ms fetch.queue.backoff.ms queued.min.messages queued.max.messages.kbytes check.crcs
"""

_PRODUCER = """
linger.ms queue.buffering.max.kbytes
batch.size batch.num.messages compression.type compression.level
request.timeout.ms sticky.partitioning.linger.ms
"""

ALLOWED: Mapping[str, Scope] = {
    **dict.fromkeys(_BOTH.split(), "both"),
    **dict.fromkeys(_CONSUMER.split(), "consumer"),
    **dict.fromkeys(_PRODUCER.split(), "producer"),
}

SECRET = frozenset(
    {
        "sasl.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
    }
)

_LOADER_COMMITS = (
    "offsets are committed only after ClickHouse or the dead letter topic has acknowledged the records"
)
_NO_DUPLICATES = "a retried message would be published twice or out of order"
_NEVER_TOO_OLD = "a record is never dropped for its age; without a broker the producer waits"
_OWN_START = (
    "where a partition starts is decided by its committed offset; a gap must be seen, not jumped over"
)
_ONE_PARTITION = "Java consumers must find a key in the same partition, and other tools agree on murmur2"

REFUSED: Mapping[str, str] = {
    "bootstrap.servers": "it has a setting of its own: INGEST_KAFKA__BOOTSTRAP_SERVERS",
    "metadata.broker.list": "it has a setting of its own: INGEST_KAFKA__BOOTSTRAP_SERVERS",
    "group.id": "it has a setting of its own: INGEST_CONSUMER__GROUP",
    "enable.auto.commit": _LOADER_COMMITS,
    "auto.commit.enable": _LOADER_COMMITS,
    "auto.commit.interval.ms": _LOADER_COMMITS,
    "enable.auto.offset.store": _LOADER_COMMITS,
    "auto.offset.reset": _OWN_START,
    "enable.partition.eof": "each reader of ours sets it as it needs it",
    "enable.idempotence": _NO_DUPLICATES,
    "enable.gapless.guarantee": _NO_DUPLICATES,
    "max.in.flight": _NO_DUPLICATES,
    "max.in.flight.requests.per.connection": _NO_DUPLICATES,
    "retries": _NO_DUPLICATES,
    "message.send.max.retries": _NO_DUPLICATES,
    "message.timeout.ms": _NEVER_TOO_OLD,
    "delivery.timeout.ms": _NEVER_TOO_OLD,
    "queue.buffering.max.messages": "it follows from INGEST_PRODUCER__CHECKPOINT_RECORDS",
    "acks": "a record counts as published only when all in-sync replicas have it",
    "request.required.acks": "a record counts as published only when all in-sync replicas have it",
    "transactional.id": "the producer names its transactions after the source, so that a copy is fenced",
    "transaction.timeout.ms": "the producer chooses it together with its checkpoints",
    "isolation.level": "records of aborted runs must never be loaded",
    "partitioner": _ONE_PARTITION,
    "allow.auto.create.topics": "topics are created with the retention that their role asks for",
    "topic.blacklist": "it would hide source topics from the loader",
    "plugin.library.paths": "it loads foreign code into the daemon",
    "ssl.engine.location": "it loads foreign code into the daemon",
    "ssl.providers": "it loads foreign code into the daemon",
    "sasl.kerberos.kinit.cmd": "it runs a shell command inside the daemon",
    # librdkafka's second names. With one name a property, what a room sets is what is in force.
    "compression.codec": "it is spelled compression.type here",
    "fetch.message.max.bytes": "it is spelled max.partition.fetch.bytes here",
    "queue.buffering.max.ms": "it is spelled linger.ms here",
    "sasl.mechanisms": "it is spelled sasl.mechanism here",
}

_REFRESH = "topic.metadata.refresh.interval.ms"
MAX_REFRESH_MS = 5000

# With KIP-848 these belong to the broker; librdkafka refuses to start a consumer that sets them.
CLASSIC_GROUP_ONLY = frozenset(
    {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"}
)


def property_name(name: str) -> str:
    """The name itself when a person may set it; else ValueError that says why not."""
    if name in REFUSED:
        raise ValueError(f"'{name}' cannot be set: {REFUSED[name]}")
    if name not in ALLOWED:
        near = difflib.get_close_matches(name, ALLOWED, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "docs/settings.md lists those that are"
        raise ValueError(f"'{name}' is not a librdkafka property that is passed through; {hint}")
    return name


def property_value_problems(properties: Mapping[str, object]) -> list[str]:
    """What is wrong with values, alone or together, one sentence each. Quotes no value."""
    problems = []
    if _REFRESH in properties and not _is_refresh(properties[_REFRESH]):
        problems.append(
            f"'{_REFRESH}' must be from 1 to {MAX_REFRESH_MS}: new topics are found only when it has passed"
        )
    if uses_consumer_protocol(properties):
        problems += [
            f"'{name}' cannot be set together with group.protocol=consumer: there the broker decides it"
            for name in sorted(CLASSIC_GROUP_ONLY & properties.keys())
        ]
    return problems


def uses_consumer_protocol(properties: Mapping[str, object]) -> bool:
    """True when the group protocol of KIP-848 is asked for."""
    return str(properties.get("group.protocol", "")).lower() == "consumer"


def _is_refresh(value: object) -> bool:
    try:
        return 1 <= int(str(value)) <= MAX_REFRESH_MS
    except ValueError:
        return False
