"""A session's figures as the store keeps them: to a row, and back."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.reading import FigureRow, Reader
from ipynb_telemetry.classroom.times import iso

log = logging.getLogger("ipynb_telemetry")


def as_row(figures: SessionFigures) -> FigureRow:
    return FigureRow(
        figures.sess,
        figures.nb,
        figures.student,
        figures.cohort.what,
        iso(figures.last_ms),
        figures.to_bytes(),
    )


def figures_from(reader: Reader, row: FigureRow, upto: int) -> SessionFigures:
    """The figures of a row, up to that event; counted again where another version wrote them.

    Raises:
        sqlite3.Error: They have to be counted again, and the events cannot be read.
    """
    try:
        return SessionFigures.from_bytes(row.figures)
    except (ValueError, TypeError):
        figures = SessionFigures(row.sess)
        apply_all(figures, reader.events(sess=row.sess, upto=upto))
        return figures


def apply_all(figures: SessionFigures, events: Iterable[tuple[int, StoredEvent]]) -> bool:
    """Take in what was stored of one session, by its ids; whether anything of it is new."""
    is_new = False
    for event_id, event in events:
        try:
            if figures.apply(event):
                figures.arrived = figures.arrived or event_id
                is_new = True
        except Exception:  # one event must not keep the others from being seen
            log.exception("event %s is stored, but not in the views", event.uuid)
    return is_new
