"""What an author has to mend in a lesson: ids that clash, exercises without a test."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ipynb_telemetry.instrument.additions import Additions
from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.headings import headings
from ipynb_telemetry.instrument.ids import cell_ids, exercises
from ipynb_telemetry.instrument.setup_cells import named_exercises

_EXERCISE = re.compile(r"exercise\b", re.IGNORECASE)
_OTTER_CHECK = re.compile(r"\bgrader\.check\w*\(")
_NO_TEST = "no-test"
"""The tag of a cell in a section of which the author wants no test."""


def faults(cells: Sequence[Cell], missing: Additions) -> list[str]:
    """One sentence each, for the author. What is `missing` counts as if it were there."""
    sources = [cell.text if cell.kind == "code" else "" for cell in cells]
    for line in missing.lines:
        sources[line.cell] = f"{line.line}\n{sources[line.cell]}"
    ids = Counter(each for source in sources for each in cell_ids(source))
    tests = Counter(each for source in sources for each in exercises(source))
    found = [f"{times} cells have the id {name!r}" for name, times in ids.items() if times > 1]
    found += [f"{times} tests are of {name!r}" for name, times in tests.items() if times > 1]
    found += [
        f"the setup cell names the exercise {name!r}, and it has no test"
        for name in named_exercises(cells)
        if name not in tests
    ]
    found += [
        f"{each.function} gets no @tracked_test, for no line above it is safe; "
        "put one there yourself, or tag its cell no-telemetry"
        for each in missing.undecorated
    ]
    return found + list(_sections_without_test(cells, sources))


def _sections_without_test(cells: Sequence[Cell], sources: Sequence[str]) -> Iterator[str]:
    """The exercises that a heading names, with code below it and no test."""
    found = headings(cells)
    for at, heading in enumerate(found):
        if not _EXERCISE.match(heading.text):
            continue
        after = (each.cell for each in found[at + 1 :] if each.level <= heading.level)
        section = range(heading.cell, next(after, len(cells)))
        has_code = any(cells[number].kind == "code" for number in section)
        is_tested = any(
            exercises(sources[number])
            or cells[number].nbgrader.get("grade")
            or _OTTER_CHECK.search(sources[number])
            for number in section
        )
        if has_code and not is_tested and not any(_NO_TEST in cells[n].tags for n in section):
            yield f"{heading.text!r} has no test; a cell tagged {_NO_TEST} says that it needs none"
