from hypothesis import HealthCheck, settings


def test_no_example_fails_because_a_machine_is_slow() -> None:
    chosen = settings(max_examples=3)
    assert chosen.deadline is None
    assert HealthCheck.too_slow in chosen.suppress_health_check
