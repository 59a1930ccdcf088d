"""What is to be done with one notebook, before any of it is done."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from ipynb_telemetry.instrument import edits as edit
from ipynb_telemetry.instrument.additions import Additions, LeftAlone, additions
from ipynb_telemetry.instrument.edits import Edit
from ipynb_telemetry.instrument.faults import faults
from ipynb_telemetry.instrument.json_text import NotReadableError
from ipynb_telemetry.instrument.languages import why_not_python_3
from ipynb_telemetry.instrument.marks import added_spans, is_added_cell
from ipynb_telemetry.instrument.names import why_names_are_taken
from ipynb_telemetry.instrument.notebook import Notebook, read_notebook
from ipynb_telemetry.instrument.setup_cells import named_id
from ipynb_telemetry.notebook_cells import get_telemetry_setup_cell

_ESCAPE = re.compile(rb"\\u(?:0[1-9a-fA-F]|[1-9a-fA-F])")


@dataclass(frozen=True)
class Plan:
    """What changes in one file, and what to say about it."""

    edits: Sequence[Edit] = ()
    lines: int = 0
    """How many lines are added or taken out."""
    setup_cell: bool = False
    """Whether the setup cell is among them."""
    left_alone: Sequence[LeftAlone] = ()
    faults: Sequence[str] = field(default_factory=list)
    """What an author has to mend: ids that clash, exercises without a test."""
    notebook_id: str = ""
    """That of its setup cell, where it is plain."""


def plan_instrument(file: BinaryIO, notebook_id: str, settings: Mapping[str, object]) -> Plan:
    """What a notebook lacks.

    Args:
        file: Open at its beginning.
        notebook_id: For the setup cell, if that is missing.
        settings: The same, as `get_telemetry_setup_cell` takes them.

    Raises:
        NotReadableError: It cannot be read, or is no notebook of Python 3,
            or uses our names for something of its own.
    """
    notebook = read_notebook(file)
    reason = why_not_python_3(notebook.metadata, notebook.cells)
    reason = reason or why_names_are_taken(notebook.cells)
    if reason:
        raise NotReadableError(reason)
    missing = additions(notebook.cells)
    found = []
    if missing.setup_before is not None:
        source = get_telemetry_setup_cell(notebook_id, **settings)
        escape = _escapes(notebook)
        found.append(edit.added_cell(notebook, missing.setup_before, source, escape=escape))
    found += _line_edits(notebook, missing)
    return Plan(
        found,
        lines=len(missing.lines),
        setup_cell=missing.setup_before is not None,
        left_alone=missing.left_alone,
        faults=faults(notebook.cells, missing),
        notebook_id=notebook_id if missing.setup_before is not None else named_id(notebook.cells),
    )


def plan_remove(file: BinaryIO) -> Plan:
    """All that was added to a notebook of whatever language.

    Raises:
        NotReadableError: It cannot be read.
    """
    notebook = read_notebook(file)
    found: list[Edit] = []
    lines, setup_cell = 0, False
    added = [is_added_cell(cell.metadata) for cell in notebook.cells]
    for number, cell in enumerate(notebook.cells):
        if added[number]:
            setup_cell = True
        elif cell.kind == "code" and notebook.places[number].source is not None:
            lines += len(added_spans(cell.text))
            found += edit.removed_lines(notebook.places[number])
    found += edit.removed_cells(notebook, added)
    return Plan(found, lines=lines, setup_cell=setup_cell)


def _line_edits(notebook: Notebook, missing: Additions) -> list[Edit]:
    escape = _escapes(notebook)
    return [
        edit.added_line(notebook.places[each.cell], each.at, each.line, escape=escape)
        for each in missing.lines
    ]


def _escapes(notebook: Notebook) -> bool:
    """Whether this file writes what is above ASCII as escapes."""
    sources = (place.source.text for place in notebook.places if place.source is not None)
    return notebook.is_ascii and any(map(_ESCAPE.search, sources))
