"""How long a destination is left alone, and with how many events it is tried."""

from __future__ import annotations

import pytest

from ipynb_telemetry.answers import Answer, Outcome
from ipynb_telemetry.backlog import MAX_BATCH_EVENTS
from ipynb_telemetry.road import Road, wait_s

ACCEPTED = Answer(Outcome.ACCEPTED, "200: OK")
BUSY = Answer(Outcome.BUSY, "503: told so")
UNREACHABLE = Answer(Outcome.UNREACHABLE, "no connection")
KEY_REFUSED = Answer(Outcome.KEY_REFUSED, "401: told so")


def busy_for(seconds: float) -> Answer:
    return Answer(Outcome.BUSY, "429: told so", retry_after_s=seconds)


def waits_s(answer: Answer, failures: int) -> list[float]:
    """As many as it takes to see the jitter."""
    return [wait_s(answer, failures) for _ in range(500)]


@pytest.mark.parametrize(
    ("failures", "least_s", "most_s"),
    [(1, 0.5, 1), (2, 1, 2), (3, 2, 4), (6, 16, 32), (7, 30, 60), (8, 30, 60), (10_000, 30, 60)],
)
def test_waits_grow_to_a_minute(failures: int, least_s: float, most_s: float) -> None:
    waits = waits_s(BUSY, failures)

    assert least_s <= min(waits)
    assert max(waits) <= most_s


def test_a_class_does_not_come_back_all_at_once() -> None:
    waits = waits_s(BUSY, failures=10)

    assert max(waits) - min(waits) > 20


@pytest.mark.parametrize("failures", [1, 3, 10_000])
def test_whoever_cannot_be_reached_is_tried_again_within_three_seconds(failures: int) -> None:
    assert max(waits_s(UNREACHABLE, failures)) <= 3


@pytest.mark.parametrize("failures", [1, 100])
def test_a_refused_key_is_tried_again_every_minute(failures: int) -> None:
    assert set(waits_s(KEY_REFUSED, failures)) == {60}


def test_what_the_server_asks_for_is_a_minimum() -> None:
    waits = waits_s(busy_for(20), failures=1)

    assert min(waits) >= 20
    assert max(waits) <= 20.5


def test_it_asks_for_less_than_it_would_get_anyway() -> None:
    assert min(waits_s(busy_for(0), failures=10)) >= 30


def test_nobody_has_to_wait_longer_than_five_minutes() -> None:
    assert max(waits_s(busy_for(86_400), failures=1)) <= 300.5


def test_leftovers_leave_a_road_alone_that_hangs() -> None:
    road = Road()

    road.failed(UNREACHABLE, events=10, took_s=5, now_s=1000)

    assert road.open_from_s(for_leftovers=False) <= 1003
    assert road.open_from_s(for_leftovers=True) == 1050


def test_leftovers_try_a_road_that_fails_at_once_as_often_as_others() -> None:
    road = Road()

    road.failed(UNREACHABLE, events=10, took_s=0, now_s=1000)

    assert road.open_from_s(for_leftovers=True) == road.open_from_s(for_leftovers=False)


def test_a_line_that_is_slow_gets_less_at_once() -> None:
    road = Road()

    road.failed(UNREACHABLE, events=200, took_s=5, now_s=0)

    assert road.max_events == 100


def test_a_line_that_is_cut_gets_as_much_at_once_as_before() -> None:
    road = Road()

    road.failed(UNREACHABLE, events=200, took_s=0.01, now_s=0)

    assert road.max_events == MAX_BATCH_EVENTS


def test_what_a_line_can_do_in_time_is_what_it_gets() -> None:
    road = Road(max_events=20)

    road.accepted(ACCEPTED, took_s=3)

    assert road.max_events == 20


def test_what_goes_quickly_doubles() -> None:
    road = Road(max_events=20)

    road.accepted(ACCEPTED, took_s=0.1)

    assert road.max_events == 40


def test_one_success_ends_the_growing() -> None:
    road = Road()
    road.failed(BUSY, events=1, took_s=0, now_s=0)
    road.failed(BUSY, events=1, took_s=0, now_s=0)

    road.accepted(ACCEPTED, took_s=0)
    road.failed(BUSY, events=1, took_s=0, now_s=0)

    assert road.open_from_s(for_leftovers=False) <= 1


def test_there_is_no_less_than_one_event() -> None:
    road = Road()

    road.refused(1)

    assert road.max_events == 1
