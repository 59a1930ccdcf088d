"""`kill -9` of the collector under load: what it said 200 to is there, once."""

from __future__ import annotations

import random
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
from collectors import CollectorProcess
from waiting import wait_until

KILLS = 50
SENDERS = 4


class Sender(threading.Thread):
    """A computer that sends what happens, and again until the collector has said 200."""

    def __init__(self, collector: CollectorProcess, number: int, ending: threading.Event) -> None:
        super().__init__()
        self._collector = collector
        self._sess = f"{number:08x}"
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
        properties = {"nb": "D3", "sess": self._sess, "student": name, "seq": seq}
        return {
            "event": "cell",
            "distinct_id": name,
            "uuid": str(uuid.uuid4()),
            "properties": {**properties, "cell_id": "one", "cell_num": seq + 1, "code": ""},
        }


@pytest.mark.timeout(600)
def test_each_event_that_was_accepted_is_there_once_after_fifty_kills(tmp_path: Path) -> None:
    ending = threading.Event()
    moments = random.Random(5)  # noqa: S311  # no secret
    with CollectorProcess(tmp_path) as collector:
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


def _wait_for_some(senders: list[Sender], events: int) -> None:
    target = sum(len(sender.accepted) for sender in senders) + events
    wait_until(
        lambda: sum(len(sender.accepted) for sender in senders) >= target,
        timeout_s=30,
        every_s=0.001,
    )


def _counted(collector: CollectorProcess) -> int:
    """How many events the views have counted."""
    students = collector.read("/api/class").json()["students"]
    sessions = [each for rows in students.values() for row in rows for each in row["sessions"]]
    return sum(received for _, received, *_ in sessions)
