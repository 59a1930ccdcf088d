"""`ipynb-telemetry forget`: what is deleted is gone, in the file, in memory and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from classes import a_test, an_event, keep, keep_a_class, keep_figures, stored
from collectors import CollectorProcess
from commands import run_command
from stored_events import a_stored_event
from waiting import wait_until

from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.store import Store
from ipynb_telemetry.events import Record, encode, message, new_record

DONE, FAILED, USAGE = 0, 1, 2


def a_session(student: str, sess: str, *, marker: str = "") -> list[Record]:
    own: dict[str, Any] = {"student": student, "sess": sess}
    return [
        an_event("start", 0, student=student, sess=sess),
        an_event("cell", 1, cell_id="exercise_1", cell_num=1, code=f"# {marker}", **own),
        a_test(2, "exercise_1", ok=False, err=f"AssertionError: {marker}", **own),
    ]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "class.sqlite"
    keep(path, [*a_session("SARA", "aaaa0001"), *a_session("OMAR", "aaaa0002")])
    return path


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path) as collector:
        yield collector


def forget(database: Path, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    ran = run_command("forget", "--db", str(database), *arguments, typed=typed)
    assert "Traceback" not in ran.stderr
    return ran.returncode, ran.stdout, ran.stderr


def students(database: Path) -> set[str]:
    return {event.student for event in stored(database)}


def bytes_of(database: Path) -> bytes:
    """All that is on disk: the database and what SQLite has beside it."""
    return b"".join(path.read_bytes() for path in database.parent.glob(f"{database.name}*"))


def test_what_there_is_is_shown_and_asked_about(database: Path) -> None:
    code, out, _ = forget(database, "--student", "Sara", typed="n\n")

    assert code == FAILED
    assert "Stored about SARA:" in out
    assert "D3_Datetimes: 3 events of 1 session, 2026-07-17 to 2026-07-17" in out
    assert students(database) == {"SARA", "OMAR"}


def test_a_yes_deletes_it(database: Path) -> None:
    code, out, _ = forget(database, "--student", "Sara", typed="y\n")

    assert code == DONE
    assert "Deleted: 3 events." in out
    assert students(database) == {"OMAR"}


def test_nobody_there_to_be_asked_is_no_yes(database: Path) -> None:
    code, _, _ = forget(database, "--student", "SARA")

    assert code == FAILED
    assert students(database) == {"SARA", "OMAR"}


def test_with_yes_nobody_is_asked(database: Path) -> None:
    assert forget(database, "--student", "SARA", "--yes")[0] == DONE
    assert students(database) == {"OMAR"}


def test_a_name_that_is_not_there_is_said_with_the_one_that_was_meant(database: Path) -> None:
    code, _, err = forget(database, "--student", "Sarah", "--yes")

    assert code == FAILED
    assert "Nothing is stored about Sarah. Did you mean SARA?" in err
    assert students(database) == {"SARA", "OMAR"}


def test_what_came_under_a_mistyped_name_goes_as_well(tmp_path: Path) -> None:
    database = tmp_path / "class.sqlite"
    typo = an_event("start", 0, student="SAR", sess="aaaa0003")
    rename = an_event("rename", 1, student="SARA", sess="aaaa0003", prev="SAR")
    keep(database, [typo, rename, *a_session("OMAR", "aaaa0002")])

    forget(database, "--student", "SARA", "--yes")

    assert students(database) == {"OMAR"}


def test_not_a_byte_of_it_is_left_on_disk(tmp_path: Path) -> None:
    database = tmp_path / "class.sqlite"
    keep_a_class(database, 40)
    keep(database, a_session("SARA-THE-LEAVER", "aaaa0001", marker="XYLOPHONE" * 20))
    for _ in range(3):  # figures are written again and again, each time in another place
        keep_figures(database)
    long = [
        a_test(number, f"exercise_{number}", ok=False, sess="aaaa0001", student="SARA-THE-LEAVER")
        for number in range(3, 200)
    ]
    keep(database, long)
    keep_figures(database)
    keep_a_class(database, 10)
    assert b"XYLOPHONE" in bytes_of(database)

    forget(database, "--student", "SARA-THE-LEAVER", "--yes")

    left = bytes_of(database)
    assert b"XYLOPHONE" not in left
    assert b"SARA-THE-LEAVER" not in left
    assert len(stored(database)) > 300


def test_what_posthog_has_refused_goes_as_well(database: Path) -> None:
    set_aside = database.with_name("class.sqlite.forward") / "set-aside" / "collector.jsonl"
    set_aside.parent.mkdir(parents=True)
    refused = [it for it in stored(database) if it.event == "test"]
    lines = [encode({**posthogs(event), "reason": "HTTP 400"}) for event in refused]
    set_aside.write_bytes(b"".join([*lines, b'{"student":"SARA", "damag\n']))

    forget(database, "--student", "SARA", "--yes")

    assert [it.student for it in refused] == ["SARA", "OMAR"]
    assert set_aside.read_bytes() == lines[1]


def test_what_cannot_be_deleted_is_named(database: Path) -> None:
    path = database.with_name("class.sqlite.forward") / "set-aside" / "collector.jsonl"
    path.mkdir(parents=True)  # nothing that could be read

    code, _, err = forget(database, "--student", "SARA", "--yes")

    assert code == FAILED
    assert f"{path} may still have events" in err
    assert students(database) == {"OMAR"}


def test_who_is_known_by_an_id_alone_is_shown_and_deleted(tmp_path: Path) -> None:
    database = tmp_path / "class.sqlite"
    none = dict.fromkeys(("nb", "sess", "student"), "")
    store = Store(database)
    store.submit([a_stored_event(**none), a_stored_event(student="OMAR", distinct_id="OMAR")])
    store.close()

    code, out, _ = forget(database, "--student", "Sara", "--yes")

    assert code == DONE
    assert "Stored about SARA:" in out
    assert "no notebook: 1 event of 1 session, " in out
    assert "Deleted: 1 event." in out
    assert students(database) == {"OMAR"}


def test_a_running_collector_forgets_as_well(collector: CollectorProcess) -> None:
    for student, sess in (("SARA", "aaaa0001"), ("OMAR", "aaaa0002")):
        for record in a_session(student, sess):
            assert collector.post([sent(record)]).status_code == 200
    wait_until(lambda: shown(collector) == {"SARA", "OMAR"})

    code, out, _ = forget(collector.database, "--student", "SARA", "--yes")

    assert code == DONE
    assert "Deleted: 3 events." in out
    assert shown(collector) == {"OMAR"}
    collector.stop()  # what it has in memory it writes down now
    assert students(collector.database) == {"OMAR"}
    assert b"SARA" not in bytes_of(collector.database)


def test_a_collector_can_be_told_by_its_address(collector: CollectorProcess) -> None:
    collector.post([sent(record) for record in a_session("SARA", "aaaa0001")])
    address = f"{collector.url}/?token={collector.token}"

    ran = run_command("forget", "--from", address, "--student", "Sara", "--yes")

    assert ran.returncode == DONE
    assert stored(collector.database) == []


def test_without_the_token_nothing_is_forgotten(collector: CollectorProcess) -> None:
    collector.post([sent(record) for record in a_session("SARA", "aaaa0001")])

    ran = run_command("forget", "--from", collector.url, "--student", "Sara", "--yes")

    assert ran.returncode == FAILED
    assert len(stored(collector.database)) == 3


def test_a_collector_that_was_killed_is_not_waited_for(collector: CollectorProcess) -> None:
    collector.post([sent(record) for record in a_session("SARA", "aaaa0001")])
    collector.kill()

    assert forget(collector.database, "--student", "SARA", "--yes")[0] == DONE
    assert stored(collector.database) == []


def test_the_class_goes_on_while_a_student_is_forgotten(collector: CollectorProcess) -> None:
    keep_a_class(collector.database, 30)
    collector.post([sent(record) for record in a_session("SARA", "aaaa0001")])

    forget(collector.database, "--student", "SARA", "--yes")

    late = [sent(record) for record in a_session("LATE", "aaaa0009")]
    assert collector.post(late).status_code == 200
    assert "LATE" in students(collector.database)


def test_no_notebook_can_write_over_what_is_asked(tmp_path: Path) -> None:
    database = tmp_path / "class.sqlite"
    keep(database, [an_event("start", 0, student="SARA", notebook="D3\x1b[2J\x1b]0;x\x07")])

    _, out, _ = forget(database, "--student", "SARA", "--yes")

    assert "\x1b" not in out
    assert "D3" in out


def posthogs(event: StoredEvent) -> Record:
    """As what waits for PostHog is kept."""
    record = new_record(event.event, {}, host="http://h", api_key="k", student=event.student)
    return {**record, "uuid": event.uuid}


def sent(record: Record) -> dict[str, object]:
    return message(record, "")


def shown(collector: CollectorProcess) -> set[str]:
    """Who is on the teacher's page."""
    answer = collector.read("/api/class", since="0")
    return {*answer.json()["students"]}
