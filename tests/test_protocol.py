"""PostHog's requests become events, or a refusal in PostHog's own words."""

from __future__ import annotations

import base64
import gzip
import json
import re
import tracemalloc
import urllib.parse
import uuid
import zlib
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipynb_telemetry.classroom.protocol import (
    MAX_BATCH_BYTES,
    Refusal,
    StoredEvent,
    read_v0,
)

KEY = "phc_test"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=timezone.utc)
UUID = "0b25afad-f0ff-4d02-a301-b2d48f656184"


def an_event(**changes: Any) -> dict[str, Any]:
    properties = {"nb": "D3", "sess": "abcdef01", "student": "SARA", "cohort": "A", "seq": 7}
    return {
        "event": "cell",
        "distinct_id": "SARA",
        "uuid": UUID,
        "timestamp": "2026-11-24T08:59:59.123456+00:00",
        "properties": properties,
        **changes,
    }


def a_body(*events: Any, **envelope: Any) -> bytes:
    return json.dumps({"api_key": KEY, "batch": events, **envelope}).encode()


def read(body: bytes, max_bytes: int = MAX_BATCH_BYTES) -> list[StoredEvent]:
    return read_v0(body, api_key=KEY, received=NOW, max_bytes=max_bytes)


def read_one(**changes: Any) -> StoredEvent:
    (event,) = read(a_body(an_event(**changes)))
    return event


def why_refused(body: bytes, max_bytes: int = MAX_BATCH_BYTES) -> tuple[int, str]:
    with pytest.raises(Refusal) as refused:
        read(body, max_bytes)
    return refused.value.status, refused.value.text


def test_an_event_is_stored_with_what_it_says_of_itself() -> None:
    event = read_one()

    assert event == StoredEvent(
        uuid=UUID,
        event="cell",
        distinct_id="SARA",
        timestamp="2026-11-24T08:59:59.123456+00:00",
        received="2026-11-24T09:00:00+00:00",
        nb="D3",
        sess="abcdef01",
        student="SARA",
        cohort="A",
        seq=7,
        properties=event.properties,
    )
    assert json.loads(event.properties) == an_event()["properties"]


def test_an_event_of_the_system_before_this_one_is_about_whom_its_id_says() -> None:
    without = read_one(properties={"nb": "D3", "sess": "abcdef01", "v": "1.0.0", "ex": "one"})
    of_another_program = read_one(properties={"nb": "D3"})

    assert (without.student, without.seq) == ("SARA", None)
    assert of_another_program.student == ""


@pytest.mark.parametrize(
    "pack",
    [
        lambda body: body,
        gzip.compress,
        lambda body: b"data=" + urllib.parse.quote_plus(body).encode(),
        lambda body: b"data=" + urllib.parse.quote_plus(base64.b64encode(body)).encode(),
    ],
    ids=["plain", "gzip that no header names", "form", "form in base64"],
)
def test_a_body_is_read_however_it_is_packed(pack: Any) -> None:
    assert [event.uuid for event in read(pack(a_body(an_event())))] == [UUID]


@pytest.mark.parametrize(
    "data",
    [
        {"api_key": KEY, **an_event()},
        {"token": KEY, **an_event()},
        an_event(properties={"token": KEY}),
        [an_event(properties={"token": KEY})],
        [{"api_key": KEY, **an_event()}],
    ],
    ids=["api_key", "token", "token in properties", "list", "list with api_key"],
)
def test_a_single_event_is_read_wherever_its_key_is(data: Any) -> None:
    assert [event.uuid for event in read(json.dumps(data).encode())] == [UUID]


def test_an_event_without_a_uuid_gets_one() -> None:
    (event,) = read(a_body(an_event(uuid=None)))

    assert uuid.UUID(event.uuid).version == 4


def test_a_uuid_is_one_however_it_is_written() -> None:
    assert read_one(uuid=UUID.upper().replace("-", "")).uuid == UUID


def test_an_id_may_be_a_number_in_the_properties() -> None:
    entry = an_event(properties={"distinct_id": 17})
    del entry["distinct_id"]

    (event,) = read(a_body(entry))

    assert event.distinct_id == "17"


def test_an_id_longer_than_posthog_takes_is_cut() -> None:
    assert read_one(distinct_id="x" * 300).distinct_id == "x" * 200


def test_what_is_set_on_a_person_is_kept_with_the_properties() -> None:
    event = read_one(**{"$set": {"class": "A"}})

    assert json.loads(event.properties)["$set"] == {"class": "A"}


@pytest.mark.parametrize("seq", [-1, 1.5, True, "3", 10_000_001, 2**62, 2**63, None])
def test_a_seq_that_is_none_is_not_taken_for_one(seq: object) -> None:
    assert read_one(properties={"seq": seq}).seq is None


def test_nul_becomes_a_character_that_can_be_shown() -> None:
    event = read_one(properties={"student": "SA\0RA", "a\0b": ["\0"]}, distinct_id="SA\0RA")

    assert (event.student, event.distinct_id) == ("SA\ufffdRA", "SA\ufffdRA")
    assert json.loads(event.properties) == {"student": "SA\ufffdRA", "a\ufffdb": ["\ufffd"]}


def test_a_backslash_before_u0000_is_left_alone() -> None:
    assert json.loads(read_one(properties={"code": r"\u0000"}).properties) == {"code": r"\u0000"}


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-11-24T08:00:00Z", "2026-11-24T08:00:00+00:00"),
        ("2026-11-24T08:00:00.123Z", "2026-11-24T08:00:00.123000+00:00"),
        ("2026-11-24T08:00:00.123456789Z", "2026-11-24T08:00:00.123456+00:00"),
        ("2026-11-24T10:00:00+02:00", "2026-11-24T08:00:00+00:00"),
        ("2026-11-24T08:00:00", "2026-11-24T08:00:00+00:00"),
        ("yesterday", "2026-11-24T09:00:00+00:00"),
        (1795507200, "2026-11-24T09:00:00+00:00"),
        (None, "2026-11-24T09:00:00+00:00"),
        ("0001-01-01T00:00:00+14:00", "2026-11-24T09:00:00+00:00"),
        ("2026-11-25T07:59:59+00:00", "2026-11-25T07:59:59+00:00"),
        ("2026-11-25T08:00:01+00:00", "2026-11-24T09:00:00+00:00"),
    ],
)
def test_a_time_is_taken_where_it_is_one(sent: object, stored: str) -> None:
    assert read_one(timestamp=sent).timestamp == stored


def test_a_browser_may_say_how_long_ago_it_was() -> None:
    entry = an_event(offset=1500)
    del entry["timestamp"]

    (event,) = read(a_body(entry))

    assert event.timestamp == "2026-11-24T08:59:58.500000+00:00"


def test_a_wrong_clock_is_corrected() -> None:
    an_hour_behind = (NOW - timedelta(hours=1)).isoformat()

    (event,) = read(a_body(an_event(timestamp="2026-11-24T07:50:00+00:00"), sent_at=an_hour_behind))

    assert event.timestamp == "2026-11-24T08:50:00+00:00"


def test_a_right_clock_is_not_shaken_by_a_slow_line() -> None:
    sent = (NOW - timedelta(seconds=3)).isoformat()

    (event,) = read(a_body(an_event(timestamp="2026-11-24T07:50:00+00:00"), sent_at=sent))

    assert event.timestamp == "2026-11-24T07:50:00+00:00"


def test_who_asks_for_it_keeps_a_wrong_time() -> None:
    entry = an_event(timestamp="2026-11-24T07:50:00+00:00", properties={"$ignore_sent_at": True})

    (event,) = read(a_body(entry, sent_at=(NOW - timedelta(hours=1)).isoformat()))

    assert event.timestamp == "2026-11-24T07:50:00+00:00"


DEEP = b'{"api_key":"phc_test","batch":[{"event":"e","distinct_id":"d","properties":{"a":%b}}]}'


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "failed to parse request: "),
        (b"hello", 400, "failed to parse request: "),
        (b"\x1f\x8bnonsense", 400, "failed to parse request: invalid compressed data"),
        (gzip.compress(a_body(an_event()))[:-9], 400, "failed to parse request: invalid compr"),
        (gzip.compress(a_body(an_event())) + b"x", 400, "failed to parse request: invalid compr"),
        (b"data=%%%", 400, "failed to parse request: invalid form"),
        (b"data=", 400, "failed to parse request: invalid form"),
        (b"null", 400, "failed to parse request: invalid type"),
        (b"17", 400, "failed to parse request: invalid type"),
        (a_body(17), 400, "failed to parse request: invalid type"),
        (a_body(api_key=KEY, batch="x"), 400, "failed to parse request: invalid type"),
        (a_body(an_event(properties=[1])), 400, "failed to parse request: invalid type"),
        (a_body(an_event(uuid="x")), 400, "failed to parse request: invalid uuid"),
        (a_body(an_event(uuid=17)), 400, "failed to parse request: invalid uuid"),
        (a_body(an_event(event=17)), 400, "event submitted without an event name"),
        (a_body(an_event(event=" ")), 400, "event submitted without an event name"),
        (a_body(an_event(distinct_id="")), 400, "event submitted without a distinct_id"),
        (a_body(an_event(), an_event(event=None)), 400, "event submitted without an event name"),
        (b'{"api_key":"phc_test","batch":[NaN]}', 400, "failed to parse request: "),
        (a_body(an_event(distinct_id="\ud800")), 400, "failed to parse request: "),
        (DEEP % (b"[" * 300 + b"]" * 300), 400, "failed to parse request: "),
        (DEEP % (b"[" * 100_000 + b"]" * 100_000), 400, "failed to parse request: "),
        (DEEP % (b'"\\u0000",' + b"[" * 990 + b"]" * 990), 400, "failed to parse request: "),
        (DEEP % (b"[" + b"[]," * 1_000_000 + b"0]"), 400, "failed to parse request: too many"),
        (a_body(), 400, "request holds no event"),
        (b"{}", 400, "failed to parse request: invalid type"),
        (b"[]", 400, "request holds no event"),
        (a_body(an_event(), api_key=""), 401, "event submitted without an api_key"),
        (a_body(an_event(), api_key=17), 401, "event submitted without an api_key"),
        (a_body(an_event(), api_key="phc_other"), 401, "API key is not valid: unknown"),
        (a_body(an_event(), api_key="käse"), 401, "API key is not valid: unknown"),
        (a_body(an_event(properties={"a": "x" * 1_000_001})), 413, "event is too large"),
        (a_body(*[{"event": "x", "distinct_id": "y"}] * 10_001), 413, "too many events"),
        (b'{"api_key":"phc_test","batch":[' + b"{}," * 200_000 + b"{}]}", 400, "failed to parse"),
    ],
)
def test_what_cannot_be_taken_is_refused_as_posthog_does(
    body: bytes, status: int, words: str
) -> None:
    refused_with, text = why_refused(body)

    assert (refused_with, text[: len(words)]) == (status, words)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress])
def test_a_body_over_the_limit_is_refused(pack: Any) -> None:
    body = pack(a_body(an_event(properties={"a": "x" * 2000})))

    if pack is zlib.compress:  # only V1 says so in a header
        assert why_refused(body)[0] == HTTPStatus.BAD_REQUEST
    else:
        assert why_refused(body, 1000)[0] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_a_gzip_bomb_takes_no_more_memory_than_a_body_may() -> None:
    bomb = gzip.compress(b"\0" * 500_000_000, compresslevel=1)
    tracemalloc.start()

    status, _ = why_refused(bomb)

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert peak_bytes < 3 * MAX_BATCH_BYTES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    entry=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("event", "distinct_id", "uuid", "timestamp", "offset", "properties"), JSON
        ),
    ),
    sent_at=JSON,
)
def test_any_json_is_events_that_can_be_stored_or_a_refusal(
    entry: dict[str, Any], sent_at: object
) -> None:
    try:
        events = read(a_body(entry, sent_at=sent_at))
    except Refusal as refusal:
        assert refusal.status in {400, 413}  # noqa: PT017  # one of two things that may be
        return

    (event,) = events
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", event.uuid)
    assert datetime.fromisoformat(event.timestamp).utcoffset() == timedelta()
    assert isinstance(json.loads(event.properties), dict)
    assert "\0" not in "".join(map(str, event))
