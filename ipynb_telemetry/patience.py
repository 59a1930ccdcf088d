"""HTTP connections whose patience ends: a timeout for a whole answer, not for each read of it.

A socket's timeout begins anew with every byte, so a server that drips its answer could hold
a request for ever.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import time
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ipynb_telemetry.answers import MAX_ANSWER_BYTES

if TYPE_CHECKING:
    import requests
    from typing_extensions import Buffer


class PatientAdapter(HTTPAdapter):
    """Reads no more of an answer than PostHog would send, and no longer than the timeout."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # these connect in a way of their own
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        response = super().send(request, **{**kwargs, "stream": True})
        body = b""
        with contextlib.closing(response):
            for chunk in response.iter_content(8192):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    break
        response._content = body  # noqa: SLF001  # what requests itself fills when not streaming
        return response


class _TimedReads(io.RawIOBase):
    """What a socket receives, with its timeout for all reads together."""

    def __init__(self, received: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__()
        self._received, self._sock = received, sock
        self.ended = False
        """Whether somebody wanted more than there was."""
        self._deadline = time.monotonic() + (sock.gettimeout() or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        read_bytes = self._received.readinto(buffer)
        self.ended = read_bytes == 0
        return read_bytes

    def close(self) -> None:
        self._received.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._reads = _TimedReads(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._reads)

    def begin(self) -> None:
        super().begin()
        if self._reads.ended:  # http.client takes half a header for a whole one
            raise http.client.IncompleteRead(partial=b"")


class _Connection(HTTPConnection):
    response_class = _Response
    debuglevel = 0  # a student who looks at own requests with it must not see ours


class _SecureConnection(HTTPSConnection):
    response_class = _Response
    debuglevel = 0


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}
