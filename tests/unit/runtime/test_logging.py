"""The log: one chain for all, JSON or plain, UTC, without secrets."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import clickhouse_connect
import pytest
import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from runtime.logging import Repeats, configure_logging
from runtime.settings import LogSettings
from tests.unit.log_state import log_as_before

SECRETS = ["hunter2"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Configure = Callable[..., io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Set the log up to a stream; everything global is as before afterwards."""

    def _configure(stream: io.StringIO | None = None, **settings: Any) -> io.StringIO:
        out = stream or io.StringIO()
        configure_logging(LogSettings(**settings), daemon=True, secrets=SECRETS, stream=out)
        return out

    with log_as_before():
        yield _configure


def only(out: io.StringIO) -> dict[str, Any]:
    (line,) = out.getvalue().splitlines()
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_lines_are_json_with_utc_times_where_there_is_no_terminal(configure: Configure) -> None:
    out = configure()
    structlog.get_logger("producer.engine").info("run finished", source="weather", records=3)
    line = only(out)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "run finished",
        "source": "weather",
        "records": 3,
        "level": "info",
        "logger": "producer.engine",
    }


def test_lines_of_libraries_go_the_same_way(configure: Configure) -> None:
    out = configure()
    logging.getLogger("some.library").warning("%s of %d", "one", 2, extra={"size": 5})
    line = only(out)
    assert (line["event"], line["level"], line["logger"]) == ("one of 2", "warning", "some.library")
    assert line["size"] == 5


def test_a_terminal_gets_plain_lines_with_colours_unless_told_otherwise(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = configure(Terminal())
    structlog.get_logger("x").info("hello", n=1)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = configure(Terminal())
    structlog.get_logger("x").info("hello", n=1)
    assert "\x1b[" in coloured.getvalue()
    assert "\x1b[" not in plain.getvalue()
    assert "hello" in plain.getvalue()
    assert not plain.getvalue().startswith("{")


def test_the_format_can_be_chosen(configure: Configure) -> None:
    out = configure(Terminal(), format="json")
    structlog.get_logger("x").info("hello")
    assert only(out)["event"] == "hello"


@pytest.mark.parametrize("style", ["json", "console"])
def test_secrets_show_in_no_part_of_a_line(configure: Configure, style: str) -> None:
    out = configure(format=style)
    logger = structlog.get_logger("x")
    try:
        local = "hunter2"
        raise ValueError(f"cannot log in with {local}")
    except ValueError:
        logger.exception("failed", password="abcd", url="http://u:abcd@h", given={"args": ["hunter2"]})
        logging.getLogger("y").exception("failed with %s", "hunter2")
    assert "cannot log in" in out.getvalue()
    assert "hunter2" not in out.getvalue()
    assert "abcd" not in out.getvalue()


def test_exceptions_are_data_without_local_variables(configure: Configure) -> None:
    out = configure()
    try:
        raise ValueError("bad")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    (raised,) = only(out)["exception"]
    assert (raised["exc_type"], raised["exc_value"]) == ("ValueError", "bad")
    assert "locals" not in raised["frames"][0]


def test_the_level_holds_for_all_and_chatty_libraries_need_a_warning(configure: Configure) -> None:
    out = configure()
    structlog.get_logger("x").debug("no")
    logging.getLogger("y").debug("no")
    logging.getLogger("httpx").info("no")
    logging.getLogger("uvicorn.access").info("no")
    assert out.getvalue() == ""
    logging.getLogger("httpx").warning("yes")
    assert only(out)["event"] == "yes"


def test_an_error_that_ends_a_thread_is_logged(configure: Configure) -> None:
    out = configure()

    def fail() -> None:
        raise ValueError("bad")

    thread = threading.Thread(target=fail, name="loader")
    thread.start()
    thread.join()
    assert only(out)["event"] == "thread loader ended with an error"


def test_librdkafka_says_the_same_thing_once_in_a_while() -> None:
    now = [0.0]
    repeats = Repeats(seconds=30, clock=lambda: now[0])

    def passes(text: str) -> bool:
        return bool(repeats.filter(logging.LogRecord("librdkafka", logging.ERROR, "", 0, text, (), None)))

    assert passes("FAIL broker 1 refused (after 1ms in state CONNECT)")
    assert not passes("FAIL broker 1 refused (after 7ms in state CONNECT)")
    assert passes("FAIL broker 2 refused (after 1ms in state CONNECT)")
    now[0] = 30.0
    assert passes("FAIL broker 1 refused (after 1ms in state CONNECT)")


def test_what_clickhouses_client_says_of_each_failed_attempt_is_left_to_who_catches_it(
    configure: Configure,
) -> None:
    out = configure(level="info")
    with pytest.raises(ClickHouseError):
        clickhouse_connect.get_client(dsn="http://127.0.0.1:9/default")
    assert out.getvalue() == ""
