"""Loops that wait for news, and one way to wake them all from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Listeners:
    """Whoever waits for news; nobody is told what it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()

    def wake(self) -> None:
        """There is news."""
        with self._lock:
            for listener in self._listeners:
                listener.wake()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news; for the loop that asks."""
        listener = _Listener(asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener.news
        finally:
            with self._lock:
                self._listeners.discard(listener)


class _Listener:
    """One loop that waits for news; woken once, however much there is."""

    def __init__(self, loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
        self._loop, self.news = loop, news

    def wake(self) -> None:
        if not self.news.is_set():
            with suppress(RuntimeError):  # the loop has ended, and the page with it
                self._loop.call_soon_threadsafe(self.news.set)
