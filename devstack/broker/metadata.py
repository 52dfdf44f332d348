"""Asks a broker for its metadata, which is how the stack knows that it serves clients."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from devstack.ports import LOOPBACK, accepts

METADATA_SECONDS = 2.0


def missing_metadata(port: int) -> str | None:
    """Return None when the broker at the port names itself in an answer to a metadata request.

    Otherwise a text that says what is missing. A Kafka node is in its own answer only once it is
    registered and unfenced, so topics can be created from then on.
    """
    # A look before librdkafka's: it would log each refused connection and wait between two.
    if not accepts(port):
        return f"nothing listens on {LOOPBACK}:{port}"
    admin = AdminClient({"bootstrap.servers": f"{LOOPBACK}:{port}", "log_level": 0})
    try:
        brokers = admin.list_topics(timeout=METADATA_SECONDS).brokers.values()
    except KafkaException as exc:
        return f"no metadata from {LOOPBACK}:{port}: {exc.args[0].str()}"
    if not any(broker.port == port for broker in brokers):
        return f"the metadata from {LOOPBACK}:{port} does not name it"
    return None
