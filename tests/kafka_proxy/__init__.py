"""A TCP proxy between Kafka clients and a broker that holds, delays or cuts at exact points; for tests.

It understands the frames, the request header and, in three answers, the broker's address. What the frames
mean is the test's business.
"""

from tests.kafka_proxy.frames import Api
from tests.kafka_proxy.points import Point, When
from tests.kafka_proxy.proxy import KafkaProxy

__all__ = ["Api", "KafkaProxy", "Point", "When"]
