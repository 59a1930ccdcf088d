"""A teacher's page that is open while a class works: when did it show which event?"""

from __future__ import annotations

import multiprocessing
import time
from http.client import HTTPConnection
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import orjson

if TYPE_CHECKING:
    from typing_extensions import Self

Sightings: TypeAlias = dict[str, list[tuple[int, float]]]
"""By session: how many of its events were shown, and since when (`time.monotonic`)."""


class Page:
    """Follows the stream in a process of its own, as a browser does."""

    def __init__(self, url: str, token: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._seen: Queue[Sightings] = context.Queue()
        self._open, self._enough = context.Event(), context.Event()
        self._process = context.Process(
            target=_follow, args=(url, token, self._open, self._enough, self._seen), daemon=True
        )

    def close(self) -> Sightings:
        """What it has shown."""
        self._enough.set()
        return self._seen.get(timeout=60)

    def __enter__(self) -> Self:
        self._process.start()
        assert self._open.wait(30), "the stream does not answer"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()


def _follow(url: str, token: str, is_open: Event, enough: Event, seen: Queue[Sightings]) -> None:
    sightings: Sightings = {}
    address = urlsplit(url)
    # Not requests: it looks through all of a long line again for each piece that comes.
    connection = HTTPConnection(str(address.hostname), address.port, timeout=60)
    connection.request("GET", "/api/stream", headers={"Authorization": f"Bearer {token}"})
    stream = connection.getresponse()
    is_open.set()
    while line := stream.readline():
        now = time.monotonic()
        if line.startswith(b"data: {"):
            _note(orjson.loads(line[6:]), now, sightings)
        if enough.is_set():
            break
    seen.put(sightings)


def _note(
    data: dict[str, dict[str, list[dict[str, list[list[object]]]]]],
    now: float,
    sightings: Sightings,
) -> None:
    for rows in data["students"].values():
        for row in rows:
            for sess, received, *_ in row["sessions"]:
                known = sightings.setdefault(str(sess), [])
                if isinstance(received, int) and (not known or known[-1][0] < received):
                    known.append((received, now))
