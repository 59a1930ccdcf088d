"""What the commands and the data frames ask a running collector for, and tell it to forget.

These routes belong behind `access.py`, which lets nobody read without the token.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from ipynb_telemetry.classroom.refused import drop_forgotten
from ipynb_telemetry.classroom.store import Store
from ipynb_telemetry.classroom.wanted import Wanted, events_of, figures_of, spellings

EVENTS, FIGURES, FORGET = "/api/events", "/api/figures", "/api/forget"
_LINES_AT_ONCE = 200


def data_routes(store: Store, *, forgotten: Callable[[str], None]) -> list[BaseRoute]:
    """The routes.

    Args:
        store: What is read, and from which a student is deleted.
        forgotten: Called with a name after the store has forgotten it.
    """

    async def events(request: Request) -> Response:
        return _lines([*event] for event in events_of(store, _wanted(request)))

    async def figures(request: Request) -> Response:
        return _lines(
            b64encode(each.to_bytes()).decode() for each in figures_of(store, _wanted(request))
        )

    async def forget(request: Request) -> Response:
        student = request.query_params.get("student")
        if not student:
            return PlainTextResponse("say which student to forget", 400)
        events = await run_in_threadpool(lambda: forget_student(store, student, forgotten))
        return JSONResponse({"events": events})

    return [
        Route(EVENTS, events),
        Route(FIGURES, figures),
        Route(FORGET, forget, methods=["POST"]),
    ]


def forget_student(store: Store, student: str, forgotten: Callable[[str], None]) -> int:
    """Delete all about a student, however the name is spelled; the number of events."""
    events = 0
    for name in spellings(student):
        events += store.forget(name)
        forgotten(name)
        # Once more: figures may have been written down between the two.
        events += store.forget(name)
    drop_forgotten(store)
    return events


def _wanted(request: Request) -> Wanted:
    asked = request.query_params
    return Wanted(asked.get("notebook"), asked.get("student"), asked.get("since"))


def _lines(values: Iterable[Any]) -> Response:
    """A line of JSON for each value, as they come: a class of years is not held in memory."""
    return StreamingResponse(_chunks(iter(values)), media_type="application/x-ndjson")


def _chunks(values: Iterator[Any]) -> Iterator[str]:
    while some := [*islice(values, _LINES_AT_ONCE)]:
        yield "".join(f"{json.dumps(value)}\n" for value in some)
