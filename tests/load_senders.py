"""Senders that cost as little as can be, for the load generator: requests made beforehand.

The sender has to share the computer with what it measures, so bytes are ready before the
clock starts, and answers are only looked at for their status and their end.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast


class Post(NamedTuple):
    """One request, ready to be sent."""

    wire: bytes
    events: int


def a_post(messages: Sequence[dict[str, Any]], api_key: str) -> Post:
    """A batch as the SDK's transport sends it, with gzip."""
    body = gzip.compress(
        json.dumps({"api_key": api_key, "batch": messages}).encode(), compresslevel=6
    )
    head = (
        "POST /batch/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Post(head.encode() + body, len(messages))


class _Connection(asyncio.Protocol):
    """Sends its posts one after the other, each when the one before was answered."""

    def __init__(self, posts: Sequence[Post], ended: asyncio.Future[None]) -> None:
        self._posts = [*reversed(posts)]
        self._ended = ended
        self._answer = b""
        self._transport: asyncio.Transport
        self.accepted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(head.decode("latin-1"))
            return
        self._answer = b""
        self.accepted += self._posts.pop().events
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._fail(f"the connection was lost: {exc}")

    def _next(self) -> None:
        if self._posts:
            self._transport.write(self._posts[-1].wire)
        elif not self._ended.done():
            self._ended.set_result(None)
            self._transport.close()

    def _fail(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_exception(RuntimeError(why))


_PATIENCE_S = 120


async def send_all(port: int, connections: Sequence[Sequence[Post]]) -> float:
    """Send each list of posts over a connection of its own, all lists at once.

    Args:
        port: Who gets them.
        connections: The lists.

    Returns:
        How many seconds it took until the last was answered.
    """
    began = time.perf_counter()
    sending = (_over_one(port, posts) for posts in connections)
    await asyncio.wait_for(asyncio.gather(*sending), _PATIENCE_S)
    return time.perf_counter() - began


async def _over_one(port: int, posts: Sequence[Post]) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    await loop.create_connection(lambda: _Connection(posts, ended), "127.0.0.1", port)
    await ended
