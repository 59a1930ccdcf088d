"""Notebooks as hypothesis makes them: odd cells, in every layout that JSON allows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

LINES = (
    "x = 1", "    x = 1", "\tx = 1", "", "   ", "# a comment", "    # a comment", "#@title Speed",
    "#| echo: false", "# %%", "%%time", "%%capture out", "%%time?", "%%bash", "%%timeit", " %%time",
    "%matplotlib inline", "!ls", "x?", "?x", "ls", "pip install x", "exit", "x;", "x = ...",
    "from __future__ import annotations", "from __future__ import division; y = 2", '"""text',
    'end of it"""', "'''one line'''", "def test_sum():", "    assert x == 1", "assert x", "@wraps",
    "async def test_later():", "await later()", "print 'old'", "x = (", ")", "if x:", "    pass",
    ">>> x = 1", "... y", "In [1]: x", "return", "\\", "x = \\", "class A:",
    "    def test_in(self):", '_cell("by hand")', "@tracked_test('mine')", 'setup_telemetry("D1")',
    "print('Passed!')", "text = 'é 月 🚀 \\u00e9'", "text = '_cell(1)'", "x\r", "\x0c", "\u2028",
    "%time x", "%%R",
    "# ipynb-telemetry: test by hand", "text = '''\n_cell('in it')  # ipynb-telemetry\n'''",
    "'''\n# ipynb-telemetry: test in it  # ipynb-telemetry\n'''", "def test_all(data):",
    "    def test_nested(): assert x",
    'f"{x}"', "lambda: 0", "for x in []:", "else:", "@property",
)  # fmt: skip
"""Lines of cells; put together at random they are Python, or nearly."""
HEADINGS = ("# The Moon", "## Exercise 1: light", "Text\n===", "text", "```\n# code\n```", "")
TAGS = (
    "test",
    "parameters",
    "injected-parameters",
    "raises-exception",
    "exercise-1",
    "no-test",
    "no-telemetry",
)

sources = st.one_of(
    st.lists(st.sampled_from(LINES), max_size=8).map("\n".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def written_sources(draw: st.DrawFn, text: str) -> str | list[str]:
    """A cell's text as one string, as lines, or in pieces as no tool would write them."""
    form = draw(st.sampled_from(("lines", "lines", "text", "pieces")))
    if form == "text":
        return text
    if form == "lines":
        return text.splitlines(keepends=True)
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=4).map(sorted))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def cells(draw: st.DrawFn, major: int, *, with_id: bool) -> dict[str, Any]:
    kind = draw(st.sampled_from(("code", "code", "code", "markdown", "raw")))
    text = draw(sources if kind == "code" else st.sampled_from(HEADINGS))
    source = draw(written_sources(text))
    metadata: dict[str, Any] = {}
    if draw(st.integers(0, 3)) == 0:
        metadata["tags"] = draw(st.lists(st.sampled_from(TAGS), max_size=2))
    if draw(st.integers(0, 9)) == 0:
        settings = {"grade_id": st.just("moon"), "checksum": st.just("0")}
        flags = {name: st.booleans() for name in ("grade", "solution", "locked")}
        metadata["nbgrader"] = draw(st.fixed_dictionaries(flags, optional=settings))
    cell: dict[str, Any] = {"cell_type": kind, "metadata": metadata}
    cell["input" if major < 4 and kind == "code" else "source"] = source
    if kind == "code":
        cell["outputs"] = draw(st.lists(json_values, max_size=2))
    if with_id:
        cell["id"] = draw(st.uuids(version=4)).hex[:8]
    order = draw(st.permutations(list(cell)))
    return {key: cell[key] for key in order}


@st.composite
def notebooks(draw: st.DrawFn) -> dict[str, Any]:
    """What a notebook says; of Python 3, or of no language that it names."""
    major, minor = draw(st.sampled_from(((4, 5), (4, 4), (4, 0), (3, 0))))
    made = draw(st.lists(cells(major, with_id=minor == 5), max_size=6))
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "3"}}
    notebook: dict[str, Any] = {"nbformat": major, "nbformat_minor": minor, "metadata": kernel}
    if major < 4:
        notebook["worksheets"] = [{"cells": made}]
    else:
        notebook["cells"] = made
    order = draw(st.permutations(list(notebook)))
    return {key: notebook[key] for key in order}


@st.composite
def written(draw: st.DrawFn, notebook: dict[str, Any]) -> bytes:
    """The notebook as some tool or some hand would write it."""
    indent = draw(st.sampled_from((None, 0, 1, 2, 4, "\t")))
    comma, colon = draw(st.sampled_from(((",", ":"), (",", ": "), (", ", ": "), (",", ":  "))))
    text = json.dumps(
        notebook, indent=indent, separators=(comma, colon), ensure_ascii=draw(st.booleans())
    )
    text += draw(st.sampled_from(("", "\n", "\n\n")))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair can be written as an escape only
        data = json.dumps(notebook).encode()
    return draw(st.sampled_from((b"", b"", b"\xef\xbb\xbf"))) + data
