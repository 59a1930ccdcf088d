"""Real kernels, each with a front end that reads all that it says and shows none of it."""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from capture_server import CaptureServer
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from typing_extensions import Self

HERE = Path(__file__).parent
STUDENT = "BENCH-STUDENT"
SETUP = (
    "from ipynb_telemetry.bootstrap import setup_telemetry\n"
    f'setup_telemetry("Bench", student="{STUDENT}")'
)
_LEFT_OUT = ("TELEMETRY_", "POSTHOG_", "DO_NOT_TRACK", "PYTHONDONTWRITEBYTECODE")
# Pip compiles what it installs; a checkout that is worked on may never have been compiled.
_COMPILED = tempfile.TemporaryDirectory(prefix="ipt-bench-compiled-")


class CellError(Exception):
    """A benchmark's cell has failed."""


class Kernel:
    """A kernel of the Python that runs the benchmark, its events going to `host`.

    It allows stdin, as front ends with a student in front of them do, so there is a panel.
    """

    def __init__(self, host: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ipt-bench-")
        self._manager = KernelManager()
        self._manager.start_kernel(env=_environment(Path(self._folder.name), host))
        self._client = self._manager.blocking_client()
        # What the kernel says between two cells waits, however much it is.
        self._client.context.rcvhwm = 0
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.models: Counter[str] = Counter()
        """The widgets that the front end was told to make, by the names of their models."""
        self.run(f"import sys; sys.path.insert(0, {str(HERE)!r})")
        executable = self.run("pass", value="sys.executable")
        if executable != sys.executable:
            msg = f"the kernel runs {executable}, not {sys.executable}"
            raise CellError(msg)

    def run(self, code: str, *, value: str = "None") -> Any:
        """Run a cell, and return what the expression `value` is afterwards.

        Raises:
            CellError: The cell or the expression raised.
        """
        return self._run(code, value)[0]

    def seconds(self, code: str) -> float:
        """How long a cell takes, hooks included, by the kernel's own clock."""
        return self._run(code, "None")[1]

    def close(self) -> None:
        """Kill it: how it ends is not measured here."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, code: str, value: str) -> tuple[Any, float]:
        expressions = {"value": f"__import__('json').dumps({value})"}
        request = self._client.execute(code, user_expressions=expressions, allow_stdin=True)
        while not self._is_idle_after(request):
            pass
        reply = self._client.get_shell_msg(timeout=60)
        while reply["parent_header"].get("msg_id") != request:
            reply = self._client.get_shell_msg(timeout=60)
        content = reply["content"]
        outcomes = [content, *content.get("user_expressions", {}).values()]
        for outcome in outcomes:
            if outcome["status"] != "ok":
                raise CellError("\n".join(outcome.get("traceback") or [str(outcome)]))
        text = content["user_expressions"]["value"]["data"]["text/plain"]
        began = datetime.fromisoformat(reply["metadata"]["started"].replace("Z", "+00:00"))
        took_s = (reply["header"]["date"] - began).total_seconds()
        return json.loads(ast.literal_eval(text)), took_s

    def _is_idle_after(self, request: str) -> bool:
        """Read the next that the kernel says: whether `request` has ended."""
        message = self._client.get_iopub_msg(timeout=300)
        content = message["content"]
        if message["msg_type"] == "comm_open":
            self.models[content["data"].get("state", {}).get("_model_name", "")] += 1
        is_idle = message["msg_type"] == "status" and content["execution_state"] == "idle"
        return is_idle and bool(message["parent_header"].get("msg_id") == request)


def compile_everything() -> None:
    """So that no kernel that is measured does it."""
    with Kernel("http://127.0.0.1:9") as kernel:
        kernel.run(f"{SETUP}\nimport in_kernel, ipywidgets, ipynb_telemetry.transport")


def wait_until(condition: Callable[[], object], what: str, *, timeout_s: float = 120) -> None:
    """Return as soon as `condition()` is true.

    Raises:
        TimeoutError: It stays false; with `what` it was about.
    """
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            msg = f"still waiting after {timeout_s} s: {what}"
            raise TimeoutError(msg)
        time.sleep(0.01)


def arrived(server: CaptureServer) -> int:
    """How many different events `server` has accepted."""
    return len({event["uuid"] for event in server.events})


def _environment(folder: Path, host: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    return {
        **kept,
        "TELEMETRY_HOST": host,
        "TELEMETRY_STATE_DIR": str(folder / "state"),
        "PYTHONPYCACHEPREFIX": _COMPILED.name,
        "IPYTHONDIR": str(folder / "ipython"),  # nobody's start-up files, nobody's history
    }
