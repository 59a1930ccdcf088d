"""A simulated class: its events are those of real students, and they arrive."""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from capture_server import CaptureServer
from outboxes import Clock
from waiting import wait_until

from ipynb_telemetry.answers import Outcome
from ipynb_telemetry.capture import Capture
from ipynb_telemetry.classroom.imagined import Lesson
from ipynb_telemetry.classroom.play import Moment, a_class, play
from ipynb_telemetry.events import KINDS, Record
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.session import Session
from ipynb_telemetry.transport import Transport

BEGAN = datetime(2027, 7, 17, 8, 0, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def a_lesson() -> list[Moment]:
    return [*a_class(60, began=BEGAN, cohorts=["7A", "7B"])]


def of_one_kind(moments: list[Moment], event: str) -> list[dict[str, Any]]:
    found = [record["properties"] for _, record in moments if record["event"] == event]
    assert found
    return found


def recorded_for_real(state_dir: Path) -> dict[str, Record]:
    """One event of each kind, as the capture layer makes it."""
    lines: list[bytes] = []

    class Kept(Outbox):
        def append(self, record: Record) -> bytes:
            lines.append(super().append(record))
            return lines[-1]

    session = Session("D3_Datetimes")
    session.cohort = "7A"
    outbox = Kept(state_dir, session.sess, appended=lambda: None)
    capture = Capture(session, outbox)
    session.take_name("ADA")
    session.start({"python": "", "ipython": "", "frontend": "", "platform": ""}, rerun=0)
    session.run_cell("exercise_1", "# code")
    session.end_test("exercise_1", ok=False, ms=1, err="AssertionError")
    session.end_cell("exercise_1", 1, ok=False, ms=2, err="AssertionError")
    session.raise_hand(up=True)
    session.rename("ADA-LOVELACE")
    session.pause()
    session.resume()
    capture.close()
    outbox.close()
    return {record["event"]: record for record in map(json.loads, lines)}


def test_each_kind_of_event_is_made_as_the_capture_layer_makes_it(
    a_lesson: list[Moment], state_dir: Path
) -> None:
    real = recorded_for_real(state_dir)
    played = {record["event"]: record for _, record in a_lesson}

    assert {*played} == {*real} == {kind.event for kind in KINDS}
    for event, record in real.items():
        assert [*played[event]] == [*record]
        assert [*played[event]["properties"]] == [*record["properties"]]


def test_the_same_seed_is_the_same_lesson(a_lesson: list[Moment]) -> None:
    assert [*a_class(60, began=BEGAN, cohorts=["7A", "7B"])] == a_lesson
    assert [*a_class(60, began=BEGAN, cohorts=["7A", "7B"], seed=1)] != a_lesson


def test_played_on_another_day_no_event_looks_like_a_resend(a_lesson: list[Moment]) -> None:
    again = [*a_class(60, began=BEGAN + timedelta(days=1), cohorts=["7A", "7B"])]

    assert [moment.at_s for moment in again] == [moment.at_s for moment in a_lesson]
    uuids = [record["uuid"] for _, record in [*a_lesson, *again]]
    assert len({*uuids}) == len(uuids)


def test_time_goes_on_as_the_moments_say(a_lesson: list[Moment]) -> None:
    times = [moment.at_s for moment in a_lesson]

    assert times == sorted(times)
    assert times[-1] <= 45 * 60
    for at_s, record in a_lesson:
        assert datetime.fromisoformat(record["timestamp"]) == BEGAN + timedelta(seconds=at_s)


def test_numbers_have_no_gaps(a_lesson: list[Moment]) -> None:
    sequences, runs, attempts = defaultdict(list), defaultdict(list), defaultdict(list)
    for _, record in a_lesson:
        own = record["properties"]
        sequences[own["sess"]].append(own["seq"])
        if record["event"] == "cell":
            runs[own["sess"]].append(own["cell_num"])
        if record["event"] == "test":
            attempts[own["sess"], own["ex"]].append(own["try"])

    assert len(sequences) == 60
    assert all(numbers == [*range(len(numbers))] for numbers in sequences.values())
    for counted in (runs, attempts):
        assert counted
        assert all(numbers == [*range(1, len(numbers) + 1)] for numbers in counted.values())


def test_most_pass_most_exercises_while_some_are_stuck(a_lesson: list[Moment]) -> None:
    passed = Counter(own["sess"] for own in of_one_kind(a_lesson, "test") if own["ok"])
    failures = Counter(
        (own["sess"], own["ex"]) for own in of_one_kind(a_lesson, "test") if not own["ok"]
    )

    assert sum(count == 3 for count in passed.values()) > 30
    assert sum(count >= 5 for count in failures.values()) > 3


def test_hands_go_up_while_not_each_comes_down(a_lesson: list[Moment]) -> None:
    hands = Counter(own["up"] for own in of_one_kind(a_lesson, "hand"))

    assert hands[True] > hands[False] > 0


def test_one_student_corrects_a_typo(a_lesson: list[Moment]) -> None:
    (rename,) = of_one_kind(a_lesson, "rename")

    of_the_session = [
        record["student"]
        for _, record in a_lesson
        if record["properties"]["sess"] == rename["sess"]
    ]
    at = of_the_session.index(rename["student"])
    assert 0 < at < len(of_the_session) - 1
    assert {*of_the_session[:at]} == {rename["prev"]}
    assert {*of_the_session[at:]} == {rename["student"]}


def test_two_have_one_name_at_two_computers(a_lesson: list[Moment]) -> None:
    computers = defaultdict(set)
    for _, record in a_lesson:
        computers[record["student"]].add(record["properties"]["sess"])

    assert sorted(len(sessions) for sessions in computers.values())[-2:] == [1, 2]


def test_students_are_dealt_out_among_the_cohorts(a_lesson: list[Moment]) -> None:
    cohorts = {own["sess"]: own["cohort"] for own in of_one_kind(a_lesson, "start")}

    assert Counter(cohorts.values()) == {"7A": 30, "7B": 30}


def test_a_class_larger_than_the_list_of_names_has_a_name_for_each() -> None:
    starts = [*a_class(4000, Lesson(minutes=1.5, exercises=1), began=BEGAN)]

    names = Counter(
        {record["properties"]["sess"]: record["student"] for _, record in starts}.values()
    )
    assert names.most_common(2)[0][1] == 2
    assert names.most_common(2)[1][1] == 1


def test_a_long_lesson_has_as_many_exercises_as_it_says() -> None:
    lesson = [*a_class(3, Lesson("Long", exercises=40, minutes=90), began=BEGAN)]

    exercises = {own["ex"] for own in of_one_kind(lesson, "test")}
    assert len(exercises) > 30
    assert exercises <= {f"exercise_{number}" for number in range(1, 41)}


def test_all_of_it_reaches_the_server(server: CaptureServer, a_lesson: list[Moment]) -> None:
    taken = play(a_lesson, posting_to(server), stop=threading.Event(), fast=True)

    assert taken == len(a_lesson)
    assert [event["uuid"] for event in server.events] == [each.record["uuid"] for each in a_lesson]
    assert server.events[-1]["distinct_id"] == a_lesson[-1].record["student"]


def test_what_the_server_does_not_take_is_sent_again(server: CaptureServer) -> None:
    server.answer = 503
    lesson = [*a_class(2, began=BEGAN)]
    playing = in_a_thread(play, lesson, posting_to(server), stop=threading.Event(), fast=True)
    wait_until(lambda: server.refused >= 1)

    server.answer = 200

    playing.join(10)
    assert [event["uuid"] for event in server.events] == [each.record["uuid"] for each in lesson]


class EndsWhereItWouldWait(threading.Event):
    """Set as soon as somebody waits for it for any time."""

    waited_s = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        if timeout:
            self.waited_s = timeout
            self.set()
        return self.is_set()


def test_what_has_gone_by_is_sent_at_once_while_the_rest_waits_for_its_time(
    server: CaptureServer,
) -> None:
    lesson = [*a_class(10, began=BEGAN)]
    gone_by = [each for each in lesson if each.at_s <= 600]
    stop = EndsWhereItWouldWait()

    taken = play(lesson, posting_to(server), stop=stop, already_s=600, clock=Clock())

    assert 0 < taken == len(server.events) == len(gone_by) < len(lesson)
    assert stop.waited_s == pytest.approx(lesson[taken].at_s - 600)


def posting_to(server: CaptureServer) -> Callable[[list[dict[str, Any]]], bool]:
    transport = Transport()

    def post(messages: list[dict[str, Any]]) -> bool:
        return transport.post(server.url, "phc_test", messages).outcome is Outcome.ACCEPTED

    return post


def in_a_thread(call: Callable[..., object], *args: object, **settings: object) -> threading.Thread:
    thread = threading.Thread(target=partial(call, *args, **settings), daemon=True)
    thread.start()
    return thread
