"""What changes in a notebook file: bytes put in, and bytes taken out again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ipynb_telemetry.instrument.json_text import Raw
from ipynb_telemetry.instrument.marks import SETUP_METADATA, added_spans
from ipynb_telemetry.instrument.notebook import Item, Notebook, Place, items

_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE_OR_PLAIN = re.compile(rf"{_PAIR}|\\u[0-9a-fA-F]{{4}}|\\.|[^\\]+")


class Edit(NamedTuple):
    """The bytes from `start` to `end` become `new`."""

    start: int
    end: int
    new: bytes


def added_line(place: Place, at: int, line: str, *, escape: bool) -> Edit:
    r"""Put a line into a cell's source.

    Args:
        place: Of the cell, whose source is text.
        at: The place in the text, at the beginning of a line.
        line: Without the newline.
        escape: Whether characters above ASCII are written as `\u` escapes.
    """
    source = _source_of(place)
    string = _json(f"{line}\n", escape=escape)
    if source.text.startswith(b'"'):
        inside = _places_in(source, [at])[0]
        return Edit(inside, inside, string[1:-1])
    strings, before = items(source), 0
    for number, item in enumerate(strings):
        if before == at:
            gap = _gap_between(strings, number, place)
            return Edit(item.raw.start, item.raw.start, string + b"," + gap)
        if at < before + len(item.text):
            inside = _places_in(item.raw, [at - before])[0]
            return Edit(inside, inside, string[1:-1])
        before += len(item.text)
    msg = f"the source has no line at {at}"
    raise ValueError(msg)


def removed_lines(place: Place) -> list[Edit]:
    """Take all that was added out of a cell's source."""
    source = _source_of(place)
    if source.text.startswith(b'"'):
        return _cuts(source, added_spans(source.value()))
    strings = items(source)
    text = "".join(item.text for item in strings)
    spans = added_spans(text)
    if not spans:
        return []
    edits, whole, before = [], [], 0
    for item in strings:
        end = before + len(item.text)
        inside = [(max(a, before), min(b, end)) for a, b in spans if a < end and before < b]
        is_whole = bool(item.text) and inside == [(before, end)]
        whole.append(is_whole)
        if inside and not is_whole:
            edits += _cuts(item.raw, [(a - before, b - before) for a, b in inside])
        before = end
    spans_of_items = [(item.raw.start, item.raw.end) for item in strings]
    inside_list = (source.start + 1, source.end - 1)
    return edits + list(_without(spans_of_items, whole, inside_list))


def added_cell(notebook: Notebook, before: int, source: str, *, escape: bool) -> Edit:
    """Put the setup cell before the cell of that number, in the layout of that cell."""
    place = notebook.places[before]
    cell: dict[str, Any] = {"cell_type": "code"}
    lines = source.splitlines(keepends=True)
    if notebook.version[0] < 4:  # noqa: PLR2004  # where a code cell is another object
        cell |= {"collapsed": False, "input": lines, "language": "python"}
        cell |= {"metadata": SETUP_METADATA, "outputs": [], "prompt_number": None}
    else:
        cell |= {"execution_count": None}
        if notebook.version >= (4, 5):
            cell |= {"id": _free_id(notebook)}
        cell |= {"metadata": SETUP_METADATA, "outputs": [], "source": lines}
    new = _written(cell, place, escape=escape) + b"," + place.layout.before
    return Edit(place.start, place.start, new)


def removed_cells(notebook: Notebook, added: Sequence[bool]) -> Iterator[Edit]:
    """Take whole cells out, each with the comma that it needed.

    Args:
        notebook: The notebook.
        added: For each of its cells whether it goes.
    """
    places = notebook.places
    firsts = [number for number, place in enumerate(places) if place.previous_end is None]
    for first, end in zip(firsts, [*firsts, len(places)][1:], strict=True):
        spans = [(place.start, place.end) for place in places[first:end]]
        inside = (places[first].start - len(places[first].layout.before), places[end - 1].end)
        yield from _without(spans, added[first:end], inside)


def applied(edits: Iterable[Edit], data: bytes) -> bytes:
    """The data with all edits made."""
    parts, at = [], 0
    for edit in sorted(edits, key=lambda each: each.start):
        parts += [data[at : edit.start], edit.new]
        at = edit.end
    return b"".join([*parts, data[at:]])


def _source_of(place: Place) -> Raw:
    if place.source is None:
        msg = "this cell's source is no text"
        raise ValueError(msg)
    return place.source


def _gap_between(strings: Sequence[Item], number: int, place: Place) -> bytes:
    """The white space that stands between two strings of this list."""
    gap = strings[number].gap
    if number or b"\n" in gap:
        return gap
    return strings[1].gap if len(strings) > 1 else place.layout.after_colon.strip(b"\r\n")


def _without(
    spans: Sequence[tuple[int, int]], goes: Sequence[bool], inside: tuple[int, int]
) -> Iterator[Edit]:
    """Take parts out of a list in the file.

    Args:
        spans: From where to where each part of the list goes.
        goes: For each part whether it is taken out.
        inside: From where to where all of the list goes, without its brackets.
    """
    for is_out, run in groupby(range(len(spans)), key=lambda number: goes[number]):
        first, *others = run
        last = others[-1] if others else first
        if not is_out:
            continue
        if last + 1 < len(spans):
            yield Edit(spans[first][0], spans[last + 1][0], b"")
        elif first > 0:
            yield Edit(spans[first - 1][1], spans[last][1], b"")
        else:
            yield Edit(*inside, b"")


def _cuts(raw: Raw, spans: Sequence[tuple[int, int]]) -> list[Edit]:
    places = _places_in(raw, [place for span in spans for place in span])
    return [Edit(a, b, b"") for a, b in zip(places[::2], places[1::2], strict=True)]


def _places_in(raw: Raw, wanted: Sequence[int]) -> list[int]:
    """Where in the file the characters of a string stand.

    Args:
        raw: The string as it stands in the file.
        wanted: Numbers of characters of its value, in ascending order.
    """
    text = raw.text.decode("utf-8")
    found, value_at, left = [], 0, list(wanted)
    tokens = _ESCAPE_OR_PLAIN.finditer(text, 1, len(text) - 1)
    for token in tokens:
        plain = not token[0].startswith("\\")
        length = len(token[0]) if plain else 1
        while left and left[0] < value_at + length:
            inside = left.pop(0) - value_at
            found.append(token.start() + inside)
        value_at += length
    found += [len(text) - 1] * len(left)
    return [raw.start + len(text[:at].encode()) for at in found]


def _written(cell: dict[str, Any], place: Place, *, escape: bool) -> bytes:
    """The cell as JSON, in the layout of the cell at `place`."""
    layout = place.layout
    if b"\n" not in layout.inside:
        separators = ("," + layout.after_colon.decode(), ":" + layout.after_colon.decode())
        return _json(cell, escape=escape, separators=separators)
    newline = b"\r\n" if b"\r\n" in layout.inside else b"\n"
    outer = layout.before.rsplit(b"\n")[-1] if b"\n" in layout.before else b""
    inner = layout.inside.rsplit(b"\n")[-1]
    step = inner.removeprefix(outer) if inner != outer else b""
    written = _json(cell, escape=escape, indent=1, separators=(",", ":" + " "))
    lines: list[bytes] = []
    for line in written.split(b"\n"):
        depth = len(line) - len(line.lstrip(b" "))
        lines.append((outer + step * depth if depth or lines else b"") + line.lstrip(b" "))
    return newline.join(lines)


def _free_id(notebook: Notebook) -> str:
    taken = {cell.id for cell in notebook.cells}
    names = ["telemetry-setup", *(f"telemetry-setup-{number}" for number in range(2, 1000))]
    return next(name for name in names if name not in taken)


def _json(value: object, *, escape: bool, **layout: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=escape, **layout)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair cannot stand in UTF-8
        return json.dumps(value, ensure_ascii=True, **layout).encode()
