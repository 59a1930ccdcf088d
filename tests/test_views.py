"""What the collector tells a page, without a browser."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from class_events import Lesson
from collectors import CollectorProcess
from waiting import wait_until


class Told(NamedTuple):
    """One message of a stream."""

    event: str
    seen: str
    data: dict[str, Any]


@pytest.fixture
def collector(clean_environment: None, tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path) as collector:
        yield collector


def post(collector: CollectorProcess, lesson: Lesson) -> None:
    names = ("nb", "sess", "student")
    batch = [
        {
            "event": event.event,
            "uuid": event.uuid,
            "distinct_id": event.student,
            "timestamp": event.timestamp,
            "properties": json.loads(event.properties)
            | {name: getattr(event, name) for name in names},
        }
        for event in lesson.events
    ]
    assert collector.post(batch).status_code == 200
    wait_until(lambda: received(collector, lesson) == len(lesson.events))


def received(collector: CollectorProcess, lesson: Lesson) -> int:
    """How many events of it the views have."""
    events = lesson.events
    shown = collector.read("/api/class", notebook=events[0].nb, since="0").json()["students"]
    sessions = (each for rows in shown.values() for row in rows for each in row["sessions"])
    return sum(each[1] for each in sessions if each[0] == events[0].sess)


def next_told(collector: CollectorProcess, seen: str = "") -> Told:
    """The first message of a new stream that is about the class."""
    return next(all_told(collector, seen))


def all_told(collector: CollectorProcess, seen: str = "") -> Generator[Told, None, None]:
    """Its messages that are about the class."""
    headers = {"Authorization": f"Bearer {collector.token}", "Last-Event-ID": seen}
    address = f"{collector.url}/api/stream"
    with requests.get(address, headers=headers, stream=True, timeout=20) as stream:
        fields: dict[str, str] = {}
        for line in stream.iter_lines(chunk_size=1, decode_unicode=True):
            name, _, value = line.partition(": ")
            fields[name] = value
            if not line and fields.get("event") in {"class", "change"}:
                yield Told(fields["event"], fields["id"], json.loads(fields["data"]))


def test_a_page_that_comes_back_stays_with_its_notebook(collector: CollectorProcess) -> None:
    first = Lesson("ADA", "aaaaaaaa", nb="one\nof two").cell("a")
    post(collector, first)
    told = next_told(collector)
    assert (told.event, told.data["notebook"]) == ("class", "one\nof two")
    post(collector, Lesson("BEN", "bbbbbbbb", nb="two", at_minutes=30).cell("a"))
    first.cell("b")
    post(collector, first)

    again = next_told(collector, told.seen)

    assert (again.event, again.data["notebook"]) == ("change", "one\nof two")
    assert [*again.data["students"]] == ["ADA"]


def test_a_page_left_open_overnight_shows_the_new_lesson_alone(
    collector: CollectorProcess,
) -> None:
    post(collector, Lesson("ADA", "aaaaaaaa").cell("a"))
    told = all_told(collector)
    assert [*next(told).data["students"]] == ["ADA"]

    post(collector, Lesson("BEN", "bbbbbbbb", at_minutes=24 * 60).cell("a"))

    new_lesson = next(told)
    assert (new_lesson.event, [*new_lesson.data["students"]]) == ("class", ["BEN"])
    told.close()


def test_a_page_that_slept_overnight_shows_the_new_lesson_alone(
    collector: CollectorProcess,
) -> None:
    post(collector, Lesson("ADA", "aaaaaaaa").cell("a"))
    told = next_told(collector)

    post(collector, Lesson("BEN", "bbbbbbbb", at_minutes=24 * 60).cell("a"))

    new_lesson = next_told(collector, told.seen)
    assert (new_lesson.event, [*new_lesson.data["students"]]) == ("class", ["BEN"])


def test_a_page_of_another_run_is_told_all(collector: CollectorProcess) -> None:
    post(collector, Lesson("ADA", "aaaaaaaa").cell("a"))
    told = next_told(collector)
    collector.stop()
    collector.start()

    again = next_told(collector, told.seen)

    assert again.event == "class"
    assert [*again.data["students"]] == ["ADA"]


def test_a_stream_goes_on_from_the_class_that_was_read(collector: CollectorProcess) -> None:
    ada = Lesson("ADA", "aaaaaaaa").cell("a")
    post(collector, ada)
    post(collector, Lesson("BEN", "bbbbbbbb").cell("a"))
    whole = collector.read("/api/class").json()
    assert [*whole["students"]] == ["ADA", "BEN"]
    ada.cell("b")
    post(collector, ada)

    told = next_told(collector, whole["seen"])

    assert (told.event, [*told.data["students"]]) == ("change", ["ADA"])


def test_a_stream_goes_on_from_a_class_without_anybody(collector: CollectorProcess) -> None:
    nobody = collector.read("/api/class").json()
    assert nobody["students"] == {}
    post(collector, Lesson("ADA", "aaaaaaaa").cell("a"))

    told = next_told(collector, nobody["seen"])

    assert (told.event, [*told.data["students"]]) == ("class", ["ADA"])


def test_the_browser_asks_for_the_class_before_any_script_is_there(
    collector: CollectorProcess,
) -> None:
    hint = "</api/class>; rel=preload; as=fetch; crossorigin"

    assert collector.read("/").headers["Link"] == hint
    assert "Link" not in collector.read("/", when="today").headers


@pytest.mark.parametrize("path", ["/api/class", "/api/exercises", "/api/pace", "/api/student"])
def test_a_date_that_is_none_is_refused(collector: CollectorProcess, path: str) -> None:
    assert collector.read(path, since="yesterday").status_code == 400
    assert collector.read(path, since="9" * 20).status_code == 400
    assert collector.read(path, since="9" * 14, until="9" * 14).status_code == 200


def test_a_file_that_the_browser_has_is_not_sent_again(collector: CollectorProcess) -> None:
    address = f"{collector.url}/dashboard/app.js"
    headers = {"Authorization": f"Bearer {collector.token}"}
    first = requests.get(address, headers=headers, timeout=10)
    assert first.headers["Content-Type"].startswith("text/javascript")

    again = requests.get(
        address, headers={**headers, "If-None-Match": first.headers["ETag"]}, timeout=10
    )

    assert (again.status_code, again.content) == (304, b"")
    assert collector.read("/dashboard/unknown.js").status_code == 404
