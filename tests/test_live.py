from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from class_events import BEGAN_MS, MINUTE_MS, Lesson
from msgspec import msgpack
from waiting import wait_until

from ipynb_telemetry.classroom import live as live_module
from ipynb_telemetry.classroom.live import Live
from ipynb_telemetry.classroom.notebook import Changes, Notebook, Query
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.reading import FigureRow
from ipynb_telemetry.classroom.store import Store

HOUR_MS = 60 * MINUTE_MS


class Class:
    """A store with the views that follow it, which can be ended and begun again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begin()

    def begin(self) -> None:
        self.live = Live()
        self.store = Store(self.path, applied=self.live.applied)
        self.live.start(self.store)

    def end(self) -> None:
        self.live.close()
        self.store.close()

    def store_all(self, *lessons: Lesson, only: slice = slice(None)) -> None:
        """Store the events and wait until the views have followed."""
        self.store_events([event for lesson in lessons for event in lesson.events[only]])

    def store_events(self, events: list[StoredEvent]) -> None:
        self.store.submit(events).result()
        wait_until(lambda: self.live.up_to_date(self.store.last_id()))

    def names(self, query: Query = Query(), after: int = 0) -> list[str]:  # noqa: B008  # a tuple
        return sorted(self.live.changes(query, after).students)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Class]:
    room = Class(tmp_path / "class.sqlite")
    yield room
    room.end()


def rows_of(changes: Changes, name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(changes.students[name])
    return rows


def test_before_the_first_event_there_is_nothing(room: Class) -> None:
    assert room.live.changes(Query())[1:5] == ("", {}, [], [])


def test_what_is_stored_is_in_the_view(room: Class) -> None:
    room.store_all(Lesson().failed("one").passed("one", 2))

    changes = room.live.changes(Query())

    assert changes.notebook == "D3_Datetimes"
    assert changes.exercises == ["one"]
    [row] = rows_of(changes, "SARA")
    assert row["ex"] == {"one": [2, 2, 1]}


def test_only_what_has_changed_since_is_told(room: Class) -> None:
    room.store_all(Lesson("ADA", "aaaaaaaa").cell("a"), Lesson("BEN", "bbbbbbbb").cell("a"))
    seen = room.live.changes(Query()).version
    assert room.names(after=seen) == []

    ben = Lesson("BEN", "bbbbbbbb").cell("a").cell("b")
    room.store_all(ben, only=slice(1, None))

    assert room.names(after=seen) == ["BEN"]


@pytest.mark.parametrize("year", ["0001", "1969", "9999"])
def test_a_clock_that_is_far_off_disturbs_nobody(room: Class, year: str) -> None:
    [event] = Lesson("MALLORY", "cccccccc").cell("a").events
    room.store_events([event._replace(timestamp=f"{year}-06-01T00:00:00+00:00")])

    room.store_all(Lesson("ADA", "aaaaaaaa").cell("a"))
    room.live._save()

    assert "ADA" in room.names(Query(since_ms=0))


def test_a_clock_that_is_ahead_does_not_hide_the_others(room: Class) -> None:
    now = datetime.now(tz=timezone.utc)
    for name, ahead in (("ADA", 0), ("AHEAD", 23)):
        [event] = Lesson(name, name).cell("a").events
        room.store_events([event._replace(timestamp=(now + timedelta(hours=ahead)).isoformat())])

    assert room.names() == ["ADA", "AHEAD"]


def test_an_event_that_comes_again_is_no_change(room: Class) -> None:
    lesson = Lesson().cell("a")
    room.store_all(lesson)
    seen = room.live.changes(Query()).version

    room.store_events(lesson.events)

    assert room.names(after=seen) == []


def test_a_corrected_typo_takes_the_old_row_away(room: Class) -> None:
    lesson = Lesson("SARRA").cell("a")
    room.store_all(lesson)
    seen = room.live.changes(Query()).version

    room.store_all(lesson.rename("SARA"), only=slice(1, None))

    changes = room.live.changes(Query(), seen)
    assert rows_of(changes, "SARRA") == []
    assert [row["key"] for row in rows_of(changes, "SARA")] == ["SARA"]
    assert room.names() == ["SARA"]


def test_a_forgotten_student_is_gone_at_once(room: Class) -> None:
    room.store_all(Lesson("ADA", "aaaaaaaa").cell("a"), Lesson("BEN", "bbbbbbbb").cell("a"))
    seen = room.live.changes(Query()).version

    room.store.forget("BEN")
    room.live.forget("BEN")

    assert room.live.changes(Query(), seen).students == {"BEN": "[]"}
    assert room.names() == ["ADA"]


def test_the_figures_are_there_again_after_a_restart(room: Class) -> None:
    room.store_all(Lesson().failed("one").passed("one", 2))
    before = room.live.changes(Query()).students
    assert before

    room.end()
    room.begin()

    assert room.live.changes(Query()).students == before
    assert room.live.up_to_date(2)


def test_events_that_no_figures_were_kept_of_are_applied_at_the_start(room: Class) -> None:
    room.store_all(Lesson("ADA", "aaaaaaaa").cell("a"))
    room.live.close()
    room.store.submit(Lesson("BEN", "bbbbbbbb").cell("a").events).result()  # as after a kill
    room.store.close()

    room.begin()

    wait_until(lambda: room.names() == ["ADA", "BEN"])


def test_an_event_without_a_number_is_counted_once_through_restarts(room: Class) -> None:
    lesson = Lesson().failed("one").failed("one", 2).passed("one", 3)
    events = [event._replace(seq=None) for event in lesson.events]
    room.store_events(events[:1])
    room.end()
    room.begin()
    room.store_events(events[1:2])
    room.live.close()
    room.store.submit(events[2:]).result()  # as after a kill
    room.store.close()
    room.begin()
    wait_until(lambda: room.live.up_to_date(3))
    room.live.applied([(3, events[2])])  # what the writer commits while we catch up is read twice
    room.store_events([*Lesson("BEN", "bbbbbbbb").cell("a").events])

    [row] = rows_of(room.live.changes(Query()), "SARA")
    assert row["ex"] == {"one": [2, 3, 1]}
    assert [session[-1] for session in row["sessions"]] == [3]  # type: ignore[attr-defined]


def test_figures_of_events_without_a_number_can_be_worked_out_again(room: Class) -> None:
    lesson = Lesson().failed("one").failed("one", 2)
    first, second = (event._replace(seq=None) for event in lesson.events)
    room.store_events([first])
    room.live.close()
    [kept] = room.store.read_figures()
    room.store.write_figures([kept._replace(figures=b"of an older version")], 1).result()
    room.store.submit([second]).result()
    room.store.close()

    room.begin()

    wait_until(lambda: room.live.up_to_date(2))
    [row] = rows_of(room.live.changes(Query()), "SARA")
    assert row["ex"] == {"one": [1, 2, 0]}


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "counted again"])
def test_who_came_first_stays_first_through_restarts(room: Class, *, is_kept: bool) -> None:
    ben, ada = Lesson("BEN", "bbbbbbbb").cell("a").cell("b"), Lesson("ADA", "aaaaaaaa").cell("a")
    room.store_events([ben.events[1], ada.events[0], ben.events[0]])
    for _ in range(2):
        changes = room.live.changes(Query())
        assert [rows_of(changes, name)[0]["arrived"] for name in ("BEN", "ADA")] == [1, 2]
        room.live.close()
        if not is_kept:
            lost = [row._replace(figures=b"") for row in room.store.read_figures()]
            room.store.write_figures(lost, 3).result()
        room.store.close()
        room.begin()


def test_a_session_that_goes_on_after_a_restart_is_one_session(room: Class) -> None:
    lesson = Lesson().failed("one").failed("one", 2)
    room.store_all(lesson, only=slice(1))
    room.end()
    room.begin()

    room.store_all(lesson, only=slice(1, None))

    [row] = rows_of(room.live.changes(Query()), "SARA")
    assert row["ex"] == {"one": [1, 2, 0]}
    assert [session[1:3] for session in row["sessions"]] == [[2, 2]]  # type: ignore[attr-defined]


OLDER = """{"sess":"aaaaaaaa","nb":"D3_Datetimes","spans":[[0,0]],"names":{"SARA":0},"cohort":
[-1,0,""],"cell":[-1,0,""],"hand":[-1,0,""],"paused":[-1,0,""],"frontend":[-1,0,""],"cells":{},
"exercises":{"one":[1,1,[0,0,false,"",1],null,[[0,0,false,"",1]]]},"tests":[[[0,0,false,"",1],
"one"]],"ends":[],"spells":[[0,0]],"unnumbered":0}"""


@pytest.mark.parametrize(
    "figures",
    [OLDER, *map(msgpack.encode, ({"of": "one"}, [], [99, "aaaaaaaa"])), b"\x93\x03", b""],
    ids=["older", "object", "nothing", "newer", "torn", "empty"],
)
def test_figures_that_cannot_be_read_are_worked_out_again(room: Class, figures: Any) -> None:
    room.store_all(Lesson().passed("one"))
    before = room.live.changes(Query()).students
    assert rows_of(room.live.changes(Query()), "SARA")[0]["ex"] == {"one": [2, 1, 1]}
    room.live.close()
    [kept] = room.store.read_figures()
    room.store.write_figures([kept._replace(figures=figures)], 1).result()
    room.store.close()

    room.begin()

    assert room.live.changes(Query()).students == before


def test_without_a_date_the_latest_lesson_is_shown(room: Class) -> None:
    room.store_all(
        Lesson("LAST-WEEK", "aaaaaaaa", at_minutes=-7 * 24 * 60).cell("a"),
        Lesson("TODAY", "bbbbbbbb").cell("a"),
    )

    assert room.names() == ["TODAY"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_date_shows_what_was_then(room: Class, restarted: bool) -> None:
    room.store_all(
        Lesson("LAST-WEEK", "aaaaaaaa", at_minutes=-7 * 24 * 60).cell("a"),
        Lesson("TODAY", "bbbbbbbb").cell("a"),
    )
    if restarted:
        room.end()
        room.begin()
    day = Query(since_ms=BEGAN_MS - 8 * 24 * HOUR_MS, until_ms=BEGAN_MS - 6 * 24 * HOUR_MS)

    assert room.names(day) == ["LAST-WEEK"]
    assert room.names(Query(since_ms=0)) == ["LAST-WEEK", "TODAY"]
    assert room.names() == ["TODAY"]


def test_a_day_long_ago_is_read_without_all_that_came_since(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "MAX_SESSIONS", 2)
    week_minutes = 7 * 24 * 60
    weeks = [
        Lesson(f"WEEK-{week}", f"{week:08x}", at_minutes=week * week_minutes) for week in range(9)
    ]
    room.store_all(*[week.cell("a") for week in weeks])
    room.end()
    room.begin()

    day = Query(since_ms=BEGAN_MS + 7 * 24 * HOUR_MS, until_ms=BEGAN_MS + 8 * 24 * HOUR_MS)

    assert room.names(day) == ["WEEK-1"]
    assert room.names(day) == ["WEEK-1"]


def test_sessions_for_which_there_is_no_room_are_told_of_and_found_by_their_day(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "MAX_SESSIONS", 2)
    week_ms = 7 * 24 * HOUR_MS
    room.store_all(
        *[
            Lesson(f"WEEK-{week}", f"{week:08x}", at_minutes=week * week_ms / MINUTE_MS).cell("a")
            for week in range(5)
        ]
    )
    room.end()
    room.begin()

    all_days = room.live.changes(Query(since_ms=0))

    assert sorted(all_days.students) == ["WEEK-3", "WEEK-4"]
    assert all_days.complete_since_ms == BEGAN_MS + 3 * week_ms
    since_then = room.live.changes(Query(since_ms=BEGAN_MS + 3 * week_ms))
    assert (len(since_then.students), since_then.complete_since_ms) == (2, 0)
    first = Query(since_ms=BEGAN_MS - HOUR_MS, until_ms=BEGAN_MS + HOUR_MS)
    of_the_first = room.live.changes(first)
    assert (sorted(of_the_first.students), of_the_first.complete_since_ms) == (["WEEK-0"], 0)
    with monkeypatch.context() as unread:  # nor is the disk asked again
        unread.setattr(Store, "read_figures", failing_read)
        assert room.live.changes(Query(since_ms=0)).complete_since_ms == BEGAN_MS + 3 * week_ms
        assert room.live.changes(first).students == of_the_first.students


def test_a_day_for_whose_sessions_there_is_no_room_tells_of_it(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "MAX_SESSIONS", 2)
    room.store_all(*[Lesson(f"S-{at}", f"{at:08x}", at_minutes=at).cell("a") for at in range(5)])
    room.store_all(Lesson("LATER", "ffffffff", at_minutes=9 * 24 * 60).cell("a"))
    room.end()
    room.begin()

    day = room.live.changes(Query(since_ms=BEGAN_MS - HOUR_MS, until_ms=BEGAN_MS + HOUR_MS))

    assert sorted(day.students) == ["S-3", "S-4"]
    assert day.complete_since_ms == BEGAN_MS + 3 * MINUTE_MS


def test_a_cohort_and_a_notebook_show_theirs_alone(room: Class) -> None:
    room.store_all(
        Lesson("ADA", "aaaaaaaa", cohort="10A").cell("a"),
        Lesson("BEN", "bbbbbbbb", cohort="10B").cell("a"),
        Lesson("EVA", "eeeeeeee", nb="D4_Files", at_minutes=-60).cell("a"),
    )

    assert room.names(Query(cohort="10A")) == ["ADA"]
    assert room.names(Query(notebook="D4_Files")) == ["EVA"]
    assert room.live.changes(Query()).notebooks == [
        ("D3_Datetimes", BEGAN_MS),
        ("D4_Files", BEGAN_MS - HOUR_MS),
    ]
    assert room.live.changes(Query(notebook="unknown")).students == {}


def test_old_sessions_that_nobody_looks_at_leave_memory_and_come_back(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_UNSEEN_S", -1.0)
    room.store_all(Lesson().passed("one"))
    before = room.live.changes(Query()).students
    assert before

    room.live._save()
    room.live._drop_what_is_old()

    assert room.live._notebooks["D3_Datetimes"].sessions == {}
    assert room.live.changes(Query()).students == before


def test_an_event_of_a_session_that_left_memory_is_added_to_it(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_UNSEEN_S", -1.0)
    lesson = Lesson().failed("one").failed("one", 2)
    room.store_all(lesson, only=slice(1))
    room.live._save()
    room.live._drop_what_is_old()

    room.store_all(lesson, only=slice(1, None))

    [row] = rows_of(room.live.changes(Query()), "SARA")
    assert row["sessions"] == [["aaaaaaaa", 2, 2, BEGAN_MS, BEGAN_MS + MINUTE_MS, 0]]


def test_a_long_way_to_catch_up_loses_none_of_it(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    sara, ben = Lesson("SARA", "aaaaaaaa"), Lesson("BEN", "bbbbbbbb")
    for number in range(100):
        sara.failed("one", number + 1)
        ben.failed("one", number + 1)
    by_turns = itertools.chain.from_iterable(zip(sara.events, ben.events, strict=True))
    room.live.close()
    room.store.submit([*by_turns]).result()
    room.store.close()
    for name, value in {"_CATCH_UP_EVENTS": 1, "MAX_SESSIONS": 1, "_UNSEEN_S": -1.0}.items():
        monkeypatch.setattr(live_module, name, value)

    room.begin()

    wait_until(lambda: room.live.up_to_date(200))
    monkeypatch.setattr(live_module, "MAX_SESSIONS", 10)
    for name in ("SARA", "BEN"):
        [row] = rows_of(room.live.changes(Query(since_ms=0)), name)
        assert row["ex"] == {"one": [1, 100, 0]}


def test_figures_that_cannot_be_kept_wait_in_memory(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_UNSEEN_S", -1.0)
    room.store_all(Lesson().failed("one"))
    with monkeypatch.context() as full_disk:
        full_disk.setattr(room.store, "write_figures", lambda *_: failed_write())
        assert not room.live._save()

    assert room.live._save()
    assert room.store.figures_upto() == 1


def failed_write() -> Future[int]:
    failed: Future[int] = Future()
    failed.set_exception(sqlite3.OperationalError("database or disk is full"))
    return failed


def test_figures_are_kept_also_while_there_is_always_more_to_do(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.end()
    monkeypatch.setattr(live_module, "SAVE_EVERY_S", 0.0)
    room.begin()
    apply, numbers = room.live._apply, itertools.count()

    def apply_and_be_given_more(batch: list[tuple[int, StoredEvent]]) -> None:
        apply(batch)
        if not room.store.figures_upto() and next(numbers) < 1000:
            room.live.applied([])

    monkeypatch.setattr(room.live, "_apply", apply_and_be_given_more)

    room.store_all(Lesson().cell("a"))

    wait_until(lambda: room.store.figures_upto() == 1)
    assert next(numbers) < 1000


@pytest.mark.parametrize("reading", ["figures_of", "events"])
def test_events_wait_in_the_store_until_it_can_be_read_again(
    room: Class, monkeypatch: pytest.MonkeyPatch, reading: str
) -> None:
    monkeypatch.setattr(live_module, "_CATCH_UP_EVERY_S", 0.01)
    room.store_all(Lesson("ADA", "aaaaaaaa").cell("a"))
    tried: list[object] = []

    def out_of_files(*_: object, **__: object) -> list[FigureRow]:
        tried.append(1)
        msg = "unable to open database file"
        raise sqlite3.OperationalError(msg)

    with monkeypatch.context() as broken:
        broken.setattr(room.store, "figures_of", out_of_files)
        broken.setattr(room.store, reading, out_of_files)
        room.store.submit(Lesson("BEN", "bbbbbbbb").cell("a").events).result()
        wait_until(lambda: len(tried) > 2)  # it tries again without being asked
        room.store.submit(Lesson("EVA", "eeeeeeee").cell("a").events).result()
        assert room.names() == ["ADA"]

    wait_until(lambda: room.names() == ["ADA", "BEN", "EVA"])


def test_what_could_not_be_read_before_the_end_is_there_after_it(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(room.store, "figures_of", failing_read)
        room.store.submit(Lesson("BEN", "bbbbbbbb").cell("a").events).result()
        room.live.close()
    room.store.submit(Lesson("EVA", "eeeeeeee").cell("a").events).result()
    room.store.close()

    room.begin()

    wait_until(lambda: room.names() == ["BEN", "EVA"])


def failing_read(*_: object, **__: object) -> list[FigureRow]:
    msg = "disk I/O error"
    raise sqlite3.OperationalError(msg)


def test_what_waits_until_its_sessions_can_be_read_is_counted_once(
    room: Class, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_CATCH_UP_EVERY_S", 0.01)
    lesson = Lesson("ADA", "aaaaaaaa", nb="D4_Files", at_minutes=-60)
    ada = [it._replace(seq=None) for it in lesson.failed("one").passed("one", 2).events]
    room.store_events([ada[0], *Lesson("EVA", "eeeeeeee").cell("a").events])
    room.live.close()
    to_be_counted_again = [row._replace(figures=b"") for row in room.store.read_figures()]
    room.store.write_figures(to_be_counted_again, 2).result()
    room.store.close()
    room.begin()
    assert room.names() == ["EVA"]

    with monkeypatch.context() as broken:
        broken.setattr(room.store, "events", failing_events)
        ben = Lesson("BEN", "bbbbbbbb").cell("a").events[0]._replace(seq=None)
        room.store.submit([ben, ada[1]]).result()
        wait_until(lambda: room.live._is_behind)

    wait_until(lambda: room.live.up_to_date(4))
    [of_ben] = rows_of(room.live.changes(Query()), "BEN")
    assert [session[-1] for session in of_ben["sessions"]] == [1]  # type: ignore[attr-defined]
    [of_ada] = rows_of(room.live.changes(Query(notebook="D4_Files")), "ADA")
    assert of_ada["ex"] == {"one": [2, 2, 1]}


def failing_events(**_: object) -> list[tuple[int, StoredEvent]]:
    msg = "disk I/O error"
    raise sqlite3.OperationalError(msg)


def test_a_listener_is_woken_from_the_writers_thread(room: Class) -> None:
    async def listen() -> bool:
        with room.live.listening() as news:
            room.store.submit(Lesson().cell("a").events)
            await asyncio.wait_for(news.wait(), 10)
            return not room.live.ended

    assert asyncio.run(listen())


def test_a_listener_is_woken_when_it_ends(room: Class) -> None:
    async def listen() -> bool:
        with room.live.listening() as news:
            room.live.end_streams()
            await asyncio.wait_for(news.wait(), 10)
            return room.live.ended

    assert asyncio.run(listen())


def test_an_exercise_is_in_the_order_once_one_of_many_has_tried_it() -> None:
    notebook = Notebook("D3_Datetimes")
    for number in range(50):
        notebook.add(Lesson(f"S{number}", f"{number:08x}").passed("one").passed("two").figures)
    assert notebook.exercises(Query()) == ["one", "two"]

    notebook.add(Lesson("FIRST", "aaaaaaaa").passed("three").figures)

    assert notebook.exercises(Query()) == ["one", "three", "two"]  # nobody has met it with another


def test_the_order_of_exercises_follows_what_most_have_done() -> None:
    notebook = Notebook("D3_Datetimes")
    notebook.add(Lesson("ODD", "aaaaaaaa").passed("two").passed("one").figures)
    assert notebook.exercises(Query()) == ["two", "one"]

    for number in range(2):
        notebook.add(Lesson(f"S{number}", f"{number:08x}").passed("one").passed("two").figures)

    assert notebook.exercises(Query()) == ["one", "two"]


def test_what_came_just_before_the_end_is_there_after_it(room: Class) -> None:
    lessons = [Lesson(f"S{number}", f"{number:08x}").passed("one") for number in range(40)]
    done = [room.store.submit(lesson.events) for lesson in lessons]
    for each in done:
        each.result()

    room.end()  # at once, with much that has not been applied

    room.begin()  # what had not come so far is caught up with
    wait_until(lambda: room.live.up_to_date(room.store.last_id()))
    assert room.names(Query(since_ms=0)) == sorted(lesson.student for lesson in lessons)
