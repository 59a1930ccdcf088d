"""One attempt with the SDK's own transport, over real HTTP: what was sent, what it came to."""

from __future__ import annotations

import contextlib
import http.client
import inspect
import logging
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import posthog.request
import pytest
import requests
from capture_server import CaptureServer, Event, Fault
from raw_server import RawServer, endless
from waiting import wait_until

from ipynb_telemetry.answers import Answer, Outcome
from ipynb_telemetry.transport import ATTEMPT_S, Transport

KEY = "phc_test"
PAGE = b"<!DOCTYPE html>\n<title>Welcome! Log in to the Wi-Fi</title>"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def transport() -> Iterator[Transport]:
    """One that gives up soon: whoever hangs in these tests hangs for ever."""
    transport = Transport(attempt_s=0.5)
    yield transport
    transport.close()
    wait_until(lambda: not attempts())


def attempts() -> list[threading.Thread]:
    """The threads of attempts that have not ended, given up or not."""
    return [t for t in threading.enumerate() if t.name == "ipynb-telemetry attempt"]


def a_message(number: int = 1) -> Event:
    return {
        "event": "cell",
        "distinct_id": "SARA-AL-HARBI",
        "uuid": str(uuid.uuid4()),
        "timestamp": "2026-08-01T08:00:00+00:00",
        "properties": {"sess": "0a1b2c3d", "cell_num": number, "code": "print('مرحبا')"},
    }


# What is sent


def test_the_sdks_transport_takes_what_we_give_it() -> None:
    parameters = inspect.signature(posthog.request.post).parameters

    assert list(parameters)[:6] == ["api_key", "host", "path", "gzip", "timeout", "session"]
    # `session` would land in the body of an SDK that does not know it.
    assert list(parameters)[6:] == ["kwargs"]
    assert parameters["kwargs"].kind is inspect.Parameter.VAR_KEYWORD


def test_a_batch_arrives_as_it_was_handed_over(server: CaptureServer, transport: Transport) -> None:
    messages = [a_message(number) for number in range(3)]

    answer = transport.post(server.url, KEY, messages)

    [request] = server.requests
    assert answer == Answer(Outcome.ACCEPTED, '200: {"status": 1}')
    assert (request.method, request.path) == ("POST", "/batch/")
    assert request.api_key == KEY
    assert list(request.events) == messages
    assert request.headers["Content-Encoding"] == "gzip"


def test_a_slash_at_the_end_of_the_host_changes_nothing(
    server: CaptureServer, transport: Transport
) -> None:
    transport.post(f"{server.url}/", KEY, [a_message()])

    assert [request.path for request in server.requests] == ["/batch/"]


def test_the_connection_is_kept_open(server: CaptureServer, transport: Transport) -> None:
    for _ in range(3):
        transport.post(server.url, KEY, [a_message()])

    assert len(server.events) == 3
    assert server.connections == 1


def test_an_attempt_is_one_attempt(server: CaptureServer, transport: Transport) -> None:
    server.answer = 503

    transport.post(server.url, KEY, [a_message()])

    assert len(server.requests) == 1


def test_passwords_of_the_student_stay_at_home(
    server: CaptureServer, transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login sara password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    transport.post(server.url, KEY, [a_message()])

    [request] = server.requests
    assert "Authorization" not in request.headers


def test_a_password_in_the_host_is_meant_for_it(
    server: CaptureServer, transport: Transport
) -> None:
    host = server.url.replace("http://", "http://class:9b@")

    transport.post(host, KEY, [a_message()])

    [request] = server.requests
    assert request.headers["Authorization"] == "Basic Y2xhc3M6OWI="


# What an answer means


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, None), (204, None), (200, b""), (200, b"{}"), (200, b" \n"), (200, b'{"status": "Ok"}')],
)
def test_posthog_says_yes_with_nothing_or_with_json(
    server: CaptureServer, transport: Transport, status: int, body: bytes | None
) -> None:
    server.answer, server.body = status, body

    assert transport.post(server.url, KEY, [a_message()]).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, PAGE, Outcome.INTERCEPTED),
        (200, b"\n\n <html>", Outcome.INTERCEPTED),
        (200, b"it works", Outcome.INTERCEPTED),
        (200, bytes(range(256)), Outcome.INTERCEPTED),
        (201, b"{}", Outcome.NOT_POSTHOG),
        (300, b"", Outcome.INTERCEPTED),
        (302, b"", Outcome.INTERCEPTED),
        (304, b"", Outcome.INTERCEPTED),
        (400, b"failed to parse request", Outcome.CONTENT_REFUSED),
        (400, PAGE, Outcome.INTERCEPTED),
        (401, b"API key is not valid", Outcome.KEY_REFUSED),
        (401, PAGE, Outcome.INTERCEPTED),
        (403, b"forbidden", Outcome.KEY_REFUSED),
        (403, PAGE, Outcome.INTERCEPTED),
        (404, b"", Outcome.NOT_POSTHOG),
        (404, PAGE, Outcome.NOT_POSTHOG),
        (405, b"", Outcome.NOT_POSTHOG),
        (407, PAGE, Outcome.INTERCEPTED),
        (408, b"", Outcome.BUSY),
        (413, b"too large", Outcome.CONTENT_REFUSED),
        (413, PAGE, Outcome.CONTENT_REFUSED),  # the proxy before a PostHog of one's own
        (425, b"", Outcome.BUSY),
        (429, b"", Outcome.BUSY),
        (500, b"", Outcome.BUSY),
        (502, PAGE, Outcome.BUSY),
        (503, b"", Outcome.BUSY),
        (504, PAGE, Outcome.BUSY),
        (511, PAGE, Outcome.INTERCEPTED),
    ],
)
def test_every_other_answer_has_a_meaning(
    server: CaptureServer, transport: Transport, status: int, body: bytes, outcome: Outcome
) -> None:
    server.answer, server.body = status, body

    answer = transport.post(server.url, KEY, [a_message()])

    assert answer.outcome is outcome
    assert answer.reason.startswith(str(status))
    assert "<" not in answer.reason


def test_what_the_server_says_is_the_reason(server: CaptureServer, transport: Transport) -> None:
    server.poison = lambda _: True

    answer = transport.post(server.url, KEY, [a_message()])

    assert answer.reason == "400: failed to parse request: poisoned"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    server: CaptureServer, transport: Transport, status: int
) -> None:
    with CaptureServer() as elsewhere:
        server.redirect_to(f"{elsewhere.url}/batch/")
        server.answer = status

        answer = transport.post(server.url, KEY, [a_message()])

        assert answer == Answer(Outcome.INTERCEPTED, "a redirect")
        assert elsewhere.connections == 0


def test_how_long_to_wait_is_taken_from_the_answer(
    server: CaptureServer, transport: Transport
) -> None:
    server.answer, server.headers = 429, {"Retry-After": "17"}

    assert transport.post(server.url, KEY, [a_message()]).retry_after_s == 17


def test_how_long_to_wait_may_be_a_date(server: CaptureServer, transport: Transport) -> None:
    then = datetime.now(tz=timezone.utc) + timedelta(hours=1)
    server.answer, server.headers = 503, {"Retry-After": format_datetime(then, usegmt=True)}

    answer = transport.post(server.url, KEY, [a_message()])

    assert answer.retry_after_s is not None
    assert 3500 < answer.retry_after_s <= 3600


# When there is no answer


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.RESET, "no connection"),
        (Fault.HANG_UP, "no connection"),
        (Fault.GARBAGE, "no connection"),
        (Fault.HANG, "no answer"),
    ],
)
def test_no_answer_is_no_yes(
    server: CaptureServer, transport: Transport, fault: Fault, reason: str
) -> None:
    server.answer = fault

    answer = transport.post(server.url, KEY, [a_message()])

    assert answer == Answer(Outcome.UNREACHABLE, reason)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        OK + b"Content-Length: 20\r\n\r\n{}",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        OK + b"X: 1\r\n" * 1000 + b"\r\n",
        OK + b"X: " + b"1" * 100_000 + b"\r\n\r\n",
        b"HTTP/9.9 OK 200\r\n\r\n{}",
        b"\r\n\r\n{}",
    ],
)
def test_a_broken_answer_is_no_yes(transport: Transport, said: bytes) -> None:
    with RawServer([said]) as server:
        answer = transport.post(server.url, KEY, [a_message()])

    assert answer == Answer(Outcome.UNREACHABLE, "no connection")


def test_a_server_that_is_down_is_unreachable(server: CaptureServer, transport: Transport) -> None:
    server.stop()

    answer = transport.post(server.url, KEY, [a_message()])

    assert answer == Answer(Outcome.UNREACHABLE, "no connection")


def test_a_name_that_nobody_knows_is_unreachable(transport: Transport) -> None:
    answer = transport.post("https://us.i.posthog.com", KEY, [a_message()])

    assert answer == Answer(Outcome.UNREACHABLE, "no connection")


@pytest.mark.parametrize(
    "host", ["http://", "http://[::1", "http://a:b", "ftp://x", f"http://{'a' * 80}.x"]
)
def test_an_address_that_is_none_is_unreachable(transport: Transport, host: str) -> None:
    assert transport.post(host, KEY, [a_message()]).outcome is Outcome.UNREACHABLE


def test_a_certificate_that_nobody_signed_is_not_trusted(transport: Transport) -> None:
    with CaptureServer(tls=True) as server:
        answer = transport.post(server.url, KEY, [a_message()])

        assert answer == Answer(Outcome.UNTRUSTED, "its certificate cannot be trusted")
        assert server.requests == []


def test_a_server_that_speaks_no_tls_has_no_certificate(
    server: CaptureServer, transport: Transport
) -> None:
    answer = transport.post(server.url.replace("http", "https"), KEY, [a_message()])

    assert answer == Answer(Outcome.UNTRUSTED, "no secure connection")


def test_a_proxy_that_wants_a_password_stands_in_the_way(
    server: CaptureServer, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = 407
    monkeypatch.setenv("http_proxy", server.url)

    answer = transport.post("http://posthog.example", KEY, [a_message()])

    assert answer.outcome is Outcome.INTERCEPTED


# Nothing lasts for ever


def test_an_attempt_ends_in_the_time_that_the_panel_promises() -> None:
    assert ATTEMPT_S <= 5


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", OK + b"\r\n", OK + b"Content-Length: 99999999\r\n\r\n"],
    ids=["status line", "header", "body", "body of known length"],
)
@pytest.mark.parametrize("by_proxy", [False, True], ids=["", "by a proxy"])
def test_an_answer_that_drips_is_not_listened_to_for_ever(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, start: bytes, *, by_proxy: bool
) -> None:
    with RawServer(endless(start, b"1"), pause_s=0.01) as server:
        host = server.url
        if by_proxy:
            monkeypatch.setenv("http_proxy", server.url)
            host = "http://posthog.example"

        answer = in_background(lambda: transport.post(host, KEY, [a_message()]))

        assert answer == Answer(Outcome.UNREACHABLE, "no answer")
        # Not only given up, but ended: otherwise each attempt would leave a thread behind.
        wait_until(lambda: server.hung_up == 1)


def test_an_answer_without_end_is_read_in_part(transport: Transport) -> None:
    with RawServer(endless(OK + b"\r\n", b" " * 65_536)) as server:
        answer = transport.post(server.url, KEY, [a_message()])

        wait_until(lambda: server.hung_up == 1)
        assert answer.outcome is Outcome.INTERCEPTED
        assert server.sent_bytes < 16 * 1024 * 1024  # what the system's buffers hold


def test_a_name_whose_look_up_hangs_is_given_up(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        answer = in_background(lambda: transport.post("http://posthog.example", KEY, []))
    finally:
        released.set()

    assert answer == Answer(Outcome.UNREACHABLE, "no answer")


def test_what_is_wrong_with_us_comes_to_whoever_asked(transport: Transport) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        transport.post("http://127.0.0.1:9", KEY, [{"event": object()}])


def in_background(post: Callable[[], Answer]) -> Answer:
    """What `post` returns, if it does in time."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(post()), daemon=True)
    thread.start()
    wait_until(lambda: answers)
    return answers[0]


# Nothing is printed


def test_nothing_is_printed_whatever_the_student_has_turned_on(
    server: CaptureServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with logging_all() as seen:
        transport = Transport(attempt_s=0.5)
        for misfortune in (200, 503, Fault.RESET, Fault.GARBAGE, Fault.HANG):
            server.answer = misfortune
            transport.post(server.url, KEY, [a_message()])
        server.stop()
        transport.post(server.url, KEY, [a_message()])
        transport.close()
        wait_until(lambda: not attempts())

    assert len(server.requests) == 5
    assert [record.getMessage() for record in seen] == []
    assert capfd.readouterr() == ("", "")


def test_the_students_own_requests_are_logged_as_ever(
    server: CaptureServer, transport: Transport
) -> None:
    transport.post(server.url, KEY, [a_message()])
    with logging_all() as seen:
        requests.get(server.url, timeout=5)

    assert {record.name for record in seen} >= {"urllib3.connectionpool"}


@contextlib.contextmanager
def logging_all() -> Iterator[list[logging.LogRecord]]:
    """What a student gets with `logging.basicConfig(level=logging.DEBUG)`."""
    handler, level = Records(), logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    try:
        yield handler.seen
    finally:
        logging.root.removeHandler(handler)
        logging.root.setLevel(level)


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)
