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
        self._raised: queue.SimpleQueue[None] = queue.SimpleQueue()

    def is_set(self) -> bool:
        return not self._raised.empty()

    def set(self) -> None:
        """Raise it. Cheap: called for each event."""
        if self._raised.empty():
            self._raised.put(None)

    def clear(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:  # two threads may have raised it at once
                self._raised.get_nowait()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return when it is raised, or after so long; whether it is."""
        try:
            self._raised.get(timeout=timeout_s)
        except queue.Empty:
            return False
        self._raised.put(None)
        return True
