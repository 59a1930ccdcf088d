"""Figures about all of a class: each exercise, and the lesson's pace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.students import (
    MINUTE_MS,
    Student,
    cell_order,
    error_kind,
    exercise_order,
)

_MOST_COMMON = 3
_PACE_STEPS = 120
# A session that was left open goes on for days; a lesson's pace is that of its hours.
_LESSON_MS = 6 * 60 * MINUTE_MS


def exercise_figures(students: Sequence[Student]) -> list[dict[str, Any]]:
    """How the class gets on with each exercise, in notebook order.

    Returns:
        For each: `name`, how many `tried`, `passed` and passed at the `firstTry`, out of
        `students`; the median `attempts` of those who tried and `minutes` of those who
        passed, else None; and its most common `errors`: message, how often, from how many.
    """
    minutes: dict[str, list[float]] = {}
    for student in students:
        for name, took in student.minutes_to_pass().items():
            minutes.setdefault(name, []).append(took)
    return [
        _figures(name, students, minutes.get(name, []))
        for name in exercise_order(session for each in students for session in each.sessions)
    ]


def _figures(name: str, students: Sequence[Student], minutes: list[float]) -> dict[str, Any]:
    standings = [each.exercises[name] for each in students if name in each.exercises]
    tried = [each for each in standings if each.attempts]
    return {
        "name": name,
        "students": len(students),
        "tried": len(tried),
        "passed": sum(each.passed for each in tried),
        "firstTry": sum(each.first_try for each in tried),
        "attempts": median(each.attempts for each in tried) if tried else None,
        "minutes": median(minutes) if minutes else None,
        "errors": _common_errors(name, students),
    }


def _common_errors(name: str, students: Sequence[Student]) -> list[list[Any]]:
    """Messages that differ in numbers and quoted words alone count as one."""
    times: Counter[str] = Counter()
    people: Counter[str] = Counter()
    example: dict[str, str] = {}
    for student in students:
        kinds = set()
        for session in student.sessions:
            if name in session.exercises:
                for attempt in session.exercises[name].recent:
                    if not attempt.ok:
                        kind = error_kind(attempt.err)
                        example.setdefault(kind, attempt.err)
                        times[kind] += 1
                        kinds.add(kind)
        people.update(kinds)
    return [
        [example[kind], number, people[kind]] for kind, number in times.most_common(_MOST_COMMON)
    ]


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
    end = moments[-1]
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
