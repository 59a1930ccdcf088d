"""Notebooks put through `instrument` in this process, as bytes, for tests and their data."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ipynb_telemetry.instrument.additions import additions
from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.edits import applied
from ipynb_telemetry.instrument.jupytext_plan import (
    SUFFIXES,
    plan_instrument_text,
    plan_remove_text,
)
from ipynb_telemetry.instrument.plan import Plan, plan_instrument, plan_remove

NOTEBOOKS = Path(__file__).parent / "notebooks"
NOTEBOOK_ID = "D1_Moon"


def instrumented(data: bytes, path: Path) -> bytes:
    """The file with telemetry in it; `path` is where it would be."""
    return applied(plan(data, path).edits, data)


def plan(data: bytes, path: Path) -> Plan:
    if path.suffix in SUFFIXES:
        return plan_instrument_text(io.BytesIO(data), path, NOTEBOOK_ID, {})
    return plan_instrument(io.BytesIO(data), NOTEBOOK_ID, {})


def cleaned(data: bytes, path: Path) -> bytes:
    """The file without what was added to it."""
    if path.suffix in SUFFIXES:
        return applied(plan_remove_text(io.BytesIO(data), path).edits, data)
    return applied(plan_remove(io.BytesIO(data)).edits, data)


def with_lines(*cells: Cell) -> list[str]:
    """The code cells' texts with what is added to them; `+` begins an added line."""
    texts = [cell.text for cell in cells]
    for each in reversed(additions(cells).lines):
        text = texts[each.cell]
        texts[each.cell] = f"{text[: each.at]}+{each.line}\n{text[each.at :]}"
    return [text for text, cell in zip(texts, cells, strict=True) if cell.kind == "code"]


def with_line(source: str, **metadata: Any) -> str:
    """The text of a code cell whose id is `moon`, in the same manner."""
    return with_lines(Cell("code", source, metadata, id="moon"))[0]


def reasons(*cells: Cell) -> list[tuple[int, str]]:
    """Which cells are left alone, and why."""
    return [(each.cell, each.reason) for each in additions(cells).left_alone]
