"""Draws the panel at most ten times a second, and always once more at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ipynb_telemetry.boundary import never_into_the_cell

FRAME_S = 0.1  # a front end drops what comes much faster, the student's own output with it


class Painter:
    """The one place from which widgets are written.

    Args:
        draw: Brings the widgets up to date; called by one thread at a time.
    """

    def __init__(self, draw: Callable[[], None]) -> None:
        self._draw = draw
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._drawing = threading.Lock()
        self._last_s = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start drawing in the background, once."""
        if self._thread is None and not self._stopped.is_set():
            thread = threading.Thread(target=self._run, name="ipynb-telemetry-panel", daemon=True)
            thread.start()
            self._thread = thread

    def request(self) -> None:
        """Something has changed. Cheap: called for each event, from any thread."""
        if not self._changed.is_set():
            self._changed.set()

    @never_into_the_cell
    def draw_now(self, *, at_once: bool = False) -> None:
        """Draw in this thread, unless that was done just now: then the next frame does it.

        Args:
            at_once: Draw in any case.
        """
        self._changed.set()
        if at_once or time.monotonic() - self._last_s >= FRAME_S:
            self._draw_if_changed()

    def finish(self) -> None:
        """Draw for the last time."""
        self._stopped.set()
        self._changed.set()
        self._draw_if_changed()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._changed.wait()
            self._draw_if_changed()
            self._stopped.wait(FRAME_S)

    @never_into_the_cell
    def _draw_if_changed(self) -> None:
        with self._drawing:
            if self._changed.is_set():
                self._changed.clear()  # first: what changes while drawing is drawn next time
                self._last_s = time.monotonic()
                self._draw()
