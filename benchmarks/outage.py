"""10,000 events that wait for a server to come back, beside the SDK alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench_kernel import SETUP, Kernel, arrived, wait_until
from capture_server import CaptureServer
from figures import Row

BUDGET_S = 5.0
EVENTS = 10_000


def measure(*, quick: bool) -> Iterator[Row]:
    outage_s = 15 if quick else 75
    ours_s = _ours(outage_s)
    lost, sdk_s = _the_sdks(outage_s)
    yield Row(
        what=f"{EVENTS:,} events waiting after an outage of {outage_s} s",
        budget=f"all delivered within {BUDGET_S:.0f} s of the server's return",
        measured=(
            f"{ours_s:.1f} s, 0 lost / the SDK alone: {lost:,} lost, the rest after {sdk_s:.1f} s"
        ),
        ratio=f"{ours_s / sdk_s:.2f}",
        ok=ours_s <= BUDGET_S,
        figures={
            "delivered_after_s": round(ours_s, 2),
            "lost": 0,
            "sdk_delivered_after_s": round(sdk_s, 2),
            "sdk_lost": lost,
            "outage_s": outage_s,
        },
    )


def _ours(outage_s: float) -> float:
    with CaptureServer() as server, Kernel(server.url) as kernel:
        kernel.run(SETUP)
        wait_until(lambda: arrived(server) == 1, "the start event")
        server.stop()
        down_s = time.monotonic()
        kernel.run(f"import in_kernel; in_kernel.call_cell({EVENTS})")
        time.sleep(max(0.0, down_s + outage_s - time.monotonic()))
        server.start()
        up_s = time.monotonic()
        # Its cell has one `cell_end`, for the last of the calls.
        wait_until(lambda: arrived(server) == EVENTS + 2, f"{EVENTS:,} events")
        return server.requests[-1].arrived_s - up_s


def _the_sdks(outage_s: float) -> tuple[int, float]:
    """How many events the SDK loses, and when the last of the others is there."""
    with CaptureServer() as server, Kernel(server.url) as kernel:
        kernel.run(f"import in_kernel; client = in_kernel.new_client({server.url!r})")
        kernel.run("in_kernel.fill_the_sdk(1)")
        wait_until(lambda: arrived(server) == 1, "the first event")
        server.stop()
        down_s = time.monotonic()
        kernel.run(f"in_kernel.fill_the_sdk({EVENTS})")
        time.sleep(max(0.0, down_s + outage_s - time.monotonic()))
        server.start()
        up_s = time.monotonic()
        wait_until(
            lambda: kernel.run("pass", value="in_kernel.sdk_has_left()") == 0, "the SDK's queue"
        )
        return EVENTS + 1 - arrived(server), server.requests[-1].arrived_s - up_s
