"""Ids that stay the same when other cells come and go."""

from __future__ import annotations

import ast
import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence

from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.headings import headings
from ipynb_telemetry.marker import marked_exercise
from ipynb_telemetry.source_strings import without_strings

_MAX_SLUG_CHARS = 40
_HASH_DIGITS = 6  # two cells under one heading share them once in 16 million
_ID_TAG = re.compile(r"(?:id[:=]|(?=exercise|ex-|ex_|question|q\d))(\S+)", re.IGNORECASE)
# Eight hexadecimal digits or a uuid of Jupyter and nbformat, or Colab's twelve characters.
_MADE_BY_MACHINE = re.compile(r"[0-9a-f]{8}|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9A-Za-z_-]{12}")
_STRING = r"(\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
_CELL_CALL = re.compile(rf"^[ \t]*_cell\(\s*{_STRING}", re.MULTILINE)
_TEST_DECORATOR = re.compile(rf"^[ \t]*@tracked_test\(\s*{_STRING}", re.MULTILINE)


class Ids:
    """Gives ids to the cells of a lesson, none of them twice.

    Args:
        cells: All cells of the lesson; ids that are in their sources are taken.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        self._cell_ids = {each for cell in cells for each in cell_ids(cell.text)}
        self._exercises = {each for cell in cells for each in exercises(cell.text)}
        self._slugs = _slugs(cells)

    def cell_id(self, number: int) -> str:
        """For the `_cell` line of a cell."""
        cell = self._cells[number]
        return _take(_own_id(cell) or self._made_of(number, _digits(cell.text)), self._cell_ids)

    def exercise(self, number: int) -> str:
        """For a cell that is a test as a whole."""
        cell = self._cells[number]
        own = _own_id(cell)
        if _MADE_BY_MACHINE.fullmatch(own) and self._slugs[number]:
            own = self._made_of(number, own[:8])  # people read it in the list of exercises
        return _take(own or self._made_of(number, _digits(cell.text)), self._exercises)

    def exercise_of(self, function: str) -> str:
        """For a test function: its own name, `test_light` -> `light`."""
        name = function.removeprefix("test_")
        return _take(name if name.isidentifier() else function, self._exercises)

    def _made_of(self, number: int, last: str) -> str:
        return f"{self._slugs[number] or 'cell'}-{last}"


def cell_ids(source: str) -> list[str]:
    """The ids of the `_cell` lines in a source."""
    return [ast.literal_eval(string) for string in _CELL_CALL.findall(without_strings(source))]


def exercises(source: str) -> list[str]:
    """The exercises of which a source has the tests."""
    found = [
        ast.literal_eval(string) for string in _TEST_DECORATOR.findall(without_strings(source))
    ]
    marked = marked_exercise(source)
    return found if marked is None else [*found, marked]


def _own_id(cell: Cell) -> str:
    """The name that somebody or some tool has given this cell; empty where nobody has."""
    return next(filter(None, _own_ids(cell)), "")


def _own_ids(cell: Cell) -> Iterator[str]:
    for name in (cell.nbgrader.get("grade_id"), cell.metadata.get("name")):
        yield name.strip() if isinstance(name, str) else ""
    tags = map(_ID_TAG.fullmatch, cell.tags)
    yield next((tag[1] for tag in tags if tag), "")
    yield cell.id
    of_colab = cell.metadata.get("id")
    yield of_colab if isinstance(of_colab, str) else ""


def _slugs(cells: Sequence[Cell]) -> list[str]:
    """For each cell the nearest heading above it, as a part of an id."""
    of_cell = {heading.cell: _slug(heading.text) for heading in headings(cells)}
    slugs, nearest = [], ""
    for number in range(len(cells)):
        nearest = of_cell.get(number) or nearest
        slugs.append(nearest)
    return slugs


def _slug(heading: str) -> str:
    text = unicodedata.normalize("NFKC", heading).lower()
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    slug = "-".join("".join(kept).split())
    if len(slug) <= _MAX_SLUG_CHARS:
        return slug
    whole_words = slug[: _MAX_SLUG_CHARS + 1].rpartition("-")[0]
    return whole_words or slug[:_MAX_SLUG_CHARS]


def _digits(source: str) -> str:
    text = source.strip().encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_HASH_DIGITS]


def _take(wanted: str, taken: set[str]) -> str:
    """`wanted`, or the first of `wanted-2`, `wanted-3` ... that is free."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    taken.add(name)
    return name
