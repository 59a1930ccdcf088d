"""The routes that students' computers speak to: PostHog's, open to whoever has the key.

Plain ASGI, because a class sends here and nothing else is as hot.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, TypeVar

import anyio
import orjson
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from ipynb_telemetry.classroom.intake import Intake, Overfull
from ipynb_telemetry.classroom.protocol import (
    MAX_BATCH_BYTES,
    MAX_SINGLE_BYTES,
    Refusal,
    read_v0,
)
from ipynb_telemetry.classroom.protocol_v1 import read_v1
from ipynb_telemetry.classroom.store import Store

log = logging.getLogger("ipynb_telemetry")

_V1 = "/i/v1/analytics/events"
_SINGLE = ("/i/v0/e", "/e", "/capture", "/track", "/engage")
_LIMITS = {
    "/batch": MAX_BATCH_BYTES,
    _V1: MAX_BATCH_BYTES,
    **dict.fromkeys(_SINGLE, MAX_SINGLE_BYTES),
}
_MAX_READING_BYTES = 256 * 1024 * 1024  # of all bodies that are being read, or wait
# Requests whose events wait for a commit: as events they take twenty times what their body did,
# and to have those of three thousand students there at once makes none of them come sooner.
_MAX_AT_ONCE = 500
_LARGE_BODY_BYTES = 32 * 1024  # compressed, as a rule: some hundreds of events
_LATER = ((b"retry-after", b"1"),)
_NOT_NOW = "events cannot be stored just now; try again"
_LENGTH = b"content-length"
_ERROR_URI = "https://posthog.com/docs/api/capture"
_TEXT, _JSON = b"text/plain; charset=utf-8", b"application/json"
_HEADER_NAMES = re.compile(rb"[A-Za-z0-9_\-, ]*")

# What SDKs ask besides: nothing is switched on here, no surveys, no recording.
_NO_FLAGS = {
    "flags": {},
    "featureFlags": {},
    "featureFlagPayloads": {},
    "errorsWhileComputingFlags": False,
    "config": {"enable_collect_everything": False},
    "isAuthenticated": False,
    "supportedCompression": ["gzip", "gzip-js"],
    "sessionRecording": False,
    "toolbarParams": {},
}
_NO_CONFIG = {
    "supportedCompression": ["gzip", "gzip-js"],
    "hasFeatureFlags": False,
    "captureDeadClicks": False,
    "capturePerformance": False,
    "autocapture_opt_out": True,
    "autocaptureExceptions": False,
    "sessionRecording": False,
    "heatmaps": False,
    "surveys": False,
    "siteApps": [],
}
_HARMLESS = {
    "/flags": _NO_FLAGS,
    "/decide": _NO_FLAGS,
    "/s": {"status": 1},
    "/api/surveys": {"surveys": []},
    "/api/early_access_features": {"earlyAccessFeatures": []},
    "/api/feature_flag/local_evaluation": {"flags": [], "group_type_mapping": {}, "cohorts": {}},
}


_Read = TypeVar("_Read")


class _Answer(NamedTuple):
    status: HTTPStatus
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


_TAKEN = _Answer(HTTPStatus.OK, _JSON, b'{"status":1}')


class _Gone(Exception):  # noqa: N818  # nobody is left who could be answered
    """The sender hung up in the middle of a request."""


class Ingest:
    """Answers what PostHog's SDKs ask, and hands everything else on.

    Args:
        store: Where events go; its key is asked for.
        elsewhere: The application for all other addresses.

    Attributes:
        body_within_s: How long a body may take to arrive.
    """

    body_within_s = 30.0

    def __init__(
        self, store: Store, elsewhere: Callable[[Scope, Receive, Send], Awaitable[None]]
    ) -> None:
        self._store = store
        self._intake = Intake(store)
        self._elsewhere = elsewhere
        self._reading_bytes = 0
        self._turns = asyncio.Semaphore(_MAX_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/") if scope["type"] == "http" else ""
        limit = _LIMITS.get(path)
        harmless = None if limit else _harmless(path)
        if limit is None and harmless is None:
            await self._elsewhere(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            answer = _preflight(scope)
        elif harmless is not None:
            answer = harmless
        else:
            try:
                answer = await self._take(path, limit or 0, scope, receive)
            except _Gone:
                return
        await _send(answer, send)

    async def _take(self, path: str, limit: int, scope: Scope, receive: Receive) -> _Answer:
        try:
            if scope["method"] == "GET" and path != _V1:
                body: bytes = scope["query_string"]
            elif scope["method"] == "POST":
                body = await self._body(scope, limit, receive)
            else:
                return _Answer(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"")
            async with self._turn(body):
                if path == _V1:
                    return await self._take_v1(body, scope)
                received = datetime.now(tz=timezone.utc)
                key = self._store.api_key
                read = partial(read_v0, body, api_key=key, received=received, max_bytes=limit)
                events = await _done(read, body)
                await self._intake.keep(events)
        except Refusal as refusal:
            return _refused(refusal, is_v1=path == _V1)
        except (Overfull, sqlite3.Error) as failure:
            log.warning("events were not taken: %r", failure)
            return _refused(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_NOW), is_v1=False)
        return _TAKEN

    @asynccontextmanager
    async def _turn(self, body: bytes) -> AsyncIterator[None]:
        """Wait until few enough others are being written.

        Raises:
            Refusal: 503, too much waits already.
        """
        self._reading_bytes += len(body)
        try:
            if self._reading_bytes > _MAX_READING_BYTES:
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_NOW)
            async with self._turns:
                yield
        finally:
            self._reading_bytes -= len(body)

    async def _take_v1(self, body: bytes, scope: Scope) -> _Answer:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        received = datetime.now(tz=timezone.utc)
        key = self._store.api_key
        read = partial(read_v1, body, headers, api_key=key, received=received)
        events, results = await _done(read, body)
        more: tuple[tuple[bytes, bytes], ...] = ()
        try:
            if events:
                await self._intake.keep(events)
        except (Overfull, sqlite3.Error) as failure:
            log.warning("events were not taken: %r", failure)
            not_kept = {"result": "retry", "details": "not_persisted"}
            results = {
                uuid: result if result["result"] == "drop" else not_kept
                for uuid, result in results.items()
            }
            more = _LATER
        return _Answer(HTTPStatus.OK, _JSON, orjson.dumps({"results": results}), more)

    async def _body(self, scope: Scope, limit: int, receive: Receive) -> bytes:
        """The whole body, within its limit, before its sender has tried our patience.

        Raises:
            Refusal: 408, 413 or 503.
            _Gone: Its sender hung up.
        """
        announced = next((value for name, value in scope["headers"] if name == _LENGTH), b"")
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        # As a rule all of it is there at once. The server waits for its beginning.
        message = await receive()
        if not message.get("more_body", False) and message["type"] == "http.request":
            return _within(limit, message["body"])
        try:
            with anyio.fail_after(self.body_within_s):
                return await self._rest(message, limit, receive)
        except TimeoutError as slow:
            text = "the request took too long to arrive"
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, text) from slow

    async def _rest(self, message: Message, limit: int, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while message["type"] == "http.request":
                chunk = message.get("body", b"")
                chunks.append(chunk)
                size += len(chunk)
                self._reading_bytes += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                if self._reading_bytes > _MAX_READING_BYTES:
                    raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_NOW)
                if not message.get("more_body", False):
                    return b"".join(chunks)
                message = await receive()
        finally:
            self._reading_bytes -= size
        raise _Gone


async def _done(read: Callable[[], _Read], body: bytes) -> _Read:
    """What `read` makes of `body`; where that may take long, in a thread: the class goes on."""
    return await run_in_threadpool(read) if len(body) > _LARGE_BODY_BYTES else read()


def _within(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"request body is too large: at most {limit} bytes",
    )


def _refused(refusal: Refusal, *, is_v1: bool) -> _Answer:
    """In PostHog's form: a line of text in version 0, JSON in version 1."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers = _LATER
    elif refusal.status in {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT}:
        headers = ((b"connection", b"close"),)  # the rest of the body is not waited for
    if not is_v1:
        return _Answer(refusal.status, _TEXT, refusal.text.encode(), headers)
    error = {
        "error": refusal.code,
        "error_description": refusal.text,
        "error_uri": _ERROR_URI,
    }
    return _Answer(refusal.status, _JSON, orjson.dumps(error), headers)


def _harmless(path: str) -> _Answer | None:
    """The answer to what an SDK asks besides sending events; None for what none asks."""
    if path in _HARMLESS:
        return _Answer(HTTPStatus.OK, _JSON, json.dumps(_HARMLESS[path]).encode())
    if path.startswith("/array/"):
        if path.endswith(".js"):
            return _Answer(HTTPStatus.OK, b"text/javascript; charset=utf-8", b"")
        return _Answer(HTTPStatus.OK, _JSON, json.dumps(_NO_CONFIG).encode())
    return None


def _preflight(scope: Scope) -> _Answer:
    """Whatever a browser's notebook asks for: no cookie goes with it, and the key decides."""
    asked = dict(scope["headers"]).get(b"access-control-request-headers", b"")
    allowed = asked if _HEADER_NAMES.fullmatch(asked) else b"content-type"
    headers = (
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-allow-headers", allowed),
        (b"access-control-allow-private-network", b"true"),  # a public page, a class's laptop
        (b"access-control-max-age", b"86400"),
    )
    return _Answer(HTTPStatus.OK, _TEXT, b"", headers)


async def _send(answer: _Answer, send: Send) -> None:
    start: Message = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": [
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(answer.body)),
            # For any page, but never with a cookie: credentials are not allowed here.
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", b"retry-after"),
            (b"x-content-type-options", b"nosniff"),
            *answer.headers,
        ],
    }
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})
