"""The stack's broker: Apache Kafka where Java and Maven (or the jars) are, else Tansu from a wheel.

`choose_broker` decides, `make_broker` makes it; both brokers are parts with the same handles (start, stop,
kill). What they promise differs: Tansu keeps everything in memory and is weaker in transactions, offsets
and fencing.
"""

from devstack.broker.choice import Broker, Choice, Place, choose_broker, make_broker

__all__ = ["Broker", "Choice", "Place", "choose_broker", "make_broker"]
