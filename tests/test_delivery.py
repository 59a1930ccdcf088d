"""The delivery thread, with the real SDK over real HTTP: nothing lost, nothing twice, all true."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from capture_server import SELF_SIGNED, CaptureServer, Event, Fault
from deliveries import (
    KEY,
    SESS,
    SOON_S,
    Clock,
    Lesson,
    a_dead_session,
    numbers,
    run_python,
    set_aside,
)
from kept_events import kept_events
from waiting import wait_until

from ipynb_telemetry import delivery, outbox
from ipynb_telemetry.backlog import MAX_BATCH_EVENTS
from ipynb_telemetry.delivery import BETWEEN_S, CREDIT_S, GATHER_S, Delivery, Report
from ipynb_telemetry.outbox import Outbox

Begin: TypeAlias = Callable[..., Lesson]


@pytest.fixture
def begin(state_dir: Path, server: CaptureServer) -> Iterator[Begin]:
    """Begins a session whose events are for `server`; takes what `Lesson` takes."""
    lessons: list[Lesson] = []

    def begin(**options: Any) -> Lesson:
        lessons.append(Lesson(state_dir, **{"host": server.url, **options}))
        return lessons[-1]

    yield begin
    server.release()
    for lesson in lessons:
        lesson.delivery.stop(deadline_s=10)


@pytest.fixture
def lesson(begin: Begin) -> Lesson:
    """A session of Sara's whose delivery has not started."""
    return begin()


# When all is well


def test_an_event_leaves_at_once_on_its_own(lesson: Lesson, server: CaptureServer) -> None:
    lesson.delivery.start()

    lesson.happens(1)

    # It cannot have waited for another event, for a full batch, or for the clock, which stands.
    wait_until(lambda: numbers(server.events) == [1])
    assert GATHER_S < 0.25 / 2  # a quarter of a second is promised


def test_an_event_after_a_quiet_time_leaves_at_once_too(
    lesson: Lesson, server: CaptureServer
) -> None:
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.delivered == 1)

    lesson.happens(2)

    wait_until(lambda: numbers(server.events) == [1, 2])


def test_events_leave_in_batches_under_load(lesson: Lesson, server: CaptureServer) -> None:
    server.delay_s = 60
    lesson.delivery.start()
    lesson.happens(0)
    wait_until(lambda: server.requests)

    for number in range(1, 101):
        lesson.happens(number)
    server.delay_s = 0
    server.release()

    wait_until(lambda: numbers(server.events) == list(range(101)))
    assert len(server.requests) == 2


class Cells:
    """Says whether cells run, and how often it was asked."""

    def __init__(self) -> None:
        self.run, self.asked = True, 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.run


def test_the_sdk_is_not_imported_while_cells_run(begin: Begin, server: CaptureServer) -> None:
    cells = Cells()
    lesson = begin(cells_run=cells)
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: cells.asked > 2)
    assert server.connections == 0

    cells.run = False

    wait_until(lambda: numbers(server.events) == [1])


def test_the_time_that_cells_run_counts_for_no_attempt(begin: Begin, server: CaptureServer) -> None:
    clock = Clock()

    def cells_run() -> bool:
        clock.now_s += 5
        return clock.now_s < 1_060

    server.answer = 503
    lesson = begin(clock=clock, cells_run=cells_run)
    for number in range(20):
        lesson.happens(number)
    lesson.delivery.start()
    wait_until(lambda: lesson.report.outcome == "BUSY")

    recover(server)
    lesson.time_passes(61)

    wait_until(lambda: lesson.report.delivered == 20)
    assert len(server.requests) == 2  # as many at once as before


def test_once_it_is_imported_cells_that_run_keep_nothing_waiting(
    begin: Begin, server: CaptureServer
) -> None:
    cells = Cells()
    cells.run = False
    lesson = begin(cells_run=cells)
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: numbers(server.events) == [1])

    cells.run = True
    lesson.happens(2)

    wait_until(lambda: numbers(server.events) == [1, 2])


def test_cells_that_run_do_not_keep_the_end_waiting(begin: Begin, server: CaptureServer) -> None:
    lesson = begin(cells_run=lambda: True)
    lesson.delivery.start()
    lesson.happens(1)

    lesson.delivery.stop(deadline_s=30)

    assert numbers(server.events) == [1]


def test_cells_that_run_for_long_do_not_keep_events_waiting_for_ever(
    begin: Begin, server: CaptureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_REST_WITHIN_S", 0.2)
    lesson = begin(cells_run=lambda: True)
    lesson.delivery.start()
    lesson.happens(1)

    wait_until(lambda: numbers(server.events) == [1])


def _is_past(moment_s: float) -> bool:
    return time.monotonic() >= moment_s


def test_events_that_keep_coming_leave_together_a_few_times_a_second(
    begin: Begin, server: CaptureServer
) -> None:
    lesson = begin(clock=time.monotonic)
    lesson.delivery.start()
    began_s = time.monotonic()

    for number in range(100):
        lesson.happens(number)
        wait_until(partial(_is_past, began_s + number / 100))

    wait_until(lambda: lesson.report.delivered == 100)
    assert len(server.requests) <= (time.monotonic() - began_s + CREDIT_S) / BETWEEN_S + 1


def test_more_than_a_batch_arrives_in_order(lesson: Lesson, server: CaptureServer) -> None:
    events = MAX_BATCH_EVENTS * 2 + 1
    for number in range(events):
        lesson.happens(number)

    lesson.delivery.start()

    wait_until(lambda: lesson.report.delivered == events)
    assert numbers(server.events) == list(range(events))
    assert len(server.requests) == 3


def test_the_report_is_true_when_all_is_well(lesson: Lesson) -> None:
    for number in range(3):
        lesson.happens(number)

    lesson.delivery.start()

    wait_until(lambda: lesson.report.delivered == 3)
    assert lesson.report == Report(
        sess=SESS,
        delivered=3,
        set_aside=0,
        leftover=0,
        storage_problem="",
        outcome="ACCEPTED",
        reason='200: {"status": 1}',
    )


def test_every_event_of_10_000_that_waited_arrives_once(
    begin: Begin, server: CaptureServer
) -> None:
    lesson = begin(clock=time.monotonic)
    server.stop()
    lesson.delivery.start()
    for number in range(10_000):
        lesson.happens(number)
    wait_until(lambda: lesson.report.outcome == "UNREACHABLE")

    server.start()
    back_s = time.monotonic()

    wait_until(lambda: lesson.report.delivered == 10_000, timeout_s=60)
    # For the benchmarks' sake: how long it may take is said there.
    print(f"10,000 events took {time.monotonic() - back_s:.1f} s after the server's return")  # noqa: T201
    assert numbers(server.events) == list(range(10_000))


# Whatever the server does


def be_down(server: CaptureServer) -> None:
    server.stop()


def hear_but_answer_too_late(server: CaptureServer) -> None:
    server.delay_s = 60


def redirect(server: CaptureServer) -> None:
    server.redirect_to("http://127.0.0.1:9/login")


def answering(answer: int | Fault) -> Callable[[CaptureServer], None]:
    def misbehave(server: CaptureServer) -> None:
        server.answer = answer

    return misbehave


def recover(server: CaptureServer) -> None:
    server.answer, server.body, server.headers, server.delay_s = 200, None, {}, 0
    server.accepts_anyway = False
    server.release()
    if server._http is None:
        server.start()


HANGING = {"hangs for ever", "answers after we gave up", "hangs"}


def patience_s(fault: str) -> float | None:
    return SOON_S if fault in HANGING else None


FAULTS = {
    "refuses connections": (be_down, "UNREACHABLE"),
    "resets in the middle": (answering(Fault.RESET), "UNREACHABLE"),
    "hangs up": (answering(Fault.HANG_UP), "UNREACHABLE"),
    "hangs for ever": (answering(Fault.HANG), "UNREACHABLE"),
    "talks garbage": (answering(Fault.GARBAGE), "UNREACHABLE"),
    "is busy": (answering(408), "BUSY"),
    "has too much to do": (answering(429), "BUSY"),
    "fails": (answering(500), "BUSY"),
    "fails behind a proxy": (answering(502), "BUSY"),
    "is being repaired": (answering(503), "BUSY"),
    "is slow behind a proxy": (answering(504), "BUSY"),
    "does not know the key": (answering(401), "KEY_REFUSED"),
    "forbids": (answering(403), "KEY_REFUSED"),
    "has no such page": (answering(404), "NOT_POSTHOG"),
    "wants no posts": (answering(405), "NOT_POSTHOG"),
    "is a captive portal": (CaptureServer.captive_portal, "INTERCEPTED"),
    "redirects": (redirect, "INTERCEPTED"),
    "wants a log-in to the network": (answering(511), "INTERCEPTED"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_when_the_server(begin: Begin, server: CaptureServer, fault: str) -> None:
    misbehave, outcome = FAULTS[fault]
    lesson = begin(attempt_s=patience_s(fault))
    misbehave(server)
    lesson.delivery.start()
    for number in range(5):
        lesson.happens(number)
    wait_until(lambda: lesson.report.outcome == outcome)
    assert lesson.report.delivered == 0
    assert numbers(kept_events(lesson.state_dir)) == [0, 1, 2, 3, 4]

    recover(server)
    lesson.time_passes(61)

    wait_until(lambda: lesson.report.delivered == 5)
    assert lesson.report.outcome == "ACCEPTED"
    assert numbers(server.events) == [0, 1, 2, 3, 4]


HEARD_ALL_THE_SAME = {
    "answers after we gave up": hear_but_answer_too_late,
    "hangs": answering(Fault.HANG),
    "resets": answering(Fault.RESET),
    "gets lost behind a proxy": answering(504),
}


@pytest.mark.parametrize("fault", HEARD_ALL_THE_SAME)
def test_what_was_heard_without_our_knowing_is_repeated_as_it_was(
    begin: Begin, server: CaptureServer, fault: str
) -> None:
    server.accepts_anyway = True
    HEARD_ALL_THE_SAME[fault](server)
    lesson = begin(attempt_s=patience_s(fault))
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.outcome in {"UNREACHABLE", "BUSY"})
    assert numbers(server.events) == [1]
    assert lesson.report.delivered == 0

    recover(server)
    lesson.time_passes(61)

    wait_until(lambda: lesson.report.delivered == 1)
    assert numbers(server.events) == [1, 1]
    assert len(server.distinct()) == 1  # it compares all that they say


def test_a_name_that_cannot_be_looked_up_loses_nothing(
    lesson: Lesson, server: CaptureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo
    found = threading.Event()

    def look_up_when_found(_: object, *rest: Any, **options: Any) -> Any:
        if not found.is_set():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up("127.0.0.1", *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_when_found)
    lesson.host = server.url.replace("127.0.0.1", "posthog.example")
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.outcome == "UNREACHABLE")

    found.set()
    lesson.time_passes(61)

    wait_until(lambda: numbers(server.events) == [1])


def test_a_certificate_that_is_not_trusted_loses_nothing(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CaptureServer(tls=True) as server:
        lesson = begin(host=server.url)
        lesson.delivery.start()
        lesson.happens(1)
        wait_until(lambda: lesson.report.reason == "its certificate cannot be trusted")
        assert server.requests == []

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(SELF_SIGNED))
        lesson.time_passes(61)

        wait_until(lambda: numbers(server.events) == [1])


def test_a_day_of_misfortunes_is_over_in_the_end(begin: Begin, server: CaptureServer) -> None:
    lesson = begin(attempt_s=SOON_S)
    lesson.delivery.start()
    for number, (misbehave, outcome) in enumerate(FAULTS.values()):
        recover(server)
        misbehave(server)
        lesson.happens(number)
        lesson.time_passes(61)
        wait_until(lambda: lesson.report.outcome == outcome)  # noqa: B023  # called at once

    recover(server)
    lesson.time_passes(61)

    wait_until(lambda: lesson.report.delivered == len(FAULTS))
    assert numbers(server.events) == list(range(len(FAULTS)))


# Events that the server refuses


def is_cell(*cells: int) -> Callable[[Event], bool]:
    return lambda event: event["properties"]["cell_num"] in cells


@pytest.mark.parametrize(
    "culprits",
    [(57,), (0,), (99,), (0, 99), (41, 42), (98, 97, 96), tuple(range(21))],
    ids=["one", "the first", "the last", "two", "neighbours", "three near the end", "many"],
)
def test_whoever_is_refused_is_set_aside_alone(
    lesson: Lesson, server: CaptureServer, culprits: tuple[int, ...]
) -> None:
    server.poison = is_cell(*culprits)
    for number in range(101):
        lesson.happens(number)

    lesson.delivery.start()

    wait_until(lambda: time_goes_on(lesson) and lesson.report.delivered == 101 - len(culprits))
    good = [number for number in range(101) if number not in culprits]
    reason = "400: failed to parse request: poisoned"
    assert numbers(server.events) == good
    assert set_aside(lesson.state_dir) == [(culprit, reason) for culprit in sorted(culprits)]
    assert lesson.report.set_aside == len(culprits)
    assert lesson.report.outcome == "ACCEPTED"


def time_goes_on(lesson: Lesson) -> bool:
    lesson.clock.now_s += 0.1
    lesson.delivery.wake()
    return True


def test_a_single_event_that_is_refused_is_set_aside(lesson: Lesson, server: CaptureServer) -> None:
    server.poison = is_cell(2)
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.delivered == 1)

    lesson.happens(2)

    wait_until(lambda: lesson.report.set_aside == 1)
    assert lesson.report.outcome == "ACCEPTED"


def test_a_server_that_has_never_accepted_anything_blames_nobody(
    lesson: Lesson, server: CaptureServer
) -> None:
    server.poison = is_cell(1)
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.outcome == "CONTENT_REFUSED")
    assert lesson.report.set_aside == 0

    lesson.happens(2)
    lesson.time_passes(61)

    wait_until(lambda: lesson.report.delivered == 1)
    assert lesson.report.set_aside == 1
    assert numbers(server.events) == [2]


def test_what_is_too_large_for_the_server_is_set_aside(
    lesson: Lesson, server: CaptureServer
) -> None:
    server.max_body_bytes = 5_000
    for number in range(10):
        lesson.happens(number, code="x" * (6_000 if number == 4 else 10))

    lesson.delivery.start()

    wait_until(lambda: lesson.report.delivered == 9)
    assert set_aside(lesson.state_dir) == [(4, "413: request body is too large")]
    assert numbers(server.events) == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_two_refused_events_at_the_end_of_a_file_do_not_hold_up_the_next_file(
    lesson: Lesson, server: CaptureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.poison = is_cell(8, 9)
    for number in range(10):
        lesson.happens(number)
    monkeypatch.setattr(outbox, "MAX_SEGMENT_BYTES", 1)
    for number in range(10, 12):
        lesson.happens(number)

    lesson.delivery.start()

    wait_until(lambda: time_goes_on(lesson) and lesson.report.delivered == 10)
    assert numbers(server.events) == [0, 1, 2, 3, 4, 5, 6, 7, 10, 11]
    assert [number for number, _ in set_aside(lesson.state_dir)] == [8, 9]


def test_events_too_large_for_the_server_do_not_hold_up_a_small_one(
    lesson: Lesson, server: CaptureServer
) -> None:
    server.max_body_bytes = 5_000
    for number in range(3):
        random_text = os.urandom(400_000).hex()  # no compression makes it small
        lesson.happens(number, code=random_text)
    lesson.happens(3)

    lesson.delivery.start()

    wait_until(lambda: time_goes_on(lesson) and lesson.report.delivered == 1)
    assert numbers(server.events) == [3]
    assert [number for number, _ in set_aside(lesson.state_dir)] == [0, 1, 2]


def test_a_batch_that_is_too_large_is_sent_in_parts(lesson: Lesson, server: CaptureServer) -> None:
    server.max_body_bytes = 5_000
    for number in range(100):
        lesson.happens(number)

    lesson.delivery.start()

    wait_until(lambda: lesson.report.delivered == 100)
    assert numbers(server.events) == list(range(100))
    assert lesson.report.set_aside == 0


@pytest.mark.parametrize("waiting", [2, 10, 30, 300])
def test_a_server_that_refuses_everything_is_broken_and_not_the_events(
    lesson: Lesson, server: CaptureServer, waiting: int
) -> None:
    lesson.delivery.start()
    lesson.happens(0)
    wait_until(lambda: lesson.report.delivered == 1)
    server.answer = 400
    before = len(server.requests)
    for number in range(1, waiting + 1):
        lesson.happens(number)
    wait_until(lambda: lesson.report.outcome == "CONTENT_REFUSED")
    lesson.let_a_round_pass()
    assert len(server.requests) - before < 60  # it is asked, not hammered

    recover(server)
    lesson.time_passes(61)

    wait_until(lambda: lesson.report.delivered == waiting + 1)
    assert numbers(server.events) == list(range(waiting + 1))
    assert lesson.report.set_aside == 0


# Waiting


def test_a_refused_key_is_tried_again_after_a_minute(lesson: Lesson, server: CaptureServer) -> None:
    server.api_key = "phc_other"
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.outcome == "KEY_REFUSED")

    lesson.time_passes(59)
    lesson.happens(2)
    lesson.let_a_round_pass()
    assert len(server.requests) == 1

    server.api_key = KEY
    lesson.time_passes(1)
    wait_until(lambda: numbers(server.events) == [1, 2])


@pytest.mark.parametrize(("asked", "waits_s"), [("120", 120), ("86400", 300)])
def test_the_server_is_left_alone_for_as_long_as_it_asks(
    lesson: Lesson, server: CaptureServer, asked: str, waits_s: float
) -> None:
    server.answer, server.headers = 429, {"Retry-After": asked}
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.outcome == "BUSY")
    recover(server)

    lesson.time_passes(waits_s - 1)
    lesson.let_a_round_pass()
    assert len(server.requests) == 1

    lesson.time_passes(2)
    wait_until(lambda: numbers(server.events) == [1])


def test_waiting_costs_next_to_nothing(begin: Begin, server: CaptureServer) -> None:
    server.answer = Fault.HANG_UP
    lesson = begin(clock=time.monotonic)
    lesson.delivery.start()
    lesson.happens(1)
    lesson.begin("11111111", student=None)
    lesson.happens(2)  # waits for a name

    wait_until(lambda: len(server.requests) == 3)

    # Each round says something; between two attempts there is no reason for many.
    assert len(lesson.reports) < 20


def test_a_session_without_events_costs_next_to_nothing(begin: Begin) -> None:
    lesson = begin(clock=time.monotonic)
    lesson.delivery.start()
    quiet_s = time.monotonic() + 1.5

    wait_until(partial(_is_past, quiet_s))

    assert len(lesson.reports) < 3


def test_what_was_delivered_is_no_leftover_while_the_server_is_down(
    begin: Begin, server: CaptureServer
) -> None:
    lesson = begin(clock=time.monotonic)
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.delivered == 1)
    server.stop()

    lesson.begin("11111111", student="OMAR")
    lesson.happens(2)

    wait_until(lambda: lesson.report.outcome == "UNREACHABLE")
    assert {report.leftover for report in lesson.reports} == {0}


def test_while_an_attempt_hangs_the_file_is_synced(
    begin: Begin, server: CaptureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    server.answer = Fault.HANG
    lesson = begin(clock=time.monotonic, attempt_s=60)
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: server.requests)

    lesson.happens(2)

    size_bytes = sum(file.stat().st_size for file in lesson.state_dir.rglob("*.jsonl"))
    wait_until(lambda: size_bytes in synced)


def test_while_an_attempt_hangs_what_goes_wrong_on_the_disk_is_reported(
    begin: Begin, server: CaptureServer
) -> None:
    server.answer = Fault.HANG
    lesson = begin(clock=time.monotonic, attempt_s=60)
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: server.requests)
    shutil.rmtree(lesson.state_dir)
    lesson.state_dir.write_text("a file where the folder should be")

    lesson.happens(2)

    wait_until(lambda: lesson.report.storage_problem)


# Names and places


def test_events_wait_for_a_name(begin: Begin, server: CaptureServer) -> None:
    lesson = begin(student=None)
    lesson.delivery.start()
    for number in range(3):
        lesson.happens(number)
    lesson.let_a_round_pass()
    assert server.connections == 0

    lesson.outbox.give_name("SARA")

    wait_until(lambda: lesson.report.delivered == 3)
    assert {event["distinct_id"] for event in server.events} == {"SARA"}


def test_events_wait_until_it_is_known_where_they_go(begin: Begin, server: CaptureServer) -> None:
    lesson = begin(host=None)
    lesson.delivery.start()
    lesson.happens(1)
    lesson.let_a_round_pass()
    assert lesson.report == Report(SESS, 0, 0, 0, "", "", "")

    lesson.outbox.destination = (server.url, KEY)
    lesson.delivery.wake()

    wait_until(lambda: numbers(server.events) == [1])


def test_a_leftover_goes_out_under_its_own_name(lesson: Lesson, server: CaptureServer) -> None:
    a_dead_session(lesson.state_dir, server.url, student="OMAR")

    lesson.delivery.start()

    wait_until(lambda: numbers(server.events) == [0, 1, 2])
    assert {event["distinct_id"] for event in server.events} == {"OMAR"}


def test_a_leftover_without_a_name_is_nobodys(lesson: Lesson, server: CaptureServer) -> None:
    a_dead_session(lesson.state_dir, server.url, sess="dead0001", student=None)

    lesson.delivery.start()

    wait_until(lambda: numbers(server.events) == [0, 1, 2])
    assert {event["distinct_id"] for event in server.events} == {"ANONYMOUS-DEAD0001"}


def test_a_leftover_goes_where_it_was_captured_for(lesson: Lesson, server: CaptureServer) -> None:
    with CaptureServer() as yesterdays:
        a_dead_session(lesson.state_dir, yesterdays.url)
        lesson.happens(7)

        lesson.delivery.start()

        wait_until(lambda: lesson.report.delivered == 1)
        wait_until(lambda: numbers(yesterdays.events) == [0, 1, 2])
        assert numbers(server.events) == [7]


def test_what_happens_now_does_not_wait_for_a_leftover_whose_server_hangs(
    begin: Begin, server: CaptureServer
) -> None:
    with CaptureServer() as yesterdays:
        yesterdays.answer = Fault.HANG
        lesson = begin(clock=time.monotonic, attempt_s=60)
        lesson.outbox.destination = (server.url, KEY)
        a_dead_session(lesson.state_dir, yesterdays.url)
        lesson.delivery.start()
        wait_until(lambda: yesterdays.requests)

        lesson.happens(7)

        wait_until(lambda: numbers(server.events) == [7])


def test_a_leftover_is_sent_once_to_a_server_that_is_slow_for_all(
    begin: Begin, server: CaptureServer
) -> None:
    server.delay_s = 1.5
    lesson = begin(clock=time.monotonic)
    lesson.outbox.destination = (server.url, KEY)
    a_dead_session(lesson.state_dir, server.url)
    lesson.delivery.start()
    wait_until(lambda: server.requests)

    lesson.happens(7)

    wait_until(lambda: lesson.report.delivered == 1)
    assert sorted(numbers(server.events)) == [0, 1, 2, 7]
    assert {report.outcome for report in lesson.reports} <= {"", "ACCEPTED"}


def test_where_nothing_happens_a_leftover_is_waited_for(
    begin: Begin, server: CaptureServer
) -> None:
    with CaptureServer() as yesterdays:
        yesterdays.delay_s = 2
        lesson = begin(clock=time.monotonic)
        a_dead_session(lesson.state_dir, yesterdays.url)

        lesson.delivery.start()

        wait_until(lambda: numbers(yesterdays.events) == [0, 1, 2])
        wait_until(lambda: not list(lesson.state_dir.glob("outbox/dead0001*")))
        assert len(yesterdays.requests) == 1


def test_a_leftover_is_reported_until_it_has_gone(lesson: Lesson, server: CaptureServer) -> None:
    a_dead_session(lesson.state_dir, server.url, events=3)
    server.answer = 503
    lesson.delivery.start()
    wait_until(lambda: server.requests)
    assert lesson.report.leftover == 3
    assert lesson.report.delivered == 0

    recover(server)

    wait_until(lambda: time_goes_on(lesson) and lesson.report.leftover == 0)
    wait_until(lambda: not list(lesson.state_dir.glob("outbox/dead0001*")))
    assert lesson.report.delivered == 0


@pytest.mark.parametrize("host", [None, "http://127.0.0.1:80x0"])
def test_a_leftover_that_belongs_nowhere_is_set_aside(
    lesson: Lesson, server: CaptureServer, host: str | None
) -> None:
    a_dead_session(lesson.state_dir, host, events=1)

    lesson.delivery.start()

    wait_until(lambda: set_aside(lesson.state_dir))
    reason = "it was captured without a usable host and key"
    assert set_aside(lesson.state_dir) == [(0, reason)]
    assert server.connections == 0


@pytest.mark.parametrize("time", ["yesterday", "2026-08-03T09:30:00", "2026-13-03T09:30:00+00:00"])
def test_an_event_whose_time_is_no_time_is_set_aside(
    lesson: Lesson, server: CaptureServer, time: str
) -> None:
    a_dead_session(lesson.state_dir, server.url)
    (file,) = lesson.state_dir.glob("outbox/dead0001*/*.jsonl")
    first, second, third = map(json.loads, file.read_text().splitlines())
    second["timestamp"] = time
    file.write_text("".join(json.dumps(record) + "\n" for record in (first, second, third)))

    lesson.delivery.start()

    wait_until(lambda: numbers(server.events) == [0, 2])
    assert set_aside(lesson.state_dir) == [(1, "its timestamp is no time")]


def test_a_dead_server_of_yesterdays_does_not_hold_up_todays(
    begin: Begin, server: CaptureServer
) -> None:
    lesson = begin(attempt_s=SOON_S)
    with CaptureServer() as yesterdays:
        yesterdays.answer = Fault.HANG
        a_dead_session(lesson.state_dir, yesterdays.url)
        lesson.delivery.start()
        wait_until(lambda: yesterdays.requests)

        lesson.happens(1)

        wait_until(lambda: numbers(server.events) == [1])
        assert lesson.report.leftover == 3
        yesterdays.release()


def test_a_dead_server_of_todays_does_not_hold_up_yesterdays(
    lesson: Lesson, server: CaptureServer
) -> None:
    with CaptureServer() as yesterdays:
        server.stop()
        a_dead_session(lesson.state_dir, yesterdays.url)
        lesson.happens(1)

        lesson.delivery.start()

        wait_until(lambda: numbers(yesterdays.events) == [0, 1, 2])
        assert lesson.report.outcome == "UNREACHABLE"


def test_the_current_sessions_own_go_first(
    begin: Begin, state_dir: Path, server: CaptureServer
) -> None:
    a_dead_session(state_dir, server.url, events=MAX_BATCH_EVENTS + 1)
    lesson = begin()
    server.delay_s = 60
    lesson.delivery.start()
    wait_until(lambda: server.requests)

    lesson.happens(7)
    server.delay_s = 0
    server.release()

    wait_until(lambda: len(server.events) == MAX_BATCH_EVENTS + 2)
    assert [r.events[0]["properties"]["sess"] for r in server.requests] == [
        "dead0001",
        SESS,
        "dead0001",
    ]


def test_another_student_begins_with_figures_of_their_own(
    lesson: Lesson, server: CaptureServer
) -> None:
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.delivered == 1)

    lesson.begin("11111111", "OMAR")

    wait_until(lambda: lesson.report == Report("11111111", 0, 0, 0, "", "", ""))
    lesson.happens(2)
    wait_until(lambda: lesson.report.delivered == 1)
    assert [event["distinct_id"] for event in server.events] == ["SARA", "OMAR"]


def test_a_session_that_goes_on_beside_another_is_finished_in_the_end(
    lesson: Lesson, server: CaptureServer
) -> None:
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.delivered == 1)
    later = Outbox(lesson.state_dir, "11111111", appended=lesson.delivery.wake)
    lesson.delivery.serve(later, earlier_go_on=True)
    later.give_name("OMAR")
    lesson.let_a_round_pass()
    assert [folder.name[:8] for folder in lesson.state_dir.glob("outbox/*")] == [SESS]

    lesson.happens(2)
    wait_until(lambda: numbers(server.events) == [1, 2])
    lesson.delivery.finish_earlier()

    wait_until(lambda: not list(lesson.state_dir.glob("outbox/*")))


def test_what_a_student_before_left_is_a_leftover(lesson: Lesson, server: CaptureServer) -> None:
    server.stop()
    lesson.delivery.start()
    lesson.happens(1)
    lesson.happens(2)
    wait_until(lambda: lesson.report.outcome == "UNREACHABLE")

    lesson.begin("11111111", "OMAR")
    wait_until(lambda: lesson.report.sess == "11111111")
    assert lesson.report.leftover == 2

    server.start()
    lesson.time_passes(61)
    wait_until(lambda: lesson.report.leftover == 0)
    assert [event["distinct_id"] for event in server.events] == ["SARA", "SARA"]


def test_students_who_take_turns_quickly_lose_nothing(
    lesson: Lesson, server: CaptureServer
) -> None:
    lesson.delivery.start()
    for number in range(50):
        lesson.begin(f"{number:08}", f"STUDENT-{number}")
        lesson.happens(number)

    wait_until(lambda: sorted(numbers(server.events)) == list(range(50)))
    wait_until(lambda: lesson.report.leftover == 0)
    wait_until(lambda: len(list(lesson.state_dir.glob("outbox/*"))) == 1)
    assert {e["distinct_id"]: numbers([e])[0] for e in server.events} == {
        f"STUDENT-{number}": number for number in range(50)
    }


def test_what_goes_wrong_on_the_disk_is_reported(lesson: Lesson, server: CaptureServer) -> None:
    lesson.state_dir.write_text("a file where the folder should be")
    lesson.delivery.start()
    lesson.happens(1)

    wait_until(lambda: lesson.report.storage_problem)
    wait_until(lambda: numbers(server.events) == [1])


# The end


def test_what_can_be_sent_is_sent_at_the_end(lesson: Lesson, server: CaptureServer) -> None:
    lesson.delivery.start()
    for number in range(10):
        lesson.happens(number)

    lesson.delivery.stop()

    assert numbers(server.events) == list(range(10))


def test_nothing_is_left_behind_when_all_is_delivered(
    lesson: Lesson, server: CaptureServer
) -> None:
    lesson.delivery.start()
    lesson.happens(1)

    lesson.delivery.stop()

    assert list(lesson.state_dir.rglob("*")) == [lesson.state_dir / "outbox"]
    assert lesson.report.delivered == 1


def test_a_server_that_hangs_does_not_hold_up_the_end(
    begin: Begin, state_dir: Path, server: CaptureServer
) -> None:
    lesson = begin(clock=time.monotonic)
    server.answer = Fault.HANG
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: server.requests)

    lesson.delivery.stop(deadline_s=0.1)

    assert is_running()  # the end did not wait for the answer
    server.release()
    wait_until(lambda: not is_running())
    assert numbers(kept_events(state_dir)) == [1]


def is_running() -> bool:
    return any(thread.name == "ipynb-telemetry" for thread in threading.enumerate())


def test_nothing_is_sent_after_the_end(begin: Begin, server: CaptureServer) -> None:
    lesson = begin()
    for number in range(MAX_BATCH_EVENTS + 1):
        lesson.happens(number)
    server.delay_s = 60
    lesson.delivery.start()
    wait_until(lambda: server.requests)

    lesson.delivery.stop(deadline_s=0)
    server.delay_s = 0
    server.release()

    wait_until(lambda: not is_running())
    assert len(server.requests) == 1


def test_a_server_that_is_back_at_the_end_gets_what_waits(
    lesson: Lesson, server: CaptureServer
) -> None:
    server.stop()
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.outcome == "UNREACHABLE")
    server.start()

    lesson.delivery.stop(deadline_s=10)

    assert numbers(server.events) == [1]


def test_a_server_that_asked_to_be_left_alone_is_left_alone_at_the_end(
    lesson: Lesson, server: CaptureServer
) -> None:
    server.answer, server.headers = 429, {"Retry-After": "120"}
    lesson.delivery.start()
    lesson.happens(1)
    wait_until(lambda: lesson.report.outcome == "BUSY")
    recover(server)

    lesson.delivery.stop(deadline_s=10)

    assert len(server.requests) == 1
    assert numbers(kept_events(lesson.state_dir)) == [1]


def test_an_end_without_a_beginning_is_no_trouble(lesson: Lesson, server: CaptureServer) -> None:
    lesson.happens(1)

    lesson.delivery.stop()
    lesson.delivery.start()

    assert not is_running()
    assert numbers(kept_events(lesson.state_dir)) == [1]
    lesson.outbox.close()


def test_a_script_that_ends_at_once_has_sent_its_events(
    state_dir: Path, server: CaptureServer
) -> None:
    run_python(
        f"""if True:
        import atexit, pathlib, deliveries
        lesson = deliveries.Lesson(pathlib.Path({str(state_dir)!r}), {server.url!r})
        atexit.register(lesson.delivery.stop, deadline_s=30)
        lesson.happens(1)
        lesson.delivery.start()
        """
    )

    assert numbers(server.events) == [1]


# The thread


def test_there_is_no_thread_before_the_start(lesson: Lesson) -> None:
    lesson.happens(1)

    assert not is_running()


def test_there_is_one_thread_however_many_start_it(lesson: Lesson, server: CaptureServer) -> None:
    everyone = threading.Barrier(10)

    def start() -> None:
        everyone.wait()
        lesson.delivery.start()

    starters = [threading.Thread(target=start) for _ in range(10)]
    for thread in starters:
        thread.start()
    for thread in starters:
        thread.join()
    lesson.happens(1)
    wait_until(lambda: lesson.report.delivered == 1)

    [thread] = [t for t in threading.enumerate() if t.name == "ipynb-telemetry"]
    assert thread.daemon


def test_a_listener_that_fails_stops_nothing(
    begin: Begin, state_dir: Path, server: CaptureServer, telemetry_log: list[Any]
) -> None:
    def fail(_: Report) -> None:
        raise ValueError("no panel")  # noqa: EM101, TRY003

    delivery = Delivery(state_dir, fail)
    lesson = begin()
    lesson.delivery = delivery
    lesson.begin("11111111", "SARA")
    delivery.start()

    lesson.happens(1)
    wait_until(lambda: numbers(server.events) == [1])
    lesson.happens(2)
    wait_until(lambda: numbers(server.events) == [1, 2])

    assert "no panel" in str(telemetry_log[0].exc_info[1])


class BrokenOutbox(Outbox):
    """One with a bug that shows wherever the delivery thread looks."""

    def settle(self) -> bool:
        raise KeyError("settle")  # noqa: EM101

    def next_batch(self, *_: object, **__: object) -> None:
        raise KeyError("next_batch")  # noqa: EM101


class UndyingOutbox(Outbox):
    def remove(self) -> bool:
        raise KeyError("remove")  # noqa: EM101


@pytest.mark.parametrize(
    ("kind", "failure"), [(BrokenOutbox, "'next_batch'"), (UndyingOutbox, "'remove'")]
)
def test_an_outbox_that_fails_does_not_hold_up_the_others(
    lesson: Lesson,
    server: CaptureServer,
    telemetry_log: list[Any],
    kind: type[Outbox],
    failure: str,
) -> None:
    lesson.happens(1)
    broken = kind(lesson.state_dir, "22222222", appended=lesson.delivery.wake)
    broken.give_name("OMAR")
    lesson.delivery.serve(broken)
    lesson.begin("11111111", "SARA")
    lesson.delivery.start()

    wait_until(lambda: numbers(server.events) == [1])
    lesson.happens(2)
    wait_until(lambda: numbers(server.events) == [1, 2])
    lesson.let_a_round_pass()

    logged = [str(record.exc_info[1]) for record in telemetry_log if record.exc_info]
    assert [line for line in logged if line != "'settle'"] == [failure]  # then it rests
    assert not list(lesson.state_dir.glob(f"outbox/{SESS}*"))  # done with, and gone


# What is imported, and when


def test_the_sdk_is_not_imported_by_the_setup_cell() -> None:
    loaded = run_python(
        """if True:
        import sys
        import ipynb_telemetry.bootstrap
        print(*sorted({"posthog", "requests", "urllib3"} & set(sys.modules)))
        """
    )

    assert loaded == "\n"


def test_the_sdk_is_imported_when_there_is_something_to_send(
    state_dir: Path, server: CaptureServer
) -> None:
    loaded = run_python(
        f"""if True:
        import pathlib, sys, deliveries
        folder = pathlib.Path({str(state_dir)!r})
        lesson = deliveries.Lesson(folder, {server.url!r}, student=None)
        lesson.delivery.start()
        lesson.happens(1)
        lesson.let_a_round_pass()
        print("posthog" in sys.modules)
        lesson.outbox.give_name("SARA")
        deliveries.wait_until(lambda: lesson.report.delivered == 1)
        print("posthog" in sys.modules)
        lesson.delivery.stop()
        """
    )

    assert loaded == "False\nTrue\n"


def test_a_library_that_warns_when_it_is_imported_prints_nothing(
    state_dir: Path, server: CaptureServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chardet.py").write_text("__version__ = '99.0.0'  # requests warns of it\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")

    printed = run_python(
        f"""if True:
        import pathlib, sys, deliveries
        sys.stderr = sys.stdout
        lesson = deliveries.Lesson(pathlib.Path({str(state_dir)!r}), {server.url!r})
        lesson.happens(1)
        lesson.delivery.start()
        deliveries.wait_until(lambda: lesson.report.delivered == 1)
        lesson.delivery.stop()
        assert sys.modules["chardet"].__version__ == "99.0.0"
        """
    )

    assert printed == ""
