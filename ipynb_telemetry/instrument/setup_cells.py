"""Which cell sets telemetry up, and what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.marks import is_added_cell
from ipynb_telemetry.instrument.python_source import body_start, tree
from ipynb_telemetry.source_strings import without_strings

_NAME = "setup_telemetry"
_CALL_IN_NO_PYTHON = re.compile(rf"^[ \t]*(?:[\w.]+\.)?{_NAME}\(", re.MULTILINE)


def sets_up(cell: Cell) -> bool:
    """Whether this is a setup cell, ours or one that the author has written."""
    if cell.kind != "code":
        return False
    if is_added_cell(cell.metadata):
        return True
    start = body_start(cell.text) if _NAME in cell.text else None
    if start is None:
        return False
    body = cell.text[start:]
    module = tree(body)
    if module is None:
        return _CALL_IN_NO_PYTHON.search(without_strings(body)) is not None
    return _call_in(module) is not None


def named_id(cells: Sequence[Cell]) -> str:
    """The notebook id in the setup cell; empty where there is none that is plain text."""
    call = _setup_call(cells)
    argument = call.args[0] if call and call.args else None
    value = argument.value if isinstance(argument, ast.Constant) else None
    return value if isinstance(value, str) else ""


def named_exercises(cells: Sequence[Cell]) -> list[str]:
    """The exercises in the setup cell, where they are a plain list."""
    call = _setup_call(cells)
    for keyword in call.keywords if call else ():
        if keyword.arg == "exercises" and isinstance(keyword.value, (ast.List, ast.Tuple)):
            values = [getattr(each, "value", None) for each in keyword.value.elts]
            return [value for value in values if isinstance(value, str)]
    return []


def _setup_call(cells: Sequence[Cell]) -> ast.Call | None:
    setup = next((cell for cell in cells if sets_up(cell)), None)
    start = body_start(setup.text) if setup else None
    module = None if setup is None or start is None else tree(setup.text[start:])
    return _call_in(module) if module else None


def _call_in(module: ast.Module) -> ast.Call | None:
    calls = (node for node in ast.walk(module) if isinstance(node, ast.Call))
    return next((call for call in calls if _called(call) == _NAME), None)


def _called(call: ast.Call) -> str:
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
