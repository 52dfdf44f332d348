"""A registry that has just started must not turn records into dead letters."""

from consumer.doubt import Doubt


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_denial_is_believed_only_after_a_while() -> None:
    clock = Clock()
    doubt = Doubt(10, clock=clock)

    assert not doubt.believes()
    clock.now += 9
    assert not doubt.believes()
    clock.now += 1
    assert doubt.believes()


def test_further_invented_ids_do_not_wait_again() -> None:
    clock = Clock()
    doubt = Doubt(10, clock=clock)
    doubt.believes()
    clock.now += 10

    assert all(doubt.believes() for _ in range(1000))


def test_after_a_quiet_time_doubt_begins_anew() -> None:
    clock = Clock()
    doubt = Doubt(10, clock=clock)
    doubt.believes()
    clock.now += 3600

    assert not doubt.believes()
