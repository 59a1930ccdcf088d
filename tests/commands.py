"""The command line as a person types it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping


def run_command(
    *arguments: str, environment: Mapping[str, str] | None = None, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `ipynb-telemetry` until it ends.

    Args:
        arguments: What stands behind the command's name.
        environment: Added to the test's own.
        typed: What is typed into it.
    """
    return subprocess.run(
        [sys.executable, "-m", "ipynb_telemetry", *arguments],
        env={**os.environ, **(environment or {})},
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
