"""A flag that one thread raises and another waits for, which no interrupt can leave locked.

`threading.Event` guards itself with a lock that is taken and released in Python. A student's
interrupt that comes in between leaves it taken, and whoever sets or clears it next, such as
the student's next cell, waits for ever. `queue.SimpleQueue` does each of its steps in C.
"""

from __future__ import annotations

import contextlib
import queue


class Flag:
    """As `threading.Event`; any thread may call any of it."""

    def __init__(self) -> None:
        self._is_set = False
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Raise it. Cheap: called for each event."""
        self._is_set = True  # first: who is woken looks at it
        if self._wakes.empty():
            self._wakes.put(None)

    def clear(self) -> None:
        """Lower it: to be done before one looks for what it was raised for."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._wakes.get_nowait()
        self._is_set = False  # last: a wake that is left over costs one look, a lost one all

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return when it is raised, or after so long, or now and then before; whether it is."""
        if not self._is_set:
            with contextlib.suppress(queue.Empty):
                self._wakes.get(timeout=timeout_s)
        return self._is_set
