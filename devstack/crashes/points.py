"""The five points of a transaction at which the producer is killed."""

from dataclasses import dataclass

from devstack.kafka_proxy import Api, KafkaProxy, Point, When


@dataclass(frozen=True)
class Where:
    """The request at which the producer is killed, and of which side of it the broker has heard.

    `each` is how many such requests a transaction has at least, 0 for one of the start; `answered`: the
    answer passes before the SIGKILL.
    """

    api: Api
    when: When = "response"
    each: int = 1
    answered: bool = False

    def most(self, transactions: int) -> int:
        """The latest such request that comes within so many transactions of a run."""
        return max(1, self.each * transactions)

    def arm(self, proxy: KafkaProxy, about: str, nth: int) -> Point:
        """Set the point at the `nth` request of the producer `about`."""
        hold = proxy.hold_request if self.when == "request" else proxy.hold_response
        return hold(self.api, about=about, nth=nth)


# A transaction has a Produce for each partition and batch: of the records, the ledger and the cursors.
POINTS = {
    "before begin": Where(Api.INIT_PRODUCER_ID, each=0),
    "after produce": Where(Api.PRODUCE, each=3),
    "EndTxn unsent": Where(Api.END_TXN, "request"),
    "EndTxn answer withheld": Where(Api.END_TXN),
    "after commit": Where(Api.END_TXN, answered=True),
}
