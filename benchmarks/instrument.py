"""Notebooks instrumented, beside a bare read-and-parse of the same files."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from figures import Row, median, median_ratio

MANY = 1_000
PICTURES = 100
PICTURE_BYTES = 750_000  # a million characters as base64
BUDGET_LARGE = 2.0

# Each runs in a process of its own. Memory is the most that it ever had, above what Python and
# the imports had taken before; not ru_maxrss, which begins with what the parent process had.
_MEASURED = """
import json, sys, time
from pathlib import Path
{imports}

def peak_kb():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

paths = sorted(Path(sys.argv[1]).glob("*.ipynb"))
before_kb, began_s = peak_kb(), time.perf_counter()
for path in paths:
    {each}
took_s = time.perf_counter() - began_s
print(json.dumps([took_s, (peak_kb() - before_kb) / 1024]))
"""
_OURS = _MEASURED.format(
    imports="from ipynb_telemetry.instrument.files import instrument_file",
    each="assert instrument_file(path)",
)
_BARE = _MEASURED.format(imports="", each="json.load(path.open(encoding='utf-8'))")


class _Took(NamedTuple):
    seconds: list[float]
    memory_mb: list[float]


def measure(*, quick: bool) -> Iterator[Row]:
    rounds = 3 if quick else 7
    many = [_as_text(_notebook(seed)) for seed in range(MANY)]
    yield _row(f"{MANY:,} notebooks, instrumented", many, rounds=rounds, budget=None)
    large = [_as_text(_with_pictures(_notebook(0)))]
    yield _row("a large notebook, instrumented", large, rounds=rounds, budget=BUDGET_LARGE)


def _row(what: str, texts: list[str], *, rounds: int, budget: float | None) -> Row:
    ours, bare = _measured(texts, rounds)
    ratio = median_ratio(ours.seconds, bare.seconds)
    ours_s, bare_s = median(ours.seconds), median(bare.seconds)
    ours_mb, bare_mb = median(ours.memory_mb), median(bare.memory_mb)
    return Row(
        what=f"{what} ({sum(map(len, texts)) / 1e6:.0f} MB)",
        budget=f"at most {budget:.0f} x `json.load`" if budget else "beside a bare read-and-parse",
        measured=(f"{ours_s:.2f} s / {bare_s:.2f} s; memory +{ours_mb:.0f} MB / +{bare_mb:.0f} MB"),
        ratio=f"{ratio:.2f}",
        ok=budget is None or ratio <= budget,
        figures={
            "ours_s": round(ours_s, 3),
            "bare_s": round(bare_s, 3),
            "ours_mb": round(ours_mb, 1),
            "bare_mb": round(bare_mb, 1),
            "ratio": round(ratio, 3),
        },
    )


def _measured(texts: list[str], rounds: int) -> tuple[_Took, _Took]:
    """Both in turns, on files that are written anew and so are in the disk's cache for both."""
    ours, bare = _Took([], []), _Took([], [])
    with tempfile.TemporaryDirectory(prefix="ipt-bench-") as folder:
        for _ in range(rounds):
            for number, text in enumerate(texts):
                (Path(folder) / f"{number:04}.ipynb").write_text(text, "utf-8")
            for took, program in ((bare, _BARE), (ours, _OURS)):
                command = [sys.executable, "-c", program, folder]
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                seconds, memory_mb = json.loads(said)
                took.seconds.append(seconds)
                took.memory_mb.append(memory_mb)
    return ours, bare


def _as_text(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _notebook(seed: int) -> dict[str, Any]:
    """Twenty cells as in a lesson, with outputs."""
    cells: list[dict[str, Any]] = [_text("# The Moon\n\nHow far is it?")]
    for number in range(1, 7):
        cells += [
            _text(f"## Exercise {number}\n\nCompute it, then run the cell below."),
            _code(f"def answer_{number}(km):\n    return km * {seed + number} / 300_000"),
            _code(f"assert answer_{number}(0) == 0\nassert answer_{number}(1) > 0"),
        ]
    cells.append(
        _code(f"import math\nfor n in range({seed}, {seed + 50}):\n    print(math.sqrt(n))")
    )
    cells[-1]["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": [f"{n**0.5}\n" for n in range(50)]}
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}


def _with_pictures(notebook: dict[str, Any]) -> dict[str, Any]:
    picture = base64.b64encode(random.Random(0).randbytes(PICTURE_BYTES)).decode()  # noqa: S311
    for number in range(PICTURES):
        cell = _code(f"plot({number})")
        data = {"image/png": picture, "text/plain": ["<Figure size 640x480 with 1 Axes>"]}
        cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": data}]
        notebook["cells"].append(cell)
    return notebook


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }
