"""Which part of a class somebody wants, and what the database has of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import NamedTuple

from ipynb_telemetry.classroom.figures import SessionFigures, epoch_ms, is_of_a_lesson
from ipynb_telemetry.classroom.kept import apply_all, figures_from
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.reading import Reader
from ipynb_telemetry.names import normalize_student_name


class Wanted(NamedTuple):
    """Which part of the class; each None means all."""

    notebook: str | None = None
    student: str | None = None
    """A name as it is recorded or as people write it: all sessions in which it stands."""
    since: str | None = None
    """Events that happened, and sessions that went on, then or later: ISO 8601, UTC."""


def spellings(student: str) -> list[str]:
    """How a name may stand in the database: as it was given, and as names are recorded."""
    return [name for name in dict.fromkeys((student, normalize_student_name(student))) if name]


def utc_text(text: str) -> str:
    """A date or a time, this computer's where it names no zone, as the database has it.

    Raises:
        ValueError: It is neither.
    """
    try:
        # Python 3.10 does not know the Z.
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return moment.astimezone(timezone.utc).isoformat()
    except (ValueError, OverflowError):
        msg = f"{text!r} is no date or time. Examples: 2027-07-17, 2027-07-17T10:30"
        raise ValueError(msg) from None


def events_of(reader: Reader, wanted: Wanted) -> Iterator[StoredEvent]:
    """The events, in the order in which they were stored."""
    if wanted.student is None:
        for _, event in reader.events(notebook=wanted.notebook, since=wanted.since):
            yield event
        return
    found: dict[int, StoredEvent] = {}
    for name in spellings(wanted.student):
        found.update(reader.events(student=name))
    for sess in {event.sess for event in found.values()} - {""}:
        found.update(reader.events(sess=sess))
    for _, event in sorted(found.items()):
        is_there = wanted.notebook in {None, event.nb}
        if is_there and (wanted.since is None or event.timestamp >= wanted.since):
            yield event


def figures_of(reader: Reader, wanted: Wanted) -> Iterator[SessionFigures]:
    """The figures of each session: those that are kept, with what has come since."""
    upto, rows = reader.figures_as_kept(notebook=wanted.notebook)
    figures = {row.sess: figures_from(reader, row, upto) for row in rows}
    for event_id, event in reader.events(after=upto, notebook=wanted.notebook):
        if is_of_a_lesson(event):
            session = figures.setdefault(event.sess, SessionFigures(event.sess))
            apply_all(session, [(event_id, event)])
    names = {*spellings(wanted.student)} if wanted.student is not None else None
    since_ms = epoch_ms(wanted.since) if wanted.since is not None else 0
    for each in figures.values():
        is_theirs = names is None or not names.isdisjoint(each.names)
        if is_theirs and each.last_ms >= since_ms:
            yield each
