"""A notebook of 100 cells, run with and without tracking, in two kernels in turns."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench_kernel import SETUP, Kernel, arrived, wait_until
from capture_server import CaptureServer
from figures import Row, median

BUDGET = 1.02
CELLS = 100
_IN_A_ROW = 20  # then it is the other kernel's turn
_TEST_EVERY = 10
_PRIMES_BELOW = {"very quick": 6_000, "usual": 30_000}
"""How much each cell computes: some 20 and 80 ms."""
_QUIET_S = 0.3


def measure(*, quick: bool) -> Iterator[Row]:
    for kind, below in _PRIMES_BELOW.items():
        yield _row(kind, below, turns=2 if quick else 6)


def _row(kind: str, below: int, *, turns: int) -> Row:
    setup_s: list[float] = []
    tracked_s: list[list[float]] = []
    untouched_s: list[list[float]] = []
    for turn in range(turns):
        with CaptureServer() as server, Kernel(server.url) as ours, Kernel(server.url) as bare:
            tracked_s.append([])
            untouched_s.append([])
            expected = 1  # the start event
            for first in range(0, CELLS, _IN_A_ROW):
                numbers = range(first, first + _IN_A_ROW)
                if turn % 2:
                    untouched_s[-1] += [_seconds(bare, _cell(n, below)) for n in numbers]
                if first == 0:  # right before its first cell, as when all are run at once
                    setup_s.append(_seconds(ours, SETUP))
                tracked_s[-1] += [_seconds(ours, _tracked(n, below)) for n in numbers]
                expected += sum(3 if n % _TEST_EVERY == 0 else 2 for n in numbers)
                _wait_for_events(server, expected)
                if not turn % 2:
                    untouched_s[-1] += [_seconds(bare, _cell(n, below)) for n in numbers]
    tracked, untouched = _typical_run(tracked_s), _typical_run(untouched_s)
    ratio, setup = tracked / untouched, median(setup_s)
    more_ms = (tracked - untouched) / CELLS * 1000
    return Row(
        what=f"a notebook of {CELLS} {kind} cells, {CELLS // _TEST_EVERY} tracked tests",
        budget="less than 2 % more time than untouched",
        measured=(
            f"{tracked:.2f} s / {untouched:.2f} s ({untouched / CELLS * 1000:.0f} ms a cell, "
            f"{more_ms:+.1f} ms; the setup cell is {setup:.2f} s more)"
        ),
        ratio=f"{ratio:.3f}",
        ok=ratio < BUDGET,
        figures={
            "tracked_s": round(tracked, 4),
            "untouched_s": round(untouched, 4),
            "setup_cell_s": round(setup, 4),
            "ratio": round(ratio, 4),
        },
    )


def _wait_for_events(server: CaptureServer, number: int) -> None:
    """What goes on in the background must not fall into the other kernel's turn."""
    wait_until(lambda: arrived(server) >= number, f"{number} events")
    time.sleep(_QUIET_S)


def _typical_run(runs: list[list[float]]) -> float:
    """The sum of what each cell takes as a rule: what else a computer does hits cells at random."""
    typical: float = sum(median(took) for took in zip(*runs, strict=True))
    return typical


def _cell(number: int, below: int) -> str:
    work = f"[n for n in range(2, {below}) if all(n % d for d in range(2, int(n**0.5) + 1))]"
    if number % _TEST_EVERY:
        return f"found = {work}"
    return f"found = {work}\n\ndef test():\n    assert found[:4] == [2, 3, 5, 7]\n\ntest()"


def _tracked(number: int, below: int) -> str:
    test = f'@tracked_test("exercise_{number}")\ndef test'
    line = f'_cell("cell_{number}", "# primes below {below}")\n'
    return line + _cell(number, below).replace("def test", test)


def _seconds(kernel: Kernel, code: str) -> float:
    began_s = time.perf_counter()
    kernel.run(code)
    return time.perf_counter() - began_s
