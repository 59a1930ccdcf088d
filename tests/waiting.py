"""Waiting for what a test waits for, with a deadline and a message."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable

import pytest


def wait_until(
    condition: Callable[[], object], *, timeout_s: float = 10, every_s: float = 0.01
) -> None:
    """Return as soon as `condition()` is true; fail the test when it stays false.

    Args:
        condition: What to wait for. Its source is the failure's message.
        timeout_s: How long it may take.
        every_s: How long to let others work between two looks.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still false after {timeout_s} s: {_source(condition)}")
        time.sleep(every_s)  # the only sleep in the suite


def _source(condition: Callable[[], object]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):  # built-in, or typed in at a prompt
        return repr(condition)
