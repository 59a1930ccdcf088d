"""The collector as it runs: store, figures and application behind one listening socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import uvicorn
from starlette.concurrency import run_in_threadpool
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ipynb_telemetry.classroom.app import make_app
from ipynb_telemetry.classroom.data_routes import data_routes
from ipynb_telemetry.classroom.database import claimed
from ipynb_telemetry.classroom.forward import Forward
from ipynb_telemetry.classroom.live import Live
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.store import Store, StoreError
from ipynb_telemetry.classroom.views import routes

_KEEP_ALIVE_S = 75  # a student's next cell is seldom further away
_END_WITHIN_S = 5
_BACKLOG = 2048  # a class of thousands connects at once when a lecture begins


class PatientHttp(HttpToolsProtocol):
    """Hangs up on whoever does not get to the end of a request's headers, and a little further.

    uvicorn waits for them for ever, and takes any number: a few sleeping or malicious senders
    would in time have every connection there is.
    """

    headers_within_s = 20.0
    max_headers_bytes = 64 * 1024

    _patience: asyncio.TimerHandle | None = None
    _headers_bytes = 0
    _in_headers = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_headers:
            self._headers_bytes += len(data)
            if self._headers_bytes > self.max_headers_bytes:
                self.transport.close()
            elif self._patience is None:
                self._wait_for_headers()

    def on_message_begin(self) -> None:
        self._in_headers = True
        self._headers_bytes = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        if not self.cycle.response_complete:
            self._has_begun()
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body and self._patience is None:  # of which nobody reads the rest
            self._wait_for_headers()

    def on_message_complete(self) -> None:
        self._has_begun()
        super().on_message_complete()

    def _has_begun(self) -> None:
        """The headers are there, and the body's beginning; the application waits for the rest."""
        self._in_headers = False
        self._stop_waiting()

    def _wait_for_headers(self) -> None:
        self._patience = self.loop.call_later(self.headers_within_s, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Collector:
    """A collector and its database.

    Args:
        path: The database; made when it is not there.
        api_key: Sets the key that senders must have, from now on.
        hosts: Names under which readers may call this computer, besides its own.
        forward: The PostHog to which everything is passed on, if any.

    Raises:
        StoreError: The database cannot be used, or another collector runs on it.
    """

    def __init__(
        self,
        path: Path,
        *,
        api_key: str | None = None,
        hosts: Iterable[str] = (),
        forward: str | None = None,
    ) -> None:
        self._forward: Forward | None = None
        self.live = Live()
        self._claim = claimed(path)
        try:
            self.store = Store(path, api_key=api_key, applied=self._applied)
        except StoreError:
            self._claim.release()
            raise
        self.live.start(self.store)
        if forward is not None:
            self._forward = Forward(self.store, forward)
            self._forward.start()
        config = uvicorn.Config(
            make_app(
                self.store,
                [
                    *routes(self.live, self.store),
                    *data_routes(self.store, forgotten=self.live.forget),
                ],
                hosts=hosts,
            ),
            http=PatientHttp,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="error",
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_END_WITHIN_S,
        )
        self._server = _Server(config, self.live)

    def run(self, listener: socket.socket) -> None:
        """Serve until Ctrl-C, or until `stop`."""
        self.store.note_address(own_address(listener))
        try:
            self._server.run(sockets=[listener])
        finally:
            self.store.note_address("")

    def stop(self) -> None:
        """Let `run` return; may be called from any thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Keep what is to be kept, and let go of the database."""
        if self._forward is not None:
            self._forward.close()
        self.live.close()
        self.store.close()
        self._claim.release()

    def _applied(self, events: Sequence[tuple[int, StoredEvent]]) -> None:
        self.live.applied(events)
        if self._forward is not None:
            self._forward.wake()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: Something else listens there, or the address is not this computer's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    is_all = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(
        (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=is_all
    )


def own_address(listener: socket.socket) -> str:
    """Where this computer itself reaches what listens."""
    host, port = listener.getsockname()[:2]
    if listener.family == socket.AF_INET6:
        return f"http://[{'::1' if host == '::' else host}]:{port}"
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104  # to know it


class _Server(uvicorn.Server):
    """One that is warm when it begins, and ends its streams, which would keep it from ending."""

    def __init__(self, config: uvicorn.Config, live: Live) -> None:
        super().__init__(config)
        self._live = live

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await run_in_threadpool(time.monotonic)  # or the first view imports what that needs: 80 ms

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.end_streams()
        await super().shutdown(sockets)
