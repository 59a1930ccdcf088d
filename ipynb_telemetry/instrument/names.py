"""Whether a lesson uses telemetry's names for something of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.languages import is_of_another_language
from ipynb_telemetry.instrument.python_source import body_start, tree
from ipynb_telemetry.instrument.setup_cells import sets_up

NAMES = ("_cell", "tracked_test")
"""What the added lines call."""
_PACKAGE = "ipynb_telemetry"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_INNER = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def why_names_are_taken(cells: Sequence[Cell]) -> str | None:
    """What stands against calling `_cell` and `tracked_test`; None where nothing does.

    A setup cell may bind them, as stand-ins for instance, and so may an import from our package.
    """
    for number, cell in enumerate(cells):
        if cell.kind != "code" or not any(name in cell.text for name in NAMES):
            continue
        taken = None if sets_up(cell) else next(_taken_in(cell), None)
        if taken is not None:
            return (
                f"cell {number + 1} gives {taken} a meaning of its own, "
                "and the added lines would call that; rename it"
            )
    return None


def _taken_in(cell: Cell) -> Iterator[str]:
    start = body_start(cell.text)
    module = None if start is None else tree(cell.text[start:])
    if module is not None and not is_of_another_language(cell):
        yield from (name for name in _bound_in(module) if name in NAMES)


def _bound_in(module: ast.Module) -> Iterator[str]:
    """The names to which a cell gives a value where all other cells see it."""
    yield from _bound_by(module)
    for scope in ast.walk(module):
        if isinstance(scope, _SCOPES):
            inner = [*ast.walk(scope)]
            shared = {name for node in inner if isinstance(node, ast.Global) for name in node.names}
            yield from shared & {*_bound_by(scope)}


def _bound_by(block: ast.AST) -> Iterator[str]:
    """Those of a statement and of what is in it, but for what has names of its own."""
    for node in ast.iter_child_nodes(block):
        if isinstance(node, _INNER):
            continue
        if isinstance(node, _SCOPES):
            yield node.name
            continue
        if isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias) and not _is_ours(node.name):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            yield node.name or ""
        yield from _bound_by(node)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == _PACKAGE
