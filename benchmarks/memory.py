"""Memory of a kernel after 10,000 events, beside one that has imported what we import."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
from bench_kernel import SETUP, Kernel, arrived, wait_until
from capture_server import CaptureServer
from figures import Row, median

BUDGET_MB = 5.0
EVENTS = 10_000
_CELLS = 10
_REST_S = 2.0


def measure(*, quick: bool) -> Iterator[Row]:
    turns = 1 if quick else 5
    ours_mb: list[float] = []
    imports_mb: list[float] = []
    for _ in range(turns):
        imports_mb.append(_after_imports())
        ours_mb.append(_after_events())
    more = median([ours - imports for ours, imports in zip(ours_mb, imports_mb, strict=True)])
    ours, imports = median(ours_mb), median(imports_mb)
    yield Row(
        what=f"memory of the kernel after {EVENTS:,} events, all delivered",
        budget=f"at most {BUDGET_MB:.0f} MB above importing ipywidgets and posthog",
        measured=f"{more:+.1f} MB ({ours:.1f} MB / {imports:.1f} MB resident)",
        ratio=f"{ours / imports:.2f}",
        ok=more <= BUDGET_MB,
        figures={
            "more_mb": round(more, 2),
            "ours_mb": round(ours, 2),
            "imports_mb": round(imports, 2),
        },
    )


def _after_imports() -> float:
    with Kernel("http://127.0.0.1:9") as kernel:
        kernel.run("import ipywidgets, posthog")
        return _resident_mb(kernel)


def _after_events() -> float:
    with CaptureServer() as server, Kernel(server.url) as kernel:
        kernel.run(f"{SETUP}\nimport in_kernel")
        for _ in range(_CELLS):
            kernel.run(f"in_kernel.call_cell({EVENTS // _CELLS})")
        total = 1 + EVENTS + _CELLS
        wait_until(lambda: arrived(server) == total, f"{total:,} events")
        return _resident_mb(kernel)


def _resident_mb(kernel: Kernel) -> float:
    time.sleep(_REST_S)
    pid = kernel.run("import os", value="os.getpid()")
    return float(psutil.Process(pid).memory_info().rss) / 1e6
