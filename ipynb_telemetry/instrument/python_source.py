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

from ipynb_telemetry.source_strings import without_strings

# The cell magics that run their body as Python, once and in this kernel. Their line ends where
# IPython ends it, and is no question for help.
_OTHER_ENDS = r"\r\f\v\x1c-\x1e\x85\u2028\u2029"
_RUNS_BODY_ONCE = re.compile(rf"%%(?:time|capture)(?:[ \t][^{_OTHER_ENDS}\n]*)?\r?\n")
_CELL_MAGIC = re.compile(r"[ \t]*%%(\w+)(?!.*\?[ \t]*$)")
# Colab's form, Quarto's and nbdev's options and a cell's mark count at the top of a cell only.
_DIRECTIVE = re.compile(r"#\s?(?:@title|@markdown|\||%%)|#!")
# What IPython takes off all lines depends on the first two: prompts, and an indent.
_FIRST_LINES_MATTER = re.compile(r"\s|.*\n?[ \t]*(?:>>>|\.\.\.|In \[)")
_PYTHON_2 = re.compile(
    r"^[ \t]*(?:print[ \t]+[^\s(=]|exec[ \t]+[\"']|raise[ \t]+\w+[ \t]*,|except\b.+,[ \t]*\w+:)",
    re.MULTILINE,
)
_CELL_CALL = re.compile(r"^[ \t]*_cell\(", re.MULTILINE)
_ONE_LINE_COMMAND = re.compile(r"[ \t]*(\w+)(?:[ \t]*$|[ \t]+[^\s=,])")
_KEPT_TREES = 64  # a cell is looked at several times, and a large one's tree is large
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
        if not line.text.lstrip().startswith("%%"):
            break
        if not _RUNS_BODY_ONCE.fullmatch(line.text):
            return None
        start = line.start + len(line.text)
    return start


def cell_magic(source: str) -> str:
    """The magic whose cell has no Python that we know how to track: `bash` of `%%bash`.

    Empty where there is none, or only a question for its help.
    """
    for line in lines(source):
        if line.text.strip() and not _RUNS_BODY_ONCE.fullmatch(line.text):
            found = _CELL_MAGIC.match(line.text)
            return found[1] if found else ""
    return ""


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
    """The first line from `start` on above which `line` changes nothing else that is run.

    Args:
        source: All of the cell's text.
        start: Where its Python begins.
        line: A `_cell` call or a comment. It needs the indent of the line that is returned.
    """
    body = source[start:]
    is_bound_to_the_top = "__future__" in body
    if not is_bound_to_the_top and not _FIRST_LINES_MATTER.match(body) and _tree(body):
        return next(_places(source, start), None)
    before = _tree_of_transformed(body)
    if before is None:  # it fails now, and may be mended by a student
        return None if is_bound_to_the_top else next(_places(source, start), None)
    for place in _places(source, start):
        at = place.start - start
        after = _tree_of_transformed(f"{body[:at]}{place.indent}{line}\n{body[at:]}")
        if after is not None and _without_tracking(after) == _without_tracking(before):
            return place
    return None


def is_tracked(source: str, module: ast.Module | None) -> bool:
    """Whether a cell calls `_cell` already.

    Args:
        source: Its text.
        module: What of it is run; None where that is no Python.
    """
    if module is None:
        return _CELL_CALL.search(without_strings(source)) is not None
    return "_cell" in source and any(map(_is_cell_call, ast.walk(module)))


def _is_cell_call(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "_cell"


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


def _without_tracking(module: ast.Module) -> str:
    rest = [statement for statement in module.body if not _is_cell_call(statement)]
    return ast.dump(ast.Module(rest, []))


@functools.lru_cache(_KEPT_TREES)
def _tree_of_transformed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a line ends as it does, for instance
            return _tree(_transformer().transform_cell(source))
    except _NOT_COMPILED:
        return None


@functools.lru_cache(_KEPT_TREES)
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
