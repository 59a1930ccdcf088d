"""A class as pandas data frames, with the numbers of the live view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.results import Result, results, students_by_notebook
from ipynb_telemetry.classroom.sources import open_source
from ipynb_telemetry.classroom.students import in_need
from ipynb_telemetry.classroom.wanted import Wanted, utc_text
from ipynb_telemetry.classroom.ways import MINUTE_MS

DATABASE = "class.sqlite"
"""Where `ipynb-telemetry serve` keeps a class unless it is told otherwise."""

_STUCK_COLUMNS = {
    "student": "str",
    "notebook": "str",
    "cohort": "str",
    "exercise": "str",
    "reasons": "str",
    "fails": "int64",
    "minutes": "float64",
    "error": "str",
    "last_seen": "datetime64[ms, UTC]",
}


def events(
    source: str | Path = DATABASE,
    *,
    token: str = "",
    notebook: str | None = None,
    student: str | None = None,
    since: str | None = None,
) -> pd.DataFrame:
    """All that was sent, an event a row, in the order of arrival.

    Args:
        source: The database, or the address of a collector that runs.
        token: The collector's, unless the address has it at its end.
        notebook: Of this notebook alone.
        student: Of all sessions in which this name stands.
        since: Of that day or time and later, such as `2027-07-17`.

    Returns:
        One column for each field of an event: `uuid`, `event`, `distinct_id`, `timestamp` and
        `received` (UTC), `nb`, `sess`, `student`, `cohort`, `seq` (missing where an event is
        not ours) and `properties`, JSON as text.

    Raises:
        ValueError: `since` is no date or time.
        SourceError, StoreError: The class cannot be read; the message says what to do.
    """
    wanted = _wanted(notebook, student, since)
    with open_source(source, token) as opened:
        frame = pd.DataFrame(opened.events(wanted), columns=[*StoredEvent._fields])
    for name in ("timestamp", "received"):
        frame[name] = _moments(frame[name])
    frame["seq"] = frame["seq"].astype("Int64")
    return frame


def progress(
    source: str | Path = DATABASE,
    *,
    token: str = "",
    notebook: str | None = None,
    student: str | None = None,
    since: str | None = None,
) -> pd.DataFrame:
    """How each student stands with each exercise: the rows that `export` writes.

    Args:
        source: As in `events`, and so are the others.
        token: As in `events`.
        notebook: As in `events`.
        student: As in `events`.
        since: Of sessions that went on then or later.

    Returns:
        By student, in the order of the exercises: `student`, `notebook`, `cohort`,
        `exercise`, `passed`, `attempts`, `first_try`, `minutes_to_pass` (missing where it was
        never passed), `session` (only where two have one name at the same time) and
        `last_seen` (UTC).

    Raises:
        ValueError, SourceError, StoreError: As `events`.
    """
    with open_source(source, token) as opened:
        rows = [*results(opened.figures(_wanted(notebook, None, since)), student)]
    frame = pd.DataFrame(rows, columns=[*Result._fields])
    frame["last_seen"] = _moments(frame["last_seen"])
    kinds = {"passed": bool, "first_try": bool, "attempts": int, "minutes_to_pass": float}
    return frame.astype(kinds)


def stuck(
    source: str | Path = DATABASE,
    *,
    token: str = "",
    notebook: str | None = None,
    since: str | None = None,
    at: datetime | None = None,
    fail_minutes: float = 5,
    silent_minutes: float = 5,
) -> pd.DataFrame:
    """Who needs help, the most urgent first, by the rule of the live view.

    Args:
        source: As in `events`, and so are the others.
        token: As in `events`.
        notebook: As in `events`.
        since: Of sessions that went on then or later.
        at: When the class is looked at, aware, with all that is known of it; None: now. A
            class that is over is looked at as it ended: at the time of its last event.
        fail_minutes: How long after the first failed attempt without a pass.
        silent_minutes: How long after a failure without doing anything.

    Returns:
        `student`, `notebook`, `cohort`, `exercise` (the one that fails), `reasons` (of `hand`,
        `failing`, `same`, `silent`), `fails` (attempts since the last pass), `minutes` (since
        the first of them, or since the hand went up), `error` (the last message) and
        `last_seen` (UTC).

    Raises:
        ValueError, SourceError, StoreError: As `events`.
    """
    now_ms = round((at or datetime.now(tz=timezone.utc)).timestamp() * 1000)
    with open_source(source, token) as opened:
        figures = [*opened.figures(_wanted(notebook, None, since))]
    rows = [
        _stuck_row(name, student, why, now_ms)
        for name, students in students_by_notebook(figures)
        for student, why in in_need(
            (each.as_json() for each in students),
            now_ms,
            fail_minutes=fail_minutes,
            silent_minutes=silent_minutes,
        )
    ]
    frame = pd.DataFrame(rows, columns=[*_STUCK_COLUMNS])
    frame["last_seen"] = pd.to_datetime(frame["last_seen"], unit="ms", utc=True)
    return frame.astype(_STUCK_COLUMNS)


def _moments(texts: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """Times of the store; also those of the year 1, which nanoseconds cannot hold."""
    moments = [datetime.fromisoformat(text) for text in texts]
    return pd.Series(moments, texts.index, dtype="datetime64[us, UTC]")


def _stuck_row(
    notebook: str, student: dict[str, Any], why: Sequence[str], now_ms: int
) -> tuple[Any, ...]:
    since_ms = student["hand"] or student["since"] or student["last"]
    return (
        student["name"],
        notebook,
        student["cohort"],
        student["failing"],
        ", ".join(why),
        student["fails"],
        round((now_ms - since_ms) / MINUTE_MS, 1),
        student["err"],
        student["last"],
    )


def _wanted(notebook: str | None, student: str | None, since: str | None) -> Wanted:
    return Wanted(notebook, student, None if since is None else utc_text(since))
