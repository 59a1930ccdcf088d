"""Figures about all of a class: each exercise, and the lesson's pace."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from ipynb_telemetry.classroom.attempts import Standing
from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.order import cell_order, exercise_order
from ipynb_telemetry.classroom.students import Student, error_kind
from ipynb_telemetry.classroom.ways import MINUTE_MS

_MOST_COMMON = 3
_PACE_STEPS = 120
# A session that was left open goes on for days; a lesson's pace is that of its hours.
_LESSON_MS = 6 * 60 * MINUTE_MS


def exercise_figures(students: Sequence[Student]) -> list[dict[str, Any]]:
    """How the class gets on with each exercise, in notebook order.

    Returns:
        For each: `name`, how many `tried`, `passed` and passed at the `firstTry`, out of
        `students`; the median `attempts` of those who tried and `minutes` of those who
        passed, else None; and its most common `errors`: message, how often, from how many students.
    """
    names = exercise_order(session for each in students for session in each.sessions)
    collected = {name: _Collected() for name in names}
    for student in students:
        minutes, passed_first, key = student.minutes_to_pass, student.passed_first, student.key
        for name, standing in student.exercises.items():
            collected[name].add(standing, minutes.get(name), is_first=name in passed_first)
        for session in student.sessions:
            for name, err in session.ways.failures:
                collected[name].add_error(key, err)
    return [
        {"name": name, "students": len(students), **collected[name].figures()} for name in names
    ]


class _Collected:
    """What has been seen of one exercise so far."""

    def __init__(self) -> None:
        self._passed = self._first_try = 0
        self._attempts: list[int] = []
        self._minutes: list[float] = []
        self._errors: dict[str, tuple[str, Counter[str]]] = {}  # by kind: the first, how often whom

    def add(self, standing: Standing, minutes: float | None, *, is_first: bool) -> None:
        self._attempts.append(standing.attempts)
        self._passed += standing.passed
        self._first_try += is_first
        if minutes is not None:
            self._minutes.append(minutes)

    def add_error(self, student: str, err: str) -> None:
        """Messages that differ in numbers and quoted words alone count as one."""
        kind = error_kind(err)
        if kind not in self._errors:
            self._errors[kind] = err, Counter()
        self._errors[kind][1][student] += 1

    def figures(self) -> dict[str, Any]:
        errors = sorted(
            self._errors.values(), key=lambda error: (len(error[1]), error[1].total()), reverse=True
        )
        return {
            "tried": len(self._attempts),
            "passed": self._passed,
            "firstTry": self._first_try,
            "attempts": median(self._attempts) if self._attempts else None,
            "minutes": median(self._minutes) if self._minutes else None,
            "errors": [
                [message, whom.total(), len(whom)] for message, whom in errors[:_MOST_COMMON]
            ],
        }


def pace(students: Sequence[Student]) -> dict[str, Any]:
    """How many students have reached each cell, over time.

    Returns:
        `times`, in milliseconds since 1970, evenly spread over the lesson; and for each of
        `cells`, in notebook order, `reached`: how many students had been there by each of them.
    """
    sessions = [session for student in students for session in student.sessions]
    reached = [_reached(student.sessions) for student in students]
    moments = sorted(at_ms for cells in reached for at_ms in cells.values())
    if not moments:
        return {"times": [], "cells": [], "reached": []}
    # A clock that is ahead must not press the lesson of all others into one edge.
    end = min(moments[-1], max(moments[0], round(time.time() * 1000)))
    begin = max(moments[0], end - _LESSON_MS)
    step = max(1.0, (end - begin) / _PACE_STEPS)
    times = [round(begin + number * step) for number in range(_PACE_STEPS + 1)]
    cells = cell_order(sessions)
    steps = {cell_id: [0] * len(times) for cell_id in cells}
    for student_cells in reached:
        for cell_id, at_ms in student_cells.items():
            if cell_id in steps:
                steps[cell_id][min(len(times) - 1, _step(at_ms, begin, step))] += 1
    return {
        "times": times,
        "cells": cells,
        "reached": [_added_up(steps[cell_id]) for cell_id in cells],
    }


def _step(at_ms: int, begin: int, step: float) -> int:
    """The first of the times at which it had happened."""
    return max(0, -int((begin - at_ms) // step))


def _reached(sessions: Iterable[SessionFigures]) -> dict[str, int]:
    first: dict[str, int] = {}
    for session in sessions:
        for cell_id, said in session.cells.items():
            first[cell_id] = min(first.get(cell_id, said.at_ms), said.at_ms)
    return first


def _added_up(numbers: Iterable[int]) -> list[int]:
    total = 0
    return [total := total + number for number in numbers]
