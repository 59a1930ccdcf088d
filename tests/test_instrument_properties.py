"""What holds for every notebook that hypothesis can make."""

from __future__ import annotations

import ast
import io
import json
import warnings
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from instrumenting import cleaned, instrumented
from IPython.core.inputtransformer2 import TransformerManager
from notebook_strategies import LINES, json_values, notebooks, sources, written

from ipynb_telemetry.instrument.json_text import JsonText
from ipynb_telemetry.instrument.python_source import body_start, place_for

NAME = Path("lesson.ipynb")
many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
files = notebooks().flatmap(written)
transformer = TransformerManager()
_PARSE = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST


def as_it_runs(source: str) -> str | None:
    """What IPython would run of a cell, below the magics that run it here; None: it cannot."""
    start = body_start(source)
    body = source[start:] if start is not None else source
    return None if tree(body) is None else body


def tree(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what IPython and Python say of odd source
            code = transformer.transform_cell(source)
            compile(code, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            module = compile(code, "cell", "exec", _PARSE)
            assert isinstance(module, ast.Module)
            return module
    except (SyntaxError, ValueError):
        return None


def code_cells(data: bytes) -> list[dict[str, Any]]:
    notebook = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def text_of(cell: dict[str, Any]) -> str:
    return "".join(cell["input"] if "input" in cell else cell["source"])


def is_setup(cell: dict[str, Any]) -> bool:
    return "ipynb_telemetry" in cell["metadata"]


@many
@given(files)
def test_what_is_added_can_be_taken_out_to_the_byte(data: bytes) -> None:
    assert cleaned(instrumented(data, NAME), NAME) == data


@many
@given(files)
def test_a_second_run_changes_no_byte(data: bytes) -> None:
    once = instrumented(data, NAME)

    assert instrumented(once, NAME) == once


@many
@given(files)
def test_a_cell_that_could_run_can_run_afterwards(data: bytes) -> None:
    before = [text_of(cell) for cell in code_cells(data)]
    after = [text_of(cell) for cell in code_cells(instrumented(data, NAME)) if not is_setup(cell)]

    assert len(after) == len(before)
    for was, is_now in zip(before, after, strict=True):
        if as_it_runs(was) is not None:
            assert as_it_runs(is_now) is not None, is_now


@many
@given(sources)
def test_a_line_changes_nothing_else_that_is_run(source: str) -> None:
    start = body_start(source)
    place = None if start is None else place_for(source, start, "_cell('added')")
    before = None if start is None else tree(source[start:])
    if place is None or before is None:
        return
    changed = f"{source[: place.start]}{place.indent}_cell('added')\n{source[place.start :]}"

    after = tree(changed[start:])

    assert after is not None
    statements = list(map(ast.dump, after.body))
    assert [each for each in statements if "'added'" not in each] == list(
        map(ast.dump, before.body)
    )


@many
@given(notebooks(), st.data())
def test_it_can_be_taken_out_after_outputs_ids_and_other_cells_changed(
    notebook: dict[str, Any], data: st.DataObject
) -> None:
    """A front end has saved it: each `source` is a list of lines, the file is laid out anew."""
    before = json.dumps(notebook, indent=1)
    lesson = json.loads(instrumented(before.encode(), NAME))
    plain = json.loads(before)
    new_outputs = data.draw(st.lists(json_values, max_size=2))
    new_cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["mine = 1"]}
    at_end = data.draw(st.booleans())
    for each in (lesson, plain):
        cells = each["cells"] if "cells" in each else each["worksheets"][0]["cells"]
        for number, cell in enumerate(cell for cell in cells if not is_setup(cell)):
            cell["id"] = f"new-{number}"
            key = "input" if "input" in cell else "source"
            cell[key] = "".join(cell[key]).splitlines(keepends=True)
            if cell["cell_type"] == "code":
                cell["outputs"] = new_outputs
        cells.insert(len(cells) if at_end else 0, new_cell)

    saved, as_if_never = (json.dumps(each, indent=1).encode() for each in (lesson, plain))

    assert cleaned(saved, NAME) == as_if_never


@many
@given(json_values, st.integers(1, 16), st.booleans())
def test_json_is_read_alike_in_any_window(value: object, window: int, ascii_only: bool) -> None:
    raw = f" {json.dumps([value], ensure_ascii=ascii_only)} ".encode("utf-8", "replace")
    whole = JsonText(io.BytesIO(raw), window)

    items = [whole.raw().value() for _ in whole.items()]
    whole.finish()
    passed_over = JsonText(io.BytesIO(raw), window)
    passed_over.skip()
    passed_over.finish()

    assert repr(items) == repr(json.loads(raw))


def test_the_lines_are_of_every_kind() -> None:
    assert len(set(LINES)) == len(LINES) > 50
