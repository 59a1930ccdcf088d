"""Which front end this is, and whether there is anybody to ask."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest
from kernel_fixtures import Lesson

from ipynb_telemetry import frontend

SIGNS = ["KAGGLE_KERNEL_RUN_TYPE", "JPY_SESSION_NAME", "VSCODE_PID"]
IMPORT = "import os, sys, types\nfrom ipynb_telemetry import frontend\n"

COLAB = 'sys.modules["google.colab"] = types.ModuleType("google.colab")'
KAGGLE = 'os.environ["KAGGLE_KERNEL_RUN_TYPE"] = "Interactive"'
JUPYTER = 'os.environ["JPY_SESSION_NAME"] = "/home/sara/private/D3.ipynb"'
VS_CODE = '__vsc_ipynb_file__ = "/home/sara/private/D3.ipynb"'
IN_VS_CODES_TERMINAL = 'os.environ["VSCODE_PID"] = "7"'
TAKE_SIGNS_AWAY = (
    f"for name in {SIGNS}: os.environ.pop(name, None)\n"
    'sys.modules.pop("google.colab", None); globals().pop("__vsc_ipynb_file__", None)\n'
)


@pytest.fixture
def bare(lesson: Lesson) -> Iterator[Lesson]:
    """A lesson in a kernel without any front end's signs."""
    lesson.run(IMPORT + TAKE_SIGNS_AWAY)
    yield lesson
    lesson.kernel.allow_stdin = True
    lesson.run(TAKE_SIGNS_AWAY)


def value(lesson: Lesson, code: str) -> object:
    (result,) = lesson.run(code).results
    return ast.literal_eval(result)


@pytest.mark.parametrize(
    ("signs", "name"),
    [
        ([], "classic"),
        ([COLAB], "colab"),
        ([KAGGLE], "kaggle"),
        ([JUPYTER], "jupyterlab-or-notebook"),
        ([VS_CODE], "vscode"),
        ([IN_VS_CODES_TERMINAL], "vscode"),
        ([JUPYTER, VS_CODE], "vscode"),
        ([JUPYTER, IN_VS_CODES_TERMINAL], "jupyterlab-or-notebook"),
    ],
    ids=[
        "no sign",
        "Colab",
        "Kaggle",
        "Jupyter",
        "VS Code",
        "VS Code, by its process",
        "VS Code with a Jupyter server",
        "Jupyter from VS Code's terminal",
    ],
)
def test_a_front_end_is_known_by_its_signs(signs: list[str], name: str, bare: Lesson) -> None:
    bare.run("\n".join(signs))

    assert value(bare, "frontend.name()") == name


def test_where_a_cell_may_not_ask_there_is_nobody_to_ask(bare: Lesson) -> None:
    bare.kernel.allow_stdin = False

    assert value(bare, "frontend.can_ask(), frontend.name()") == (False, "headless")


def test_in_colab_there_is_somebody_whatever_the_request_says(bare: Lesson) -> None:
    bare.run(COLAB)
    bare.kernel.allow_stdin = False

    assert value(bare, "frontend.can_ask(), frontend.name()") == (True, "colab")


def test_in_a_thread_of_a_cell_there_is_somebody_too(bare: Lesson) -> None:
    ran = bare.run(
        "import threading\nsaid = []\n"
        "thread = threading.Thread(target=lambda: said.append(frontend.can_ask()))\n"
        "thread.start(); thread.join()\nsaid"
    )

    assert ran.results == ["[True]"]


def test_nothing_that_it_says_names_a_person_or_a_path(bare: Lesson) -> None:
    bare.run(f"{JUPYTER}\n{VS_CODE}")

    described = value(bare, "frontend.describe()")

    assert isinstance(described, dict)
    assert set(described) == {"python", "ipython", "frontend", "platform"}
    assert "sara" not in str(described)


def test_outside_a_kernel_there_is_nobody_to_ask() -> None:
    assert (frontend.has_kernel(), frontend.can_ask(), frontend.name()) == (
        False,
        False,
        "headless",
    )


def test_ipython_is_not_imported_to_ask() -> None:
    program = (
        "import sys\nfrom ipynb_telemetry import frontend\n"
        "print(frontend.describe()['ipython'], 'IPython' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "None False\n"
