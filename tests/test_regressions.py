"""One test for each defect of the system that is in use today."""

from __future__ import annotations

from datetime import datetime

from capture_server import CaptureServer
from kernel_fixtures import SETUP, Lesson
from kernels import Kernel
from waiting import wait_until

STATUS = """
from ipynb_telemetry import bootstrap, status
status.status_of(bootstrap._kernel._lesson.session).text
"""


def test_events_arrive_with_the_installed_posthog(lesson: Lesson) -> None:
    """It called `capture(distinct_id, event)` in the order of version 5, and lost them all."""
    lesson.run('_cell("exercise_1")')

    arrived = [(event["event"], event["distinct_id"]) for event in lesson.events()]
    assert arrived == [("start", "SARA"), ("cell", "SARA"), ("cell_end", "SARA")]


def test_a_name_may_be_in_any_script(lesson: Lesson) -> None:
    """It took names in English letters only."""
    lesson.set_up(student="مُحَمَّد علي")
    lesson.run('_cell("exercise_1")')

    (cell,) = lesson.named("cell")
    assert (cell["distinct_id"], cell["properties"]["student"]) == ("محمد-علي", "محمد-علي")


def test_run_all_does_not_wait_for_a_name(kernel: Kernel, server: CaptureServer) -> None:
    """It asked with `input()`, which stops "Run all" until somebody types."""
    cells = [
        f'{SETUP}\nsetup_telemetry("D3_Datetimes")',
        '_cell("exercise_1")',
        '_cell("exercise_2")',
    ]
    for running in [kernel.begin(cell) for cell in cells]:
        kernel.finish(running)
    asked, sent = kernel.asked, server.events
    named = datetime.fromisoformat(
        kernel.run(
            "from datetime import datetime, timezone\n"
            "from ipynb_telemetry import bootstrap\n"
            'bootstrap._kernel._lesson.session.take_name("Sara")\n'
            "print(datetime.now(tz=timezone.utc).isoformat())"
        ).stdout.strip()
    )

    wait_until(lambda: len(server.events) == 5, timeout_s=30)
    assert (asked, sent) == (0, [])
    assert {event["distinct_id"] for event in server.events} == {"SARA"}
    assert {event["properties"]["student"] for event in server.events} == {"SARA"}
    assert all(datetime.fromisoformat(event["timestamp"]) < named for event in server.events)


def test_every_event_says_whose_it_is(lesson: Lesson) -> None:
    """It promised a property `student`, and never sent it."""
    lesson.run('_cell("exercise_1")\n@tracked_test("exercise_1")\ndef test(): pass\ntest()')
    lesson.run('_telemetry_capture("hint", {"exercise": 1})')

    students = [event["properties"]["student"] for event in lesson.events()]
    assert students == ["SARA"] * 5


def test_a_setup_cell_that_is_run_again_begins_no_second_session(lesson: Lesson) -> None:
    """It began another session each time."""
    lesson.set_up()
    lesson.run('_cell("exercise_1")')

    events = lesson.events()
    assert [event["event"] for event in events] == ["start", "start", "cell", "cell_end"]
    assert len({event["properties"]["sess"] for event in events}) == 1


def test_what_cannot_be_sent_is_said(kernel: Kernel, server: CaptureServer) -> None:
    """It swallowed every error, so that nobody knew that nothing arrived."""
    server.api_key = "phc_another"
    kernel.run(f'{SETUP}\nsetup_telemetry("D3_Datetimes", student="Sara")')
    wait_until(lambda: server.refused, timeout_s=30)

    said = f"{server.url.removeprefix('http://')} does not take this notebook's key."
    wait_until(lambda: said in kernel.run(STATUS).results[0], timeout_s=30, every_s=0.2)
