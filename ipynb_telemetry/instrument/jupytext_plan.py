"""What is to be done with one notebook that jupytext keeps as text."""

from __future__ import annotations

import codecs
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from ipynb_telemetry.instrument.additions import additions
from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.edits import Edit
from ipynb_telemetry.instrument.faults import faults
from ipynb_telemetry.instrument.json_text import NotReadableError
from ipynb_telemetry.instrument.jupytext_edits import cells_of, with_added, without_added
from ipynb_telemetry.instrument.jupytext_text import Text, is_jupytext, read_text, unknown_format
from ipynb_telemetry.instrument.languages import why_not_python_3
from ipynb_telemetry.instrument.marks import added_spans, is_added_cell, without_added_lines
from ipynb_telemetry.instrument.names import why_names_are_taken
from ipynb_telemetry.instrument.notebook import read_notebook
from ipynb_telemetry.instrument.plan import Plan
from ipynb_telemetry.instrument.setup_cells import named_id
from ipynb_telemetry.notebook_cells import get_telemetry_setup_cell

SUFFIXES = (".py", ".md")


def plan_instrument_text(
    file: BinaryIO, path: Path, notebook_id: str, settings: Mapping[str, object]
) -> Plan:
    """What a text lacks; as `plan_instrument`, and where a notebook is paired with it, alike.

    Args:
        file: Open at its beginning.
        path: Its name, by which a paired notebook is found: the same with `.ipynb`.
        notebook_id: For the setup cell, if that is missing.
        settings: The same, as `get_telemetry_setup_cell` takes them.

    Raises:
        NotReadableError: It cannot be read, or is no notebook of Python 3.
    """
    old, text = _read(file, path)
    cells = cells_of(text)
    reason = why_not_python_3(text.metadata, cells) or why_names_are_taken(cells)
    if reason:
        raise NotReadableError(reason)
    cells = _with_ids(cells, _paired(path))
    missing = additions(cells)
    setup = None
    if missing.setup_before is not None:
        setup = missing.setup_before, get_telemetry_setup_cell(notebook_id, **settings)
    new = with_added(text, path.name, missing.lines, setup)
    return Plan(
        _edits(old, new),
        lines=len(missing.lines),
        setup_cell=setup is not None,
        left_alone=missing.left_alone,
        faults=faults(cells, missing),
        notebook_id=named_id(cells) if setup is None else notebook_id,
    )


def plan_remove_text(file: BinaryIO, path: Path) -> Plan:
    """All that was added to a text.

    Raises:
        NotReadableError: It cannot be read.
    """
    old, text = _read(file, path)
    cells = [cell for cell in text.cells if cell.kind == "code"]
    of_others = [cell for cell in cells if not is_added_cell(cell.metadata)]
    return Plan(
        _edits(old, without_added(text)),
        lines=sum(len(added_spans(cell.source)) for cell in of_others),
        setup_cell=len(of_others) < len(cells),
    )


def _read(file: BinaryIO, path: Path) -> tuple[bytes, Text]:
    data = file.read()
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as wrong:
        msg = f"it is not UTF-8: {wrong.reason} at byte {wrong.start}"
        raise NotReadableError(msg) from wrong
    if other := unknown_format(text, path.name):
        msg = (
            f"it is no notebook that can be read here: jupytext's format is {other}, "
            "and only percent scripts (.py) and plain Markdown (.md) are known"
        )
        raise NotReadableError(msg)
    if not is_jupytext(text, path.name):
        also = " of the percent format and no cell (# %%)" if path.suffix == ".py" else ""
        msg = f"it is no notebook: it has no header of jupytext{also}"
        raise NotReadableError(msg)
    return data, read_text(text, path.name)


def _edits(old: bytes, new: str) -> list[Edit]:
    start = len(codecs.BOM_UTF8) if old.startswith(codecs.BOM_UTF8) else 0
    data = new.encode()
    return [] if data == old[start:] else [Edit(start, len(old), data)]


def _paired(path: Path) -> Sequence[Cell]:
    """The cells of the notebook beside it; none where there is none that can be read."""
    try:
        with path.with_suffix(".ipynb").open("rb") as file:
            return read_notebook(file).cells
    except (OSError, NotReadableError):
        return []


def _with_ids(cells: Sequence[Cell], paired: Sequence[Cell]) -> list[Cell]:
    """The cells with the ids that they have in the paired notebook, which the text leaves out."""
    ours, theirs = ([c for c in of if not is_added_cell(c.metadata)] for of in (cells, paired))
    if list(map(_without_added, ours)) != list(map(_without_added, theirs)):
        return list(cells)
    ids = iter(cell.id for cell in theirs)
    return [
        cell if is_added_cell(cell.metadata) else dataclasses.replace(cell, id=next(ids))
        for cell in cells
    ]


def _without_added(cell: Cell) -> tuple[str, str]:
    if cell.kind != "code":
        return cell.kind, cell.text.strip()
    return cell.kind, without_added_lines(cell.text)
