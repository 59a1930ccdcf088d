"""What the collector says when it cannot keep an event: later, in each version's own form."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from stored_events import a_stored_event

from ipynb_telemetry.classroom import ingest, intake
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.server import Collector, listen
from ipynb_telemetry.classroom.store import Store

UUID = "0b25afad-f0ff-4d02-a301-b2d48f656184"
BIG = "x" * 900_000


class Running:
    """A collector in this process, whose disk can be filled."""

    def __init__(self, folder: Path) -> None:
        self.collector = Collector(folder / "class.sqlite", api_key="phc_test")
        self._listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self.collector.run, args=(self._listener,))
        self._thread.start()

    def fill_the_disk(self) -> None:
        connection = self.collector.store._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    def make_room(self) -> None:
        self.collector.store._connection.execute("PRAGMA max_page_count = 1000000")

    def send_v0(self, code: str) -> requests.Response:
        event = {"event": "cell", "distinct_id": "SARA", "uuid": UUID, "properties": {"c": code}}
        return requests.post(f"{self.url}/e/", json={"api_key": "phc_test", **event}, timeout=10)

    def send_v1(self, code: str) -> requests.Response:
        event = {
            "event": "cell",
            "distinct_id": "SARA",
            "uuid": UUID,
            "timestamp": "2026-11-24T09:00:00Z",
            "properties": {"c": code},
        }
        headers = {
            "Authorization": "Bearer phc_test",
            "PostHog-Sdk-Info": "test/1",
            "PostHog-Attempt": "1",
            "PostHog-Request-Id": UUID,
            "PostHog-Request-Timestamp": "2026-11-24T09:00:00Z",
        }
        body = {"created_at": "2026-11-24T09:00:00Z", "batch": [event]}
        url = f"{self.url}/i/v1/analytics/events"
        return requests.post(url, json=body, headers=headers, timeout=10)

    def close(self) -> None:
        self.collector.stop()
        self._thread.join()
        self._listener.close()
        self.collector.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.close()


def test_a_full_disk_is_later_in_version_0(running: Running) -> None:
    running.fill_the_disk()
    refused = running.send_v0(BIG)
    running.make_room()

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert running.send_v0(BIG).status_code == 200
    assert running.collector.store.count() == 1


def test_a_full_disk_is_retry_for_each_event_in_version_1(running: Running) -> None:
    running.fill_the_disk()
    refused = running.send_v1(BIG)
    running.make_room()

    assert (refused.status_code, refused.headers["Retry-After"]) == (200, "1")
    assert refused.json() == {"results": {UUID: {"result": "retry", "details": "not_persisted"}}}
    assert running.send_v1(BIG).json() == {"results": {UUID: {"result": "ok"}}}
    assert running.collector.store.count() == 1


class Door:
    """The ingest routes in front of a disk that is as slow as the test wants."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kept = 0
        self.is_written = asyncio.Event()
        self._ingest = ingest.Ingest(store, nothing_else)
        monkeypatch.setattr(self._ingest, "_intake", self)

    async def keep(self, events: Sequence[StoredEvent]) -> None:
        self.kept += len(events)
        await self.is_written.wait()

    async def send(self) -> int:
        """Send one event; the status of the answer."""
        event = {"event": "cell", "distinct_id": "SARA", "properties": {}}
        body = json.dumps({"api_key": "phc_test", "batch": [event]}).encode()
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append({**message})

        scope = {"type": "http", "method": "POST", "path": "/batch/", "headers": []}
        await self._ingest(scope, receive, send)
        status: int = sent[0]["status"]
        return status


async def nothing_else(*_: object) -> None:
    pytest.fail("nothing else was asked for")


async def a_while() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_what_comes_during_a_commit_waits_as_it_came(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_MAX_AT_ONCE", 2)

    async def send_five() -> tuple[int, list[int]]:
        door = Door(store, monkeypatch)
        sending = [asyncio.create_task(door.send()) for _ in range(5)]
        await a_while()
        meanwhile = door.kept
        door.is_written.set()
        answers = await asyncio.gather(*sending)
        assert door.kept == 5
        return meanwhile, answers

    assert asyncio.run(send_five()) == (2, [200] * 5)


def test_more_bodies_than_can_wait_in_memory_are_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "_MAX_AT_ONCE", 1)
    monkeypatch.setattr(ingest, "_MAX_READING_BYTES", 250)  # two of a hundred and some

    async def send_too_much() -> list[int]:
        door = Door(store, monkeypatch)
        sending = [asyncio.create_task(door.send()) for _ in range(3)]
        await a_while()
        door.is_written.set()
        return [*await asyncio.gather(*sending), await door.send()]

    assert asyncio.run(send_too_much()) == [200, 200, 503, 200]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "class.sqlite", api_key="phc_test")
    yield store
    store.close()


def test_more_than_can_wait_in_memory_is_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_MAX_WAITING_EVENTS", 2)
    store = Store(tmp_path / "class.sqlite")

    async def send_too_much() -> None:
        door = intake.Intake(store)
        first = asyncio.create_task(door.keep([a_stored_event(), a_stored_event()]))
        await asyncio.sleep(0)
        with pytest.raises(intake.Overfull):
            await door.keep([a_stored_event()])
        await first
        await door.keep([a_stored_event()])

    asyncio.run(send_too_much())
    store.close()

    assert store.count() == 3
