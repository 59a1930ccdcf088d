"""A small receiver on this computer that speaks PostHog's capture protocol and prints."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MAX_BODY_BYTES = 20 * 1024 * 1024  # PostHog's limit for a batch


class Receiver:
    """Listens on a free port of the loopback address until `close`.

    Args:
        received: Called with each event the first time it comes; a resend has the same uuid.
    """

    def __init__(self, received: Callable[[dict[str, Any]], None]) -> None:
        self._received = received
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self._take))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, batch: list[dict[str, Any]]) -> None:
        for event in batch:
            with self._lock:
                is_new = event["uuid"] not in self._seen
                self._seen.add(event["uuid"])
            if is_new:
                self._received(event)


def summary(event: dict[str, Any]) -> str:
    """One line of text for one event, in the local time at which it happened."""
    properties = event["properties"]
    when = datetime.fromisoformat(event["timestamp"]).astimezone()
    who, kind = event["distinct_id"], event["event"]
    details = _DETAILS.get(kind, _anything)(properties)
    where = f"{properties.get('nb')} #{properties.get('seq')}"
    line = f"{when:%H:%M:%S}  {where}  {who}  {kind}  {details}"
    return "".join(character if character.isprintable() else " " for character in line).rstrip()


def _anything(properties: dict[str, Any]) -> str:
    own = {key: value for key, value in properties.items() if not key.startswith("$")}
    return json.dumps(own, ensure_ascii=False)[:200]


def _cell_end(properties: dict[str, Any]) -> str:
    outcome = "ok" if properties["ok"] else properties["err"]
    return f"{properties['cell_id']}  {outcome}  ({properties['ms']} ms)"


def _test(properties: dict[str, Any]) -> str:
    if properties["skipped"]:
        return f"{properties['ex']}  skipped"
    outcome = "passed" if properties["ok"] else f"failed: {properties['err']}"
    return f"{properties['ex']}  attempt {properties['try']}  {outcome}"


_DETAILS: dict[str, Callable[[dict[str, Any]], str]] = {
    "start": lambda properties: f"{properties['frontend']}, Python {properties['python']}",
    "cell": lambda properties: f"{properties['cell_id']}  run {properties['cell_num']}",
    "cell_end": _cell_end,
    "test": _test,
    "hand": lambda properties: "up" if properties["up"] else "down",
    "rename": lambda properties: f"was {properties['prev']}",
    "pause": lambda _properties: "",
    "resume": lambda _properties: "",
}


def _handler_for(take: Callable[[list[dict[str, Any]]], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if length > _MAX_BODY_BYTES:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"request too large")
                return
            try:
                take(_batch(self.rfile.read(length)))
            except (ValueError, KeyError, TypeError, OSError, EOFError):
                self._answer(HTTPStatus.BAD_REQUEST, b"failed to parse request")
            else:
                self._answer(HTTPStatus.OK, b'{"status": 1}')

        def log_message(self, *_args: object) -> None:
            """The events are what is printed."""

        def _answer(self, status: HTTPStatus, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _batch(body: bytes) -> list[dict[str, Any]]:
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    batch: list[dict[str, Any]] = json.loads(body)["batch"]
    return batch
