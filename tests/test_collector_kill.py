"""`kill -9` of the collector under load: what it said 200 to is there, once."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from class_events import comparable
from collectors import CollectorProcess, listens
from waiting import wait_until

from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.kept import apply_all
from ipynb_telemetry.classroom.reading import Reader

KILLS = 50
SENDERS = 4


class ForkedCollector(CollectorProcess):
    """Forked from a process that has imported everything: fifty starts take seconds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._forks = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("collector_process.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._pid = 0

    def start(self) -> None:
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        print(self.port, self.database, self.said, sep="\t", file=self._forks.stdin, flush=True)
        self._pid = int(self._forks.stdout.readline())
        wait_until(lambda: listens(self.port), timeout_s=30)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)
        wait_until(lambda: not psutil.pid_exists(self._pid))
        return 0

    def __exit__(self, *raised: object) -> None:
        self.kill()
        self._forks.kill()
        self._forks.communicate()


class Sender(threading.Thread):
    """A computer that sends what happens, and again until the collector has said 200.

    The first is one of the system before this one, whose events have no number.
    """

    def __init__(self, collector: CollectorProcess, number: int, ending: threading.Event) -> None:
        super().__init__()
        self._collector = collector
        self._sess = f"{number:08x}"
        self._is_numbered = number > 0
        self._ending = ending
        self._random = random.Random(number)  # noqa: S311  # no secret
        self._seq = 0
        self.accepted: list[str] = []
        self.unanswered = 0

    def run(self) -> None:
        while not self._ending.is_set():
            batch = [self._an_event() for _ in range(self._random.choice([1, 1, 1, 20, 300]))]
            while not self._is_accepted(batch):
                self.unanswered += 1
                threading.Event().wait(0.02)
            self.accepted += [event["uuid"] for event in batch]

    def _is_accepted(self, batch: list[dict[str, Any]]) -> bool:
        try:
            return self._collector.post(batch).status_code == 200
        except requests.RequestException:
            return False

    def _an_event(self) -> dict[str, Any]:
        seq, self._seq = self._seq, self._seq + 1
        name = f"STUDENT-{self._sess}"
        properties: dict[str, Any] = {"nb": "D3", "sess": self._sess, "student": name}
        if self._is_numbered:
            properties["seq"] = seq
        cell = {"cell_id": f"cell_{seq % 7}", "cell_num": seq + 1, "code": ""}
        test = {"ex": f"exercise_{seq % 5}", "ok": seq % 3 == 0, "try": seq + 1, "err": None}
        return {
            "event": "cell" if seq % 2 else "test",
            "distinct_id": name,
            "uuid": str(uuid.uuid4()),
            "properties": {**properties, **(cell if seq % 2 else test)},
        }


@pytest.mark.timeout(600)
def test_each_event_that_was_accepted_is_there_once_after_fifty_kills(tmp_path: Path) -> None:
    ending = threading.Event()
    moments = random.Random(5)  # noqa: S311  # no secret
    with ForkedCollector(tmp_path) as collector:
        senders = [Sender(collector, number, ending) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            for _ in range(KILLS):
                _wait_for_some(senders, moments.randrange(1, 400))
                collector.kill()
                collector.start()
        finally:
            ending.set()
            for sender in senders:
                sender.join()

        stored = collector.stored_uuids()
        accepted = [uuid_text for sender in senders for uuid_text in sender.accepted]
        assert sum(sender.unanswered for sender in senders) >= KILLS  # they were hit
        assert len(stored) == len(set(stored))
        assert set(stored) == set(accepted)
        wait_until(lambda: _counted(collector) >= len(accepted))
        assert _counted(collector) == len(accepted)
        assert _figures_of_the_views(collector) == _counted_anew(collector)


def _wait_for_some(senders: list[Sender], events: int) -> None:
    target = sum(len(sender.accepted) for sender in senders) + events
    wait_until(
        lambda: sum(len(sender.accepted) for sender in senders) >= target,
        timeout_s=30,
        every_s=0.001,
    )


def _figures_of_the_views(collector: CollectorProcess) -> dict[str, dict[str, Any]]:
    """What fifty runs have kept and read back, with what each applied after a kill."""
    collector.stop()
    return {
        row.sess: comparable(SessionFigures.from_bytes(row.figures))
        for row in Reader(collector.database).read_figures()
    }


def _counted_anew(collector: CollectorProcess) -> dict[str, dict[str, Any]]:
    figures: dict[str, SessionFigures] = {}
    for event_id, event in Reader(collector.database).events():
        apply_all(figures.setdefault(event.sess, SessionFigures(event.sess)), [(event_id, event)])
    return {sess: comparable(each) for sess, each in figures.items()}


def _counted(collector: CollectorProcess) -> int:
    """How many events the views have counted."""
    students = collector.read("/api/class").json()["students"]
    sessions = [each for rows in students.values() for row in rows for each in row["sessions"]]
    return sum(received + unnumbered for _, received, *_, unnumbered in sessions)
