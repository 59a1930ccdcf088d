"""What the benchmarks have a kernel do. Imported there, so nothing but what a call needs."""

from __future__ import annotations

import builtins
import json
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

PREVIEW = "# Exercise 3: the mean of the positive numbers\nnumbers = [3, -1, 4, -1, 5]\n"
_PROPERTIES = {"nb": "Bench", "sess": "0123abcd", "v": "0.1.0", "student": "BENCH-STUDENT"}


def call_cell(times: int) -> None:
    cell = _injected("_cell")
    for number in range(times):
        cell(f"exercise_{number}", PREVIEW)


def time_cell(times: int) -> dict[str, float]:
    """`_cell()` as notebooks call it."""
    cell = _injected("_cell")
    return _time(lambda number: cell(f"exercise_{number}", PREVIEW), times)


def time_capture(times: int, host: str) -> dict[str, float]:
    """`Client.capture()` of a new client, with the properties of a `cell` event."""
    client = new_client(host)
    took = _time(lambda number: capture(client, f"exercise_{number}", number), times)
    if client.queue.full():  # it would not have queued, which is faster
        msg = "the SDK's queue was full"
        raise RuntimeError(msg)
    return took


def time_append(times: int) -> dict[str, float]:
    """The least that keeps an event: one JSON line and one `write`."""
    with tempfile.TemporaryFile() as file:
        descriptor = file.fileno()
        return _time(lambda number: os.write(descriptor, _line(number)), times)


def new_client(host: str) -> Any:
    """The SDK alone with its defaults; the client before it rests."""
    from posthog.client import Client  # noqa: PLC0415  # only in kernels that measure it

    global _client  # noqa: PLW0603  # the one in use
    if _client is not None:
        for consumer in _client.consumers:
            consumer.pause()
    _client = Client("phc_bench", host=host)
    return _client


def capture(client: Any, cell_id: str, number: int) -> None:
    own = {"cell_id": cell_id, "cell_num": number, "code": PREVIEW}
    client.capture(
        "cell", distinct_id="BENCH-STUDENT", properties={**own, **_PROPERTIES, "seq": number}
    )


def capture_with_the_sdk(cell_id: str) -> None:
    capture(_client, cell_id, 0)


def fill_the_sdk(times: int) -> None:
    for number in range(times):
        capture(_client, f"exercise_{number}", number)


def sdk_has_left() -> int:
    """How many events the SDK holds, those of the batch that it is sending included."""
    return int(_client.queue.unfinished_tasks)


def _line(number: int) -> bytes:
    record = {
        "host": "http://127.0.0.1:8642",
        "api_key": "phc_bench",
        "event": "cell",
        "uuid": _UUID,
        "timestamp": "2026-08-03T09:30:00.123456+00:00",
        "student": "BENCH-STUDENT",
        "properties": {
            "cell_id": f"exercise_{number}",
            "cell_num": number,
            "code": PREVIEW,
            **_PROPERTIES,
            "seq": number,
        },
    }
    return json.dumps(record).encode() + b"\n"


def _injected(name: str) -> Callable[..., None]:
    injected: Callable[..., None] = getattr(builtins, name)
    return injected


def _time(call: Callable[[int], object], times: int) -> dict[str, float]:
    """Percentiles of single calls, in microseconds."""
    clock_ns = time.perf_counter_ns
    took_ns = []
    for number in range(times):
        began_ns = clock_ns()
        call(number)
        took_ns.append(clock_ns() - began_ns)
    took_ns.sort()
    return {
        "p50_us": took_ns[times // 2] / 1000,
        "p99_us": took_ns[times * 99 // 100] / 1000,
        "max_us": took_ns[-1] / 1000,
    }


_client: Any = None
_UUID = str(uuid4())
