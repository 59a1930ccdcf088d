"""Real kernels in a tenth of a second: each forked from one process that has imported all.

A kernel spends its first second on imports. `nursery_process.py` makes them once; every
kernel that it forks has a process, sockets and a session of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from jupyter_client.blocking.client import BlockingKernelClient
from waiting import wait_until

if TYPE_CHECKING:
    from typing_extensions import Self


class Newborn:
    """A kernel that is told what to run, and ends. What it answers is not listened to.

    Args:
        pid: Its process.
        connection_file: Where it will say, once it has them, on which ports it listens.
    """

    def __init__(self, pid: int, connection_file: Path) -> None:
        self.pid = pid
        self._client = BlockingKernelClient(connection_file=str(connection_file))
        wait_until(lambda: _is_written(connection_file), timeout_s=60)
        self._client.load_connection_file()
        self._client.start_channels(iopub=False, stdin=False, hb=False)

    def send(self, code: str) -> None:
        """Have it run a cell, after those that were sent before."""
        self._client.execute(code, allow_stdin=True)  # somebody is there to be asked

    def shutdown(self) -> None:
        """Ask it to end after the cell that runs, and wait until it has."""
        self._client.shutdown()
        self._wait_for_its_end()

    def kill(self) -> None:
        """`kill -9`."""
        os.kill(self.pid, signal.SIGKILL)
        self._wait_for_its_end()

    def _wait_for_its_end(self) -> None:
        wait_until(lambda: not _is_running(self.pid), timeout_s=30)
        self._client.stop_channels()


class Nursery:
    """Starts kernels, from any thread, and in the end kills those that still run.

    Args:
        environment: All of theirs.
        folder: For their connection files.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()  # for one question and its answer
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("nursery_process.py")],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def fork(self, name: str) -> Newborn:
        """Start a kernel; `name` is for its files."""
        connection_file = self._folder / f"{name}.json"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            print(connection_file, file=self._process.stdin, flush=True)
            pid = int(self._process.stdout.readline())
        return Newborn(pid, connection_file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def _is_written(connection_file: Path) -> bool:
    try:
        return bool(json.loads(connection_file.read_text("utf-8")))
    except (OSError, ValueError):  # not yet, or not to its end
        return False


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
