"""A collector as a teacher starts it: a process of its own, on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import requests

from ipynb_telemetry.classroom.reading import Reader
from ipynb_telemetry.classroom.store import Store

if TYPE_CHECKING:
    from typing_extensions import Self

_START_WITHIN_S = 30


class CollectorProcess:
    """`ipynb-telemetry serve`, which can be killed and started again at the same address.

    Attributes:
        said: The file in which is what it has printed, of all its runs.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.database = folder / "class.sqlite"
        self.said = folder / "collector.log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        store = Store(self.database)  # makes the key and the token
        self.api_key, self.token = store.api_key, store.token
        store.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        greetings = self._greetings() if self.said.exists() else 0
        command = [sys.executable, "-m", "ipynb_telemetry", "serve", "--port", str(self.port)]
        with self.said.open("ab") as said:
            self._process = subprocess.Popen(
                [*command, "--db", str(self.database), *self._options],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        deadline = time.monotonic() + _START_WITHIN_S
        while self._greetings() == greetings or not listens(self.port):
            assert self._process.poll() is None, self.said.read_text("utf-8")
            assert time.monotonic() < deadline, "it does not listen"
            self._a_moment()

    def kill(self) -> None:
        """`kill -9`: it has no chance to do anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        return self._end(signal.SIGINT)

    def post(self, batch: list[dict[str, Any]]) -> requests.Response:
        """Send events to `/batch/`."""
        body = {"api_key": self.api_key, "batch": batch}
        return requests.post(f"{self.url}/batch/", json=body, timeout=10)

    def read(self, path: str, **params: str) -> requests.Response:
        """Ask for something that only the teacher gets."""
        return requests.get(
            self.url + path,
            params=params,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=10,
        )

    def stored_uuids(self) -> list[str]:
        """The uuid of each event that is in the database, in the order of arrival."""
        return [event.uuid for _, event in Reader(self.database).events()]

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        os.kill(process.pid, number)
        return process.wait(20)

    def _greetings(self) -> int:
        return self.said.read_bytes().count(b"Ctrl-C ends")

    def _a_moment(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(0.02)
        except subprocess.TimeoutExpired:
            return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
