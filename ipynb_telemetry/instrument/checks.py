"""What in a cell tests an exercise: functions `test_*`, and nothing but assertions."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from typing import NamedTuple

from ipynb_telemetry.instrument.python_source import Line, lines, tree
from ipynb_telemetry.source_strings import without_strings

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
_HEAD = r"(?:async[ \t]+)?def[ \t]+{name}[ \t]*\("
_TRACKED = re.compile(r"[ \t]*@tracked_test\b")
_DECORATOR = "@tracked_test()"
_MOST_LINES = 50
"""Of the decorators above one function."""


class Untracked(NamedTuple):
    """A test function without `@tracked_test`."""

    name: str
    below: Line | None
    """The line above which its decorator goes; None where none can be put."""


def tests(module: ast.Module) -> list[Function]:
    """The functions `test_*` that test something and stand in no other function or class."""
    return [each for each in _functions(module) if _is_test(each)]


def untracked_tests(source: str, start: int) -> Iterator[Untracked]:
    """The test functions of a cell to which nobody has given `@tracked_test`.

    It goes above the decorators they have: what runs when the test is called is the attempt,
    and a decorator that repeats it makes no more of them.

    Args:
        source: All of the cell's text.
        start: Where its Python begins.
    """
    body = source[start:]
    if "test_" not in body:
        return
    module = tree(body)
    if module is None:
        yield from (Untracked(name, None) for name in _named_in_no_python(body))
        return
    for number, test in enumerate(tests(module)):
        if not any(map(_is_tracking, test.decorator_list)):
            yield Untracked(test.name, _place_for_decorator(source, start, number, test))


def is_all_assertions(module: ast.Module) -> bool:
    """Assertions, and beside them nothing but imports and words: `print("All passed!")`."""
    kinds = {_kind(statement) for statement in module.body}
    return "assertion" in kinds and "other" not in kinds


def _functions(block: ast.AST) -> Iterator[Function]:
    """Those of a module, in its `if`, `try` and `with` too."""
    for part in ast.iter_child_nodes(block):
        if isinstance(part, _FUNCTIONS):
            yield part
        elif not isinstance(part, (*_SCOPES, ast.expr)):
            yield from _functions(part)


def _is_test(function: Function) -> bool:
    """Named `test_*`; one that cannot be called without arguments has to assert or raise.

    `def test_model(model, data): return model.score(data)` is a helper, whose runs say nothing
    of an exercise.
    """
    if not function.name.startswith("test_"):
        return False
    wanted = function.args
    needs = len(wanted.posonlyargs) + len(wanted.args) > len(wanted.defaults)
    needs = needs or None in wanted.kw_defaults
    return not needs or any(map(_can_fail, ast.walk(function)))


def _can_fail(node: ast.AST) -> bool:
    return isinstance(node, (ast.Assert, ast.Raise)) or (
        isinstance(node, ast.Call) and _called(node).startswith(("assert", "fail", "raises"))
    )


def _place_for_decorator(source: str, start: int, number: int, test: Function) -> Line | None:
    """The line above which a decorator makes this test, the number-th, tracked and no more.

    IPython moves lines when it makes Python of magics, so that the place is not in the tree: it
    is found by its words, and taken if the tree with the decorator is the one that is wanted.
    """
    body = source[start:]
    head = re.compile(rf"[ \t]*{_HEAD.format(name=re.escape(test.name))}")
    wanted = _tracked(body, number)
    placed, shown = lines(source, start), lines(without_strings(body))
    for at, line in enumerate(shown):
        if not head.match(line.text):
            continue
        for place in placed[at::-1][:_MOST_LINES]:
            here = place.start - start
            made = tree(f"{body[:here]}{place.indent}{_DECORATOR}\n{body[here:]}")
            if made is not None and ast.dump(made) == wanted:
                return place
            if not test.decorator_list:
                break
    return None


def _tracked(body: str, number: int) -> str:
    """What is wanted: the cell in which that test has our decorator, above its own."""
    module = copy.deepcopy(tree(body)) or ast.Module([], [])
    decorator = ast.Call(ast.Name("tracked_test", ast.Load()), [], [])
    tests(module)[number].decorator_list.insert(0, decorator)
    return ast.dump(module)


def _named_in_no_python(body: str) -> Iterator[str]:
    """The functions `test_*` at the left margin that have no decorator of ours above them."""
    above = ""
    head = re.compile(_HEAD.format(name=r"(test_\w+)"))
    for line in lines(without_strings(body)):
        found = head.match(line.text)
        if found and not _TRACKED.match(above):
            yield found[1]
        above = line.text


def _kind(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Assert):
        return "assertion"
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return "beside"
    value = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(value, ast.Call):
        return _kind_of_call(value)
    return "beside" if isinstance(value, ast.Constant) else "other"


def _kind_of_call(call: ast.Call) -> str:
    name = _called(call)
    if name.startswith("assert"):
        return "assertion"
    is_words = name == "print" and all(isinstance(each, ast.Constant) for each in call.args)
    return "beside" if is_words else "other"


def _called(call: ast.Call) -> str:
    """The last part of what is called; empty where that is no name."""
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _is_tracking(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(named, "id", "") == "tracked_test"
