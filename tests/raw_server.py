"""A server that says what it likes, byte by byte: what no HTTP library would ever send."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class RawServer:
    """Reads one request a connection, and sends `pieces` until they or the client's patience end.

    Attributes:
        sent_bytes: How much the client, or the system for it, has taken.
        hung_up: How many clients closed the connection before the pieces ended.
    """

    def __init__(self, pieces: Iterable[bytes], *, pause_s: float = 0) -> None:
        self.sent_bytes = 0
        self.hung_up = 0
        self._pieces = pieces
        self._pause_s = pause_s
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="RawServer")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            with connection:
                connection.settimeout(1)
                try:
                    self._converse(connection)
                except OSError:
                    self.hung_up += 1

    def _converse(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        for piece in self._pieces:
            if self._closing.wait(self._pause_s):
                return
            connection.sendall(piece)
            self.sent_bytes += len(piece)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # a reset would take from the client what it has not read
            pass


def endless(start: bytes, piece: bytes) -> Iterable[bytes]:
    """`start`, and then `piece` for ever."""
    return itertools.chain([start], itertools.repeat(piece))
