"""What the collector has goes on to PostHog, all of it and once, however long that takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from capture_server import CaptureServer
from stored_events import a_stored_event
from waiting import wait_until

from ipynb_telemetry.classroom.forward import Forward
from ipynb_telemetry.classroom.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "class.sqlite", api_key="phc_project")
    yield store
    store.close()


def test_what_was_stored_arrives_as_it_was_sent(store: Store, server: CaptureServer) -> None:
    sent = a_stored_event(
        seq=3, properties=json.dumps({"nb": "D3", "sess": "s", "seq": 3, "student": "SARA"})
    )
    store.submit([sent]).result()
    forward = Forward(store, server.url)
    forward.start()
    wait_until(lambda: server.events)
    forward.close()

    (event,) = server.events
    assert (event["uuid"], event["event"], event["distinct_id"], event["timestamp"]) == (
        sent.uuid,
        sent.event,
        sent.distinct_id,
        sent.timestamp,
    )
    assert event["properties"] == json.loads(sent.properties)
    assert server.requests[0].api_key == "phc_project"


def test_what_another_sdk_has_sent_goes_on_as_it_came(store: Store, server: CaptureServer) -> None:
    properties = {"$lib": "web", "$lib_version": "1.449.0", "$current_url": "http://x/"}
    store.submit([a_stored_event(event="$pageview", properties=json.dumps(properties))]).result()
    forward = Forward(store, server.url)
    forward.start()
    wait_until(lambda: server.events)
    forward.close()

    assert [event["properties"] for event in server.events] == [properties]


def test_events_that_come_later_follow(store: Store, server: CaptureServer) -> None:
    forward = Forward(store, server.url)
    forward.start()
    for number in range(3):
        store.submit([a_stored_event(seq=number) for _ in range(300)]).result()
        forward.wake()
        _wait_for(server, 300 * (number + 1))
    forward.close()

    assert len(server.distinct()) == 900


def _wait_for(server: CaptureServer, events: int) -> None:
    wait_until(lambda: len(server.events) == events)


def test_an_outage_costs_nothing(store: Store, server: CaptureServer) -> None:
    server.answer = 503
    store.submit([a_stored_event(seq=number) for number in range(600)]).result()
    forward = Forward(store, server.url)
    forward.start()
    wait_until(lambda: server.refused)

    server.answer = 200

    wait_until(lambda: len(server.events) == 600, timeout_s=30)
    forward.close()
    assert len(server.distinct()) == 600


def test_a_restart_goes_on_where_posthog_has_said_yes(store: Store, server: CaptureServer) -> None:
    store.submit([a_stored_event() for _ in range(10)]).result()
    first = Forward(store, server.url)
    first.start()
    wait_until(lambda: store.forwarded_upto(server.url) == 10)
    first.close()

    store.submit([a_stored_event() for _ in range(5)]).result()
    second = Forward(store, server.url)
    second.start()
    wait_until(lambda: store.forwarded_upto(server.url) == 15)
    second.close()

    assert len(server.events) == len(server.distinct()) == 15


def test_an_event_that_posthog_refuses_is_set_aside(
    store: Store, server: CaptureServer, tmp_path: Path
) -> None:
    server.poison = lambda event: event["event"] == "poison"
    store.submit([a_stored_event(), a_stored_event(event="poison"), a_stored_event()]).result()
    forward = Forward(store, server.url)
    forward.start()
    wait_until(lambda: store.forwarded_upto(server.url) == 3)
    forward.close()

    assert [event["event"] for event in server.events] == ["cell", "cell"]
    (aside,) = (tmp_path / "class.sqlite.forward").rglob("*.jsonl")
    assert json.loads(aside.read_text("utf-8"))["event"] == "poison"


def test_nothing_new_is_no_request(store: Store, server: CaptureServer) -> None:
    forward = Forward(store, server.url)
    forward.start()
    forward.wake()
    store.submit([a_stored_event()]).result()
    forward.wake()
    wait_until(lambda: server.events)
    forward.close()

    assert len(server.requests) == 1
