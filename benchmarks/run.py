"""Every budget of the project, each beside its reference in the same run.

    python benchmarks/run.py [--only NAME] [--quick] [--json FILE]

Prints one Markdown table. A budget that does not hold is told and is no error: how long
something takes depends on the computer, so no test asserts it.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from importlib import metadata
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # for the PostHog that the tests have

from bench_kernel import compile_everything
from figures import Row, as_json, table  # after the line above, which others need

NAMES = ("cell_call", "setup_time", "notebook_run", "arrival", "outage", "memory", "instrument")
_STACK = ("ipykernel", "ipython", "ipywidgets", "traitlets", "posthog")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what is promised.")
    parser.add_argument("--only", choices=NAMES, action="append", help="leave out the others")
    parser.add_argument("--quick", action="store_true", help="few repetitions: a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    wanted = parser.parse_args()
    compile_everything()
    rows: list[Row] = []
    for name in wanted.only or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        for row in importlib.import_module(name).measure(quick=wanted.quick):
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
    print(f"Python {platform.python_version()}, {_versions()}\n\n{table(rows)}")
    if wanted.json:
        wanted.json.write_text(as_json(rows), "utf-8")


def _versions() -> str:
    return ", ".join(f"{package} {metadata.version(package)}" for package in _STACK)


if __name__ == "__main__":
    main()
