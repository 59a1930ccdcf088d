"""Rows as files: what is in them comes out again, and no text runs as a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Any
from zipfile import ZipFile

import openpyxl
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipynb_telemetry.classroom import tables
from ipynb_telemetry.classroom.tables import WRITERS, Column, TableError

COLUMNS = (
    Column("student", str),
    Column("passed", bool),
    Column("attempts", int),
    Column("minutes", float),
    Column("properties", str, is_json=True),
)
FORMULAS = [
    '=HYPERLINK("http://evil.example","click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    "  =1+1",
    "\n=1+1",
    "\uff1d1+1",
    "\ufeff=1+1",
]


def written(file_format: str, rows: Iterable[tuple[Any, ...]]) -> io.BytesIO:
    file = io.BytesIO()
    WRITERS[file_format](file, COLUMNS, rows)
    file.seek(0)
    return file


def read_csv(file: io.BytesIO) -> list[list[str]]:
    return [*csv.reader(io.StringIO(file.getvalue().decode("utf-8-sig"), newline=""))]


def read_sheet(file: io.BytesIO) -> Any:
    return openpyxl.load_workbook(file).active


ROWS = [('ZOË, of "7A"\nand more', True, 3, 1.5, '{"a": 1}'), ("محمد", False, 0, None, "{}")]


@pytest.mark.parametrize("text", ["ADA;=1+1", "ADA\t@SUM(A1)", "ADA; +1;-2"])
def test_no_part_of_a_text_is_a_formula_where_a_semicolon_ends_a_cell(text: str) -> None:
    [*_, line] = (
        written("csv", [(text, True, 1, 1.0, "{}")]).getvalue().decode("utf-8-sig").splitlines()
    )

    parts = re.split(r"[;\t]", line)
    assert len(parts) == len(re.split(r"[;\t]", text))
    assert not any(part.strip(' "').startswith(("=", "+", "-", "@")) for part in parts)


def test_csv_has_what_was_written() -> None:
    assert read_csv(written("csv", ROWS)) == [
        ["student", "passed", "attempts", "minutes", "properties"],
        ['ZOË, of "7A"\nand more', "1", "3", "1.5", '{"a": 1}'],
        ["محمد", "0", "0", "", "{}"],
    ]


def test_json_lines_hold_json_as_it_is() -> None:
    lines = [json.loads(line) for line in written("jsonl", ROWS)]

    assert lines[0]["properties"] == {"a": 1}
    assert lines[1] == {
        "student": "محمد",
        "passed": False,
        "attempts": 0,
        "minutes": None,
        "properties": {},
    }


def test_parquet_has_the_types() -> None:
    table = pyarrow.parquet.read_table(written("parquet", ROWS))

    assert [str(field.type) for field in table.schema] == [
        "string",
        "bool",
        "int64",
        "double",
        "string",
    ]
    assert [tuple(row.values()) for row in table.to_pylist()] == ROWS


def test_xlsx_has_what_was_written() -> None:
    sheet = read_sheet(written("xlsx", ROWS))

    assert [*sheet.values][1:] == ROWS


@pytest.mark.parametrize("file_format", WRITERS)
def test_no_rows_are_a_file_all_the_same(file_format: str) -> None:
    file = written(file_format, [])

    if file_format == "jsonl":
        assert file.getvalue() == b""
    elif file_format == "parquet":
        assert pyarrow.parquet.read_table(file).num_rows == 0
    elif file_format == "csv":
        assert len(read_csv(file)) == 1
    else:
        assert read_sheet(file).max_row == 1


@pytest.mark.parametrize("name", FORMULAS, ids=ascii)
def test_a_name_is_no_formula_in_csv(name: str) -> None:
    _, (student, *_) = read_csv(written("csv", [(name, True, 1, None, "{}")]))

    assert student.startswith("'")


@pytest.mark.parametrize("name", FORMULAS, ids=ascii)
def test_a_name_is_no_formula_in_xlsx(name: str) -> None:
    file = written("xlsx", [(name, True, 1, None, "{}")])

    cell = read_sheet(file)["A2"]
    assert cell.data_type == "s"
    assert cell.quotePrefix
    assert b"<f>" not in ZipFile(file).read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("name", ["SARA-AL-HARBI", "محمد-علي", "O=BRIEN", "7A", ""])
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    row = (name, True, 1, None, "{}")

    assert read_csv(written("csv", [row]))[1][0] == name
    assert (read_sheet(written("xlsx", [row]))["A2"].value or "") == name


def test_a_negative_number_stays_one() -> None:
    assert read_csv(written("csv", [("A", True, -3, -1.5, "{}")]))[1][2:4] == ["-3", "-1.5"]


@settings(deadline=None)  # a workbook takes its time on a busy machine
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_written(text: str) -> None:
    row = (text, True, 1, None, "{}")

    assert len(read_csv(written("csv", [row]))) == 2
    assert [json.loads(line)["student"] for line in written("jsonl", [row])] == [text]
    assert read_sheet(written("xlsx", [row])).max_row == 2


def test_a_text_longer_than_a_cell_is_cut() -> None:
    sheet = read_sheet(written("xlsx", [("A", True, 1, None, "x" * 40_000)]))

    assert len(sheet["E2"].value) == 32_767


def test_more_rows_than_a_sheet_holds_are_refused_with_what_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "MAX_XLSX_ROWS", 2)

    with pytest.raises(TableError, match="Use csv or parquet"):
        written("xlsx", [("A", True, 1, None, "{}")] * 3)
