"""Where the cells lie in a notebook that jupytext keeps as text: `.py` (percent) and `.md`."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, Literal, NamedTuple

Kind = Literal["code", "markdown", "raw"]

_MARKER = re.compile(r"^\s*#\s*%%(?!%)(?:\s(?P<options>.*))?$")
_PERCENT_KIND = re.compile(r"\[(markdown|md|raw)\]")
_COMMENTED_MAGIC = re.compile(
    r"^(\s*)#\s?(?=(?:# ?)*(?:%{1,2}[a-zA-Z]|![\w.]|\?{1,2}[\w.]+\s*$|[\w.]+\?{1,2}\s*$))"
)
_FENCE = re.compile(r"^(?P<fence>```+)\s*(?P<language>[\w.+-]*)(?P<options>.*)$")
_REGION = re.compile(
    r"^<!--\s*#(?P<end>end)?(?P<kind>region|markdown|md|raw)\b(?P<options>.*)-->\s*$"
)
_FORMAT = re.compile(r"\bformat_name:[ \t]*['\"]?([\w-]+)")
_MYST_CELL = re.compile(r"^(?:```+|:::+)[ \t]*\{code-cell\}", re.MULTILINE)
_KEY = re.compile(r"(?:^|\s)([\w.-]+)=")
_QUOTES = re.compile(r"'''|\"\"\"|'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|#.*|\\.")
_PYTHONS = ("python", "python3", "ipython3")
_decoder = json.JSONDecoder()


class TextCell(NamedTuple):
    """A cell, and the lines of the text, counted from 0, in which it lies."""

    kind: Kind
    source: str
    """As the notebook has it: magics are no comments there, and code of another language
    begins with its magic, which is no line of the text."""
    metadata: dict[str, Any]
    start: int
    """The line with its marker; the first of `source` where it has none."""
    first: int
    """The first line of `source`."""
    end: int
    """The line after `source`."""


class Text(NamedTuple):
    lines: list[str]
    """With their ends."""
    metadata: dict[str, Any]
    """The notebook's own, as far as the header tells it: `kernelspec`."""
    cells: list[TextCell]


def is_jupytext(text: str, name: str) -> bool:
    """Whether a file's header says that it is a notebook, or its cells do (`# %%`).

    False as well where it is one in a format that `read_text` does not know.
    """
    header = _header_of(text, name)
    if unknown_format(text, name):
        return False
    if _is_markdown(name):
        return "jupytext:" in header
    return "format_name:" in header or any(map(_MARKER.match, text.splitlines()))


def unknown_format(text: str, name: str) -> str:
    """The format of jupytext that a file says it has and `read_text` does not know, or empty.

    MyST Markdown, for instance: its cells are directives and not fences of a language.
    """
    known = "markdown" if _is_markdown(name) else "percent"
    header = _header_of(text, name)
    if "jupytext:" not in header:
        return ""
    said = _FORMAT.search(header)
    if said and said[1] != known:
        return said[1]
    is_myst = _is_markdown(name) and _MYST_CELL.search(text)
    return "myst" if is_myst else ""


def read_text(text: str, name: str) -> Text:
    """The cells of a text of which `is_jupytext` is true."""
    lines = text.splitlines(keepends=True)
    bare = [line.rstrip("\r\n") for line in lines]
    header = _header(bare, _prefix(name))
    read = _cells_of_markdown if _is_markdown(name) else _cells_of_percent
    return Text(lines, _notebook_metadata(header), list(read(bare, len(header))))


def _is_markdown(name: str) -> bool:
    return PurePath(name).suffix == ".md"


def _header_of(text: str, name: str) -> str:
    return "\n".join(_header(text.splitlines(), _prefix(name)))


def _prefix(name: str) -> str:
    return "" if _is_markdown(name) else "# "


def _header(lines: Sequence[str], prefix: str) -> Sequence[str]:
    """The lines up to the end of the header; none where there is no header."""
    rule, first = f"{prefix}---".strip(), 0
    while first < len(lines) and prefix and re.match(r"#!|#.*coding[:=]", lines[first]):
        first += 1
    if lines[first : first + 1] != [rule]:
        return lines[:first]
    with contextlib.suppress(ValueError):
        return lines[: lines.index(rule, first + 1) + 1]
    return lines[:first]


def _notebook_metadata(header: Sequence[str]) -> dict[str, Any]:
    """The kernelspec; its three lines need no reader of YAML."""
    kernelspec: dict[str, str] = {}
    margin = -1
    for line in header:
        text = _uncommented(line)
        indent, (key, _, value) = len(text) - len(text.lstrip()), text.strip().partition(": ")
        if key == "kernelspec:":
            margin = indent
        elif 0 <= margin < indent:
            kernelspec[key] = value.strip("'\"")
        else:
            margin = -1
    return {"kernelspec": kernelspec} if kernelspec else {}


# Percent: a cell goes from its marker to the next


def _cells_of_percent(lines: Sequence[str], begin: int) -> Iterator[TextCell]:
    markers = [at for at in _outside_strings(lines, begin) if _MARKER.match(lines[at])]
    before_the_first = markers[0] if markers else len(lines)
    if any(line.strip() for line in lines[begin:before_the_first]):
        yield _percent_cell(lines, begin, begin, before_the_first, "")
    for at, until in zip(markers, [*markers, len(lines)][1:], strict=True):
        marker = _MARKER.match(lines[at])
        options = (marker and marker["options"]) or ""
        yield _percent_cell(lines, at, at + 1, until, options)


def _percent_cell(
    lines: Sequence[str], start: int, first: int, until: int, options: str
) -> TextCell:
    while first < until and start == first and not lines[first].strip():
        start = first = first + 1  # what follows a header
    end = until
    while end > first and end > until - 2 and not lines[end - 1]:  # what separates two cells
        end -= 1
    metadata, kind = _metadata(options), _PERCENT_KIND.search(options)
    if kind is not None:
        return TextCell(
            "raw" if kind[1] == "raw" else "markdown",
            "\n".join(map(_uncommented, lines[first:end])),
            metadata, start, first, end,
        )  # fmt: skip
    language = str(metadata.get("language", "python"))
    if language in _PYTHONS:
        source = [_COMMENTED_MAGIC.sub(r"\1", line) for line in lines[first:end]]
    else:
        source = [f"%%{language}", *(_uncommented(line) for line in lines[first:end])]
    return TextCell("code", "\n".join(source), metadata, start, first, end)


def _uncommented(line: str) -> str:
    return line.removeprefix("#").removeprefix(" ")


def _outside_strings(lines: Sequence[str], begin: int) -> Iterator[int]:
    """The lines that do not begin inside a string of several lines."""
    open_quote = ""
    for at in range(begin, len(lines)):
        line, position = lines[at], 0
        if not open_quote:
            yield at
        while position < len(line):
            if open_quote:
                closing = line.find(open_quote, position)
                if closing < 0:
                    break
                position, open_quote = closing + 3, ""
            token = _QUOTES.search(line, position)
            if token is None:
                break
            position = token.end()
            if token[0] in ("'''", '"""'):
                open_quote = token[0]


# Markdown: code stands between fences, and all else is text


def _cells_of_markdown(lines: Sequence[str], begin: int) -> Iterator[TextCell]:
    at = text_from = begin
    while at < len(lines):
        fence, region = _FENCE.match(lines[at]), _REGION.match(lines[at])
        if region is not None and not region["end"]:
            yield from _text_cells(lines, text_from, at)
            end = _find(lines, at + 1, rf"<!--\s*#end{region['kind']}\s*-->\s*$")
            kind: Kind = "raw" if region["kind"] == "raw" else "markdown"
            source, metadata = "\n".join(lines[at + 1 : end]), _metadata(region["options"])
            yield TextCell(kind, source, metadata, at, at + 1, end)
            at = text_from = end + 1
        elif fence is not None:
            end = _find(lines, at + 1, rf"{fence['fence']}\s*$")
            if fence["language"].lower() in _CELL_LANGUAGES and ".noeval" not in fence["options"]:
                yield from _text_cells(lines, text_from, at)
                language = fence["language"].lower()
                magic = [] if language in _PYTHONS else [f"%%{language}"]
                source = "\n".join([*magic, *lines[at + 1 : end]])
                yield TextCell("code", source, _metadata(fence["options"]), at, at + 1, end)
                text_from = end + 1
            at = end + 1
        else:
            at += 1
    yield from _text_cells(lines, text_from, len(lines))


# Of the languages that jupytext makes cells of, those with a magic of IPython or common kernels.
_CELL_LANGUAGES = (
    *_PYTHONS, "python2", "bash", "script", "perl", "javascript", "js", "latex", "markdown",
    "html", "svg", "ruby", "sh", "r", "julia", "sql", "cython", "rust", "sage",
)  # fmt: skip


def _text_cells(lines: Sequence[str], first: int, end: int) -> Iterator[TextCell]:
    """Two blank lines end a cell of text, where they are in no block of code."""
    at, blanks, indented = first, 0, False
    while at < end:
        line = lines[at]
        if not line.strip():
            blanks += not indented
        elif line.startswith("    ") and (blanks or indented):
            blanks, indented = 0, True
        else:
            if blanks >= 2:  # noqa: PLR2004  # jupytext's rule, said above
                yield from _text_cell(lines, first, at)
                first = at
            blanks, indented = 0, False
            if (fence := _FENCE.match(line)) is not None:
                at = _find(lines, at + 1, rf"{fence['fence']}\s*$")
        at += 1
    yield from _text_cell(lines, first, end)


def _text_cell(lines: Sequence[str], first: int, end: int) -> Iterator[TextCell]:
    while first < end and not lines[first].strip():
        first += 1
    while end > first and not lines[end - 1].strip():
        end -= 1
    if first < end:
        yield TextCell("markdown", "\n".join(lines[first:end]), {}, first, first, end)


def _find(lines: Sequence[str], begin: int, pattern: str) -> int:
    """The first line from `begin` on that matches; the end where none does."""
    found = (at for at in range(begin, len(lines)) if re.match(pattern, lines[at]))
    return next(found, len(lines))


def _metadata(options: str) -> dict[str, Any]:
    """What jupytext writes beside a cell's marker: `tags=["test"] nbgrader={...}`."""
    found: dict[str, Any] = {}
    at = 0
    while (key := _KEY.search(options, at)) is not None:
        at = key.end()
        with contextlib.suppress(ValueError):
            found[key[1]], at = _decoder.raw_decode(options, at)
    braces = options.find("{")
    if not found and braces >= 0:  # its other way to write the same
        with contextlib.suppress(ValueError):
            found, _ = _decoder.raw_decode(options, braces)
    return found
