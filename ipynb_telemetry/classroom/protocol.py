"""PostHog's capture protocol: a request's body in, events or a refusal out.

Knows neither server nor disk. What is refused, and in which words, is what PostHog's own
capture service does with its routes of version 0; `protocol_v1.py` has the newer one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import uuid
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson
import zstandard

from ipynb_telemetry.classroom.times import clock_skew, happened

MAX_BATCH_BYTES = 20 * 1024 * 1024
"""Of the body of a batch, as it comes and unpacked: PostHog's own limit."""
MAX_SINGLE_BYTES = 2 * 1024 * 1024
"""Of the body for one event."""
MAX_EVENT_BYTES = 1_000_000  # PostHog discards what is larger: its Kafka takes no more
MAX_NAME_CHARS = 200
MAX_SEQ = 10_000_000  # of one session: a hundred events a second, all day, are fewer
_MAX_LABEL_CHARS = 200
MAX_EVENTS = 10_000  # of one request: no SDK sends more than some hundreds
# A list of empty lists takes 60 times its own bytes once it is read. No event needs so many.
_MAX_CONTAINERS = 200_000
_GZIP = b"\x1f\x8b"
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_MAX_WINDOW_BYTES = 8 * 1024 * 1024  # of zstd, which may ask for gigabytes; an SDK's has 2 MiB
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_RELOCATED = ("$set", "$set_once")


_CODES = {
    HTTPStatus.BAD_REQUEST: "invalid_request",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "payload_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.REQUEST_TIMEOUT: "request_timeout",
    HTTPStatus.SERVICE_UNAVAILABLE: "service_unavailable",
}
_UNPARSED = "failed to parse request: "


class StoredEvent(NamedTuple):
    """A valid event as it is stored."""

    uuid: str
    """Lower case, with its hyphens."""
    event: str
    distinct_id: str
    timestamp: str
    """When it happened: ISO 8601, UTC."""
    received: str
    """When the collector got it: ISO 8601, UTC."""
    nb: str
    sess: str
    student: str
    cohort: str
    """These four are empty where the event says nothing of them."""
    seq: int | None
    properties: str
    """All its properties: one JSON object as text."""


class Refusal(Exception):  # noqa: N818  # the protocol's word for it
    """A request of which nothing is taken.

    Attributes:
        status: The HTTP status.
        text: What was wrong, one line.
        code: What V1 calls it.
    """

    def __init__(self, status: HTTPStatus, text: str, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code or _CODES[status]


def read_v0(
    body: bytes, *, api_key: str, received: datetime, max_bytes: int = MAX_BATCH_BYTES
) -> list[StoredEvent]:
    """The events of a request to `/batch/` or one of its older sisters.

    Args:
        body: As it came: JSON, gzip (known by its first two bytes: an SDK exists that says it
            nowhere) or a form's `data=`.
        api_key: The key that it must have.
        received: When it came, UTC.
        max_bytes: How long it may be when it is unpacked.

    Raises:
        Refusal: 400, 401 or 413; all events are refused.
    """
    data = parse(_unformed(unpacked(body, max_bytes), max_bytes))
    envelope = data if isinstance(data, dict) else {}
    entries = envelope.get("batch", [data]) if envelope else data
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Refusal(
            HTTPStatus.BAD_REQUEST, _UNPARSED + "invalid type: expected a batch of events"
        )
    if not entries:
        raise Refusal(HTTPStatus.BAD_REQUEST, "request holds no event")
    check_number(entries)
    check_key(_key_in(envelope, entries), api_key)
    skew = clock_skew(envelope.get("sent_at"), received)
    received_text = received.isoformat()
    return [_event(entry, received, received_text, skew) for entry in entries]


def unpacked(body: bytes, max_bytes: int, encoding: str = "") -> bytes:
    """`body` without its compression, never more than `max_bytes` of it in memory.

    Raises:
        Refusal: It is larger than that, or damaged.
    """
    try:
        if body[:2] == _GZIP or encoding in {"gzip", "deflate"}:
            body = _inflated(body, max_bytes)
        elif encoding == "zstd":
            # Half a frame is half a JSON: that is found out when it is parsed.
            unpacking = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
            body = unpacking.stream_reader(body).read(max_bytes + 1)
    except (zlib.error, zstandard.ZstdError) as damaged:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, f"{_UNPARSED}invalid compressed data: {damaged}"
        ) from damaged
    if len(body) > max_bytes:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"request body is too large: at most {max_bytes} bytes",
        )
    return body


def _inflated(body: bytes, max_bytes: int) -> bytes:
    stream = zlib.decompressobj(_GZIP_OR_ZLIB)
    body = stream.decompress(body, max_bytes + 1)
    if len(body) <= max_bytes and (not stream.eof or stream.unused_data):
        msg = "it does not end where it should"
        raise zlib.error(msg)
    return body


def parse(body: bytes) -> Any:
    """The JSON in `body`, as strictly as PostHog's parser takes it; NUL becomes U+FFFD.

    Raises:
        Refusal: It is none, or one that is made to fill a server's memory.
    """
    if body.count(b"[") + body.count(b"{") > _MAX_CONTAINERS:
        raise Refusal(HTTPStatus.BAD_REQUEST, _UNPARSED + "too many lists and objects")
    try:
        data = orjson.loads(body)
        return _without_nul(data) if b"\\u0000" in body else data
    except (orjson.JSONDecodeError, RecursionError) as wrong:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{_UNPARSED}{wrong}") from wrong


def check_number(entries: Sequence[object]) -> None:
    """Pass for as many events as can be taken at once: tiny ones take most time and memory.

    Raises:
        Refusal: 413, upon which SDKs send smaller batches.
    """
    if len(entries) > MAX_EVENTS:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"too many events: at most {MAX_EVENTS} at once"
        )


def check_key(key: object, api_key: str) -> None:
    """Pass for the right key alone, in a time that says nothing about it.

    Raises:
        Refusal: 401.
    """
    if not isinstance(key, str) or not key.strip():
        raise Refusal(HTTPStatus.UNAUTHORIZED, "event submitted without an api_key", "missing_key")
    if not hmac.compare_digest(key.strip().encode(), api_key.encode()):
        raise Refusal(HTTPStatus.UNAUTHORIZED, "API key is not valid: unknown", "invalid_key")


def stored(
    *,
    uuid_text: str,
    event: str,
    distinct_id: str,
    timestamp: str,
    received: str,
    properties: Mapping[str, Any],
) -> StoredEvent:
    """The event as it is stored.

    Raises:
        Refusal: It is too large, or nested deeper than any reader follows.
    """
    try:
        text = orjson.dumps(properties)
    except orjson.JSONEncodeError as wrong:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{_UNPARSED}{wrong}") from wrong
    if len(text) > MAX_EVENT_BYTES:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"event is too large: at most {MAX_EVENT_BYTES} bytes",
            "event_too_large",
        )
    seq, sess = properties.get("seq"), _label(properties.get("sess"))
    # The system in use before this one says who it is about in the id alone.
    student = _label(properties.get("student")) or (distinct_id[:_MAX_LABEL_CHARS] if sess else "")
    return StoredEvent(
        uuid_text,
        event,
        distinct_id,
        timestamp,
        received,
        _label(properties.get("nb")),
        sess,
        student,
        _label(properties.get("cohort")),
        seq if type(seq) is int and 0 <= seq <= MAX_SEQ else None,
        text.decode(),
    )


def canonical_uuid(value: object) -> str | None:
    """A uuid in its usual form, whatever form it has; None for what is none."""
    if not isinstance(value, str):
        return None
    if _UUID.fullmatch(value):
        return value
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return None


def _event(
    entry: dict[str, Any], received: datetime, received_text: str, skew: timedelta
) -> StoredEvent:
    properties = entry.get("properties") or {}
    name = entry.get("event")
    if not isinstance(properties, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, _UNPARSED + "invalid type: properties must be a map")
    if not isinstance(name, str) or not name.strip():
        raise Refusal(HTTPStatus.BAD_REQUEST, "event submitted without an event name")
    uuid_text = str(uuid.uuid4()) if not entry.get("uuid") else canonical_uuid(entry["uuid"])
    if uuid_text is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, _UNPARSED + "invalid uuid")
    for key in _RELOCATED:
        if key in entry:
            properties = {**properties, key: entry[key]}
    if properties.get("$ignore_sent_at") is True:
        skew = timedelta()
    return stored(
        uuid_text=uuid_text,
        event=name[:MAX_NAME_CHARS],
        distinct_id=_distinct_id(entry, properties)[:MAX_NAME_CHARS],
        timestamp=happened(_time_of(entry, received), received, skew),
        received=received_text,
        properties=properties,
    )


def _time_of(entry: Mapping[str, Any], received: datetime) -> object:
    """What the event says of its time; a browser may say how many milliseconds ago it was."""
    offset_ms = entry.get("offset")
    if "timestamp" in entry or type(offset_ms) is not int:
        return entry.get("timestamp")
    try:
        return (received - timedelta(milliseconds=offset_ms)).isoformat()
    except OverflowError:
        return None


def _distinct_id(entry: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    value = entry.get("distinct_id", properties.get("distinct_id"))
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if value is None or not text.strip():
        raise Refusal(HTTPStatus.BAD_REQUEST, "event submitted without a distinct_id")
    return text


def _key_in(envelope: Mapping[str, Any], entries: Sequence[dict[str, Any]]) -> object:
    """The key, wherever an SDK puts it; the first is everybody's."""
    first = entries[0]
    properties = first.get("properties")
    sources = (envelope, first, properties if isinstance(properties, dict) else {})
    keys = (source.get(name) for source in sources for name in ("api_key", "token", "$token"))
    return next((key for key in keys if key), None)


def _unformed(body: bytes, max_bytes: int) -> bytes:
    """What a browser's form or an address has in `data=`: JSON, often as base64."""
    if not body.startswith(b"data="):
        return body
    try:
        text = parse_qs(body.decode("ascii"), max_num_fields=20)["data"][0]
        if text[:1] in {"{", "["}:
            return text.encode()
        packed = base64.b64decode(text.replace(" ", "+"), validate=True)
    except (UnicodeDecodeError, ValueError, KeyError, binascii.Error) as wrong:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{_UNPARSED}invalid form: {wrong}") from wrong
    return unpacked(packed, max_bytes)


def _label(value: object) -> str:
    return value[:_MAX_LABEL_CHARS] if isinstance(value, str) else ""


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {key.replace("\0", "\ufffd"): _without_nul(item) for key, item in value.items()}
    return value
