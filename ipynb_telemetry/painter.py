"""Draws the panel at most ten times a second, and always once more at the end.

While cells run one after the other it draws less often: drawing and running are both Python,
and while the one does something the other stands still.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from ipynb_telemetry.boundary import never_into_the_cell
from ipynb_telemetry.flag import Flag

FRAME_S = 0.1  # a front end drops what comes much faster, the student's own output with it
CALM_S = 0.25
"""How far apart drawings are that no student waits for."""


class Painter:
    """The one place from which widgets are written.

    Args:
        draw: Brings the widgets up to date; called by one thread at a time.
    """

    def __init__(self, draw: Callable[[], None]) -> None:
        self._draw = draw
        self._changed = Flag()
        self._stopped = Flag()
        self._drawing = threading.RLock()
        self._last_s = 0.0
        self._planned_s = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start drawing in the background, once."""
        if self._thread is None and not self._stopped.is_set():
            thread = threading.Thread(target=self._run, name="ipynb-telemetry-panel", daemon=True)
            thread.start()
            self._thread = thread

    def request(self) -> None:
        """Something has changed. Cheap: called for each event, from any thread."""
        self._changed.set()

    @never_into_the_cell
    def draw_now(self, *, at_once: bool = False) -> None:
        """Draw in this thread, unless that was done just now: then in a moment.

        Args:
            at_once: Draw in any case.
        """
        self._changed.set()
        if at_once:
            self._draw_if_changed()
        else:  # where no event loop can do it, the background will
            self._draw_or_plan(FRAME_S)

    @never_into_the_cell
    def draw_calmly(self) -> None:
        """Draw in this thread, now or in a moment; to be called wherever a cell ends."""
        self._changed.set()
        if not self._draw_or_plan(CALM_S):
            self._draw_if_changed()

    def finish(self) -> None:
        """Draw for the last time."""
        self._stopped.set()
        self._changed.set()
        self._draw_if_changed()

    def _draw_or_plan(self, frame_s: float) -> bool:
        """Draw where `frame_s` have passed, else have it done then; False if nobody can."""
        now_s = time.monotonic()
        if now_s < self._planned_s:
            return True
        waits_s = self._last_s + frame_s - now_s
        if waits_s <= 0:
            self._draw_if_changed()
            return True
        if not call_later(waits_s, self._draw_as_planned):
            return False
        self._planned_s = now_s + waits_s
        return True

    def _draw_as_planned(self) -> None:
        if not self._stopped.is_set():
            self.draw_now(at_once=True)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._changed.wait()
            # First: a cell that ends by then draws it in its own thread, as Colab needs it.
            self._stopped.wait(CALM_S)
            if time.monotonic() >= self._last_s + FRAME_S:
                self._draw_if_changed()

    @never_into_the_cell
    def _draw_if_changed(self) -> None:
        with self._drawing:
            if self._changed.is_set():
                self._changed.clear()  # first: what changes while drawing is drawn next time
                self._last_s = time.monotonic()
                try:
                    self._draw()
                except KeyboardInterrupt:
                    self._changed.set()
                    raise


def call_later(delay_s: float, act: Callable[[], None]) -> bool:
    """Have the event loop of this thread call `act`; False where it runs none."""
    try:
        asyncio.get_running_loop().call_later(delay_s, act)
    except RuntimeError:
        return False
    return True
