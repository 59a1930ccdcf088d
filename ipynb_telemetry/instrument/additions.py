"""Which line each cell of a lesson gets, and where; whatever kind of file it comes from."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ipynb_telemetry.instrument import python_source
from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.headings import is_title
from ipynb_telemetry.instrument.ids import Ids
from ipynb_telemetry.instrument.languages import is_of_another_language
from ipynb_telemetry.instrument.marks import cell_line, decorator_line, is_added_cell, test_line
from ipynb_telemetry.marker import marked_exercise

_SETUP_CALL = re.compile(r"^[ \t]*setup_telemetry\(", re.MULTILINE)


class Addition(NamedTuple):
    """One line for one cell."""

    cell: int
    """The cell's number in the lesson."""
    at: int
    """The place in its text: so many characters before it; where a line begins."""
    line: str
    """With its indent, without a newline."""


class LeftAlone(NamedTuple):
    """A cell that gets no line although it has something to run."""

    cell: int
    reason: str


@dataclass(frozen=True)
class Additions:
    """What is missing in a lesson."""

    lines: Sequence[Addition]
    left_alone: Sequence[LeftAlone]
    setup_before: int | None
    """The cell before which the setup cell goes; None where it is not missing."""

    @property
    def are_none(self) -> bool:
        return not self.lines and self.setup_before is None


def additions(cells: Sequence[Cell]) -> Additions:
    """What a lesson of Python 3 needs; nothing for what it has already."""
    code = [number for number, cell in enumerate(cells) if cell.kind == "code"]
    if not code:
        return Additions([], [], None)
    setup = next((number for number in code if sets_up(cells[number])), None)
    ids = Ids(cells)
    lines: list[Addition] = []
    left_alone: list[LeftAlone] = []
    for number in code if setup is None else [each for each in code if each > setup]:
        cell = cells[number]
        reason = why_left_alone(cell)
        if reason:
            left_alone.append(LeftAlone(number, reason))
        elif reason is None:
            lines += _lines_for(number, cell, ids)
    return Additions(lines, left_alone, _place_of_setup(cells) if setup is None else None)


def sets_up(cell: Cell) -> bool:
    """Whether this is a setup cell, ours or one that the author has written."""
    return cell.kind == "code" and (
        is_added_cell(cell.metadata) or _SETUP_CALL.search(cell.text) is not None
    )


def why_left_alone(cell: Cell) -> str | None:
    """Why no line is added to a code cell; empty where that needs no word, None where one is."""
    for reason, holds in _REASONS.items():
        if holds(cell):
            return reason
    start = python_source.body_start(cell.text)
    if start is None or is_of_another_language(cell):
        return ""
    return "" if python_source.has_nothing_to_run(cell.text, start) else None


_REASONS: dict[str, Callable[[Cell], object]] = {
    "nbgrader has locked it": lambda cell: cell.nbgrader.get("locked"),
    "nbgrader's checksum covers its source": lambda cell: (
        cell.nbgrader.get("grade") and cell.nbgrader.get("checksum")
    ),
    "papermill writes it anew in each run": lambda cell: "injected-parameters" in cell.tags,
    "it fails on purpose, and its traceback would show the line": lambda cell: (
        "raises-exception" in cell.tags
    ),
    "IPython knows this command only where it stands alone": lambda cell: (
        python_source.is_a_command(cell.text)
    ),
}


def _lines_for(number: int, cell: Cell, ids: Ids) -> Iterator[Addition]:
    if marked_exercise(cell.text) is not None:
        return
    start = python_source.body_start(cell.text) or 0
    module = python_source.tree(cell.text[start:])
    if _is_test(cell, module):
        # The place first: an id that no cell gets in the end is not taken.
        place = python_source.place_for(cell.text, start, "#")
        if place is not None:
            line = place.indent + test_line(ids.exercise(number))
            yield Addition(number, place.start, line)
        return
    if not python_source.is_tracked(cell.text, module):
        place = python_source.place_for(cell.text, start, "_cell()")
        if place is not None:
            line = place.indent + cell_line(ids.cell_id(number), cell.text)
            yield Addition(number, place.start, line)
    for function, below in python_source.untracked_tests(cell.text, start):
        decorator = below.indent + decorator_line(ids.exercise_of(function))
        yield Addition(number, below.start, decorator)


def _is_test(cell: Cell, module: ast.Module | None) -> bool:
    """Whether the cell as a whole tests an exercise."""
    if module is not None and python_source.tests(module):
        return False
    if {"test", "tests"} & {*cell.tags}:
        return True
    if cell.nbgrader.get("grade") and not cell.nbgrader.get("solution"):
        return True
    return module is not None and python_source.is_all_assertions(module)


def _place_of_setup(cells: Sequence[Cell]) -> int:
    """First, but after a raw header and after a title: the number of the cell it comes before."""
    raw = next((number for number, cell in enumerate(cells) if cell.kind != "raw"), 0)
    for number in range(raw, len(cells)):
        if cells[number].kind not in ("markdown", "heading"):
            break
        if is_title(cells[number]):
            return number + 1
    return raw
