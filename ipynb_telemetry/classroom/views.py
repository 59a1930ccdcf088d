"""What the teacher's browser asks for: the page, its stream of changes, its figures as JSON.

These routes belong behind `access.py`, which lets nobody read without the token and sends the
Content-Security-Policy.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from ipynb_telemetry.classroom.figures import epoch_ms
from ipynb_telemetry.classroom.live import LESSON_MS, Live
from ipynb_telemetry.classroom.notebook import Changes, Query
from ipynb_telemetry.classroom.store import Store
from ipynb_telemetry.classroom.students import Student
from ipynb_telemetry.classroom.summary import exercise_figures, pace

MIN_GAP_S = 0.2  # five times a second is as often as anybody can read
_BUSY_SHARE = 0.25  # of the time at most goes into what one page is told
_ALIVE_EVERY_S = 15.0  # a sign of life, so that a line that is dead is noticed
_RETRY_MS = 1_000
_AT_WORK_MS = 15 * 60 * 1000  # after an event; `dashboard/state.js` has the same
MAX_TIMELINE = 3_000
# Not mimetypes: on Windows the registry may call JavaScript plain text, which no browser runs.
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_FOLDER = Path(str(resources.files("ipynb_telemetry.classroom") / "dashboard"))


def routes(live: Live, store: Store) -> list[BaseRoute]:
    """All of the dashboard's, to be put behind the token."""
    views, files = _Views(live, store), _Files(_FOLDER)
    return [
        Route("/", files.page),
        Route("/api/stream", views.stream),
        Route("/api/class", views.snapshot),
        Route("/api/exercises", views.exercises),
        Route("/api/pace", views.pace),
        Route("/api/student", views.student),
        Route("/dashboard/{name}", files.file),
    ]


class _Files:
    """The page's files, read once and asked for again each time.

    Without that an update could meet its older half in the browser's cache.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    async def page(self, request: Request) -> Response:
        answer = self._answer(request, "index.html")
        if not request.url.query:  # else the page's script alone knows which part it shows
            answer.headers["Link"] = "</api/class>; rel=preload; as=fetch; crossorigin"
        return answer

    async def file(self, request: Request) -> Response:
        return self._answer(request, request.path_params["name"])

    def _answer(self, request: Request, name: str) -> Response:
        content = self._files.get(name)
        if content is None:
            raise HTTPException(404)
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"Cache-Control": "no-cache", "ETag": tag}
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_TYPES[Path(name).suffix], headers=headers)


class _Views:
    def __init__(self, live: Live, store: Store) -> None:
        self._live, self._store = live, store

    async def stream(self, request: Request) -> Response:
        """Server-sent events: first the class as it is, or what a page missed; then changes."""
        query = _query(request)
        seen = request.headers.get("Last-Event-ID") or request.query_params.get("seen") or ""
        boot, version, since, notebook = [*seen.split("-", 3), "", "", "", ""][:4]
        known = boot == self._live.boot and version.isdecimal() and since.isdecimal()
        after, since_ms = (int(version), int(since)) if known else (0, 0)
        if known and not query.notebook:  # another one may be the latest by now
            query = query._replace(notebook=unquote(notebook))
        return StreamingResponse(
            self._told(query, after, since_ms),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _told(self, query: Query, after: int, since_ms: int) -> AsyncIterator[str]:
        """What is new after version `after`, of a page that shows sessions from then on."""
        yield f"retry: {_RETRY_MS}\n\n"
        elsewhere: set[str] = set()
        with self._live.listening() as news:
            while not self._live.ended:
                # Clear first, look second: what comes between the two sets it again.
                news.clear()
                began_s = time.monotonic()
                changes = await run_in_threadpool(self._live.changes, query, after)
                if after and changes.since_ms - since_ms > LESSON_MS:  # left open overnight
                    after = 0
                    changes = await run_in_threadpool(self._live.changes, query, after)
                if after == 0:
                    since_ms = changes.since_ms
                if changes.notebook:
                    query = query._replace(notebook=changes.notebook)
                others = _at_work(changes) - {changes.notebook}
                if after == 0 or changes.students or others != elsewhere:
                    elsewhere = others
                    yield self._event(changes, since_ms, whole=after == 0)
                    after = changes.version if changes.notebook else 0
                took_s = time.monotonic() - began_s
                await asyncio.sleep(max(MIN_GAP_S, took_s / _BUSY_SHARE))
                while not await _set_within(news, _ALIVE_EVERY_S):
                    yield "event: alive\ndata: 1\n\n"

    def _event(self, changes: Changes, since_ms: int, *, whole: bool) -> str:
        name = "class" if whole else "change"
        seen = self._seen(changes, since_ms)
        return f"event: {name}\nid: {seen}\ndata: {_as_text(changes)}\n\n"

    def _seen(self, changes: Changes, since_ms: int) -> str:
        """What a page tells us to get only what is new after `changes`."""
        return f"{self._live.boot}-{changes.version}-{since_ms}-{quote(changes.notebook)}"

    async def snapshot(self, request: Request) -> Response:
        """The class as it is, once; its stream goes on from there."""
        query = _query(request)
        return _json(await run_in_threadpool(lambda: self._whole(query)))

    def _whole(self, query: Query) -> str:
        changes = self._live.changes(query)
        return _as_text(changes, seen=self._seen(changes, changes.since_ms))

    async def exercises(self, request: Request) -> Response:
        """Each exercise: how many passed, with what trouble."""
        return await self._about_all(request, exercise_figures)

    async def pace(self, request: Request) -> Response:
        """How many have reached each cell, over time."""
        return await self._about_all(request, pace)

    async def _about_all(
        self, request: Request, figures: Callable[[list[Student]], object]
    ) -> Response:
        query = _query(request)
        return _json(await run_in_threadpool(lambda: _dumps(self._live.about(query, figures))))

    async def student(self, request: Request) -> Response:
        """One student's timeline: all that happened in the sessions of one row, in order."""
        query = _query(request)
        key = request.query_params.get("key", "")
        return _json(await run_in_threadpool(lambda: _dumps(self._timeline(query, key))))

    def _timeline(self, query: Query, key: str) -> dict[str, Any]:
        sessions = self._live.about(
            query,
            lambda students: [
                session.sess for each in students if each.key == key for session in each.sessions
            ],
        )
        events = [
            {
                "at": epoch_ms(event.timestamp),
                "seq": event.seq,
                "sess": event.sess,
                "event": event.event,
                **_shown(orjson.loads(event.properties)),
            }
            for sess in sessions
            for _, event in self._store.events(sess=sess)
        ]
        events.sort(key=lambda each: (each["at"], each["seq"] or 0))
        return {"events": events[-MAX_TIMELINE:], "left_out": max(0, len(events) - MAX_TIMELINE)}


_SHOWN = ("cell_id", "code", "ok", "ms", "err", "ex", "try", "skipped", "up", "prev", "frontend")


def _shown(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: properties[name] for name in _SHOWN if name in properties}


def _at_work(changes: Changes) -> set[str]:
    """The notebooks that somebody works in."""
    since_ms = time.time() * 1000 - _AT_WORK_MS
    return {name for name, last_ms in changes.notebooks if last_ms >= since_ms}


def _as_text(changes: Changes, **more: str) -> str:
    about = _dumps(
        {
            **more,
            "notebook": changes.notebook,
            "exercises": changes.exercises,
            "notebooks": changes.notebooks,
            "completeSince": changes.complete_since_ms,
            "now": round(time.time() * 1000),
        }
    )
    students = ",".join([f"{_dumps(name)}:{rows}" for name, rows in changes.students.items()])
    return f'{about[:-1]},"students":{{{students}}}}}'


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def _json(text: str) -> Response:
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


async def _set_within(news: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(news.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True


def _query(request: Request) -> Query:
    asked = request.query_params
    return Query(
        notebook=asked.get("notebook", ""),
        cohort=asked.get("cohort", ""),
        since_ms=_milliseconds(asked.get("since")),
        until_ms=_milliseconds(asked.get("until")),
    )


def _milliseconds(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 14:  # noqa: PLR2004  # the year 5138 is late enough
        raise HTTPException(400, "since and until are milliseconds since 1970")
    return int(text)
