"""A delivery with an outbox of its own, for tests: events go in, reports come out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capture_server import Event
from waiting import wait_until

from ipynb_telemetry.delivery import Delivery, Report
from ipynb_telemetry.events import new_record
from ipynb_telemetry.outbox import Outbox

KEY = "phc_test"
SESS = "0a1b2c3d"
SOON_S = 1.0
"""How long an attempt may take where the server hangs for ever."""


@dataclass
class Clock:
    """Stands still until it is told to go on."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Lesson:
    """A session and its delivery, connected as `bootstrap` does it, with a clock that stands."""

    state_dir: Path
    host: str | None
    sess: str = SESS
    student: str | None = "SARA"
    attempt_s: float | None = None
    clock: Any = field(default_factory=Clock)
    cells_run: Callable[[], bool] = lambda: False
    reports: list[Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.delivery = Delivery(
            self.state_dir,
            self.reports.append,
            clock=self.clock,
            attempt_s=self.attempt_s,
            cells_run=self.cells_run,
        )
        self.outbox = self.begin(self.sess, self.student)

    def begin(self, sess: str, student: str | None) -> Outbox:
        """Another session takes over; it is the current one from now on."""
        self.sess, self.student = sess, student
        self.outbox = Outbox(self.state_dir, sess, appended=self.delivery.wake)
        self.delivery.serve(self.outbox)
        if student:
            self.outbox.give_name(student)
        return self.outbox

    @property
    def report(self) -> Report:
        """The last one; before the first, one that says nothing."""
        return self.reports[-1] if self.reports else Report("", 0, 0, 0, "", "", "")

    def happens(self, number: int, **properties: object) -> None:
        """Something happens in cell `number`."""
        own = {"nb": "D3", "sess": self.sess, "v": "0.1.0", "cell_num": number, **properties}
        record = new_record("cell", own, host=self.host, api_key=KEY, student=self.student)
        self.outbox.append(record)

    def time_passes(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.delivery.wake()

    def let_a_round_pass(self) -> None:
        """Return when the delivery has looked at everything once more."""
        for _ in range(2):  # when the second begins, the first has ended
            before = len(self.reports)
            self.delivery.wake()
            wait_until(lambda: len(self.reports) > before)  # noqa: B023  # called at once


def numbers(events: list[Event]) -> list[int]:
    """Which cells `events` are about."""
    return [event["properties"]["cell_num"] for event in events]


def set_aside(state_dir: Path) -> list[tuple[int, str]]:
    """The cell and the reason of every event that was set aside."""
    files = sorted((state_dir / "set-aside").glob("*.jsonl"))
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [(record["properties"]["cell_num"], record["reason"]) for record in records]


def a_dead_session(
    state_dir: Path,
    host: str | None,
    *,
    sess: str = "dead0001",
    student: str | None = "OMAR",
    events: int = 3,
) -> None:
    """Another process captures events for `host`, and is killed before it could send them."""
    script = f"""if True:
        import os, pathlib, deliveries
        folder = pathlib.Path({str(state_dir)!r})
        lesson = deliveries.Lesson(folder, {host!r}, {sess!r}, {student!r})
        for number in range({events}):
            lesson.happens(number)
        os._exit(0)
        """
    run_python(script)


def run_python(script: str) -> str:
    """What `script` prints, in a process of its own; it can import what the tests can."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        timeout=60,
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    return done.stdout
