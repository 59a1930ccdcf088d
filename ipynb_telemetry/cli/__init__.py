"""`ipynb-telemetry` on the command line; needs the extra `teacher`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from ipynb_telemetry.cli.app import app  # noqa: PLC0415  # the extra may be missing
    except ModuleNotFoundError as missing:
        sys.exit(
            f"ipynb-telemetry's commands need {missing.name}. "
            'Install it with: python -m pip install "ipynb-telemetry[teacher]"'
        )
    app()
