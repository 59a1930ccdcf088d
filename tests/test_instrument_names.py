"""The names that the added lines call: which cell sets them up, and whether they are ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from instrumenting import cleaned, instrumented, reasons
from lessons import a_code_cell, a_notebook

from ipynb_telemetry.instrument.additions import additions
from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.json_text import NotReadableError

NAME = Path("lesson.ipynb")


def test_cells_above_a_setup_cell_of_the_authors_own_are_left_alone() -> None:
    setup = 'from x import setup_telemetry\nsetup_telemetry("D1")'
    cells = [Cell("code", each) for each in ("above = 1", setup, "below = 1")]

    missing = additions(cells)

    assert missing.setup_before is None
    assert [line.cell for line in missing.lines] == [2]
    assert reasons(*cells) == [(0, "it stands above the setup cell")]


@pytest.mark.parametrize(
    "source", ["", "# a comment", "%%bash\nls", '_cell("mine")', "# ipynb-telemetry: test a\nx"]
)
def test_a_cell_above_it_that_needs_no_line_needs_no_word(source: str) -> None:
    assert reasons(Cell("code", source), Cell("code", 'setup_telemetry("D1")')) == []


@pytest.mark.parametrize(
    "source",
    [
        'setup_telemetry("D1")',
        'from ipynb_telemetry import bootstrap\nbootstrap.setup_telemetry("D1")',
        'if True:\n    panel = setup_telemetry("D1")',
        '%%capture\nsetup_telemetry("D1")',
        '!pip install x\nsetup_telemetry("D1")',
        'print "hello"\nsetup_telemetry("D1")',
    ],
)
def test_a_cell_that_calls_setup_telemetry_sets_up(source: str) -> None:
    assert additions([Cell("code", source)]).setup_before is None


@pytest.mark.parametrize(
    "source",
    [
        '"""Do not call\nsetup_telemetry("D1")\n"""',
        '# setup_telemetry("D1")',
        'print "hello"\ntext = """\nsetup_telemetry("D1")\n"""',
        "%%html\nsetup_telemetry()",
        "def setup_telemetry(): pass",
    ],
)
def test_a_cell_that_only_says_setup_telemetry_does_not(source: str) -> None:
    assert additions([Cell("code", source)]).setup_before == 0


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("_cell = 1", "_cell"),
        ("_cell: int = 1", "_cell"),
        ("def _cell(x): pass", "_cell"),
        ("class tracked_test: pass", "tracked_test"),
        ("import testing.tracked_test as tracked_test", "tracked_test"),
        ("from own import tracked_test", "tracked_test"),
        ("for _cell in cells: pass", "_cell"),
        ("with x as (_cell, y): pass", "_cell"),
        ("if (_cell := x): pass", "_cell"),
        ("if x:\n    _cell = 1", "_cell"),
        ("def set():\n    global _cell\n    _cell = 1", "_cell"),
        ("%%time\n_cell = 1", "_cell"),
        ("%pwd\n_cell = %pwd", "_cell"),
        ("del _cell", "_cell"),
    ],
)
@pytest.mark.parametrize("read", [a_notebook, None])
def test_a_notebook_that_uses_our_names_for_its_own_is_refused(
    source: str, name: str, read: Any
) -> None:
    text = f"# %%\nx = 1\n\n# %%\n{source}\n".replace("\n%", "\n# %").encode()
    data = a_notebook(a_code_cell("x = 1"), a_code_cell(source)) if read else text

    with pytest.raises(NotReadableError, match=f"cell 2 gives {name} a meaning of its own"):
        instrumented(data, NAME if read else Path("lesson.py"))
    assert cleaned(data, NAME if read else Path("lesson.py")) == data


@pytest.mark.parametrize(
    "source",
    [
        "_cell('moon')",
        "def show(_cell): return _cell",
        "def show():\n    _cell = 1",
        "[_cell for _cell in cells]",
        "x._cell = 1",
        "text = '_cell = 1'",
        "%%bash\n_cell=1",
        "def show():\n    global _cell\n    _cell('moon')",
        "import ipynb_telemetry.tracking as tracked_test",
        "from ipynb_telemetry.bootstrap import tracked_test",
        "def _cell(*x): pass\n\nsetup_telemetry('D1')",
    ],
)
def test_a_notebook_that_leaves_our_names_to_us_is_not(source: str) -> None:
    assert b"setup_telemetry" in instrumented(a_notebook(a_code_cell(source)), NAME)
