"""Which line each cell of a lesson gets, and where; whatever kind of file it comes from."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ipynb_telemetry.instrument import python_source
from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.checks import is_all_assertions, tests, untracked_tests
from ipynb_telemetry.instrument.headings import is_title
from ipynb_telemetry.instrument.ids import Ids
from ipynb_telemetry.instrument.languages import is_of_another_language
from ipynb_telemetry.instrument.marks import cell_line, decorator_line, test_line
from ipynb_telemetry.instrument.setup_cells import sets_up
from ipynb_telemetry.marker import marked_exercise

_MAX_SHOWN_CHARS = 40
_NO_TELEMETRY = "no-telemetry"
"""The tag of a cell that the author wants left as it is."""
# Below these is another language, or the text of a file, or nothing.
_NEEDS_NO_WORD = {
    *("", "time", "capture"),
    *("bash", "cmd", "html", "HTML", "javascript", "js", "latex", "markdown", "perl", "pypy"),
    *("python2", "ruby", "script", "sh", "svg", "SVG", "cython", "file", "writefile"),
    *("julia", "R", "sql", "bigquery", "mermaid", "shell", "sparksql", "stata", "octave"),
}


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
    begins: str
    """Its first line that says something, by which an author finds it."""
    reason: str


class Undecorated(NamedTuple):
    """A test function to which no `@tracked_test` can be given."""

    cell: int
    function: str


@dataclass(frozen=True)
class Additions:
    """What is missing in a lesson."""

    lines: Sequence[Addition]
    left_alone: Sequence[LeftAlone]
    undecorated: Sequence[Undecorated]
    setup_before: int | None
    """The cell before which the setup cell goes; None where it is not missing."""

    @property
    def are_none(self) -> bool:
        return not self.lines and self.setup_before is None


def additions(cells: Sequence[Cell]) -> Additions:
    """What a lesson of Python 3 needs; nothing for what it has already."""
    code = [number for number, cell in enumerate(cells) if cell.kind == "code"]
    if not code:
        return Additions([], [], [], None)
    setup = next((number for number in code if sets_up(cells[number])), None)
    ids = Ids(cells)
    found: list[Addition | Undecorated] = []
    left_alone: list[LeftAlone] = []
    for number in code:
        cell, reason = cells[number], why_left_alone(cells[number])
        if reason is None and setup is not None and number <= setup:
            is_told = number == setup or _is_told(cell)
            reason = "" if is_told else "it stands above the setup cell"
        if reason:
            left_alone.append(LeftAlone(number, _first_line(cell), reason))
        elif reason is None:
            found += _lines_for(number, cell, ids)
    return Additions(
        [each for each in found if isinstance(each, Addition)],
        left_alone,
        [each for each in found if isinstance(each, Undecorated)],
        _place_of_setup(cells) if setup is None else None,
    )


def why_left_alone(cell: Cell) -> str | None:
    """Why no line is added to a code cell; empty where that needs no word, None where one is."""
    if _NO_TELEMETRY in cell.tags:
        return ""
    for reason, holds in _REASONS.items():
        if holds(cell):
            return reason
    if is_of_another_language(cell):
        return ""
    start = python_source.body_start(cell.text)
    if start is None:
        magic = python_source.cell_magic(cell.text)
        return "" if magic in _NEEDS_NO_WORD else _BELOW_A_MAGIC.format(magic)
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


_BELOW_A_MAGIC = "below %%{} it may run later, elsewhere or more than once"


def _lines_for(number: int, cell: Cell, ids: Ids) -> Iterator[Addition | Undecorated]:
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
    for function, below in untracked_tests(cell.text, start):
        if below is None:
            yield Undecorated(number, function)
        else:
            decorator = below.indent + decorator_line(ids.exercise_of(function))
            yield Addition(number, below.start, decorator)


def _first_line(cell: Cell) -> str:
    line = next(filter(None, map(str.strip, cell.text.splitlines())), "")
    return line if len(line) <= _MAX_SHOWN_CHARS else line[: _MAX_SHOWN_CHARS - 1] + "…"


def _is_told(cell: Cell) -> bool:
    """Whether the author has marked or tracked it, above the setup cell too."""
    module = python_source.tree(cell.text[python_source.body_start(cell.text) or 0 :])
    return marked_exercise(cell.text) is not None or python_source.is_tracked(cell.text, module)


def _is_test(cell: Cell, module: ast.Module | None) -> bool:
    """Whether the cell as a whole tests an exercise."""
    if module is not None and tests(module):
        return False
    if {"test", "tests"} & {*cell.tags}:
        return True
    if cell.nbgrader.get("grade") and not cell.nbgrader.get("solution"):
        return True
    return module is not None and is_all_assertions(module)


def _place_of_setup(cells: Sequence[Cell]) -> int:
    """First, but after a raw header and after a title: the number of the cell it comes before."""
    raw = next((number for number, cell in enumerate(cells) if cell.kind != "raw"), 0)
    for number in range(raw, len(cells)):
        if cells[number].kind not in ("markdown", "heading"):
            break
        if is_title(cells[number]):
            return number + 1
    return raw
