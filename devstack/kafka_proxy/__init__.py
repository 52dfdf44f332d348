"""A TCP proxy between Kafka clients and a broker that holds, delays or cuts at exact points.

It understands the frames, the request header and, in three answers, the broker's address. What the frames
mean is the business of whoever sets the points.
"""

from devstack.kafka_proxy.frames import Api
from devstack.kafka_proxy.points import Point, When
from devstack.kafka_proxy.proxy import KafkaProxy

__all__ = ["Api", "KafkaProxy", "Point", "When"]
