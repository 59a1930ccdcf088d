"""The imports are a staircase: the package is held to the table of modules in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ipynb_telemetry"
# Packages that take long to import, or that a student need not have.
NOT_AT_SETUP = ("posthog", "requests", "typer", "jupyterlab", "pandas", "unittest")


def steps() -> dict[str, int]:
    """The step of each module, by its path in the package: the first two columns of the table."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| `([\w/]+\.py)` \|", text, flags=re.MULTILINE)
    return {module: int(step) for step, module in rows}


def modules() -> list[str]:
    """Every module that has a place on the stairs: `__init__` and `__main__` are doors to it."""
    found = (path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return sorted(module for module in found if not module.rpartition("/")[2].startswith("__"))


def imports_of(module: str) -> set[str]:
    """The modules of this package that `module` imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(_module_of(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            base = node.module or ""
            found.add(_module_of(base))
            found.update(_module_of(f"{base}.{alias.name}") for alias in node.names)
    return found - {""}


def _module_of(name: str) -> str:
    """`ipynb_telemetry.cli.app` -> `cli/app.py`; empty for what is no module of ours."""
    path = name.removeprefix("ipynb_telemetry.").replace(".", "/") + ".py"
    return path if name.startswith("ipynb_telemetry.") and (PACKAGE / path).exists() else ""


def test_every_module_has_its_row_and_every_row_its_module() -> None:
    assert sorted(steps()) == modules()


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_from_steps_below_its_own_alone(module: str) -> None:
    step = steps()

    too_high = {other: step[other] for other in imports_of(module) if step[other] >= step[module]}

    assert too_high == {}, f"{module} stands on step {step[module]}"


def test_the_imports_are_seen() -> None:
    assert {"session.py", "outbox.py", "tracking.py"} <= imports_of("bootstrap.py")
    assert {"frontend.py", "settings.py"} <= imports_of("bootstrap.py")  # `from package import`


def test_the_package_itself_is_empty() -> None:
    assert (PACKAGE / "__init__.py").read_bytes() == b""


def test_setting_up_imports_nothing_that_takes_long() -> None:
    program = (
        "import sys, ipynb_telemetry.bootstrap\n"
        f"print(*(name for name in {NOT_AT_SETUP!r} if name in sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "\n"
