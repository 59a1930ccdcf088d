"""Notebooks as authors' tools make them, instrumented: each has the expected bytes beside it.

`tests/make_notebooks.py` says how they were made. What is expected was written by
`python tests/make_notebooks.py --expected` and then read; the tests below hold it to what can be
said without the code that wrote it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from instrumenting import NOTEBOOKS, cleaned, instrumented, plan

from ipynb_telemetry.instrument.json_text import NotReadableError
from ipynb_telemetry.notebook_cells import get_telemetry_setup_cell

NAMES = sorted(
    path.name
    for path in NOTEBOOKS.iterdir()
    if path.is_file() and path.suffix in {".ipynb", ".md", ".py"}
)
OF_JSON = [name for name in NAMES if name.endswith(".ipynb")]
# All their cells, or a cell's source, stand on one line of the file.
ON_ONE_LINE = {"one_line.ipynb", "source_as_text.ipynb"}


def before(name: str) -> bytes:
    return (NOTEBOOKS / name).read_bytes()


def expected(name: str) -> bytes:
    return (NOTEBOOKS / f"{name}.expected").read_bytes()


def cells(data: bytes) -> list[dict[str, Any]]:
    """The cells of nbformat 3 and 4, with the source of each as one text."""
    notebook = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    found = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
    for cell in found:
        cell["source"] = "".join(cell.pop("input", None) or cell["source"])
    return list(found)


def lines_without_ends(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def is_valid(data: bytes) -> bool:
    try:
        nbformat.validate(nbformat.reads(data.decode(), as_version=nbformat.NO_CONVERT))
    except (nbformat.ValidationError, nbformat.reader.NotJSONError):
        return False
    return True


def test_there_are_notebooks_of_every_kind() -> None:
    assert len(NAMES) >= 20
    assert {Path(name).suffix for name in NAMES} == {".ipynb", ".md", ".py"}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_becomes_what_is_expected(name: str) -> None:
    assert instrumented(before(name), NOTEBOOKS / name) == expected(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_time_changes_nothing(name: str) -> None:
    again = plan(expected(name), NOTEBOOKS / name)

    assert list(again.edits) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_was_added_is_taken_out_to_the_byte(name: str) -> None:
    assert cleaned(expected(name), NOTEBOOKS / name) == before(name)


@pytest.mark.parametrize("name", NAMES)
def test_from_one_that_has_nothing_nothing_is_taken(name: str) -> None:
    assert cleaned(before(name), NOTEBOOKS / name) == before(name)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_was_there_is_there_in_the_same_order(name: str) -> None:
    """`git diff` shows added lines only; in a file on one line, added characters only."""
    old, new = before(name), expected(name)
    if name in ON_ONE_LINE:
        left = iter(new)
        assert all(byte in left for byte in old)
    else:
        lines = iter(new.splitlines(keepends=True))
        assert all(line in lines for line in old.splitlines(keepends=True))


@pytest.mark.parametrize("name", OF_JSON)
def test_nbformat_takes_it_as_it_took_it_before(name: str) -> None:
    assert is_valid(expected(name)) == is_valid(before(name))


@pytest.mark.parametrize("name", OF_JSON)
def test_cells_are_what_they_were_but_for_the_lines(name: str) -> None:
    old, new = cells(before(name)), cells(expected(name))
    setup = [cell for cell in new if cell["metadata"].get("ipynb_telemetry") == {"added": True}]
    others = [cell for cell in new if cell not in setup]

    assert len(setup) == (1 if any(cell["cell_type"] == "code" for cell in old) else 0)
    for cell in setup:
        assert cell["source"] == get_telemetry_setup_cell("D1_Moon")
    assert len(others) == len(old)
    for was, is_now in zip(old, others, strict=True):
        added = [
            line
            for line in is_now["source"].splitlines()
            if line.endswith("# ipynb-telemetry") or "# ipynb-telemetry: test " in line
        ]
        kept = [line for line in is_now["source"].split("\n") if line not in added]
        assert "\n".join(kept) == was.pop("source")
        del is_now["source"]
        assert is_now == was


@pytest.mark.parametrize("name", ["jupytext.py", "jupytext.md"])
def test_a_text_becomes_what_the_notebook_it_is_paired_with_becomes(name: str) -> None:
    of_the_notebook = nbformat.reads(expected("jupytext.ipynb").decode(), as_version=4)
    form = {"jupytext.py": "py:percent", "jupytext.md": "md"}[name]

    of_the_text = jupytext.reads(expected(name).decode(), fmt=form)

    assert [(cell.cell_type, cell.source) for cell in of_the_text.cells] == [
        (cell.cell_type, cell.source) for cell in of_the_notebook.cells
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("julia.ipynb", "julia"),
        ("python2.ipynb", "Python 2"),
        ("half.ipynb", "JSON"),
        ("latin_1.ipynb", "UTF-8"),
        ("a_list.ipynb", "no notebook"),
        ("a_script.py", "no notebook"),
        ("a_page.md", "no notebook"),
        ("light.py", "no notebook.*format is light"),
        ("myst.md", "no notebook.*format is myst"),
    ],
)
def test_what_is_no_notebook_of_python_3_is_refused_by_name(name: str, words: str) -> None:
    path = NOTEBOOKS / "refused" / name

    with pytest.raises(NotReadableError, match=words):
        plan(path.read_bytes(), path)
