"""From what a session announces to the events that wait on disk."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from coroutines import run_to_end
from kept_events import kept_events

from ipynb_telemetry import events
from ipynb_telemetry.capture import Capture
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.session import Session
from ipynb_telemetry.tracking import Tracking

HOST, API_KEY = "http://127.0.0.1:1", "phc_test"
BASE = {"nb", "sess", "student", "v", "seq"}


@pytest.fixture
def session() -> Session:
    return Session("D3_Datetimes")


@pytest.fixture
def outbox(session: Session, state_dir: Path) -> Iterator[Outbox]:
    outbox = Outbox(state_dir, session.sess, appended=lambda: None)
    yield outbox
    outbox.close()


@pytest.fixture
def capture(session: Session, outbox: Outbox) -> Capture:
    capture = Capture(session, outbox)
    capture.configure(host=HOST, api_key=API_KEY, send_code=True)
    return capture


@pytest.fixture
def tracking(session: Session, capture: Capture) -> Tracking:
    return Tracking(session, cell_ended=lambda: None)


@pytest.fixture
def kept(capture: Capture, state_dir: Path) -> Callable[[], list[dict[str, Any]]]:
    return lambda: kept_events(state_dir)


Kept = Callable[[], list[dict[str, Any]]]

EVERY_KIND: dict[str, Callable[[Session], object]] = {
    "start": lambda session: session.start(
        {"python": "3.13.1", "ipython": "9.1", "frontend": "classic", "platform": "Linux"},
        rerun=0,
    ),
    "cell": lambda session: session.run_cell("exercise_1", "# preview"),
    "cell_end": lambda session: session.end_cell("exercise_1", 1, ok=True, ms=3, err=None),
    "test": lambda session: session.end_test("exercise_1", ok=False, ms=3, err="E: no"),
    "hand": lambda session: session.raise_hand(up=True),
    "rename": lambda session: session.rename("LENA"),
    "pause": lambda session: session.pause(),
}


def test_every_kind_of_event_is_made_here() -> None:
    assert {*EVERY_KIND, "resume"} == {kind.event for kind in events.KINDS}


@pytest.mark.parametrize("name", EVERY_KIND)
def test_an_event_carries_what_its_schema_says_alone(
    name: str, session: Session, kept: Kept
) -> None:
    session.take_name("SARA")
    EVERY_KIND[name](session)

    (event,) = kept()
    (kind,) = (kind for kind in events.KINDS if kind.event == name)
    assert event["event"] == name
    assert set(event["properties"]) == BASE | {prop.name for prop in kind.properties}


def test_resuming_is_an_event_without_properties_of_its_own(session: Session, kept: Kept) -> None:
    session.pause()
    session.resume()

    assert [event["event"] for event in kept()] == ["pause", "resume"]
    assert [set(event["properties"]) for event in kept()] == [BASE, BASE]


def test_an_event_says_where_it_comes_from(session: Session, kept: Kept) -> None:
    session.take_name("SARA")
    session.run_cell("exercise_1", "# preview")

    (event,) = kept()
    assert event["properties"] == {
        "cell_id": "exercise_1",
        "cell_num": 1,
        "code": "# preview",
        "nb": "D3_Datetimes",
        "sess": session.sess,
        "student": "SARA",
        "v": metadata.version("ipynb-telemetry"),
        "seq": 0,
    }
    assert (event["host"], event["api_key"], event["student"]) == (HOST, API_KEY, "SARA")


def test_each_event_has_a_uuid_of_its_own(session: Session, kept: Kept) -> None:
    for _ in range(3):
        session.run_cell("exercise_1", "")

    assert len({UUID(event["uuid"]) for event in kept()}) == 3


def test_two_equal_runs_are_two_events_in_a_row(session: Session, kept: Kept) -> None:
    session.end_cell("exercise_1", 1, ok=True, ms=3, err=None)
    session.end_cell("exercise_1", 1, ok=True, ms=3, err=None)

    assert [event["properties"]["seq"] for event in kept()] == [0, 1]


def test_a_class_is_named_on_each_event(session: Session, capture: Capture, kept: Kept) -> None:
    session.cohort = "7b"
    capture.configure(host=HOST, api_key=API_KEY, send_code=True)
    session.run_cell("exercise_1", "")
    session.pause()

    assert [event["properties"]["cohort"] for event in kept()] == ["7b", "7b"]


# Limits


def test_a_preview_of_code_is_cut_after_500_characters(session: Session, kept: Kept) -> None:
    session.run_cell("exercise_1", "é" * 501)

    assert kept()[0]["properties"]["code"] == "é" * 500


def test_a_preview_of_code_can_be_left_out(session: Session, capture: Capture, kept: Kept) -> None:
    capture.configure(host=HOST, api_key=API_KEY, send_code=False)
    session.run_cell("exercise_1", "# secret")

    assert "secret" not in json.dumps(kept())
    assert kept()[0]["properties"]["cell_id"] == "exercise_1"


@pytest.mark.parametrize("event", ["cell_end", "test"])
def test_an_error_is_cut_after_200_characters(event: str, session: Session, kept: Kept) -> None:
    if event == "test":
        session.end_test("exercise_1", ok=False, ms=1, err="é" * 201)
    else:
        session.end_cell("exercise_1", 1, ok=False, ms=1, err="é" * 201)

    assert kept()[0]["properties"]["err"] == "é" * 200


def test_the_name_of_an_event_is_cut_to_what_posthog_takes(session: Session, kept: Kept) -> None:
    session.custom("x" * 201, {})

    assert kept()[0]["event"] == "x" * 200


def test_an_authors_own_code_and_err_are_left_as_they_are(session: Session, kept: Kept) -> None:
    session.custom("hint", {"code": "é" * 501, "err": "é" * 201})

    assert kept()[0]["properties"]["code"] == "é" * 501
    assert kept()[0]["properties"]["err"] == "é" * 201


def test_an_authors_event_may_have_the_name_of_one_of_ours(session: Session, kept: Kept) -> None:
    session.custom("cell", {"code": 5, "err": ["a"]})

    assert kept()[0]["properties"]["code"] == 5


# What an author's props can do


def test_props_cannot_take_the_place_of_what_each_event_says(session: Session, kept: Kept) -> None:
    session.take_name("SARA")
    session.custom(
        "hint",
        {"nb": "x", "sess": "x", "student": "LENA", "v": "x", "seq": 99, "cohort": "x", "own": 1},
    )

    assert kept()[0]["properties"] == {
        "own": 1,
        "nb": "D3_Datetimes",
        "sess": session.sess,
        "student": "SARA",
        "v": metadata.version("ipynb-telemetry"),
        "seq": 0,
    }


def test_props_that_change_later_do_not_change_the_event(
    session: Session, capture: Capture, kept: Kept
) -> None:
    props = {"answers": [1]}
    session.custom("quiz", props)
    props["answers"].append(2)

    assert kept()[0]["properties"]["answers"] == [1]
    assert capture.latest_messages()[0]["properties"]["answers"] == [1]


def test_props_that_change_later_do_not_change_an_event_in_memory(
    session: Session, capture: Capture, outbox: Outbox, state_dir: Path
) -> None:
    state_dir.write_text("a file where the folder should be")
    props = {"answers": [1]}
    session.custom("quiz", props)
    props["answers"].append(2)

    batch = outbox.next_batch()
    assert batch is not None
    assert batch.records[0]["properties"]["answers"] == [1]


def test_props_that_json_cannot_hold_become_text(
    session: Session, capture: Capture, kept: Kept
) -> None:
    session.custom("hint", {"set": {1}, "object": Ellipsis, "nan": float("nan"), "key": {(1,): 2}})

    properties = kept()[0]["properties"]
    assert {name: properties[name] for name in ("set", "object", "nan", "key")} == {
        "set": [1],
        "object": "Ellipsis",
        "nan": "nan",
        "key": {"(1,)": 2},
    }


# The name


def test_what_happens_before_there_is_a_name_waits_for_one(
    session: Session, outbox: Outbox, kept: Kept
) -> None:
    session.run_cell("exercise_1", "")

    assert kept()[0]["student"] is None
    assert outbox.student is None


def test_a_name_names_what_waited_for_it(session: Session, outbox: Outbox, kept: Kept) -> None:
    session.run_cell("exercise_1", "")
    session.take_name("SARA")
    session.run_cell("exercise_2", "")

    assert outbox.student == "SARA"
    assert [event["student"] for event in kept()] == [None, "SARA"]


def test_a_corrected_name_is_on_the_events_from_then_on(session: Session, kept: Kept) -> None:
    session.take_name("JON")
    session.run_cell("exercise_1", "")
    session.rename("JOHN")
    session.run_cell("exercise_2", "")

    assert [(event["event"], event["student"]) for event in kept()] == [
        ("cell", "JON"),
        ("rename", "JOHN"),
        ("cell", "JOHN"),
    ]


def test_what_waited_keeps_its_first_name_or_a_repeat_would_be_another_event(
    session: Session, outbox: Outbox, capture: Capture
) -> None:
    session.run_cell("exercise_1", "")
    session.take_name("JON")
    session.rename("JOHN")

    assert outbox.student == "JON"
    assert [message["distinct_id"] for message in capture.latest_messages()] == ["JOHN", "JON"]


# What is shown of it


def test_what_is_shown_is_what_is_sent(session: Session, capture: Capture, kept: Kept) -> None:
    session.take_name("SARA")
    session.custom("hint", {"nan": float("nan"), "half a pair": "\ud83d"})

    (shown,) = capture.latest_messages()
    assert shown == events.message(kept()[0], "")
    assert shown["properties"]["nan"] == "nan"


def test_before_there_is_a_name_its_place_is_shown(session: Session, capture: Capture) -> None:
    session.run_cell("exercise_1", "")

    (shown,) = capture.latest_messages()
    assert (shown["distinct_id"], shown["properties"]["student"]) == ("(your name)", "(your name)")


def test_the_last_twenty_events_are_shown_newest_first(session: Session, capture: Capture) -> None:
    for _ in range(25):
        session.run_cell("exercise_1", "")

    shown = [message["properties"]["seq"] for message in capture.latest_messages()]
    assert shown == list(range(24, 4, -1))


def test_the_session_knows_how_many_were_recorded(session: Session, capture: Capture) -> None:
    session.run_cell("exercise_1", "")
    session.end_cell("exercise_1", 1, ok=True, ms=1, err=None)

    assert session.recorded == 2


# Who comes after it, and who comes at once


def test_an_observer_that_fails_costs_no_event(
    session: Session, kept: Kept, tracking: Tracking, telemetry_log: list[logging.LogRecord]
) -> None:
    def broken(_change: object) -> None:
        raise RuntimeError

    session.observe(broken, names="latest")
    for _ in range(3):
        tracking.cell("exercise_1")

    assert len(kept()) == 3


def test_closed_it_observes_no_more(
    session: Session, outbox: Outbox, capture: Capture, kept: Kept
) -> None:
    session.run_cell("exercise_1", "")
    capture.close()
    session.run_cell("exercise_2", "")
    session.take_name("SARA")

    assert [event["properties"]["cell_id"] for event in kept()] == ["exercise_1"]
    assert outbox.student is None


def test_ten_threads_with_a_thousand_runs_each_leave_ten_thousand_events(
    session: Session, tracking: Tracking, kept: Kept
) -> None:
    together = threading.Barrier(10)

    def in_a_loop() -> None:
        together.wait()
        for _ in range(1000):
            tracking.cell("from a thread")

    async def task() -> None:
        for _ in range(100):
            tracking.cell("from a task")
            await asyncio.sleep(0)

    async def ten_tasks() -> None:
        await asyncio.gather(*(task() for _ in range(10)))

    def in_tasks() -> None:
        together.wait()
        run_to_end(ten_tasks())

    threads = [threading.Thread(target=in_a_loop) for _ in range(5)]
    threads += [threading.Thread(target=in_tasks) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    recorded = kept()
    assert [event["properties"]["seq"] for event in recorded] == list(range(10_000))
    assert len({event["uuid"] for event in recorded}) == 10_000
    numbers = sorted(event["properties"]["cell_num"] for event in recorded)
    assert numbers == list(range(1, 10_001))
    assert (session.cells, session.recorded) == (10_000, 10_000)
