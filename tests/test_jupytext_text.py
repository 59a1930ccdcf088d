"""Notebooks that jupytext keeps as text: their cells are found where jupytext finds them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jupytext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from ipynb_telemetry.instrument.jupytext_text import Text, is_jupytext, read_text, unknown_format

NOTEBOOKS = Path(__file__).parent / "notebooks"
FORMATS = {"lesson.py": "py:percent", "lesson.md": "md"}
HEADER = (
    "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n#       format_name: {}\n# ---\n"
)

LINES = [
    "x = 1",
    "",
    "# a comment",
    "%%time",
    "%matplotlib inline",
    "!ls",
    "x?",
    "?x",
    "    y = 2",
    "def f():",
    "    return 1",
    "@decorated",
    "# Title",
    "it's",
    "'''a\n# %%\nb'''",
    '"""\n\n\n# %% [markdown]\n"""',
    "text",
]
SOURCES = st.lists(st.sampled_from(LINES), max_size=6).map("\n".join)
METADATA = st.sampled_from(
    [{}, {"tags": ["test", "a b"]}, {"nbgrader": {"grade": True, "locked": False}}]
)
CELLS = st.builds(
    lambda new, source, metadata: new(source, metadata=metadata),
    st.sampled_from([new_code_cell, new_code_cell, new_markdown_cell, new_raw_cell]),
    SOURCES,
    METADATA,
)


Cell = tuple[str, str, dict[str, Any]]


def as_jupytext_reads(text: str, name: str) -> list[Cell]:
    cells = jupytext.reads(text, fmt=FORMATS[name]).cells
    for cell in cells:
        cell.metadata.pop("lines_to_next_cell", None)  # a note to itself
    return without_blanks((cell.cell_type, cell.source, cell.metadata) for cell in cells)


def as_we_read(text: Text) -> list[Cell]:
    return without_blanks((cell.kind, cell.source, cell.metadata) for cell in text.cells)


def without_blanks(cells: Iterable[Cell]) -> list[Cell]:
    """Of cells that are not code, the lines around them belong to none."""
    return [
        (kind, source if kind == "code" else source.strip(), metadata)
        for kind, source, metadata in cells
        if kind == "code" or source.strip()
    ]


@settings(deadline=None)
@given(st.lists(CELLS, max_size=5), st.sampled_from(sorted(FORMATS)))
def test_any_notebook_is_read_as_jupytext_reads_it(cells: list[Any], name: str) -> None:
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    text = jupytext.writes(notebook, fmt=FORMATS[name])

    ours = read_text(text, name)

    assert as_we_read(ours) == as_jupytext_reads(text, name)
    assert is_jupytext(text, name)
    assert ours.metadata == {"kernelspec": kernel}


@pytest.mark.parametrize("name", ["jupytext.py", "jupytext.md", "jupytext_no_header.py"])
def test_a_cells_lines_are_where_it_says(name: str) -> None:
    text = read_text((NOTEBOOKS / name).read_text("utf-8"), name)

    (light,) = (cell for cell in text.cells if cell.source.startswith("def light_seconds"))
    assert "".join(text.lines[light.first : light.end]).strip() == light.source
    assert text.lines[light.start] in {"# %%\n", "```python\n"}


@pytest.mark.parametrize(
    ("name", "text", "claim"),
    [
        ("lesson.py", "# %%\nx = 1\n", True),
        ("lesson.py", HEADER.format("percent") + "x = 1\n", True),
        ("lesson.py", HEADER.format("light") + "# %%\nx = 1\n", False),
        ("lesson.py", "x = 1\n", False),
        ("lesson.py", "", False),
        ("lesson.md", "# A page\n\n```python\nx = 1\n```\n", False),
        ("lesson.md", "---\njupyter:\n  jupytext:\n    formats: md\n---\n", True),
        ("lesson.md", "---\njupytext:\n  format_name: myst\n---\n", False),
    ],
    ids=["marker", "header", "another format", "a script", "empty", "a page", "md header", "MyST"],
)
def test_only_a_notebook_is_taken_for_one(name: str, text: str, claim: bool) -> None:
    assert is_jupytext(text, name) is claim


@pytest.mark.parametrize("form", ["md:myst", "md:pandoc", "py:light", "py:sphinx", "py:hydrogen"])
def test_a_format_that_is_not_known_is_named(form: str) -> None:
    if form == "md:pandoc":  # which needs a program of that name
        text = HEADER.replace("# ", "").format("pandoc")
    else:
        text = jupytext.writes(new_notebook(cells=[new_code_cell("x = 1")]), fmt=form)
    ending, _, name = form.partition(":")

    assert unknown_format(text, f"lesson.{ending}") == name


def test_markdown_of_directives_is_myst_without_saying_so() -> None:
    header = "---\njupytext:\n  formats: md:myst\n---\n\n"

    assert unknown_format(f"{header}```{{code-cell}} ipython3\nx = 1\n```\n", "a.md") == "myst"
    assert unknown_format(f"{header}```python\nx = 1\n```\n", "a.md") == ""


def test_what_stands_before_the_first_marker_is_a_cell() -> None:
    text = read_text(
        "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nimport math\n\n# %%\nx = 1\n", "a.py"
    )

    assert [(cell.kind, cell.source) for cell in text.cells] == [
        ("code", "import math"),
        ("code", "x = 1"),
    ]


def test_line_ends_stay_in_the_lines() -> None:
    text = read_text("# %%\r\nx = 1\r\n\r\n# %% [markdown]\r\n# Title\r\n", "lesson.py")

    assert [cell.source for cell in text.cells] == ["x = 1", "Title"]
    assert text.lines[1] == "x = 1\r\n"
