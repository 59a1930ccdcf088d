"""PostHog's newer endpoint: an answer for each event, or one refusal for all."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import datetime, timezone
from typing import Any

import pytest
import zstandard

from ipynb_telemetry.classroom.protocol import Refusal
from ipynb_telemetry.classroom.protocol_v1 import Read, read_v1

KEY = "phc_test"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=timezone.utc)
UUID = "0b25afad-f0ff-4d02-a301-b2d48f656184"
OTHER = "11111111-f0ff-4d02-a301-b2d48f656184"
HEADERS = {
    "authorization": f"Bearer {KEY}",
    "content-type": "application/json",
    "user-agent": "posthog-python/7.91.1",
    "posthog-sdk-info": "posthog-python/7.91.1",
    "posthog-attempt": "1",
    "posthog-request-id": OTHER,
    "posthog-request-timestamp": "2026-11-24T09:00:00+00:00",
}


def an_event(**changes: Any) -> dict[str, Any]:
    return {
        "event": "cell",
        "uuid": UUID,
        "distinct_id": "SARA",
        "timestamp": "2026-11-24T08:59:00+00:00",
        "options": {},
        "properties": {"nb": "D3"},
        **changes,
    }


def a_body(*events: Any, **envelope: Any) -> bytes:
    body = {"created_at": "2026-11-24T09:00:00+00:00", "batch": events, **envelope}
    return json.dumps(body).encode()


def read(body: bytes, **headers: str) -> Read:
    changed = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return read_v1(body, changed, api_key=KEY, received=NOW)


def test_an_event_is_answered_by_its_uuid() -> None:
    events, results = read(a_body(an_event()))

    assert results == {UUID: {"result": "ok"}}
    assert [(event.uuid, event.nb, event.distinct_id) for event in events] == [(UUID, "D3", "SARA")]


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("identity", bytes),
    ],
)
def test_a_body_is_unpacked_as_its_header_says(encoding: str, pack: Any) -> None:
    assert read(pack(a_body(an_event())), content_encoding=encoding).results


def _ask_for_gigabytes(body: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packing = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packing.compress(body) + packing.flush()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (zstandard.compress(b" " * 200_000_000), 413),
        (_ask_for_gigabytes(a_body(an_event())), 400),
        (zstandard.compress(a_body(an_event()))[:-9], 400),
        (b"{}", 400),
    ],
    ids=["bomb", "a window that fills the memory", "half a frame", "no frame"],
)
def test_damaged_or_malicious_zstd_is_refused(body: bytes, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        read(body, content_encoding="zstd")

    assert refused.value.status == status


def test_an_event_is_stored_in_the_words_of_version_0() -> None:
    entry = an_event(
        session_id="s1",
        options={"process_person_profile": False, "disable_skew_correction": True, "new": 1},
    )

    (event,), _ = read(a_body(entry), posthog_request_timestamp="2026-11-24T08:00:00+00:00")

    assert json.loads(event.properties) == {
        "nb": "D3",
        "$session_id": "s1",
        "$process_person_profile": False,
        "$ignore_sent_at": True,
        "$lib": "posthog-python",
        "$lib_version": "7.91.1",
    }
    assert event.timestamp == "2026-11-24T08:59:00+00:00"


def test_a_wrong_clock_is_corrected() -> None:
    (event,), _ = read(a_body(an_event()), posthog_request_timestamp="2026-11-24T08:00:00+00:00")

    assert event.timestamp == "2026-11-24T09:59:00+00:00"


@pytest.mark.parametrize(
    ("changes", "details"),
    [
        ({"event": ""}, "missing_event_name"),
        ({"event": 17}, "missing_event_name"),
        ({"event": "x" * 201}, "event_name_too_long"),
        ({"distinct_id": None}, "missing_distinct_id"),
        ({"distinct_id": "م" * 101}, "distinct_id_too_long"),
        ({"timestamp": "yesterday"}, "invalid_timestamp"),
        ({"timestamp": None}, "invalid_timestamp"),
        ({"properties": [1]}, "invalid_properties"),
        ({"properties": None}, "invalid_properties"),
        ({"options": 17}, "invalid_options"),
        ({"options": {"cookieless_mode": "yes"}}, "invalid_options"),
        ({"properties": {"a": "x" * 1_000_001}}, "event_too_large"),
    ],
)
def test_a_bad_event_is_dropped_and_the_others_are_taken(
    changes: dict[str, Any], details: str
) -> None:
    events, results = read(a_body(an_event(**changes), an_event(uuid=OTHER)))

    assert [event.uuid for event in events] == [OTHER]
    assert results == {UUID: {"result": "drop", "details": details}, OTHER: {"result": "ok"}}


@pytest.mark.parametrize("name", ["None", " USER ", "0", "[object Object]"])
def test_an_id_that_tells_nobody_apart_is_taken_with_a_warning(name: str) -> None:
    events, results = read(a_body(an_event(distinct_id=name)))

    assert len(events) == 1
    assert results == {UUID: {"result": "warning", "details": "person_processing_disabled"}}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "invalid_request"),
        (b"[]", {}, 400, "invalid_request"),
        (a_body(), {}, 400, "empty_batch"),
        (a_body(*[an_event()] * 10_001), {}, 413, "payload_too_large"),
        (a_body(17), {}, 400, "invalid_uuid"),
        (a_body(an_event(uuid=None)), {}, 400, "invalid_uuid"),
        (a_body(an_event(), an_event(uuid="x")), {}, 400, "invalid_uuid"),
        (a_body(an_event(), an_event(uuid=UUID.upper())), {}, 400, "duplicate_uuid"),
        (a_body(an_event(), created_at="now"), {}, 400, "invalid_created_at"),
        (a_body(an_event()), {"posthog_attempt": "first"}, 400, "invalid_header"),
        (a_body(an_event()), {"posthog_request_id": "x"}, 400, "invalid_header"),
        (a_body(an_event()), {"posthog_request_timestamp": "x"}, 400, "invalid_header"),
        (a_body(an_event()), {"posthog_sdk_info": ""}, 400, "missing_header"),
        (a_body(an_event()), {"user_agent": ""}, 400, "missing_header"),
        (a_body(an_event()), {"authorization": ""}, 401, "missing_key"),
        (a_body(an_event()), {"authorization": f"Basic {KEY}"}, 401, "missing_key"),
        (a_body(an_event()), {"authorization": "Bearer phc_other"}, 401, "invalid_key"),
        (a_body(an_event()), {"content_type": "text/plain"}, 415, "unsupported_content_type"),
        (a_body(an_event()), {"content_encoding": "br"}, 415, "unsupported_encoding"),
        (gzip.compress(b" " * 21_000_000), {}, 413, "payload_too_large"),
    ],
)
def test_a_request_that_cannot_be_answered_by_uuid_is_refused_as_a_whole(
    body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    with pytest.raises(Refusal) as refused:
        read(body, **headers)

    assert (refused.value.status, refused.value.code) == (status, code)
