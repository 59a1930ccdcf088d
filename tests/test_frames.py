"""`ipynb_telemetry.classroom` as data frames, and the report that is made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import nbformat
import pytest
from classes import BEGAN, a_test, an_event, keep, keep_a_class
from collectors import CollectorProcess
from nbclient import NotebookClient

from ipynb_telemetry import classroom
from ipynb_telemetry.classroom.database import StoreError
from ipynb_telemetry.classroom.sources import SourceError

REPORT = Path(__file__).parents[1] / "notebooks" / "class_report.ipynb"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Sara has passed one exercise and is stuck with another; Omar is done."""
    path = tmp_path / "class.sqlite"
    omar: dict[str, Any] = {"student": "OMAR", "sess": "abcdef02"}
    keep(
        path,
        [
            an_event("start", 0),
            a_test(1, "exercise_1", ok=True, minute=2),
            a_test(2, "exercise_2", ok=False, minute=3),
            a_test(3, "exercise_2", ok=False, attempt=2, minute=5),
            an_event("start", 0, **omar),
            a_test(1, "exercise_1", ok=False, minute=1, **omar),
            a_test(2, "exercise_1", ok=True, attempt=2, minute=4, **omar),
            a_test(3, "exercise_2", ok=True, minute=6, **omar),
        ],
    )
    return path


def test_events_are_all_that_was_sent_with_times_as_times(database: Path) -> None:
    frame = classroom.events(database)

    assert frame["event"].tolist() == ["start", "test", "test", "test"] * 2
    assert frame["seq"].tolist() == [0, 1, 2, 3] * 2
    assert frame["timestamp"].iloc[3] == BEGAN + timedelta(minutes=5)
    assert json.loads(frame["properties"].iloc[3])["try"] == 2
    assert frame["uuid"].is_unique


def test_progress_says_how_each_student_stands(database: Path) -> None:
    frame = classroom.progress(database)

    columns = ["student", "exercise", "passed", "attempts", "first_try", "minutes_to_pass"]
    rows = frame[columns].astype(object).where(frame[columns].notna(), None)
    assert rows.to_numpy().tolist() == [
        ["OMAR", "exercise_1", True, 2, False, 4.0],
        ["OMAR", "exercise_2", True, 1, True, 2.0],
        ["SARA", "exercise_1", True, 1, True, 2.0],
        ["SARA", "exercise_2", False, 2, False, None],
    ]


def test_stuck_says_who_needs_help_and_why(database: Path) -> None:
    frame = classroom.stuck(database, at=BEGAN + timedelta(minutes=20))

    (row,) = frame.to_dict("records")
    assert row["student"] == "SARA"
    assert row["exercise"] == "exercise_2"
    assert row["reasons"] == "failing, silent"
    assert row["fails"] == 2
    assert row["minutes"] == 17.0
    assert row["error"] == "AssertionError: Look again."


def test_nobody_is_stuck_the_day_after(database: Path) -> None:
    frame = classroom.stuck(database, at=BEGAN + timedelta(days=1))

    assert frame.empty
    assert "student" in frame


def test_a_part_of_it_can_be_asked_for(database: Path) -> None:
    keep(database, [a_test(0, "exercise_9", ok=True, sess="abcdef03", notebook="D4", minute=90)])

    assert set(classroom.events(database, notebook="D4")["nb"]) == {"D4"}
    assert set(classroom.progress(database, student="Omar")["student"]) == {"OMAR"}
    late = (BEGAN + timedelta(minutes=60)).isoformat()
    assert classroom.progress(database, since=late)["exercise"].tolist() == ["exercise_9"]
    assert len(classroom.events(database, since=late)) == 1


def test_a_clock_of_the_year_1_keeps_no_class_from_being_read(tmp_path: Path) -> None:
    database = tmp_path / "class.sqlite"
    keep(database, [{**an_event("start", 0), "timestamp": "0001-01-02T00:00:00+00:00"}])

    assert [when.year for when in classroom.events(database)["timestamp"]] == [1]
    assert len(classroom.progress(database)) == 0


def test_an_empty_class_has_the_same_columns(database: Path) -> None:
    for read in (classroom.events, classroom.progress):
        full, empty = read(database), read(database, notebook="no such")
        assert empty.empty
        assert [*empty.columns] == [*full.columns]


def test_a_running_collector_gives_the_same_frames(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        keep_a_class(collector.database)
        address = f"{collector.url}/?token={collector.token}"

        for read in (classroom.events, classroom.progress):
            from_the_file = read(collector.database)
            assert len(from_the_file) > 20
            assert read(address).equals(from_the_file)
            assert read(collector.url, token=collector.token).equals(from_the_file)
        at = datetime(2026, 7, 17, 8, 45, tzinfo=timezone.utc)
        assert not classroom.stuck(address, at=at).empty
        with pytest.raises(SourceError, match="does not take the token"):
            classroom.events(collector.url, token="wrong")  # noqa: S106


def test_what_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database at"):
        classroom.events(tmp_path / "none.sqlite")
    with pytest.raises(SourceError, match=r"nothing answers at http://127\.0\.0\.1:9\."):
        classroom.events("http://127.0.0.1:9", token="any")  # noqa: S106
    with pytest.raises(ValueError, match="no date or time"):
        classroom.events(tmp_path / "none.sqlite", since="yesterday")


def test_pandas_comes_only_for_who_asks() -> None:
    code = (
        "import sys, ipynb_telemetry.classroom.store, ipynb_telemetry.classroom as it; "
        "assert 'pandas' not in sys.modules; it.progress; assert 'pandas' in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_report_runs_from_top_to_bottom(tmp_path: Path) -> None:
    keep_a_class(tmp_path / "class.sqlite", 30)
    report = nbformat.read(REPORT, as_version=4)  # type: ignore[no-untyped-call]

    ran = NotebookClient(report, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    ran.execute()

    outputs = {
        cell.id: cell.outputs for cell in report.cells if cell.cell_type == "code" and cell.outputs
    }
    pictures = [
        cell_id
        for cell_id, shown in outputs.items()
        if any("image/png" in output.get("data", {}) for output in shown)
    ]
    assert pictures == ["exercises", "grid", "pace"]
    assert "of 29 students" in outputs["read"][0].text  # two have one name
    assert "failing" in str(outputs["help"])
    assert not [
        output for shown in outputs.values() for output in shown if output.get("name") == "stderr"
    ]


@pytest.mark.parametrize("has_exercise", [True, False])
def test_of_several_notebooks_the_report_shows_the_latest(
    tmp_path: Path, *, has_exercise: bool
) -> None:
    keep_a_class(tmp_path / "class.sqlite", 3)
    later: dict[str, Any] = {"notebook": "D4_$Dollars$", "sess": "abcdef04", "minute": 300}
    tried = a_test(2, "cost_in_$_\\frac", ok=False, **later)
    keep(
        tmp_path / "class.sqlite",
        [
            an_event("start", 0, **later),
            an_event("cell", 1, cell_id="intro", **later),
            *([tried] if has_exercise else []),
        ],
    )
    report = nbformat.read(REPORT, as_version=4)  # type: ignore[no-untyped-call]

    ran = NotebookClient(report, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    ran.execute()

    outputs = [output for cell in report.cells for output in cell.get("outputs", [])]
    events = 3 if has_exercise else 2
    assert outputs[0].text.startswith(f"D4_$Dollars$: {events} events of 1 students")
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_the_report_is_shipped_without_what_a_run_has_left() -> None:
    report = json.loads(REPORT.read_text("utf-8"))

    code = [cell for cell in report["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
