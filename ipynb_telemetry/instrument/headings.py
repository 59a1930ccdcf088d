"""The headings of a lesson, and under which of them a cell stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ipynb_telemetry.instrument.cells import Cell

_FENCED = re.compile(r"^[ ]{0,3}(```+|~~~+).*?(?:^[ ]{0,3}\1|\Z)", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(
    r"^[ ]{0,3}(?P<signs>\#{1,6})[ \t]*(?P<after>[^\#\s].*?)[ \t]*\#*[ \t]*$"
    r"|^(?P<above>\S.*)\n[ ]{0,3}(?P<line>=|-)(?P=line)+[ \t]*$"
    r"|<h(?P<level>[1-6])\b[^>]*>(?P<between>.*?)</h",
    re.MULTILINE | re.IGNORECASE,
)
_LINK_OR_TAG = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|<[^>]+>|[*_`]{1,3}")


class Heading(NamedTuple):
    cell: int
    """The number of the cell it stands in."""
    level: int
    text: str


def headings(cells: Sequence[Cell]) -> list[Heading]:
    """All headings in their order."""
    found = []
    for number, cell in enumerate(cells):
        if cell.kind == "heading":  # nbformat 3
            found.append(Heading(number, 2, " ".join(cell.text.split())))
        elif cell.kind == "markdown":
            found += [Heading(number, level, text) for level, text in _in_markdown(cell.text)]
    return [heading for heading in found if heading.text]


def is_title(cell: Cell) -> bool:
    """Whether a cell begins the lesson with a heading."""
    return bool(headings([cell]))


def _in_markdown(text: str) -> Iterator[tuple[int, str]]:
    for found in _HEADING.finditer(_FENCED.sub("", text)):
        if found["signs"]:
            level, words = len(found["signs"]), found["after"]
        elif found["line"]:
            level, words = 1 if found["line"] == "=" else 2, found["above"]
        else:
            level, words = int(found["level"]), found["between"]
        yield level, " ".join(_LINK_OR_TAG.sub(r"\1", words).split())
