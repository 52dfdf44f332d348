"""Which lines of librdkafka's log mean that a request may still be on its way."""

import logging

import pytest

from producer.connection_log import ConnectionLog

TEXT = "%s [%s] %s"
CUT = "[thrd:TxnCoordinator]: TxnCoordinator/1: Disconnected (after 812ms in state UP) (_TRANSPORT)"


@pytest.mark.parametrize(
    ("kind", "what", "disturbed"),
    [
        ("FAIL", CUT, True),
        (
            "FAIL",
            "127.0.0.1:9092/1: 1 request(s) timed out: disconnect (after 9ms in state UP) (_TIMED_OUT)",
            True,
        ),
        ("REQTMOUT", "Timed out EndTxnRequest in flight (after 1002ms, timeout #0)", True),
        ("FAIL", "127.0.0.1:9092/bootstrap: Decommissioning this broker (_DESTROY_BROKER)", False),
        ("WAKEUP", "127.0.0.1:9092/1: Wake-up: flushing", False),
        ("STATE", "127.0.0.1:9092/1: Broker changed state UP -> DOWN (_TRANSPORT)", False),
    ],
)
def test_lost_connections_and_time_outs_are_noticed(kind: str, what: str, disturbed: bool) -> None:
    log = ConnectionLog(logging.getLogger("test"))
    log.log(logging.DEBUG, TEXT, kind, "ingest#producer-1", what)
    assert log.disturbed is disturbed


def test_only_what_is_not_for_debugging_is_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    log = ConnectionLog(logging.getLogger("test"))
    with caplog.at_level(logging.DEBUG):
        log.log(logging.DEBUG, TEXT, "FAIL", "p", CUT)
        log.log(logging.ERROR, TEXT, "FAIL", "p", "Connection refused")
    assert [record.getMessage() for record in caplog.records] == ["FAIL [p] Connection refused"]
