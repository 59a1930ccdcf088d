"""What is exported, in which format: results or events, from a source into a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import IO, Any

from ipynb_telemetry.classroom.results import Result, results
from ipynb_telemetry.classroom.sources import Source
from ipynb_telemetry.classroom.tables import WRITERS, Column, Row
from ipynb_telemetry.classroom.wanted import Wanted
from ipynb_telemetry.classroom.xapi import event_statement, result_statement

FORMATS = (*WRITERS, "xapi")

RESULT_COLUMNS = (
    Column("student", str),
    Column("notebook", str),
    Column("cohort", str),
    Column("exercise", str),
    Column("passed", bool),
    Column("attempts", int),
    Column("first_try", bool),
    Column("minutes_to_pass", float),
    Column("session", str),
    Column("last_seen", datetime),
)
EVENT_COLUMNS = (
    Column("uuid", str),
    Column("event", str),
    Column("distinct_id", str),
    Column("timestamp", datetime),
    Column("received", datetime),
    Column("nb", str),
    Column("sess", str),
    Column("student", str),
    Column("cohort", str),
    Column("seq", int),
    Column("properties", str, is_json=True),
)


def export(
    source: Source,
    wanted: Wanted,
    file: IO[bytes],
    *,
    file_format: str,
    events: bool,
    written: Callable[[int], None],
) -> int:
    """Write results, or with `events` the events themselves.

    Args:
        source: Where the class is read from.
        wanted: Which part of it.
        file: Where to.
        file_format: One of `FORMATS`.
        events: Whether the events are wanted instead of results.
        written: Called with how many more have been written.

    Returns:
        How many rows or statements there are.

    Raises:
        TableError, SourceError, StoreError: With what to do.
    """
    count = _Count(written)
    if file_format == "xapi":
        statements: Iterator[dict[str, Any] | None]
        if events:
            statements = map(event_statement, source.events(wanted))
        else:
            statements = map(result_statement, _results(source, wanted))
        _write_statements(file, count.each(each for each in statements if each is not None))
    elif events:
        WRITERS[file_format](file, EVENT_COLUMNS, count.each(_begun(source.events(wanted))))
    else:
        rows = _begun(_results(source, wanted))
        WRITERS[file_format](file, RESULT_COLUMNS, count.each(rows))
    return count.number


def _results(source: Source, wanted: Wanted) -> Iterator[Result]:
    # Which exercises there are, the whole class tells.
    return results(source.figures(wanted._replace(student=None)), wanted.student)


def _begun(values: Iterator[Row]) -> Iterator[Row]:
    """The same, once the first is there: a source that fails shall not leave a lone header."""
    return chain([*islice(values, 1)], values)


class _Count:
    """Counts what passes by."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self.number = 0
        self._told = told

    def each(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            yield value
            self.number += 1
            self._told(1)


def _write_statements(file: IO[bytes], statements: Iterator[dict[str, Any]]) -> None:
    """One JSON list, as a learning record store takes it, a statement a line."""
    before = b"[\n"
    for statement in statements:
        file.write(before + json.dumps(statement, ensure_ascii=False).encode())
        before = b",\n"
    file.write(b"\n]\n" if before == b",\n" else b"[]\n")
