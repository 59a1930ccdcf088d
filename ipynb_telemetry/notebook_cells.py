"""Source text of the cells that an author puts into a notebook.

The cells are plain Python: they run in a notebook, as a script and through jupytext.
"""

from __future__ import annotations

import ast
import os
import warnings
from string import Template

from ipynb_telemetry.source_strings import lines_inside_strings

SETTINGS = (
    "host",
    "api_key",
    "student",
    "roster",
    "exercises",
    "cohort",
    "send_code",
    "enabled",
)
DEFAULT_PACKAGE_NAME = "ipynb-telemetry"
DEFAULT_PACKAGE_SPEC = "git+https://github.com/FarisHijazi/ipynb-telemetry.git"
# The first release with all that a setup cell relies on: the import path and SETTINGS. Not the
# release that made the cell: then each release would change every notebook of every author,
# and send a class whose computers have the last one back to the network for nothing.
CONTRACT_SINCE = (0, 2)

_MAX_PREVIEW_CHARACTERS = 60
_MAX_CALL_CHARACTERS = 99  # a longer call of setup_telemetry gets a line for each argument

# A student sees this first in every lesson, so its reasons are here and not there:
# - In Colab the title shows, and the code on demand.
# - It compiles on Python 3.8 too, where the package itself cannot be installed.
# - The stand-ins come first: whoever interrupts a slow installation has them as well.
# - `kept` is what Jupyter runs on, and what Colab pins. pip and uv take each of `as_is` as a
#   requirement that is already met; if one would have to move, they refuse, and the lesson
#   goes on. When our package is too old, that is one more requirement, which is not met.
# - git asks for a password at the terminal whatever its stdin is: GIT_TERMINAL_PROMPT=0.
# - ipykernel asks its child processes for colour in three ways, so the codes are cut out.
# - git's own words, then uv's cause, then the first error say best why it failed; pip's
#   "subprocess-exited-with-error" only says that something else did.
# - A pip that has to make the user's site-packages leaves it out of this process's sys.path.
# - setup_telemetry is called outside `try`: an author's mistake reaches the author.
_SETUP_CELL = Template(
    r"""
#@title Telemetry: run this cell first { display-mode: "form" }
# Your teacher sees, live, which exercises you have done, and can help where it is needed.
# The panel below asks for your name, shows everything that is sent, and lets you pause.
# To turn it off, remove the "# " in front of the next line and run this cell again:
# import os; os.environ["DO_NOT_TRACK"] = "1"

def _load_telemetry(wait_s=60):
    import builtins, os, re, site, subprocess, sys
    from importlib import invalidate_caches, metadata, util

    # Stand-ins that do nothing: the cells below run with telemetry and without it.
    nothing = lambda *args, **settings: None
    vars(builtins).setdefault("STUDENT_NAME", "")
    vars(builtins).setdefault("_cell", nothing)
    vars(builtins).setdefault("_telemetry_capture", nothing)
    vars(builtins).setdefault("tracked_test", lambda it: it if callable(it) else lambda test: test)

    # Install what is missing or too old, in a minute at most; Jupyter itself stays as it is.
    env, python = os.environ.get, sys.executable
    package = env("TELEMETRY_PACKAGE_NAME") or $name
    source = env("TELEMETRY_PACKAGE_SPEC") or $spec
    version = lambda name: [found.version for found in metadata.distributions(name=name)][:1]
    try:
        numbers = lambda text: [int(number) for number in re.findall(r"\d+", text)]
        newer = [f"{package}>=$version" for v in version(package) if numbers(v) < $numbers]
        if newer or not util.find_spec("ipynb_telemetry"):
            for switch in "DO_NOT_TRACK", "TELEMETRY_DISABLED":
                if env(switch, "0").strip().lower() not in ("", "0", "false", "no", "off"):
                    raise RuntimeError(f"it is off, because {switch} is set")
            kept = "ipykernel", "ipython", "ipywidgets", "requests", "traitlets"
            as_is = [f"{name}=={v}" for name in kept for v in version(name)]
            pip = [python, "-m", "pip", "install"]
            uv = ["uv", "pip", "install", "--python", python]
            done = subprocess.run(
                [*(pip if util.find_spec("pip") else uv), "--quiet", source, *newer, *as_is],
                env={**os.environ, "GIT_TERMINAL_PROMPT": "0"}, timeout=wait_s,
                stdin=subprocess.DEVNULL, capture_output=True, errors="replace")
            if done.returncode:
                raise RuntimeError(done.stderr or f"exit status {done.returncode}")
            if site.ENABLE_USER_SITE:
                site.addsitedir(site.getusersitepackages())
            invalidate_caches()
        from ipynb_telemetry.bootstrap import setup_telemetry
        return setup_telemetry
    except Exception as problem:
        said = re.sub(r"\x1b\[[\d;]*m", "", str(problem) or repr(problem)).strip()
        words = "fatal: ", "cause: ", "error: (?!subprocess)", "timed out"
        why = [line for word in words for line in re.findall(rf"(?i)\b{word}.*", said)]
        print("The lesson goes on without telemetry:", (why or said.split("\n")[-1:])[0][:300])
        return nothing

setup_telemetry = _load_telemetry()
$call
""".strip()
)


def get_telemetry_setup_cell(notebook_id: str, **settings: object) -> str:
    """Source text of a notebook's first cell, which sets up telemetry or does without it.

    The cell installs the package where it is missing or older than `CONTRACT_SINCE`. If that
    fails within a minute, it prints one line that says why, and the lesson runs without.

    Args:
        notebook_id: The author's name for the notebook, such as `D3_Datetimes`.
        **settings: Arguments for `setup_telemetry`, any of `SETTINGS`, written into the cell.
            Their values must be plain ones, whose `repr` is Python.

    Returns:
        Lines of plain Python, without a newline at the end. `TELEMETRY_PACKAGE_NAME` and
        `TELEMETRY_PACKAGE_SPEC`, where they are set now, become the cell's own defaults: a
        class with a fork of its own gets the fork. The student's environment comes before.

    Raises:
        TypeError: `notebook_id` is no string, or a setting does not exist or is not plain.
        ValueError: `notebook_id` is empty.
    """
    _require_text("notebook_id", notebook_id, 'get_telemetry_setup_cell("D3_Datetimes")')
    arguments = [quoted(notebook_id)]
    for name, value in settings.items():
        if name not in SETTINGS:
            msg = f"there is no setting {name!r}. The settings are: {', '.join(SETTINGS)}"
            raise TypeError(msg)
        arguments.append(f"{name}={_literal(name, value)}")
    return _SETUP_CELL.substitute(
        name=quoted(os.environ.get("TELEMETRY_PACKAGE_NAME") or DEFAULT_PACKAGE_NAME),
        spec=quoted(os.environ.get("TELEMETRY_PACKAGE_SPEC") or DEFAULT_PACKAGE_SPEC),
        numbers=list(CONTRACT_SINCE),
        version=".".join(map(str, CONTRACT_SINCE)),
        call=_setup_call(arguments),
    )


def get_cell_tracking_line(cell_id: str, source: str) -> str:
    r"""The line that tracks a cell: `_cell("exercise_1", "# Exercise 1: the Moon")`.

    Args:
        cell_id: The cell's id, as the teacher will see it.
        source: The cell's source. Its first line that says something is the preview, cut
            to 60 characters; a cell magic, rules such as `# ----` and tracking lines do not.

    Returns:
        One line of Python, without a newline, whatever is in `cell_id` and `source`.

    Raises:
        TypeError: `cell_id` or `source` is no string.
        ValueError: `cell_id` is empty.
    """
    _require_text("cell_id", cell_id, 'get_cell_tracking_line("exercise_1", source)')
    if not isinstance(source, str):
        msg = f"source must be the cell's text, not {type(source).__name__}"
        raise TypeError(msg)
    preview = next(filter(_says_something, map(str.strip, source.splitlines())), "")
    if len(preview) > _MAX_PREVIEW_CHARACTERS:
        preview = preview[: _MAX_PREVIEW_CHARACTERS - 1] + "…"
    return f"_cell({', '.join(map(quoted, [cell_id, preview] if preview else [cell_id]))})"


def get_tracked_test_cell(name: str, body: str) -> str:
    r"""Source text of a cell that runs `body` as the test of the exercise `name`.

    `get_tracked_test_cell("exercise_1", "assert double(2) == 4")` gives:

        @tracked_test("exercise_1")
        def test_exercise_1():
            assert double(2) == 4


        test_exercise_1()

    Args:
        name: The exercise. The function is called `test_` and what of it can be in a name.
        body: Statements, indented or not. Lines that begin inside a string stay where they
            are, so a string of several lines keeps its value.

    Returns:
        Lines of plain Python, without a newline at the end.

    Raises:
        TypeError: `name` or `body` is no string.
        ValueError: `name` or `body` is empty, or `body` cannot be the body of a function:
            it is no Python, has magics, awaits, or imports `*` or from `__future__`.
    """
    example = 'get_tracked_test_cell("exercise_1", "assert double(2) == 4")'
    _require_text("name", name, example)
    _require_text("body", body, example)
    function = f"test_{_identifier(name)}"
    try:
        cell = (
            f"@tracked_test({quoted(name)})\ndef {function}():\n{_indented(body)}\n\n\n{function}()"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python thinks of "\d" is said where it runs
            compile(cell, function, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as wrong:
        msg = (
            f"body must be Python statements that can stand in a function: {wrong}. "
            f"Example: {example}"
        )
        raise ValueError(msg) from wrong
    return cell


def _setup_call(arguments: list[str]) -> str:
    line = f"setup_telemetry({', '.join(arguments)})"
    if len(line) <= _MAX_CALL_CHARACTERS:
        return line
    return "setup_telemetry(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"


def _require_text(what: str, value: object, example: str) -> None:
    if not isinstance(value, str):
        msg = f"{what} must be a string, not {type(value).__name__}: {value!r}. Example: {example}"
        raise TypeError(msg)
    if not value.strip():
        msg = f"{what} must not be empty. Example: {example}"
        raise ValueError(msg)


def _literal(name: str, value: object) -> str:
    """`value` as Python source that evaluates to it."""
    try:
        text = _source(value)
        if ast.literal_eval(text) == value:
            return text
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass  # said below, as for a value that comes back as another
    msg = (
        f"{name} is written into the cell, so it must be made of strings, numbers, True, False, "
        f"None, lists or dictionaries, not {type(value).__name__}. "
        f"For a path write str(path), for other sequences list(names)."
    )
    raise TypeError(msg)


def _source(value: object) -> str:
    if type(value) is str:
        return quoted(value)
    if type(value) is list:
        return f"[{', '.join(map(_source, value))}]"
    return repr(value)


def quoted(text: str) -> str:
    """`text` as a string literal on one line, in double quotes.

    `repr` knows which characters a source file cannot show or hold (line ends, lone
    surrogates, marks that turn the reading direction); only its choice of quotes is mended.
    """
    in_single_quotes = repr('"' + text)[2:-1]  # a string with a " in it gets single quotes
    return '"' + in_single_quotes.replace("\\'", "'").replace('"', '\\"') + '"'


def _says_something(line: str) -> bool:
    return any(map(str.isalnum, line)) and not line.startswith(("%%", "_cell("))


def _identifier(name: str) -> str:
    """What of `name` can stand in a Python name, other characters as `_`."""
    fitting = "".join(c if f"a{c}".isidentifier() else " " for c in name.removeprefix("test_"))
    return "_".join(fitting.split()) or "exercise"


def _indented(body: str) -> str:
    """`body` as the body of a function; what begins inside a string stays where it is."""
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    in_string = lines_inside_strings("\n".join(lines))
    first = next((line for line in lines if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip(" \t"))]
    return "\n".join(
        line if at in in_string else "    " + line.removeprefix(margin) if line.strip() else ""
        for at, line in enumerate(lines)
    ).strip("\n")
