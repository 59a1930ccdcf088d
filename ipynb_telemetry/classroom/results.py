"""Results for a gradebook: how each student stands with each exercise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from itertools import groupby
from typing import NamedTuple

from ipynb_telemetry.classroom.attempts import Standing
from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.order import exercise_order
from ipynb_telemetry.classroom.students import Student, all_students
from ipynb_telemetry.classroom.wanted import spellings

_NOT_TRIED = Standing()


class Result(NamedTuple):
    """One student, one exercise."""

    student: str
    notebook: str
    cohort: str
    exercise: str
    passed: bool
    """Whether the latest attempt did, as the student's panel has it."""
    attempts: int
    """0 where the student has not tried it, while others have."""
    first_try: bool
    minutes_to_pass: float | None
    """From the pass before, or the beginning of the session, to the first pass."""
    session: str
    """Empty, unless two have this name at the same time: then whose results these are."""
    last_seen: str
    """When the student was last heard of in this notebook: ISO 8601, UTC."""


def results(figures: Iterable[SessionFigures], student: str | None = None) -> Iterator[Result]:
    """By notebook, then by student, then in the order of the exercises in the notebook.

    Each student has a row for each exercise that anybody has tried.

    Args:
        figures: Of the sessions of the whole class.
        student: Only the rows of this name, as it is recorded or as people write it.
    """
    names = None if student is None else {*spellings(student)}
    for notebook, students in students_by_notebook(figures):
        exercises = exercise_order(session for each in students for session in each.sessions)
        for each in students:
            if names is None or any(not names.isdisjoint(it.names) for it in each.sessions):
                minutes = each.minutes_to_pass
                for exercise in exercises:
                    yield _result(each, notebook, exercise, minutes.get(exercise))


def students_by_notebook(
    figures: Iterable[SessionFigures],
) -> Iterator[tuple[str, list[Student]]]:
    by_notebook = sorted(figures, key=lambda each: each.nb)
    for notebook, sessions in groupby(by_notebook, key=lambda each: each.nb):
        yield notebook, all_students(sessions)


def _result(student: Student, notebook: str, exercise: str, minutes: float | None) -> Result:
    standing = student.exercises.get(exercise, _NOT_TRIED)
    latest = max(student.sessions, key=lambda each: each.last_ms)
    return Result(
        student=student.name,
        notebook=notebook,
        cohort=latest.cohort.what,
        exercise=exercise,
        passed=standing.passed,
        attempts=standing.attempts,
        first_try=exercise in student.passed_first,
        minutes_to_pass=None if minutes is None else round(minutes, 2),
        session=latest.sess if student.clash else "",
        last_seen=_iso(latest.last_ms),
    )


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=timezone.utc).isoformat(timespec="seconds")
