"""A PostHog for tests: real HTTP on loopback, and it can be told to fail.

What it accepts and refuses, and in which words, is what PostHog's own server does with its
routes of version 0, which are those that the `posthog` package's transport uses.
"""

from __future__ import annotations

import dataclasses
import enum
import gzip
import json
import socket
import ssl
import struct
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing_extensions import Self

Event = dict[str, Any]

SELF_SIGNED = Path(__file__).parent / "data" / "self_signed.pem"

# Both with and without a slash at the end, and each with its limit, as PostHog has them.
MAX_BODY_BYTES = {
    "/batch": 20 * 1024 * 1024,
    **dict.fromkeys(("/i/v0/e", "/e", "/capture", "/track", "/engage"), 2 * 1024 * 1024),
}


class Fault(enum.Enum):
    """What a server can do to a request instead of answering it."""

    HANG = "reads the request and never answers, until it is released or stopped"
    RESET = "sends half an answer, then a TCP reset"
    GARBAGE = "answers with bytes that are no HTTP"
    HANG_UP = "closes the connection without a word"


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it was received, and what became of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    size_bytes: int
    """Length of the body as it came, that is before gzip is undone."""
    arrived_s: float
    """When it had been read, by `time.monotonic()`."""
    api_key: str | None
    events: tuple[Event, ...]
    """The events it held, whether or not they were accepted."""
    status: int | None
    """What it was answered; `None` for a `Fault`."""
    accepted: bool


@dataclasses.dataclass(frozen=True)
class _Verdict:
    """What PostHog thinks of a request."""

    status: int
    text: str
    api_key: str | None = None
    events: tuple[Event, ...] = ()


class CaptureServer:
    """Accepts what PostHog accepts and keeps it; fails as it is told.

    Every attribute below may be changed at any time; it holds from the next request on.

    Attributes:
        answer: 200 to do as PostHog does; another status to answer everything with it; or a
            `Fault`.
        headers: Added to every answer, such as `{"Retry-After": "2"}`.
        body: Sent in place of PostHog's own words. An answer of 200 with a body is some other
            server's: nothing is accepted.
        content_type: Of `body`.
        delay_s: Every answer comes so much later; what it accepts is accepted at once, so a
            client that gives up earlier has been heard all the same.
        accepts_anyway: What is well formed is accepted even where `answer` says something
            else, as when a proxy fails on the way back.
        api_key: When set, any other key is refused with 401.
        poison: A batch with an event for which this is true is refused with 400.
        max_body_bytes: When set, a longer body (after gzip) is refused with 413.
    """

    def __init__(self, *, tls: bool = False) -> None:
        self.answer: int | Fault = 200
        self.headers: dict[str, str] = {}
        self.body: bytes | None = None
        self.content_type = "text/html; charset=utf-8"
        self.delay_s: float = 0
        self.accepts_anyway = False
        self.api_key: str | None = None
        self.poison: Callable[[Event], bool] | None = None
        self.max_body_bytes: int | None = None

        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(SELF_SIGNED)
        self._port = 0
        self._http: _Http | None = None
        self._thread: threading.Thread | None = None
        self._released = threading.Event()
        self._lock = threading.Lock()  # guards the two lists and the two below
        self._requests: list[Request] = []
        self._events: list[Event] = []
        self._connections = 0
        self._errors: list[BaseException] = []

    # What it has seen

    @property
    def url(self) -> str:
        """Its address, without a slash at the end; the same after `stop` and `start`."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    @property
    def events(self) -> list[Event]:
        """Every event that was accepted, repeats included, in the order of arrival."""
        with self._lock:
            return list(self._events)

    @property
    def requests(self) -> list[Request]:
        """Every request that was read to its end, in that order."""
        with self._lock:
            return list(self._requests)

    @property
    def refused(self) -> int:
        """How many requests were read and not accepted."""
        return sum(not request.accepted for request in self.requests)

    @property
    def connections(self) -> int:
        """How many connections were opened, also those that failed in the TLS handshake."""
        with self._lock:
            return self._connections

    def distinct(self) -> dict[str, Event]:
        """The accepted events by uuid, in the order of their first arrival.

        Raises:
            AssertionError: An event has no uuid, or two with one uuid differ.
        """
        seen: dict[str, Event] = {}
        for event in self.events:
            assert event.get("uuid"), f"an event without a uuid: {event}"
            first = seen.setdefault(event["uuid"], event)
            assert event == first, f"a repeat differs:\n{event}\nwas first\n{first}"
        return seen

    def events_of(self, sess: str) -> list[Event]:
        """The distinct events of one session, in the order of their first arrival."""
        return [e for e in self.distinct().values() if e["properties"].get("sess") == sess]

    def named(self, name: str) -> list[Event]:
        """The distinct events with one name, in the order of their first arrival."""
        return [e for e in self.distinct().values() if e["event"] == name]

    # What it can be told

    def captive_portal(self) -> None:
        """Answer everything with 200 and a log-in page, as the Wi-Fi of a hotel does."""
        self.answer, self.body = 200, b"<!DOCTYPE html><title>Welcome! Log in to the Wi-Fi</title>"

    def redirect_to(self, url: str) -> None:
        """Answer everything with 302 to `url`."""
        self.answer, self.headers = 302, {"Location": url}

    def release(self) -> None:
        """End the waiting of every request that hangs or is answered late."""
        with self._lock:
            waiting, self._released = self._released, threading.Event()
        waiting.set()

    def start(self) -> None:
        """Listen, at first on a free port, and from then on always on that one."""
        assert self._http is None, "it is running"
        self._http = _Http(self, self._port)
        self._port = self._http.server_address[1]
        self._thread = threading.Thread(
            # A tenth of the default: stopping waits for the next look.
            target=self._http.serve_forever,
            kwargs={"poll_interval": 0.05},
            name=f"CaptureServer {self._port}",
        )
        self._thread.start()

    def stop(self) -> None:
        """Be down: connections are refused, open ones closed; what was accepted is kept."""
        if self._http is None or self._thread is None:
            return
        self._http.shutdown()
        self.release()
        self._http.hang_up_on_everyone()
        self._http.server_close()  # waits for the threads of all requests
        self._thread.join()
        self._http = self._thread = None

    def close(self) -> None:
        """Stop for good.

        Raises:
            AssertionError: The server itself, or the test's `poison`, failed on some request.
        """
        self.stop()
        errors, self._errors = self._errors, []
        assert not errors, f"the server failed: {errors!r}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # What its threads call

    def _handle(self, http: _OneConnection, body: bytes) -> None:
        verdict = self._judge(http.command, http.path, http.headers, body)
        answer, page, released = self.answer, self.body, self._released
        does_as_posthog_does = answer in {200, 204} and page is None
        status = verdict.status if does_as_posthog_does and verdict.status != 200 else answer
        accepted = verdict.status == 200 and (does_as_posthog_does or self.accepts_anyway)
        request = Request(
            method=http.command,
            path=http.path,
            headers=dict(http.headers.items()),
            size_bytes=len(body),
            arrived_s=time.monotonic(),
            api_key=verdict.api_key,
            events=verdict.events,
            status=status if isinstance(status, int) else None,
            accepted=accepted,
        )
        with self._lock:
            self._requests.append(request)
            if request.accepted:
                self._events.extend(request.events)

        if self.delay_s:
            released.wait(self.delay_s)
        if isinstance(status, Fault):
            http.misbehave(status, released)
        elif page is not None:
            http.reply(status, page, self.content_type, self.headers)
        elif does_as_posthog_does and status == 200:
            http.reply(status, b'{"status": 1}', "application/json", self.headers)
        else:
            words = verdict.text if does_as_posthog_does else f"told to answer {status}"
            http.reply(status, words.encode(), "text/plain", self.headers)

    def _judge(self, method: str, path: str, headers: Message, body: bytes) -> _Verdict:
        route = urlsplit(path).path.rstrip("/")
        if route not in MAX_BODY_BYTES:
            return _Verdict(404, "")
        if method != "POST":
            return _Verdict(405, "")
        try:
            # Some SDKs say it in the header, others leave it to the first two bytes.
            if headers.get("Content-Encoding") == "gzip" or body[:2] == b"\x1f\x8b":
                body = gzip.decompress(body)
            if len(body) > (self.max_body_bytes or MAX_BODY_BYTES[route]):
                return _Verdict(413, "request body is too large", *_key_and_events(body))
            api_key, events = _key_and_events(body)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            return _Verdict(400, f"failed to parse request: {error}")
        return _Verdict(*self._status_and_words(api_key, events), api_key, events)

    def _status_and_words(self, api_key: str | None, events: tuple[Event, ...]) -> tuple[int, str]:
        if not events:
            return 400, "request holds no event"
        if not api_key:
            return 401, "event submitted without an api_key"
        if self.api_key is not None and api_key != self.api_key:
            return 401, "API key is not valid: unknown"
        if not all(event.get("event") and event.get("distinct_id") for event in events):
            return 400, "event submitted without a name or a distinct_id"
        if self.poison is not None and any(map(self.poison, events)):
            return 400, "failed to parse request: poisoned"
        return 200, ""

    def _count_connection(self) -> None:
        with self._lock:
            self._connections += 1

    def _keep_error(self, error: BaseException) -> None:
        with self._lock:
            self._errors.append(error)


def _key_and_events(body: bytes) -> tuple[str | None, tuple[Event, ...]]:
    """Read a body of any v0 route as strictly as PostHog's parser does.

    Raises:
        ValueError: It is no JSON, or not of the form of events.
    """
    data = json.loads(body, parse_constant=_no_json)
    if b"\\ud" in body.lower():  # may be half a surrogate pair, which Python lets pass
        json.dumps(data, ensure_ascii=False).encode()
    envelope = data if isinstance(data, dict) else {}
    events = envelope.get("batch", [data]) if envelope else data
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        msg = "invalid type: expected a batch of events"
        raise ValueError(msg)
    for event in events:
        if "uuid" in event:
            uuid.UUID(event["uuid"])
        if not isinstance(event.get("properties", {}), dict):
            msg = "invalid type: properties must be a map"
            raise ValueError(msg)  # noqa: TRY004 - what the caller answers with 400
    sources = [envelope, *events, *(event.get("properties", {}) for event in events)]
    keys = (source.get(name) for source in sources for name in ("api_key", "token"))
    return next((key for key in keys if isinstance(key, str)), None), tuple(events)


def _no_json(constant: str) -> None:
    msg = f"{constant} is no JSON"
    raise ValueError(msg)


class _Http(ThreadingHTTPServer):
    """The sockets: one thread a connection, all of them ended by `server_close`."""

    daemon_threads = False  # so that server_close() waits for them
    request_queue_size = 128

    def __init__(self, capture: CaptureServer, port: int) -> None:
        self.capture = capture
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _OneConnection)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self.capture._count_connection()
        if self.capture._tls is not None:
            request.settimeout(5)  # a client that never shakes hands must not keep stop() waiting
            try:
                request = self.capture._tls.wrap_socket(request, server_side=True)
            except OSError:  # the client does not trust us: the point of most tests with TLS
                request.close()
                return
            request.settimeout(None)
        with self._open_lock:
            self._open.add(request)
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up_on_everyone(self) -> None:
        """End the connections that are kept alive, and those with a request in them."""
        with self._open_lock:
            for connection in self._open:
                try:
                    # Not SSLSocket's own shutdown: a thread may be reading from it.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
                except OSError:  # the client was faster
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):  # OSError: the client has gone
            self.capture._keep_error(error)


class _OneConnection(BaseHTTPRequestHandler):
    """Reads requests, one after the other, and writes what the server says."""

    protocol_version = "HTTP/1.1"  # connections are kept alive, as PostHog's are
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's next packet
    server: _Http

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # the client died in the middle: nobody to answer
            self.close_connection = True
        else:
            self.server.capture._handle(self, body)

    do_GET = do_POST  # noqa: N815 - the name that BaseHTTPRequestHandler looks for

    def reply(
        self, status: int, body: bytes, content_type: str, headers: Mapping[str, str]
    ) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def misbehave(self, fault: Fault, released: threading.Event) -> None:
        self.close_connection = True
        if fault is Fault.HANG:
            released.wait()
        elif fault is Fault.GARBAGE:
            self.wfile.write(bytes(range(256)) * 4)
        elif fault is Fault.RESET:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Le")
            on, seconds = 1, 0
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", on, seconds)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            # Closed below Python's file objects, which would say goodbye properly first.
            socket.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        """Say nothing: what was asked is in `CaptureServer.requests`."""
