from tailrace.ops.clock import Clock, SystemClock


def test_the_system_clock_is_a_clock_that_goes_forward() -> None:
    clock: Clock = SystemClock()
    first, wall = clock.monotonic(), clock.now_ms()
    clock.sleep(0.01)
    assert clock.monotonic() - first >= 0.01
    assert clock.now_ms() > 1_600_000_000_000
    assert clock.now_ms() >= wall
