"""PostHog's newer endpoint, `/i/v1/analytics/events`: an answer for each event.

Source:
    PostHog's capture service (v1/analytics: types, process, response) and the Python SDK's
    `capture_v1.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple

from ipynb_telemetry.classroom.protocol import (
    MAX_BATCH_BYTES,
    MAX_NAME_CHARS,
    Refusal,
    StoredEvent,
    canonical_uuid,
    check_key,
    check_number,
    parse,
    stored,
    unpacked,
)
from ipynb_telemetry.classroom.times import clock_skew, happened, moment

_MAX_ID_BYTES = 200
_SDK_INFO, _ATTEMPT = "posthog-sdk-info", "posthog-attempt"
_REQUEST_ID, _REQUEST_TIMESTAMP = "posthog-request-id", "posthog-request-timestamp"
_REQUIRED = (_SDK_INFO, _ATTEMPT, _REQUEST_ID, _REQUEST_TIMESTAMP, "content-type", "user-agent")
# PostHog takes br as well, which none of its SDKs sends.
_ENCODINGS = {"", "identity", "gzip", "deflate", "zstd"}
_OPTIONS: dict[str, tuple[str, type]] = {
    "cookieless_mode": ("$cookieless_mode", bool),
    "disable_skew_correction": ("$ignore_sent_at", bool),
    "process_person_profile": ("$process_person_profile", bool),
    "product_tour_id": ("$product_tour_id", str),
}
"""Each option, the property that version 0 has for it, and what it must be."""
_TOP_LEVEL = {"session_id": "$session_id", "window_id": "$window_id"}
# Ids that tell nobody apart: events are kept, but never made into a person's profile.
_RESERVED_IDS = {
    *("0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous"),
    *("anonymous-user", "backend", "distinct_id", "distinctid", "email", "false", "guest"),
    *("id", "nan", "none", "not_authenticated", "null", "system", "true", "undefined", "user"),
}


class Read(NamedTuple):
    """What a request holds."""

    events: list[StoredEvent]
    """Those that are to be stored."""
    results: dict[str, dict[str, str]]
    """By the uuid as it was sent, for each event: what is said of it once they are stored."""


class _Why(Enum):
    """PostHog's word for why an event is not taken."""

    NO_NAME = "missing_event_name"
    LONG_NAME = "event_name_too_long"
    NO_ID = "missing_distinct_id"
    LONG_ID = "distinct_id_too_long"
    BAD_TIMESTAMP = "invalid_timestamp"
    BAD_PROPERTIES = "invalid_properties"
    BAD_OPTIONS = "invalid_options"


class _Dropped(Exception):  # noqa: N818  # the protocol's word for it
    """An event that is not taken, while the others are."""

    def __init__(self, details: str) -> None:
        super().__init__(details)
        self.details = details


def read_v1(body: bytes, headers: Mapping[str, str], *, api_key: str, received: datetime) -> Read:
    """The events of a request, and the answer for each.

    Args:
        body: As it came.
        headers: By their names in lower case.
        api_key: The key that it must have.
        received: When it came, UTC.

    Raises:
        Refusal: 400, 401, 413 or 415; all events are refused.
    """
    _check_headers(headers, api_key)
    encoding = headers.get("content-encoding", "").strip().lower()
    data = parse(unpacked(body, MAX_BATCH_BYTES, encoding))
    by_uuid = _batch(data)
    skew = clock_skew(headers[_REQUEST_TIMESTAMP], received)
    sdk = headers[_SDK_INFO]
    read = Read([], {})
    for sent_uuid, entry in by_uuid.items():
        try:
            event, warning = _event(entry, sdk, received, skew)
        except _Dropped as dropped:
            read.results[sent_uuid] = {"result": "drop", "details": dropped.details}
        else:
            read.events.append(event)
            read.results[sent_uuid] = (
                {"result": "warning", "details": warning} if warning else {"result": "ok"}
            )
    return read


def _check_headers(headers: Mapping[str, str], api_key: str) -> None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    check_key(key if scheme.lower() == "bearer" else None, api_key)
    for name in _REQUIRED:
        if not headers.get(name, "").strip():
            raise Refusal(
                HTTPStatus.BAD_REQUEST, f"missing required header: {name}", "missing_header"
            )
    if headers["content-type"].partition(";")[0].strip().lower() != "application/json":
        text = "content-type must be application/json"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text, "unsupported_content_type")
    if headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        text = "content-encoding must be gzip, deflate or zstd"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text, "unsupported_encoding")
    if not headers[_ATTEMPT].strip().isdecimal():
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{_ATTEMPT} is no number", "invalid_header")
    if canonical_uuid(headers[_REQUEST_ID].strip()) is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{_REQUEST_ID} is no uuid", "invalid_header")
    if moment(headers[_REQUEST_TIMESTAMP]) is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{_REQUEST_TIMESTAMP} is no date", "invalid_header")


def _batch(data: object) -> dict[str, Mapping[str, Any]]:
    """The events by their uuid, as it was sent.

    Raises:
        Refusal: What makes the answer for each event impossible: no uuid, or one twice.
    """
    entries = data.get("batch") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(entries, list):
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "failed to parse request: expected an object with a batch"
        )
    if moment(data.get("created_at")) is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, "created_at is no date", "invalid_created_at")
    if not entries:
        raise Refusal(HTTPStatus.BAD_REQUEST, "request holds no event", "empty_batch")
    check_number(entries)
    by_uuid: dict[str, Mapping[str, Any]] = {}
    seen = set()
    for entry in entries:
        sent = entry.get("uuid") if isinstance(entry, dict) else None
        canonical = canonical_uuid(sent)
        if canonical is None:
            raise Refusal(
                HTTPStatus.BAD_REQUEST, "an event has a missing or invalid uuid", "invalid_uuid"
            )
        if canonical in seen:
            raise Refusal(
                HTTPStatus.BAD_REQUEST, f"the uuid {canonical} is there twice", "duplicate_uuid"
            )
        seen.add(canonical)
        by_uuid[str(sent)] = entry
    return by_uuid


def _event(
    entry: Mapping[str, Any], sdk: str, received: datetime, skew: timedelta
) -> tuple[StoredEvent, str]:
    """The event, and a warning or nothing."""
    name, distinct_id = entry.get("event"), entry.get("distinct_id")
    if not isinstance(name, str) or not name.strip():
        raise _Dropped(_Why.NO_NAME.value)
    if len(name) > MAX_NAME_CHARS:
        raise _Dropped(_Why.LONG_NAME.value)
    if not isinstance(distinct_id, str) or not distinct_id.strip():
        raise _Dropped(_Why.NO_ID.value)
    if len(distinct_id.encode()) > _MAX_ID_BYTES:
        raise _Dropped(_Why.LONG_ID.value)
    if moment(entry.get("timestamp")) is None:
        raise _Dropped(_Why.BAD_TIMESTAMP.value)
    properties = _properties(entry, sdk)
    if properties.get("$ignore_sent_at") is True:
        skew = timedelta()
    try:
        event = stored(
            uuid_text=canonical_uuid(entry["uuid"]) or "",
            event=name,
            distinct_id=distinct_id,
            timestamp=happened(entry["timestamp"], received, skew),
            received=received.isoformat(),
            properties=properties,
        )
    except Refusal as refusal:
        raise _Dropped(refusal.code) from refusal
    is_reserved = distinct_id.strip().lower() in _RESERVED_IDS
    return event, "person_processing_disabled" if is_reserved else ""


def _properties(entry: Mapping[str, Any], sdk: str) -> dict[str, Any]:
    """All of them in the words of version 0, so that an event is stored in one form alone."""
    given, options = entry.get("properties"), entry.get("options")
    if not isinstance(given, dict):
        raise _Dropped(_Why.BAD_PROPERTIES.value)
    if options is not None and not isinstance(options, dict):
        raise _Dropped(_Why.BAD_OPTIONS.value)
    properties = {**given}
    for option, value in (options or {}).items():
        name, kind = _OPTIONS.get(option, ("", object))
        if value is not None and name:
            if not isinstance(value, kind):
                raise _Dropped(_Why.BAD_OPTIONS.value)
            properties[name] = value
    for field, name in _TOP_LEVEL.items():
        if isinstance(entry.get(field), str):
            properties[name] = entry[field]
    lib, _, version = sdk.partition("/")
    return {**properties, "$lib": lib, "$lib_version": version}
