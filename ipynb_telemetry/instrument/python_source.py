r"""A code cell's text as IPython reads it, and where in it a line can be added.

A place is the number of characters before it. It is where a line that has text begins, so what
is added there moves lines down and changes none.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from IPython.core import magics
from IPython.core.alias import default_aliases
from IPython.core.inputtransformer2 import TransformerManager

RUN_ONCE = ("%%time", "%%capture")
"""The cell magics that run their body as Python, once and in this kernel."""
# Colab's form, Quarto's and nbdev's options and a cell's mark count at the top of a cell only.
_DIRECTIVE = re.compile(r"#\s?(?:@title|@markdown|\||%%)|#!")
# What IPython takes off all lines depends on the first two: prompts, and an indent.
_FIRST_LINES_MATTER = re.compile(r"\s|.*\n?[ \t]*(?:>>>|\.\.\.|In \[)")
_MAGIC = re.compile(r"%%\w+")
_PYTHON_2 = re.compile(
    r"^[ \t]*(?:print[ \t]+[^\s(=]|exec[ \t]+[\"']|raise[ \t]+\w+[ \t]*,|except\b.+,[ \t]*\w+:)",
    re.MULTILINE,
)
_ONE_LINE_COMMAND = re.compile(r"[ \t]*(\w+)(?:[ \t]*$|[ \t]+[^\s!=()<>,+*/%^&|])")
_NOT_COMPILED = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


class Line(NamedTuple):
    start: int
    text: str

    @property
    def says_nothing(self) -> bool:
        return not self.text.strip() or self.text.lstrip().startswith("#")

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip(" \t"))]


def lines(source: str, start: int = 0) -> list[Line]:
    r"""The lines from the place `start` on; a line ends with `\n` alone."""
    found = []
    for text in re.findall(r"[^\n]*\n|[^\n]+", source[start:]):
        found.append(Line(start, text))
        start += len(text)
    return found


def tree(source: str) -> ast.Module | None:
    """What IPython would run; None where it would say that this is no Python."""
    return _tree(source) or _tree_of_transformed(source)


def body_start(source: str) -> int | None:
    """Where the Python begins, below `%%time` and `%%capture`; None below other cell magics."""
    start = 0
    for line in lines(source):
        if not line.text.strip():
            continue
        magic = _MAGIC.match(line.text)
        if magic is None:
            return start if not line.text.lstrip().startswith("%%") else None
        rest = line.text[magic.end() :]
        if magic[0] not in RUN_ONCE or rest.startswith("?") or line.text.rstrip("\r\n") != (
            line.text.splitlines()[0]
        ):
            return None
        start = line.start + len(line.text)
    return start


def has_nothing_to_run(source: str, start: int = 0) -> bool:
    """Nothing but comments and white space."""
    return all(line.says_nothing for line in lines(source, start))


def is_a_command(source: str) -> bool:
    """One line such as `pwd` or `pip install x`, which IPython knows only if it is alone."""
    said = [line.text for line in lines(source) if line.text.strip()]
    command = _ONE_LINE_COMMAND.match(said[0]) if len(said) == 1 else None
    return command is not None and command[1] in _commands()


def looks_like_python_2(source: str) -> bool:
    """Python 2 and not Python 3: `print "hello"` and its like."""
    return bool(_PYTHON_2.search(source)) and tree(source) is None


def place_for(source: str, start: int, line: str) -> Line | None:
    """The first place from `start` on where `line` changes nothing else that is run.

    Args:
        source: All of the cell's text.
        start: Where its Python begins.
        line: A `_cell` call or a comment, without indent and newline.

    Returns:
        The place, and the line with its indent; None where there is no such place.
    """
    body = source[start:]
    direct = _tree(body)
    safe = direct is not None and "__future__" not in body and not _FIRST_LINES_MATTER.match(body)
    before = direct or _tree_of_transformed(body)
    for place in _places(source, start):
        if safe or (before is None and "__future__" not in body):
            return place._replace(text=place.indent + line)
        if before is not None:
            at = place.start - start
            after = f"{body[:at]}{place.indent}{line}\n{body[at:]}"
            if _runs_the_same(before, tree(after)):
                return place._replace(text=place.indent + line)
    return None


def untracked_tests(source: str, start: int) -> Iterator[tuple[str, Line]]:
    """The functions `test_*` of a cell, each with the line above which its decorator goes.

    That is above the decorators it has: what runs when the test is called is the attempt, and
    a decorator that repeats it makes no more of them.
    """
    body = source[start:]
    before = _tree(body)
    if before is None or "\r" in body.replace("\r\n", "") or "\f" in body:
        return
    placed = lines(source, start)
    for test in tests(before):
        if any(map(_is_tracking, test.decorator_list)):
            continue
        first = min([test.lineno, *(decorator.lineno for decorator in test.decorator_list)])
        line = placed[first - 1]
        if line.text.startswith(("@", "def ", "async ")):
            yield test.name, line


def tests(module: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions `test_*` that stand in no other function or class."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        part for part in module.body if isinstance(part, functions) and part.name.startswith("test_")
    ]


def is_all_assertions(module: ast.Module) -> bool:
    """Assertions, and beside them nothing but imports and words: `print("All passed!")`."""
    kinds = {_kind(statement) for statement in module.body}
    return "assertion" in kinds and "other" not in kinds


def _kind(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Assert):
        return "assertion"
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return "beside"
    if not isinstance(statement, ast.Expr):
        return "other"
    value = statement.value
    if isinstance(value, ast.Constant):
        return "beside"
    if not isinstance(value, ast.Call):
        return "other"
    called = value.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    if name.startswith("assert"):
        return "assertion"
    words = name == "print" and all(isinstance(each, ast.Constant) for each in value.args)
    return "beside" if words else "other"


def calls_cell(module: ast.Module) -> bool:
    """Whether the author tracks this cell already."""
    return any(map(_is_cell_call, module.body))


def _is_cell_call(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "_cell"


def _is_tracking(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(named, "id", "") == "tracked_test"


def _places(source: str, start: int) -> Iterator[Line]:
    """First below what must stay first, then below each line from there to the last import."""
    found = [line for line in lines(source, start) if line.text.strip()]
    while found and _DIRECTIVE.match(found[0].text.lstrip()):
        del found[0]
    if not found:
        return
    yield found[0]
    if "__future__" in source:
        yield from (each for each in found[1:] if not each.indent)


def _runs_the_same(before: ast.Module, after: ast.Module | None) -> bool:
    return after is not None and _dump(before) == _dump(after)


def _dump(module: ast.Module) -> str:
    rest = [statement for statement in module.body if not _is_cell_call(statement)]
    return ast.dump(ast.Module(rest, []))


def _tree_of_transformed(source: str) -> ast.Module | None:
    try:
        return _tree(_transformer().transform_cell(source))
    except _NOT_COMPILED:
        return None


def _tree(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of "\d" is said where it runs
            module = compile(source, "cell", "exec", _PARSE, dont_inherit=True)
            compile(module, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except _NOT_COMPILED:
        return None
    return module if isinstance(module, ast.Module) else None


_PARSE = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@functools.cache
def _transformer() -> TransformerManager:
    return TransformerManager()


@functools.cache
def _commands() -> set[str]:
    """All that a line of its own can name without `%`."""
    known = {"exit", "quit", "less", "more", "man", "connect_info", "qtconsole", "autosave"}
    known |= {"ed", "hist", "rep"} | {name for name, _ in default_aliases()}
    for name in dir(magics):
        of_class = getattr(getattr(magics, name), "magics", None)
        known |= set(of_class.get("line", ())) if isinstance(of_class, dict) else set()
    return known
