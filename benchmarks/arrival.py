"""From running a cell to its event at the server, in quiet times, beside the SDK alone."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from bench_kernel import SETUP, Kernel, wait_until
from capture_server import CaptureServer
from figures import Row, median

BUDGET_MS = 300
_SDK_EVERY = 5
_PAUSE_S = (0.2, 1.0)


def measure(*, quick: bool) -> Iterator[Row]:
    samples = 15 if quick else 80
    sent_s: dict[str, float] = {}
    # The pauses must not march in step with anybody's timer.
    pause = random.Random(8)  # noqa: S311
    with CaptureServer() as server, Kernel(server.url) as kernel:
        kernel.run(SETUP)
        wait_until(lambda: server.events, "the start event")
        kernel.run(f"import in_kernel; in_kernel.new_client({server.url!r})")
        for number in range(samples):
            time.sleep(pause.uniform(*_PAUSE_S))
            if number % _SDK_EVERY == 0:
                sent_s[f"sdk_{number}"] = time.monotonic()
                kernel.run(f"in_kernel.capture_with_the_sdk('sdk_{number}')")
                time.sleep(pause.uniform(*_PAUSE_S))
            sent_s[f"ours_{number}"] = time.monotonic()
            kernel.run(f"_cell('ours_{number}', '# quiet')")
        wait_until(lambda: sent_s.keys() <= _arrivals(server).keys(), "all events")
        arrived_s = _arrivals(server)
    took_ms = {
        who: sorted(
            (arrived_s[cell_id] - began_s) * 1000
            for cell_id, began_s in sent_s.items()
            if cell_id.startswith(who)
        )
        for who in ("ours", "sdk")
    }
    ours, sdk = median(took_ms["ours"]), median(took_ms["sdk"])
    p95 = took_ms["ours"][len(took_ms["ours"]) * 95 // 100]
    yield Row(
        what=f"from running a cell to its event at the server, {samples} times",
        budget=f"p50 < {BUDGET_MS} ms",
        measured=f"p50 {ours:.0f} ms, p95 {p95:.0f} ms / the SDK alone: p50 {sdk:,.0f} ms",
        ratio=f"{ours / sdk:.3f}",
        ok=ours < BUDGET_MS,
        figures={
            "p50_ms": round(ours, 1),
            "p95_ms": round(p95, 1),
            "sdk_p50_ms": round(sdk, 1),
            "sdk_max_ms": round(took_ms["sdk"][-1], 1),
        },
    )


def _arrivals(server: CaptureServer) -> dict[str, float]:
    return {
        event["properties"]["cell_id"]: request.arrived_s
        for request in reversed(server.requests)
        for event in request.events
        if event["event"] == "cell"
    }
