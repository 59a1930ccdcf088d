"""Lines and the setup cell in notebooks that jupytext keeps as text, put in and taken out."""

from __future__ import annotations

from typing import Any

import jupytext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook
from test_jupytext_text import CELLS, FORMATS

from ipynb_telemetry.instrument.jupytext_edits import with_added, without_added
from ipynb_telemetry.instrument.jupytext_text import read_text

LINE = '_cell("exercise_1")  # ipynb-telemetry'
MARKER = "# ipynb-telemetry: test exercise_1  # ipynb-telemetry"
SETUP = "#@title Telemetry\n# import os\n\ndef load():\n    pass\n\nsetup_telemetry('D1')"


@settings(deadline=None)
@given(st.lists(CELLS, max_size=5), st.sampled_from(sorted(FORMATS)), st.data())
def test_what_was_added_to_any_notebook_is_read_and_can_be_taken_out(
    cells: list[Any], name: str, data: Any
) -> None:
    text = jupytext.writes(new_notebook(cells=cells), fmt=FORMATS[name])
    read = read_text(text, name)
    before = data.draw(st.integers(0, len(read.cells)))
    to_mark = [
        (number, 0, LINE)
        for number, cell in enumerate(read.cells)
        if cell.kind == "code" and not cell.source.startswith("%%") and cell.source
    ]

    changed = with_added(read, name, to_mark, (before, SETUP))

    expected = [cell.source for cell in read.cells]
    for number, _, _ in to_mark:
        expected[number] = f"{LINE}\n{expected[number]}"
    expected.insert(before, SETUP)
    assert [cell.source for cell in read_text(changed, name).cells] == expected
    if data.draw(st.booleans()):
        changed = "\r\n".join(changed.split("\n"))
        text = "\r\n".join(text.split("\n"))
    assert without_added(read_text(changed, name)) == text
    (setup,) = (
        cell for cell in jupytext.reads(changed, fmt=FORMATS[name]).cells if cell.source == SETUP
    )
    assert setup.metadata["ipynb_telemetry"] == {"added": True}


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lesson.py", "# %%\nx = 1"),
        ("lesson.py", "x = 1\n\n# %%\ny = 2"),
        ("lesson.py", "# ---\n# jupyter: {}\n# ---"),
        ("lesson.md", "---\njupyter:\n  jupytext: {}\n---\n\n# Title"),
        ("lesson.md", "---\njupyter:\n  jupytext: {}\n---\n\n```python\nx = 1\n```"),
    ],
)
def test_a_setup_cell_at_either_end_can_be_taken_out(name: str, text: str, end: str) -> None:
    for before in (0, len(read_text(text, name).cells)):
        changed = with_added(read_text(text + end, name), name, [], (before, SETUP))

        sources = [cell.source for cell in read_text(changed, name).cells]
        assert sources[before] == SETUP
        assert without_added(read_text(changed, name)) == text + end


def test_lines_above_in_and_at_the_end_of_a_cell() -> None:
    text = "# %%\n# %%time\nx = 1\n\ndef test_x():\n    assert x\n"
    source = "%%time\nx = 1\n\ndef test_x():\n    assert x"
    decorator = '@tracked_test("x")  # ipynb-telemetry'
    added = [(0, 7, LINE), (0, source.index("def"), decorator)]

    changed = with_added(read_text(text, "a.py"), "a.py", added, None)

    assert changed == (
        f"# %%\n# %%time\n{LINE}\nx = 1\n\n{decorator}\ndef test_x():\n    assert x\n"
    )
    assert without_added(read_text(changed, "a.py")) == text


def test_what_jupytext_writes_again_can_still_be_taken_out() -> None:
    cells = [new_code_cell("def f():\n    return 1"), new_code_cell("assert f()")]
    text = jupytext.writes(new_notebook(cells=cells), fmt="py:percent")
    changed = with_added(read_text(text, "a.py"), "a.py", [(1, 0, MARKER)], (0, SETUP))

    again = jupytext.writes(jupytext.reads(changed, fmt="py:percent"), fmt="py:percent")

    assert without_added(read_text(again, "a.py")) == text
