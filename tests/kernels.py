"""A real kernel, driven as a front end drives it: through `jupyter_client`, without a browser."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.manager import KernelManager
from waiting import wait_until

Message = dict[str, Any]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Ran:
    """What a cell has shown."""

    stdout: str = ""
    stderr: str = ""
    error: str = ""
    """The traceback as a student reads it, without colours; empty when there was none."""
    results: list[str] = field(default_factory=list)
    """What `Out[n]` shows, as text."""
    displays: list[Mapping[str, Any]] = field(default_factory=list)
    """What was displayed, as MIME bundles."""

    @property
    def outputs(self) -> tuple[str, str, str, list[str], list[str]]:
        """All of it, but for what differs from run to run."""
        shown = [str(bundle.get("text/plain")) for bundle in self.displays]
        return self.stdout, self.stderr, self.error, self.results, shown


class Kernel:
    """One kernel with a front end of its own.

    Args:
        environment: All of its environment.
        log: A file for what its process writes past Jupyter.
        allow_stdin: Whether its front end lets a cell ask; nbclient's does not.
    """

    def __init__(
        self, environment: Mapping[str, str], log: Path, *, allow_stdin: bool = True
    ) -> None:
        self.allow_stdin = allow_stdin
        self.printed = ""
        """All that came on stdout and stderr, of whichever cell."""
        self.asked = 0
        """How often a cell has asked its user for input."""
        self._early: deque[Message] = deque()
        self._replied: set[str] = set()
        self._log = log
        self._manager = KernelManager()
        # Longer than any test of ours waits: what ends a kernel must be the kernel.
        self._manager.shutdown_wait_time = 30.0
        with log.open("ab") as output:
            self._manager.start_kernel(env=dict(environment), stdout=output, stderr=output)
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    @property
    def log(self) -> str:
        """What its process has written past Jupyter."""
        return self._log.read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        pid: int = self._manager.provisioner.pid  # type: ignore[union-attr]  # it is running
        return pid

    def run(self, code: str, *, timeout_s: float = 60, **request: bool) -> Ran:
        """Run a cell to its end.

        Args:
            code: Its source.
            timeout_s: How long it may take.
            request: `silent` or `store_history`, as in Jupyter's `execute_request`.
        """
        return self.finish(self.begin(code, **request), timeout_s=timeout_s)

    def begin(self, code: str, **request: bool) -> str:
        """Send a cell off; `finish` waits for it."""
        number: str = self._client.execute(
            code, allow_stdin=self.allow_stdin, stop_on_error=False, **request
        )
        return number

    def finish(self, number: str, *, timeout_s: float = 60) -> Ran:
        ran = Ran()
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._next_message(deadline)
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                self._wait_for_reply(number, deadline)
                return ran
            self._note(ran, kind, content)

    def has_printed(self, text: str) -> bool:
        """Whether the cell that `begin` has sent off has printed `text` by now.

        What it printed is still there for `finish`.
        """
        with contextlib.suppress(Empty):
            self._early.append(self._see(self._client.get_iopub_msg(timeout=0.1)))
        texts = (message["content"].get("text", "") for message in self._early)
        return text in "".join(texts)

    def drain(self) -> None:
        """Take what has come from no cell that `run` waited for, such as a thread's output."""
        while True:
            try:
                self._see(self._client.get_iopub_msg(timeout=0.2))
            except Empty:
                return

    def interrupt(self) -> None:
        """Interrupt what runs, as the square button does."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """As the front end does it: the kernel is asked to end first."""
        self._manager.restart_kernel()
        self._client.wait_for_ready(timeout=60)

    def kill(self) -> None:
        """`kill -9`."""
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not self._manager.is_alive())

    def shutdown(self) -> float:
        """Ask it to end, and wait until it has; the seconds that took."""
        began_s = time.monotonic()
        self._client.shutdown()
        wait_until(lambda: not self._manager.is_alive(), timeout_s=30)
        return time.monotonic() - began_s

    def close(self) -> None:
        """End it, whatever it is doing, and what belongs to it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._client.context.destroy(linger=0)  # jupyter_client 7 leaves it to the collector

    def _next_message(self, deadline: float) -> Message:
        if self._early:
            return self._early.popleft()
        while time.monotonic() < deadline:
            self._count_questions()
            try:
                return self._see(self._client.get_iopub_msg(timeout=1))
            except Empty:
                if not self._manager.is_alive():
                    pytest.fail(f"the kernel has died:\n{self.log}")
        pytest.fail("the cell has not ended in time")
        raise AssertionError

    def _wait_for_reply(self, number: str, deadline: float) -> None:
        """As front ends do: ipykernel 7 may never read what comes while it replies.

        Source: https://github.com/ipython/ipykernel/issues/1554
        """
        while number not in self._replied:
            reply = self._client.get_shell_msg(timeout=max(0.0, deadline - time.monotonic()))
            self._replied.add(reply["parent_header"].get("msg_id"))

    def _see(self, message: Message) -> Message:
        if message["msg_type"] == "stream":
            self.printed += message["content"]["text"]
        return message

    def _count_questions(self) -> None:
        with contextlib.suppress(Empty):
            self._client.get_stdin_msg(timeout=0)
            self.asked += 1
            self._client.input("")

    @staticmethod
    def _note(ran: Ran, kind: str, content: Mapping[str, Any]) -> None:
        if kind == "stream" and content["name"] == "stdout":
            ran.stdout += content["text"]
        elif kind == "stream":
            ran.stderr += content["text"]
        elif kind == "error":
            ran.error = _COLOURS.sub("", "\n".join(content["traceback"]))
        elif kind == "execute_result":
            ran.results.append(content["data"]["text/plain"])
        elif kind == "display_data":
            ran.displays.append(content["data"])
