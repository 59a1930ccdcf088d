"""Rows as files that other programs open: CSV, JSON lines, Parquet, XLSX.

A spreadsheet takes a text that begins with `=` for a formula and runs it, and a student can
choose a name: in CSV and XLSX no text can be one.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import IO, Any, NamedTuple, TypeAlias

Row: TypeAlias = "Sequence[Any]"

MAX_XLSX_ROWS = 1_048_575  # a sheet's 2**20, without the header
MAX_XLSX_CHARS = 32_767  # of a cell
_ROWS_AT_ONCE = 10_000
# What spreadsheets begin a formula with, some of them after white space; the wide ones are
# those of Japanese and Chinese keyboards.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_SKIPPED_BEFORE_IT = " \t\r\n\v\f\0\ufeff\u00a0"
# Where people write 1,5 a spreadsheet takes a semicolon for the end of a cell, in quotes as well.
_LATER_FORMULA = re.compile(
    f"([;\t][{_SKIPPED_BEFORE_IT}]*)([{re.escape(''.join(_FORMULA_SIGNS))}])"
)


class Column(NamedTuple):
    """One column: its name, and what is in it: `str`, `bool`, `int`, `float` or `datetime`."""

    name: str
    kind: type
    is_json: bool = False
    """Whether its texts are JSON, which JSON lines hold as it is."""


class TableError(Exception):
    """Rows that do not fit a format; the message says which does."""


def write_csv(file: IO[bytes], columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """UTF-8 with a mark at its beginning: without it Excel takes it for something else."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(column.name for column in columns)
    for row in rows:
        writer.writerow([_as_csv(value) for value in row])
    text.detach()


def write_jsonl(file: IO[bytes], columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """One object a line; times are ISO 8601, UTC."""
    for row in rows:
        values = {
            column.name: json.loads(value) if column.is_json else value
            for column, value in zip(columns, row, strict=True)
        }
        file.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")


def write_parquet(file: IO[bytes], columns: Sequence[Column], rows: Iterable[Row]) -> None:
    import pyarrow as pa  # noqa: PLC0415  # slow, and for this alone
    import pyarrow.parquet as pq  # noqa: PLC0415

    kinds = {
        str: pa.string(),
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(column.name, kinds[column.kind]) for column in columns])
    with pq.ParquetWriter(file, schema) as writer:
        for some in _some_at_once(rows):
            arrays = [
                pa.array([_as_kind(row[place], column.kind) for row in some], kinds[column.kind])
                for place, column in enumerate(columns)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def write_xlsx(file: IO[bytes], columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """One sheet; a longer text is cut to what a cell can hold.

    Raises:
        TableError: There are more rows than a sheet can hold.
    """
    from openpyxl import Workbook  # noqa: PLC0415  # slow, and for this alone
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # noqa: PLC0415

    def cell(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = ILLEGAL_CHARACTERS_RE.sub("\ufffd", value)[:MAX_XLSX_CHARS]
        if not _could_be_a_formula(text):
            return text
        made = WriteOnlyCell(sheet, text)
        made.data_type = "s"  # a text, also where it begins with =
        made.quotePrefix = True  # and one when somebody edits it
        return made

    book = Workbook(write_only=True)
    sheet = book.create_sheet("ipynb-telemetry")
    sheet.freeze_panes = "A2"
    sheet.append([column.name for column in columns])
    try:
        for number, row in enumerate(rows):
            if number == MAX_XLSX_ROWS:
                msg = f"XLSX holds {MAX_XLSX_ROWS:,} rows, and there are more. Use csv or parquet."
                raise TableError(msg)
            sheet.append([cell(value) for value in row])
    finally:
        sheet.close()
    book.save(file)


WRITERS: dict[str, Callable[[IO[bytes], Sequence[Column], Iterable[Row]], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
    "xlsx": write_xlsx,
}
"""By the format's name."""


def _as_csv(value: object) -> object:
    if isinstance(value, bool):
        return int(value)  # a spreadsheet of any language can add it up
    if isinstance(value, str):
        text = value.replace("\0", "\ufffd")
        text = _LATER_FORMULA.sub(r"\1'\2", text)
        return f"'{text}" if _could_be_a_formula(text) else text
    return value


def _could_be_a_formula(text: str) -> bool:
    return text.lstrip(_SKIPPED_BEFORE_IT).startswith(_FORMULA_SIGNS) or text[:1] in {"\t", "\r"}


def _as_kind(value: Any, kind: type) -> Any:
    if kind is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def _some_at_once(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while some := [*islice(remaining, _ROWS_AT_ONCE)]:
        yield some
