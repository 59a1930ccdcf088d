"""Between the server's loop and the store's thread: what came during a commit goes together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.store import Store

_MAX_WAITING_EVENTS = 100_000  # some 200 MB, and several seconds of writing


class Overfull(Exception):  # noqa: N818  # nothing is wrong, but there is too much of it
    """More waits to be written than can be kept in memory; the sender is to try again."""


class _Waiting(NamedTuple):
    events: Sequence[StoredEvent]
    kept: asyncio.Future[None]


class Intake:
    """Hands events to the store. Only the server's loop calls this.

    One crossing between the threads for each commit, not one for each request: that is what
    single posts cost most.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._events = 0
        self._is_writing = False

    async def keep(self, events: Sequence[StoredEvent]) -> None:
        """Return when `events` are on disk.

        Raises:
            Overfull: Too much waits already; nothing of it was kept.
            sqlite3.Error: The disk is full or broken; nothing of it was kept.
        """
        if self._events + len(events) > _MAX_WAITING_EVENTS:
            raise Overfull
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(events, kept))
        self._events += len(events)
        if not self._is_writing:
            self._write()
        await kept

    def _write(self) -> None:
        group, self._waiting = self._waiting, []
        self._is_writing = True
        loop = asyncio.get_running_loop()

        def tell(done: Future[int]) -> None:
            loop.call_soon_threadsafe(self._written, group, done.exception())

        events = group[0].events if len(group) == 1 else [e for each in group for e in each.events]
        self._store.submit(events).add_done_callback(tell)

    def _written(self, group: Sequence[_Waiting], failure: BaseException | None) -> None:
        self._is_writing = False
        for each in group:
            self._events -= len(each.events)
            if each.kept.done():  # its sender has gone; the events are kept all the same
                continue
            if failure is None:
                each.kept.set_result(None)
            else:
                each.kept.set_exception(failure)
        if self._waiting:
            self._write()
