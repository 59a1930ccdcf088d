"""Notebooks that jupytext keeps as text: what they get, alone and beside their pair."""

from __future__ import annotations

import codecs
import io
import re
import shutil
from pathlib import Path

import pytest
from instrumenting import NOTEBOOKS, cleaned, instrumented, plan

from ipynb_telemetry.instrument.json_text import NotReadableError
from ipynb_telemetry.instrument.jupytext_plan import plan_instrument_text

TEXT = (NOTEBOOKS / "jupytext.py").read_bytes()


def ids(text: bytes) -> list[str]:
    return re.findall(r'_cell\("([^"]+)".*# ipynb-telemetry', text.decode())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a text is that no notebook is paired with."""
    return tmp_path / "jupytext.py"


def test_alone_its_ids_come_from_its_headings(path: Path) -> None:
    assert ids(instrumented(TEXT, path))[:2] == ["the-moon-04fe61", "exercise-1-light-07bf9a"]


def test_beside_its_notebook_it_has_the_ids_of_that(path: Path) -> None:
    shutil.copy(NOTEBOOKS / "jupytext.ipynb", path.parent)

    assert ids(instrumented(TEXT, path)) == ["cell-1", "cell-3", "cell-6", "cell-8", "cell-9"]


def test_beside_its_instrumented_notebook_too(path: Path) -> None:
    shutil.copy(NOTEBOOKS / "jupytext.ipynb.expected", path.with_suffix(".ipynb"))

    assert instrumented(TEXT, path) == (NOTEBOOKS / "jupytext.py.expected").read_bytes()


def test_beside_a_notebook_with_other_cells_it_stands_alone(path: Path) -> None:
    shutil.copy(NOTEBOOKS / "jupyter.ipynb", path.with_suffix(".ipynb"))

    assert ids(instrumented(TEXT, path))[0] == "the-moon-04fe61"


def test_beside_a_notebook_that_cannot_be_read_it_stands_alone(path: Path) -> None:
    path.with_suffix(".ipynb").write_text("{")

    assert ids(instrumented(TEXT, path))[0] == "the-moon-04fe61"


def test_a_byte_order_mark_stays_first(path: Path) -> None:
    with_mark = codecs.BOM_UTF8 + TEXT

    changed = instrumented(with_mark, path)

    assert changed == codecs.BOM_UTF8 + instrumented(TEXT, path)
    assert cleaned(changed, path) == with_mark


def test_line_ends_of_windows_stay(path: Path) -> None:
    with_crlf = TEXT.replace(b"\n", b"\r\n")

    changed = instrumented(with_crlf, path)

    assert changed == instrumented(TEXT, path).replace(b"\n", b"\r\n")
    assert cleaned(changed, path) == with_crlf


def test_what_is_not_utf_8_is_refused(path: Path) -> None:
    with pytest.raises(NotReadableError, match="not UTF-8"):
        plan(TEXT + "# schön".encode("latin-1"), path)


def test_another_kernel_is_refused(path: Path) -> None:
    julia = TEXT.replace(b"language: python", b"language: julia").replace(b"python3", b"julia-1.10")

    with pytest.raises(NotReadableError, match="julia"):
        plan(julia, path)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("a.py", '# %% tags=["no-telemetry"]\n{}\n'),
        ("a.md", '```python tags=["no-telemetry"]\n{}\n```\n'),
    ],
)
def test_a_cell_tagged_no_telemetry_stays_as_it_is(name: str, cell: str, tmp_path: Path) -> None:
    sign = "# " if name == "a.py" else ""
    header = f"{sign}---\n{sign}jupytext:\n{sign}---\n\n"
    text = header + cell.format("def test_x():\n    assert x")

    made = instrumented(text.encode(), tmp_path / name).decode()

    assert made.endswith(text.removeprefix(header))
    assert "# ipynb-telemetry" not in made


def test_settings_go_into_the_setup_cell(path: Path) -> None:
    wanted = plan_instrument_text(io.BytesIO(TEXT), path, "D1", {"cohort": "spring"})

    assert b'setup_telemetry("D1", cohort="spring")' in wanted.edits[0].new
    assert (wanted.setup_cell, wanted.lines) == (True, 7)
