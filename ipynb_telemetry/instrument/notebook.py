"""A notebook file: its cells, and where in the file they and their lines are."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.json_text import JsonText, NotReadableError, Raw

_KEPT_OF_NOTEBOOK = ("kernelspec", "language_info")
_KEPT = ("cell_type", "id", "language", "metadata", "source", "input")


class Item(NamedTuple):
    """One string of a `source` that is a list."""

    raw: Raw
    text: str
    gap: bytes
    """The white space before it."""


@dataclass(frozen=True)
class Layout:
    """The white space with which a cell is written."""

    before: bytes
    """Before the cell."""
    inside: bytes
    """Before each of its keys."""
    after_colon: bytes


@dataclass(frozen=True)
class Place:
    """Where a cell is in its file, in bytes from the beginning."""

    start: int
    end: int
    source: Raw | None
    """None where the source is no text."""
    layout: Layout
    previous_end: int | None
    """Of the cell before it in the same list."""
    next_start: int | None = None


@dataclass
class Notebook:
    """What a notebook file says, without its outputs."""

    cells: list[Cell] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    """Of each cell, in the same order."""
    metadata: dict[str, Any] = field(default_factory=dict)
    version: tuple[int, int] = (0, 0)
    """nbformat and nbformat_minor; 0 where it does not say."""
    is_ascii: bool = True
    """Whether the file has no byte above 127."""


def read_notebook(file: BinaryIO) -> Notebook:
    """Read a notebook without holding more of it than its largest output.

    Raises:
        NotReadableError: It is no JSON, no UTF-8, or no notebook of nbformat 2, 3 or 4.
    """
    text, notebook, numbers = JsonText(file), Notebook(), {}
    if text.peek() != "{":
        if text.peek() not in ("[", '"', ""):
            text.skip()  # which says what is wrong with it
        msg = "it is no notebook: not an object of JSON"
        raise NotReadableError(msg)
    has_cells = False
    for _gap, key, _colon in text.members():
        if key == "cells" and text.peek() == "[":
            _read_cells(text, notebook)
            has_cells = True
        elif key == "worksheets" and text.peek() == "[":
            notebook.cells, notebook.places = [], []
            for _ in text.items():
                has_cells = _read_worksheet(text, notebook) or has_cells
        elif key == "metadata" and text.peek() == "{":
            notebook.metadata = _read_metadata(text)
        elif key in ("nbformat", "nbformat_minor"):
            numbers[key] = text.raw().value()
        else:
            text.skip()
    text.finish()
    notebook.is_ascii = text.is_ascii
    notebook.version = _version(numbers)
    if not has_cells:
        msg = "it is no notebook: it has no list of cells"
        raise NotReadableError(msg)
    return notebook


def items(source: Raw) -> list[Item]:
    """The strings of a `source` that is a list, each with its place."""
    text = JsonText(io.BytesIO(source.text))
    found = []
    for gap in text.items():
        raw = text.raw()
        found.append(Item(raw._replace(start=raw.start + source.start), raw.value(), gap))
    return found


def _version(numbers: dict[str, Any]) -> tuple[int, int]:
    major, minor = numbers.get("nbformat"), numbers.get("nbformat_minor")
    version = (major if type(major) is int else 4, minor if type(minor) is int else 0)
    if version[0] not in (2, 3, 4):
        msg = f"it is of nbformat {version[0]}; 2, 3 and 4 are known"
        raise NotReadableError(msg)
    return version


def _read_metadata(text: JsonText) -> dict[str, Any]:
    """What says the language; the state of widgets can be as large as outputs are."""
    found = {}
    for _gap, key, _colon in text.members():
        if key in _KEPT_OF_NOTEBOOK:
            found[key] = text.raw().value()
        else:
            text.skip()
    return found


def _read_worksheet(text: JsonText, notebook: Notebook) -> bool:
    if text.peek() != "{":
        text.skip()
        return False
    has_cells = False
    for _gap, key, _colon in text.members():
        if key == "cells" and text.peek() == "[":
            _read_cells(text, notebook, len(notebook.cells))
            has_cells = True
        else:
            text.skip()
    return has_cells


def _read_cells(text: JsonText, notebook: Notebook, earlier: int = 0) -> None:
    """Read a list of cells behind the first `earlier` ones, in place of all others.

    A key that an object has twice counts as it is the last time.
    """
    del notebook.cells[earlier:], notebook.places[earlier:]
    previous_end = None
    for gap in text.items():
        start = text.position
        if previous_end is not None:
            place = notebook.places[-1]
            notebook.places[-1] = Place(
                place.start, place.end, place.source, place.layout, place.previous_end, start
            )
        if text.peek() not in ("{", ""):
            msg = "it is no notebook: a cell is not an object"
            raise NotReadableError(msg)
        cell, source, layout = _read_cell(text, gap)
        notebook.cells.append(cell)
        notebook.places.append(Place(start, text.position, source, layout, previous_end))
        previous_end = text.position


def _read_cell(text: JsonText, before: bytes) -> tuple[Cell, Raw | None, Layout]:
    found: dict[str, Raw] = {}
    inside, after_colon = b"", b" "
    for number, (gap, key, colon) in enumerate(text.members()):
        if number == 0:
            inside, after_colon = gap, colon
        if key in _KEPT:
            found[key] = text.raw()
        else:
            text.skip()
    kind = _text(found.get("cell_type"))
    source = found.get("input" if kind == "code" and "input" in found else "source")
    said = _source_text(source)
    cell = Cell(
        kind=kind,
        text=said or "",
        metadata=_object(found.get("metadata")),
        id=_text(found.get("id")),
        language=_text(found.get("language")),
    )
    return cell, None if said is None else source, Layout(before, inside, after_colon)


def _source_text(source: Raw | None) -> str | None:
    value = None if source is None else source.value()
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "".join(value)
    return None


def _text(raw: Raw | None) -> str:
    value = None if raw is None else raw.value()
    return value if isinstance(value, str) else ""


def _object(raw: Raw | None) -> dict[str, Any]:
    value = None if raw is None else raw.value()
    return value if isinstance(value, dict) else {}
