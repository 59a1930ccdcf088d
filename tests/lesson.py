"""The lesson in `notebooks/`, as it is shipped and as a student who has solved it has it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

LESSON = Path(__file__).parents[1] / "notebooks" / "D3_Datetimes.ipynb"
EXERCISES = ["exercise_1", "exercise_2", "exercise_3"]

# By cell id: what a student replaces, and with what. Exercise 1 is shipped solved.
SOLUTIONS: dict[str, tuple[str, str]] = {
    "exercise-2": ("return ...", "return day.weekday() >= 5"),
    "exercise-3": ("time_left = ...", "time_left = launch - now"),
}


def shipped_lesson() -> dict[str, Any]:
    """The lesson's JSON as it is in the repository."""
    lesson: dict[str, Any] = json.loads(LESSON.read_text(encoding="utf-8"))
    return lesson


def solved(lesson: dict[str, Any]) -> dict[str, Any]:
    """A copy of `lesson` in which the exercises are solved."""
    lesson = copy.deepcopy(lesson)
    cells = {cell["id"]: cell for cell in lesson["cells"]}
    for cell_id, (blank, solution) in SOLUTIONS.items():
        cell = cells[cell_id]
        cell["source"] = source_of(cell).replace(blank, solution).splitlines(keepends=True)
    return lesson


def source_of(cell: dict[str, Any]) -> str:
    """A cell's text, which the file keeps as a list of lines."""
    return "".join(cell["source"])
