"""Whether a notebook is Python 3, by all that it says and by its cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.python_source import body_start, looks_like_python_2, tree

_PYTHON = re.compile(r"(?:i?python|pyodide|xpython|xeus-python)\d?[\d.]*", re.IGNORECASE)
_PYTHON_NAME = re.compile(r"python|conda|venv|virtualenv|pyodide|xpython|pypy", re.IGNORECASE)
# Kernels that name their language in nothing but their own name.
_OTHERS = re.compile(
    r"(?:ir|r|julia|bash|zsh|deno|typescript|javascript|ijavascript|tslab|\.net|csharp|fsharp"
    r"|powershell|xcpp|cling|c|cpp|rust|gophernotes|go|scala|almond|spylon|apache_toree|java"
    r"|ijava|kotlin|clojure|octave|matlab|sas|sql|xsql|haskell|ihaskell|ruby|iruby|perl|iperl|raku"
    r"|lua|ilua|php|coq|lean|ocaml|elixir|erlang|wolfram|mathematica|maxima|gnuplot|stata|sos"
    r"|calysto|q|robotframework|xrobot|prolog|forth|nim|dart|swift|singular|gap|sagemath|tcl)"
    r"(?:[-_ .\d\[(].*|\d*)",
    re.IGNORECASE,
)


def why_not_python_3(metadata: Mapping[str, Any], cells: Sequence[Cell]) -> str | None:
    """Why these cells are not instrumented, in a person's words; None where they are Python 3.

    What the notebook says of its language comes first, then its kernel's name, then its cells:
    a fifth of real notebooks name no language, and most of those are Python.
    """
    kernel, info = _part(metadata, "kernelspec"), _part(metadata, "language_info")
    languages = [_text(info, "name"), _text(kernel, "language"), _of_cells(cells)]
    language = next(filter(None, languages), "")
    name, shown = _text(kernel, "name"), _text(kernel, "display_name")
    if language and not _PYTHON.fullmatch(language):
        return f"its language is {language}, not Python"
    version = _text(info, "version") or _mode_version(info)
    if version.startswith("2") or (
        not version and "python2" in f"{name} {language}".lower().replace(" ", "")
    ):
        return "it is Python 2"
    if language and (version or "3" in name + shown):
        return None
    if not language and name and not _PYTHON_NAME.search(name):
        if _OTHERS.fullmatch(name) or _OTHERS.fullmatch(shown):
            return f"its kernel is {name}, which is not Python"
        if not _mostly_python(cells):
            return f"its kernel is {name}, and most of its cells are not Python"
    return "it is Python 2: " + two if (two := _python_2(cells)) else None


def is_of_another_language(cell: Cell) -> bool:
    """A cell of another language in a notebook of Python."""
    language = cell.language or _text(cell.part("vscode"), "languageId")
    return bool(language) and not _PYTHON.fullmatch(language)


def _of_cells(cells: Sequence[Cell]) -> str:
    """The language of most cells; nbformat 3 says it there."""
    named = Counter(cell.language for cell in cells if cell.kind == "code" and cell.language)
    return named.most_common(1)[0][0] if named else ""


def _python_2(cells: Sequence[Cell]) -> str:
    """Its first line of Python 2, if it has more cells of that than cells with `print(...)`."""
    old = [cell.text for cell in _code(cells) if looks_like_python_2(cell.text)]
    new = sum("print(" in cell.text and tree(cell.text) is not None for cell in _code(cells))
    if len(old) <= new:
        return ""
    return next(line.strip() for line in old[0].splitlines() if looks_like_python_2(line))


def _mostly_python(cells: Sequence[Cell]) -> bool:
    code = [cell.text for cell in _code(cells) if body_start(cell.text) is not None]
    return 2 * sum(tree(text) is not None for text in code) >= len(code)


def _code(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.kind == "code" and cell.text.strip()]


def _mode_version(info: Mapping[str, Any]) -> str:
    version = _part(info, "codemirror_mode").get("version")
    return str(version) if isinstance(version, int) else ""


def _part(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = metadata.get(name)
    return found if isinstance(found, dict) else {}


def _text(part: Mapping[str, Any], name: str) -> str:
    found = part.get(name)
    return found.strip() if isinstance(found, str) else ""
