"""Puts lines and the setup cell into a notebook that is text, and takes them out again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.jupytext_text import Text, TextCell
from ipynb_telemetry.instrument.marks import (
    SETUP_METADATA,
    is_added_cell,
    without_added_lines,
)

_OPTIONS = " ".join(f"{key}={json.dumps(value)}" for key, value in SETUP_METADATA.items())
# What stands before the first marker is a cell; below the setup cell it needs one of its own.
_ADDED_MARKER = '# %% ipynb_telemetry={"added": "marker"}'


def cells_of(text: Text) -> list[Cell]:
    """Its cells, as those of any notebook."""
    return [Cell(cell.kind, cell.source, cell.metadata) for cell in text.cells]


def with_added(
    text: Text, name: str, added: Iterable[tuple[int, int, str]], setup: tuple[int, str] | None
) -> str:
    """The text with lines in its cells, and with a setup cell.

    Args:
        text: What `read_text` has read.
        name: Of its file.
        added: For each line the number of its cell, the place in that cell's source where a
            line begins, and the line without its end.
        setup: The number of the cell above which the setup cell goes, and its source; with the
            number of cells it goes to the end.
    """
    lines, end = list(text.lines), _line_end(text.lines)
    for number, place, line in added:
        cell = text.cells[number]
        at = cell.first + cell.source.count("\n", 0, place)
        lines[at] = line + end + lines[at]
    if setup is None:
        return "".join(lines)
    before, source = setup
    block = [*_block(name, source)]
    if before < len(text.cells):
        cell = text.cells[before]
        above = [*block, ""]
        if not name.endswith(".md") and cell.start == cell.first:
            above.append(_ADDED_MARKER)
        lines[cell.start] = "".join(line + end for line in above) + lines[cell.start]
        return "".join(lines)
    whole = "".join(lines)
    if not whole or whole.endswith("\n"):
        return whole + "".join(line + end for line in ["", *block])
    return end.join([whole, "", *block])


def without_added(text: Text) -> str:
    """The text as it was before anything was added."""
    lines = list(text.lines)
    for number in reversed(range(len(text.cells))):
        cell = text.cells[number]
        if is_added_cell(cell.metadata):
            _take_out_cell(lines, cell, text.cells[number + 1 : number + 2])
        elif cell.kind == "code":
            own = "".join(lines[cell.first : cell.end])
            lines[cell.first : cell.end] = [without_added_lines(own)]
            if lines[cell.start].rstrip("\r\n") == _ADDED_MARKER:
                del lines[cell.start]
    return "".join(lines)


def _take_out_cell(lines: list[str], cell: TextCell, after: Sequence[TextCell]) -> None:
    if after:
        del lines[cell.start : after[0].start]
        return
    ends_with_its_line = lines[-1].endswith("\n")
    del lines[cell.start :]
    if lines and not lines[-1].strip():
        del lines[-1]
    if lines and not ends_with_its_line:
        lines[-1] = lines[-1].rstrip("\r\n")


def _block(name: str, source: str) -> list[str]:
    if name.endswith(".md"):
        return [f"```python {_OPTIONS}", *source.split("\n"), "```"]
    return [f"# %% {_OPTIONS}", *source.split("\n")]


def _line_end(lines: Sequence[str]) -> str:
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
