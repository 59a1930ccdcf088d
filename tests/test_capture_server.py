"""The tests' PostHog, tested with the transport that students' events go through."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import posthog.request
import pytest
import requests
from capture_server import MAX_BODY_BYTES, SELF_SIGNED, CaptureServer, Event, Fault
from waiting import wait_until

KEY = "phc_test"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session of the kind that delivery uses: it follows no redirect."""
    with requests.Session() as session:
        session.max_redirects = 0
        session.trust_env = False  # $REQUESTS_CA_BUNDLE would win over session.verify
        yield session


def an_event(name: str = "cell", **properties: object) -> Event:
    return {
        "event": name,
        "distinct_id": "SARA-AL-HARBI",
        "uuid": str(uuid.uuid4()),
        "timestamp": "2026-08-01T08:00:00+00:00",
        "properties": {"sess": "0a1b2c3d", **properties},
    }


def post(
    server: CaptureServer,
    session: requests.Session,
    *events: Event,
    key: str = KEY,
    gzip: bool = False,
    timeout_s: float = 5,
) -> requests.Response:
    return posthog.request.post(
        key, server.url, "/batch/", gzip=gzip, timeout=timeout_s, session=session, batch=[*events]
    )


def post_bytes(url: str, body: bytes, **headers: str) -> int:
    """Post as no SDK would; the status of the answer."""
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - of ours
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


# What PostHog accepts


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
def test_events_of_the_sdk_are_kept_in_order(
    server: CaptureServer, session: requests.Session, gzip: bool
) -> None:
    events = [an_event(seq=number) for number in range(3)]

    answer = post(server, session, *events[:2], gzip=gzip)
    post(server, session, events[2], gzip=gzip)

    assert (answer.status_code, answer.json()) == (200, {"status": 1})
    assert server.events == events
    assert [(r.path, r.api_key, r.status, len(r.events)) for r in server.requests] == [
        ("/batch/", KEY, 200, 2),
        ("/batch/", KEY, 200, 1),
    ]
    assert server.requests[0].headers["User-Agent"].startswith("posthog-python/")
    assert server.refused == 0


def test_gzip_is_known_by_its_first_two_bytes(server: CaptureServer) -> None:
    import gzip  # noqa: PLC0415 - elsewhere here it is the name of a flag

    event = an_event()
    body = gzip.compress(json.dumps({"api_key": KEY, "batch": [event]}).encode())

    assert post_bytes(f"{server.url}/batch", body) == 200
    assert server.events == [event]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("route", MAX_BODY_BYTES)
def test_every_route_takes_one_event_or_a_list(
    server: CaptureServer, route: str, slash: str
) -> None:
    single = {**an_event(), "api_key": KEY}
    listed = an_event(token=KEY)

    statuses = [
        post_bytes(f"{server.url}{route}{slash}?ip=0", json.dumps(body).encode())
        for body in (single, [listed])
    ]

    assert statuses == [200, 200]
    assert server.events == [single, listed]
    assert [request.api_key for request in server.requests] == [KEY, KEY]


# What PostHog refuses


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"{", 400, id="no JSON"),
        pytest.param(b"\x1f\x8b nonsense", 400, id="no gzip"),
        pytest.param(b'{"api_key": "k", "batch": []}', 400, id="no event"),
        pytest.param(b'{"api_key": "k", "batch": [1]}', 400, id="an event that is a number"),
        pytest.param(b'{"api_key": "k", "event": "a", "distinct_id": NaN}', 400, id="NaN"),
        pytest.param(b'{"api_key": "k", "event": "a", "distinct_id": "\\ud83d"}', 400, id="half"),
        pytest.param(b'{"api_key": "k", "event": "a"}', 400, id="no distinct_id"),
        pytest.param(b'{"api_key": "k", "distinct_id": "a"}', 400, id="no name"),
        pytest.param(
            b'{"api_key": "k", "event": "a", "distinct_id": "a", "uuid": "1"}', 400, id="bad uuid"
        ),
        pytest.param(b'{"event": "a", "distinct_id": "a"}', 401, id="no key"),
    ],
)
def test_what_posthog_refuses_is_refused(server: CaptureServer, body: bytes, status: int) -> None:
    assert post_bytes(f"{server.url}/batch/", body) == status
    assert server.events == []
    assert server.refused == 1


def test_a_whole_surrogate_pair_is_accepted(server: CaptureServer) -> None:
    body = b'{"api_key": "k", "event": "a", "distinct_id": "\\ud83d\\ude00"}'

    assert post_bytes(f"{server.url}/e/", body) == 200
    assert [event["distinct_id"] for event in server.events] == ["\N{GRINNING FACE}"]


def test_there_is_nothing_elsewhere(server: CaptureServer) -> None:
    assert post_bytes(f"{server.url}/elsewhere", b"{}") == 404


# What it can be told


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
def test_any_status_can_be_answered_for_a_time(
    server: CaptureServer, session: requests.Session, status: int
) -> None:
    server.answer, server.headers = status, {"Retry-After": "2"}
    refusal = post(server, session, an_event())
    server.answer, server.headers = 200, {}
    event = an_event()
    answer = post(server, session, event)

    assert (refusal.status_code, refusal.headers["Retry-After"]) == (status, "2")
    assert answer.status_code == 200
    assert server.events == [event]
    assert [request.accepted for request in server.requests] == [False, True]
    assert server.refused == 1


def test_an_answer_without_content_is_a_yes(
    server: CaptureServer, session: requests.Session
) -> None:
    server.answer = 204

    answer = post(server, session, an_event())

    assert (answer.status_code, answer.content) == (204, b"")
    assert len(server.events) == 1


def test_a_captive_portal_says_200_to_everything_and_keeps_nothing(
    server: CaptureServer, session: requests.Session
) -> None:
    server.captive_portal()

    answer = post(server, session, an_event())

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<!DOCTYPE html>")
    assert (server.events, server.refused) == ([], 1)


def test_a_redirect_is_not_followed_by_a_session_that_follows_none(
    server: CaptureServer, session: requests.Session
) -> None:
    server.redirect_to(f"{server.url}/elsewhere")

    with pytest.raises(requests.TooManyRedirects):
        post(server, session, an_event())

    assert [request.path for request in server.requests] == ["/batch/"]


def test_a_wrong_key_is_refused(server: CaptureServer, session: requests.Session) -> None:
    server.api_key = KEY

    statuses = [post(server, session, an_event(), key=k).status_code for k in (KEY, "phc_other")]

    assert statuses == [200, 401]
    assert [request.api_key for request in server.requests] == [KEY, "phc_other"]
    assert len(server.events) == 1


def test_one_poisonous_event_refuses_its_whole_batch(
    server: CaptureServer, session: requests.Session
) -> None:
    server.poison = lambda event: event["properties"].get("ex") == "bad"
    good, bad = an_event(), an_event(ex="bad")

    statuses = [post(server, session, *batch).status_code for batch in ([good, bad], [good])]

    assert statuses == [400, 200]
    assert server.events == [good]


def test_a_body_over_the_limit_is_refused(server: CaptureServer, session: requests.Session) -> None:
    server.max_body_bytes = 1000

    statuses = [
        post(server, session, an_event(code="x" * length), gzip=True).status_code
        for length in (10, 1000)
    ]

    assert statuses == [200, 413]
    assert len(server.events) == 1


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.GARBAGE, Fault.HANG_UP])
def test_a_broken_answer_is_an_error_at_the_client(
    server: CaptureServer, session: requests.Session, fault: Fault
) -> None:
    server.answer = fault

    with pytest.raises(requests.ConnectionError):
        post(server, session, an_event())

    assert [(r.status, r.accepted, len(r.events)) for r in server.requests] == [(None, False, 1)]


def test_an_answer_can_be_lost_on_the_way_back(
    server: CaptureServer, session: requests.Session
) -> None:
    server.answer, server.accepts_anyway = Fault.RESET, True
    event = an_event()

    with pytest.raises(requests.ConnectionError):
        post(server, session, event)

    assert server.events == [event]


def test_a_server_that_hangs_is_given_up_by_the_client(
    server: CaptureServer, session: requests.Session
) -> None:
    server.answer = Fault.HANG

    with pytest.raises(requests.ReadTimeout):
        post(server, session, an_event(), timeout_s=0.1)

    assert (server.events, server.refused) == ([], 1)


def test_a_request_that_hangs_can_be_released(
    server: CaptureServer, session: requests.Session
) -> None:
    server.answer = Fault.HANG
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, server, session, an_event())
        wait_until(lambda: server.refused == 1)
        assert not waiting.done()

        server.release()

        assert isinstance(waiting.exception(timeout=5), requests.ConnectionError)


def test_a_late_yes_is_a_yes_that_the_client_does_not_hear(
    server: CaptureServer, session: requests.Session
) -> None:
    server.delay_s = 30
    event = an_event()

    with pytest.raises(requests.ReadTimeout):
        post(server, session, event, timeout_s=0.1)

    assert server.events == [event]
    assert server.requests[0].accepted


def test_a_stopped_server_refuses_connections_until_it_starts_again(
    server: CaptureServer, session: requests.Session
) -> None:
    first, lost, last = an_event(), an_event(), an_event()
    url = server.url
    post(server, session, first)  # leaves a connection open, which must not outlive the server

    server.stop()
    with pytest.raises(requests.ConnectionError):
        post(server, session, lost)
    server.start()
    post(server, session, last)

    assert server.url == url
    assert server.events == [first, last]


def test_nobody_trusts_its_certificate(session: requests.Session) -> None:
    with CaptureServer(tls=True) as server:
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            post(server, session, an_event())
        wait_until(lambda: server.connections == 1)

        assert server.requests == []


def test_whoever_is_told_to_trust_its_certificate_is_served(session: requests.Session) -> None:
    session.verify = str(SELF_SIGNED)
    with CaptureServer(tls=True) as server:
        assert server.url.startswith("https://")

        assert post(server, session, an_event()).status_code == 200
        assert len(server.events) == 1


# What it tells


def test_repeats_are_one_event(server: CaptureServer, session: requests.Session) -> None:
    first, second = an_event("start"), an_event(sess="ffffffff")
    for event in (first, second, first):
        post(server, session, event)

    assert server.events == [first, second, first]
    assert list(server.distinct().values()) == [first, second]
    assert server.events_of("0a1b2c3d") == [first]
    assert server.events_of("ffffffff") == [second]
    assert server.named("start") == [first]


def test_a_repeat_that_differs_is_found(server: CaptureServer, session: requests.Session) -> None:
    event = an_event()
    post(server, session, event, {**event, "timestamp": "2026-08-01T08:00:01+00:00"})

    with pytest.raises(AssertionError, match="a repeat differs"):
        server.distinct()


def test_a_failure_of_the_server_itself_is_the_tests_failure(session: requests.Session) -> None:
    with CaptureServer() as server:
        server.poison = lambda event: bool(event["no such key"])
        with pytest.raises(requests.ConnectionError):
            post(server, session, an_event())

        with pytest.raises(AssertionError, match="no such key"):
            server.close()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_nothing_is_left_of_it(session: requests.Session, tls: bool) -> None:
    session.verify = str(SELF_SIGNED)
    before = threading.active_count()
    with CaptureServer(tls=tls) as server, ThreadPoolExecutor(1) as pool:
        post(server, session, an_event())  # a connection that is kept alive
        server.answer = Fault.HANG  # and one with a request in it
        waiting = pool.submit(post, server, session, an_event())
        wait_until(lambda: server.refused == 1)

        server.close()

        assert isinstance(waiting.exception(timeout=5), requests.ConnectionError)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=5)
    assert threading.active_count() == before
