"""RateLimiter: several exact windows at once; the time it names is the time at which a run fits."""

import threading
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from connectors import BaseConnector
from connectors.errors import RateLimitError
from connectors.http import Quota
from producer.limiter import RateLimiter
from tests.unit.producer.support import SettableClock


def limiter(clock: SettableClock, *limits: str) -> RateLimiter:
    return RateLimiter({"weather": limits}, now=clock.now, monotonic=clock)


def test_a_source_without_limits_always_proceeds(clock: SettableClock) -> None:
    assert all(limiter(clock).check_limit(source) is None for source in ("weather", "news") * 100)


def test_a_run_fits_at_the_time_that_was_named(clock: SettableClock) -> None:
    limits = limiter(clock, "2/minute")
    assert limits.check_limit("weather") is None
    clock.forward(10)
    assert limits.check_limit("weather") is None
    again = limits.check_limit("weather")
    assert again is not None
    assert again.quota == "2/minute of weather"
    assert 50.0 <= (again.until - clock.now()).total_seconds() <= 50.01
    clock.forward((again.until - clock.now()).total_seconds())
    assert limits.check_limit("weather") is None
    assert limits.check_limit("weather") is not None


def test_a_refused_check_uses_nothing_up(clock: SettableClock) -> None:
    limits = limiter(clock, "1/minute")
    assert limits.check_limit("weather") is None
    first = [limits.check_limit("weather") for _ in range(50)][-1]
    assert first is not None
    clock.forward(61)
    assert limits.check_limit("weather") is None


def test_all_windows_hold_at_once(clock: SettableClock) -> None:
    limits = limiter(clock, "10/second", "60/minute")
    runs: list[float] = []
    while clock() < 1000.0 + 180.0:
        if limits.check_limit("weather") is None:
            runs.append(clock())
        else:
            clock.forward(0.05)
    for window, most in ((1.0, 10), (60.0, 60)):
        counts = [sum(start <= run < start + window for run in runs) for start in runs]
        assert max(counts) <= most
    assert len(runs) >= 170


@pytest.mark.parametrize(
    "limits",
    [
        ("10/second", "5/minute"),
        ("10/second", "10000/minute"),
        ("5/minute", "5/minute"),
        ("5/minute", "9/minute"),
    ],
)
def test_windows_that_say_nothing_more_are_no_error(clock: SettableClock, limits: tuple[str, ...]) -> None:
    limited = limiter(clock, *limits)
    assert limited.check_limit("weather") is None
    most = 5 if "5/minute" in limits else 10
    assert sum(limited.check_limit("weather") is None for _ in range(50)) == most - 1


def test_sources_are_counted_apart(clock: SettableClock) -> None:
    limits = RateLimiter({"a": "1/hour", "b": "1/hour"}, now=clock.now, monotonic=clock)
    assert limits.check_limit("a") is None
    assert limits.check_limit("b") is None
    assert limits.check_limit("a") is not None


def test_a_limit_that_cannot_be_read_is_refused_at_the_start(clock: SettableClock) -> None:
    with pytest.raises(RateLimitError, match="often"):
        limiter(clock, "often")


def test_threads_together_never_exceed_the_limit(clock: SettableClock) -> None:
    limits = limiter(clock, "100/hour")
    passed: list[bool] = []

    def ask() -> None:
        for _ in range(50):
            passed.append(limits.check_limit("weather") is None)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(passed) == 100


def test_no_helper_thread_is_left(clock: SettableClock) -> None:
    before = threading.active_count()
    limiter(clock, "1/second").check_limit("weather")
    assert threading.active_count() == before


def test_sources_of_one_upstream_are_counted_together_and_the_tightest_limits_hold(
    clock: SettableClock,
) -> None:
    limits = RateLimiter(
        {"issues": "3/hour", "pulls": ("9/hour", "4/day"), "other": "1/hour"},
        requests={"issues": "5/minute"},
        upstreams={"issues": "github", "pulls": "github"},
        now=clock.now,
        monotonic=clock,
    )
    assert [limits.check_limit(source) for source in ("issues", "pulls", "pulls")] == [None] * 3
    wait = limits.check_limit("issues")
    assert wait is not None
    assert wait.quota == "3/hour of github"
    clock.forward(3600)
    assert limits.check_limit("pulls") is None
    wait = limits.check_limit("issues")
    assert wait is not None
    assert wait.quota == "4/day of github"
    assert limits.check_limit("other") is None
    for _ in range(5):
        assert limits.budget("pulls").take("api.github.com") is None
        limits.budget("issues").settle("api.github.com")
    assert limits.budget("issues").take("api.github.com") is not None
    assert limits.budget("other").take("api.github.com") is None


class _Numbers(BaseConnector):
    class Record(BaseModel):
        id: int

    def extract(self, since: object = None) -> Iterator[object]:
        yield {"id": 1}


class Issues(_Numbers):
    name = "issues"
    upstream = "github"
    rate_limit = "2/hour"
    request_limit = ("60/minute", "5000/hour")


class Pulls(_Numbers):
    name = "pulls"
    upstream = "github"


class Stars(_Numbers):
    name = "stars"
    rate_limit = "2/hour"


def test_limits_are_read_from_the_classes() -> None:
    limits = RateLimiter.of({"issues": Issues, "pulls": Pulls, "stars": Stars})
    assert [limits.check_limit(source) for source in ("issues", "pulls")] == [None, None]
    assert limits.check_limit("pulls") is not None
    assert limits.check_limit("stars") is None
    refused = next(number for number in range(99) if limits.budget("pulls").take("api.github.com"))
    assert refused == 60
    assert limits.budget("issues").take("api.github.com") is not None
    assert limits.budget("stars").take("api.github.com") is None
    limits.release("issues")  # nothing is stored: nothing to give back


def test_a_source_nobody_declared_has_a_budget_too() -> None:
    limits = RateLimiter({})
    assert limits.budget("news").take("news.test") is None
    assert limits.waiting("news") is None
    assert limits.waiting("unknown") is None


def of_one_upstream(clock: SettableClock, *requests: str) -> RateLimiter:
    """ "issues" and "pulls", together."""
    upstreams = {"issues": "github", "pulls": "github"}
    return RateLimiter({}, requests={"issues": requests}, upstreams=upstreams, now=clock.now, monotonic=clock)


def test_a_wait_is_told_of_the_source_that_was_refused_only(clock: SettableClock) -> None:
    limits = of_one_upstream(clock)
    limits.budget("issues").take("api.a")
    limits.budget("issues").settle("api.a", [Quota("core", 0, 900.0)])
    limits.budget("pulls").take("files.b")
    limits.budget("pulls").settle("files.b", [Quota("files", 0, 600.0)])
    assert str(limits.waiting("issues")).endswith("because of quota core of api.a")
    assert str(limits.waiting("pulls")).endswith("because of quota files of files.b")


def test_a_wait_is_told_until_it_is_over(clock: SettableClock) -> None:
    limits = of_one_upstream(clock, "1/minute")
    assert limits.waiting("pulls") is None
    assert limits.budget("issues").take("api.a") is None
    limits.budget("issues").settle("api.a")
    assert limits.budget("pulls").take("api.a") is not None
    wait = limits.waiting("pulls")
    assert wait is not None
    assert wait.quota == "1/minute of github"
    assert (wait.until - clock.now()).total_seconds() == pytest.approx(60.0)
    assert limits.waiting("issues") is None
    clock.forward(60.0)
    assert limits.waiting("pulls") is None


def test_a_wait_is_told_until_a_request_is_granted(clock: SettableClock) -> None:
    limits = of_one_upstream(clock)
    budget = limits.budget("issues")
    budget.take("api.a")
    budget.settle("api.a", [Quota("core", 0, 300.0)])
    assert limits.waiting("issues") is not None
    budget.settle("api.a", [Quota("core", 5, 300.0)])  # of one that was under way: no refusal
    assert limits.waiting("issues") is not None
    assert budget.take("api.a") is None
    assert limits.waiting("issues") is None


def test_a_run_that_begins_waits_for_nothing(clock: SettableClock) -> None:
    limits = of_one_upstream(clock, "1/minute")
    assert [limits.budget("issues").take("api.a") is None for _ in range(2)] == [True, False]
    assert limits.waiting("issues") is not None
    assert limits.check_limit("issues") is None  # a run would wait for so long in place
    assert limits.waiting("issues") is None
