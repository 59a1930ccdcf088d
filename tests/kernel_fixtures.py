"""Fixtures for tests in a real kernel: one of a test's own, or a lesson in a shared one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from capture_server import CaptureServer, Event
from kernels import Kernel, Ran
from waiting import wait_until

NewKernel = Callable[..., Kernel]

SETUP = "from ipynb_telemetry.bootstrap import setup_telemetry"
_NUMBERS = itertools.count(1)


@pytest.fixture
def new_kernel(
    clean_environment: None, server: CaptureServer, tmp_path: Path
) -> Iterator[NewKernel]:
    """Starts kernels of this test's own, whose events go to `server`.

    Further environment variables are given by keyword; `None` takes one away.
    """
    kernels: list[Kernel] = []

    def start(*, allow_stdin: bool = True, **environment: str | None) -> Kernel:
        settings = {"TELEMETRY_HOST": server.url, **environment}
        log = tmp_path / f"kernel-{len(kernels)}.log"
        kernels.append(Kernel(environment_with(settings), log, allow_stdin=allow_stdin))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.close()


@pytest.fixture
def kernel(new_kernel: NewKernel) -> Kernel:
    """A kernel of this test's own."""
    return new_kernel()


class Classroom(NamedTuple):
    """A kernel that many lessons share, one after the other, and what belongs to it."""

    kernel: Kernel
    server: CaptureServer
    state_dir: Path
    errors: Path
    """What its `ipynb_telemetry` log has of errors."""


class Lesson:
    """A session of a test's own in a kernel that others have used before."""

    def __init__(self, classroom: Classroom) -> None:
        self.kernel, self.server = classroom.kernel, classroom.server
        self.notebook_id = f"D{next(_NUMBERS)}_Lesson"
        self._outbox = classroom.state_dir / "outbox"

    def set_up(self, **settings: Any) -> Ran:
        """Run the setup cell, with SARA as the student."""
        arguments = {"student": "Sara"} | settings
        return self.run(f"{SETUP}\nsetup_telemetry({self.notebook_id!r}, **{arguments!r})")

    def run(self, code: str, **request: bool) -> Ran:
        return self.kernel.run(code, **request)

    def events(self) -> list[Event]:
        """All that has happened in this lesson up to now, in order."""
        return self.events_of(self.notebook_id)

    def named(self, *names: str) -> list[Event]:
        """Those of `events` with one of these names."""
        return [event for event in self.events() if event["event"] in names]

    def events_of(self, notebook_id: str) -> list[Event]:
        """All that has happened with one notebook id up to now, in the order in which it did.

        It sends an event of its own and waits for that, and until the sessions that have
        ended are delivered: what is not there now never comes.
        """
        marker = f"marker-{uuid4()}"
        self.kernel.run(f"_telemetry_capture({marker!r})")
        wait_until(lambda: self.server.named(marker), timeout_s=30)
        wait_until(lambda: len(list(self._outbox.iterdir())) == 1, timeout_s=30)
        events = [
            event
            for event in self.server.distinct().values()
            if event["properties"]["nb"] == notebook_id and not event["event"].startswith("marker-")
        ]
        return sorted(events, key=lambda event: datetime.fromisoformat(event["timestamp"]))


@pytest.fixture(scope="module")
def classroom(ipython_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """The kernel that the lessons of a module share."""
    folder = tmp_path_factory.mktemp("classroom")
    errors = folder / "telemetry-errors.log"
    with CaptureServer() as server:
        settings = {
            "TELEMETRY_HOST": server.url,
            "TELEMETRY_STATE_DIR": str(folder / "state"),
            "IPYTHONDIR": str(ipython_dir),
            "IPT_TEST_ERRORS": str(errors),
        }
        kernel = Kernel(environment_with(settings), folder / "kernel.log")
        yield Classroom(kernel, server, folder / "state", errors)
        kernel.close()


@pytest.fixture
def lesson(classroom: Classroom) -> Iterator[Lesson]:
    """A lesson that has been set up, in the kernel of this module."""
    lesson = Lesson(classroom)
    lesson.set_up()
    yield lesson
    if classroom.errors.exists():
        left = classroom.errors.read_text("utf-8", "replace")
        classroom.errors.write_text("")
        assert not left, f"left in the ipynb_telemetry log:\n{left}"


def deliver_what_others_left(server: CaptureServer, state_dir: Path) -> None:
    """Run another session on this computer, of another notebook, until only its own is there."""
    outbox = str(state_dir / "outbox")
    program = (
        f"{SETUP}\n"
        f'setup_telemetry("Next", host={server.url!r}, student="Lena")\n'
        "import os, threading\n"
        f"while len(os.listdir({outbox!r})) > 1: threading.Event().wait(0.02)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env=environment_with({"TELEMETRY_STATE_DIR": str(state_dir)}),
        check=True,
        timeout=90,
    )


def environment_with(settings: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a kernel as a front end starts it: without pytest's own signs.

    With them ipykernel does without some of its output's capture, for its own tests.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment |= {k: v for k, v in settings.items() if v is not None}
    return {k: v for k, v in environment.items() if settings.get(k, v) is not None}
