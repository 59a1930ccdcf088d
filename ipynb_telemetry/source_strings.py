"""Which lines of a cell stand inside a string, and so are no code whatever they look like."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

_MAY_REACH_THE_NEXT_LINE = re.compile(r"'''|\"\"\"|\\\r?\n")
_MAY_BE_A_MAGIC = re.compile(r"^[ \t]*[%!?]", re.MULTILINE)
# For what is no Python: a magic's line, a comment or a string, whichever begins first. A string
# that has no end is none, so that one quote too many hides nothing.
_SIGNS = re.compile(
    r"^[ \t]*[%!?][^\n]*|\#[^\n]*"
    r"|'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\""
    r"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|\\.",
    re.MULTILINE | re.DOTALL,
)
_NO_PYTHON = (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError)


def lines_inside_strings(source: str) -> set[int]:
    r"""The lines, counted from 0, whose first character belongs to a string begun above.

    Args:
        source: Of a cell: Python, magics of IPython, or what a student has not finished. A line
            ends with `\n` alone.
    """
    if not _MAY_REACH_THE_NEXT_LINE.search(source):  # nearly all cells
        return set()
    try:
        if _MAY_BE_A_MAGIC.search(source):
            ast.parse(source)  # in which `%` at the beginning of a line is the operator
        return set(_by_tokens(source))
    except _NO_PYTHON:
        return set(_by_signs(source))


def without_strings(source: str) -> str:
    """The source, as long as it was, in which no line inside a string looks like code."""
    inside = lines_inside_strings(source)
    if not inside:
        return source
    return "\n".join(
        '"' + line[1:] if line and at in inside else line
        for at, line in enumerate(source.split("\n"))
    )


def _by_tokens(source: str) -> Iterator[int]:
    begun: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "ERRORTOKEN":  # up to Python 3.11, which goes on behind it
            raise SyntaxError(token.string)
        if kind == "STRING":
            yield from range(token.start[0], token.end[0])
        elif kind.endswith("STRING_START"):  # f-strings since 3.12, t-strings since 3.14
            begun.append(token.start[0])
        elif kind.endswith("STRING_END"):
            yield from range(begun.pop(), token.end[0])


def _by_signs(source: str) -> Iterator[int]:
    at = line = 0
    for sign in _SIGNS.finditer(source):
        line += source.count("\n", at, sign.start())
        at = sign.end()
        until = line + sign[0].count("\n")
        if sign[0][0] in "'\"":
            yield from range(line + 1, until + 1)
        line = until
