"""`_cell()` in a kernel with a panel, beside `Client.capture()` and a bare append."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench_kernel import SETUP, Kernel, arrived, wait_until
from capture_server import CaptureServer, Fault
from figures import Row, median, median_ratio

CALLS = 10_000
BUDGET_P50 = 0.5
BUDGET_P99 = 1.0
_REST_S = 1.0


def measure(*, quick: bool) -> Iterator[Row]:
    rounds = 1 if quick else 5
    for condition in ("up", "down", "hanging"):
        with _server(condition) as server, Kernel(server.url) as kernel:
            yield _row(condition, server, kernel, rounds)


@contextmanager
def _server(condition: str) -> Iterator[CaptureServer]:
    with CaptureServer() as server:
        if condition == "down":
            server.stop()
        if condition == "hanging":
            server.answer = Fault.HANG
        yield server


def _row(condition: str, server: CaptureServer, kernel: Kernel, rounds: int) -> Row:
    is_up = condition == "up"
    expected = 1  # the start event

    def rest() -> None:
        if is_up:
            wait_until(lambda: arrived(server) >= expected, f"{expected} events")
        time.sleep(_REST_S)

    kernel.run(SETUP)
    rest()
    kernel.run("import in_kernel; in_kernel.new_client('http://127.0.0.1:9')")
    calls: dict[str, str] = {
        "cell": f"in_kernel.time_cell({CALLS})",
        "capture": f"in_kernel.time_capture({CALLS}, {server.url!r})",
        "append": f"in_kernel.time_append({CALLS})",
    }
    took: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
    for turn in range(rounds):
        for name in sorted(calls, reverse=bool(turn % 2)):
            took[name].append(kernel.run(f"took = {calls[name]}", value="took"))
            expected += 0 if name == "append" else CALLS
            rest()

    def each(name: str, percentile: str) -> list[float]:
        return [one[percentile] for one in took[name]]

    p50 = median_ratio(each("cell", "p50_us"), each("capture", "p50_us"))
    p99 = median_ratio(each("cell", "p99_us"), each("capture", "p99_us"))
    figures = {
        f"{name}_{percentile}": round(median(each(name, percentile)), 1)
        for name in calls
        for percentile in ("p50_us", "p99_us", "max_us")
    }
    return Row(
        what=f"`_cell()`, {CALLS:,} calls, panel shown, server {condition}",
        budget=f"p50 <= {BUDGET_P50} x capture(), p99 below its own",
        measured=(
            f"p50 {_us(figures, 'p50_us')}; p99 {_us(figures, 'p99_us')} "
            "(`_cell()` / capture() / bare append)"
        ),
        ratio=f"p50 {p50:.2f}, p99 {p99:.2f}",
        ok=p50 <= BUDGET_P50 and p99 < BUDGET_P99,
        figures={**figures, "p50_ratio": round(p50, 3), "p99_ratio": round(p99, 3)},
    )


def _us(figures: dict[str, float], percentile: str) -> str:
    values = (figures[f"{name}_{percentile}"] for name in ("cell", "capture", "append"))
    return " / ".join(f"{value:,.0f}" for value in values) + " us"
