"""A session's figures as the store keeps them: to a row, and back."""

from __future__ import annotations

from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.reading import FigureRow, Reader
from ipynb_telemetry.classroom.times import iso


def as_row(figures: SessionFigures) -> FigureRow:
    return FigureRow(
        figures.sess,
        figures.nb,
        figures.student,
        figures.cohort.what,
        iso(figures.last_ms),
        figures.to_json(),
    )


def figures_from(reader: Reader, row: FigureRow, upto: int) -> SessionFigures:
    """The figures of a row, up to that event; counted again where another version wrote them.

    Raises:
        sqlite3.Error: They have to be counted again, and the events cannot be read.
    """
    try:
        return SessionFigures.from_json(row.figures)
    except ValueError:
        figures = SessionFigures(row.sess)
        for _, event in reader.events(sess=row.sess, upto=upto):
            figures.apply(event)
        return figures
