"""The collector as one ASGI application: ingest for students, reading for their teacher."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from ipynb_telemetry.classroom.access import Access
from ipynb_telemetry.classroom.ingest import Ingest
from ipynb_telemetry.classroom.store import Store


def make_app(store: Store, routes: Sequence[BaseRoute], *, hosts: Iterable[str] = ()) -> ASGIApp:
    """The collector.

    Args:
        store: Where events go, and whose key and token are asked for.
        routes: What a reader with the token gets.
        hosts: Names under which readers may call this computer, besides its own.
    """
    reading = Access(Starlette(routes=[*routes]), token=store.token, hosts=hosts)
    return Ingest(store, reading)
