"""The database of a class that has worked through a lesson."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.kept import as_row
from ipynb_telemetry.classroom.play import a_class
from ipynb_telemetry.classroom.protocol import StoredEvent, read_v0
from ipynb_telemetry.classroom.store import Store
from ipynb_telemetry.events import Record, message, new_record

BEGAN = datetime(2026, 7, 17, 8, 0, tzinfo=timezone.utc)


def an_event(
    event: str,
    seq: int,
    *,
    student: str = "SARA",
    sess: str = "abcdef01",
    notebook: str = "D3_Datetimes",
    minute: float = 0,
    **own: Any,
) -> Record:
    """Something that happens in a session, so many minutes after eight."""
    properties = {**own, "nb": notebook, "sess": sess, "v": "0.2.0", "student": student, "seq": seq}
    record = new_record(event, properties, host=None, api_key=None, student=student)
    at = datetime.fromtimestamp(BEGAN.timestamp() + minute * 60, tz=timezone.utc)
    return {**record, "timestamp": at.isoformat()}


def a_test(seq: int, exercise: str, *, ok: bool, attempt: int = 1, **settings: Any) -> Record:
    """An attempt at an exercise."""
    err = None if ok else "AssertionError: Look again."
    own = {"ex": exercise, "ok": ok, "try": attempt, "ms": 5, "err": err, "skipped": False}
    return an_event("test", seq, **{**own, **settings})


def keep(path: Path, records: Iterable[Record]) -> None:
    """Store the events as a collector does that has got them all."""
    store = Store(path)
    messages = [message(record, "") for record in records]
    body = json.dumps({"api_key": store.api_key, "batch": messages}).encode()
    received = datetime.now(tz=timezone.utc)
    store.submit(read_v0(body, api_key=store.api_key, received=received)).result(30)
    store.close()


def keep_figures(path: Path) -> None:
    """Write the figures of all sessions down, as a collector does every few seconds."""
    store = Store(path)
    upto = 0
    by_session: dict[str, SessionFigures] = {}
    for upto, event in store.events():  # noqa: B007  # the last one's
        by_session.setdefault(event.sess, SessionFigures(event.sess)).apply(event)
    store.write_figures([as_row(each) for each in by_session.values()], upto).result(30)
    store.close()


def keep_a_class(path: Path, students: int = 12) -> None:
    """A class that has worked through the example lesson, in two cohorts."""
    moments = a_class(students, began=BEGAN, cohorts=["7A", "7B"])
    keep(path, (record for _, record in moments))


def stored(path: Path) -> list[StoredEvent]:
    store = Store(path, create=False)
    try:
        return [event for _, event in store.events()]
    finally:
        store.close()
