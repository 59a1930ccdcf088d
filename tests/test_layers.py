"""The package's imports are a staircase: CONTRIBUTING.md's table of modules is kept."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ipynb_telemetry"
MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path not in (PACKAGE / "__init__.py", PACKAGE / "__main__.py")
)
TABLE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ROW = re.compile(r"^\| (\d+) \| `([\w/]+\.py)`", re.MULTILINE)
STEPS = {name: int(step) for step, name in ROW.findall(TABLE)}


def imported_by(module: str) -> set[str]:
    """The package's own modules that `module` imports, anywhere in it."""
    names: list[str] = []
    for node in ast.walk(ast.parse((PACKAGE / module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names += [str(node.module), *(f"{node.module}.{each.name}" for each in node.names)]
    paths = {name.removeprefix("ipynb_telemetry.").replace(".", "/") + ".py" for name in names}
    return paths & {*MODULES}


def test_each_module_has_a_row() -> None:
    assert sorted(STEPS) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_steps_below_its_own(module: str) -> None:
    too_high = {name for name in imported_by(module) if STEPS[name] >= STEPS[module]}

    assert too_high == set()


def test_the_package_itself_is_empty() -> None:
    assert (PACKAGE / "__init__.py").read_bytes() == b""


def test_a_students_import_brings_nothing_that_is_slow_or_a_teachers() -> None:
    code = (
        "import sys, ipywidgets; before = {*sys.modules}; import ipynb_telemetry.bootstrap; "
        "slow = {'posthog', 'requests', 'typer', 'jupyterlab', 'psutil', 'unittest', 'pandas', "
        "'starlette', 'uvicorn', 'orjson', 'msgspec', 'sqlite3', 'ipynb_telemetry.classroom'}; "
        "print(*sorted(slow & {*sys.modules} - before))"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == []
