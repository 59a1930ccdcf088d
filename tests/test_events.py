"""The form of events: what a line holds, whatever somebody's props hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn
from uuid import RFC_4122, UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from records import API_KEY, HOST, a_record, strict_json

from ipynb_telemetry import events
from ipynb_telemetry.capture import Capture
from ipynb_telemetry.events import decode, encode, is_record, message, numbered
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.session import Session

ARABIC = "اكتب دالة تحسب عدد الأيام "
OWN = {"nb", "sess", "v", "student"}


def properties_of(line: bytes) -> dict[str, Any]:
    """What a strict reader finds in an encoded event, without what stands on every event."""
    properties = strict_json(line)["properties"]
    return {key: value for key, value in properties.items() if key not in OWN}


def depth_of(value: Any) -> int:
    depth, level = 0, [value]
    while level := [
        inner for outer in level if isinstance(outer, dict) for inner in outer.values()
    ]:
        depth += 1
    return depth


def on_the_wire(line: bytes) -> bytes:
    """The event as the SDK's transport writes it."""
    return json.dumps(message(strict_json(line), "SARA")).encode()


# The schema


def test_each_kind_of_event_is_described_once() -> None:
    names = [kind.event for kind in events.KINDS]

    assert sorted(names) == [
        "cell", "cell_end", "hand", "pause", "rename", "resume", "start", "test",
    ]  # fmt: skip


def test_every_event_carries_the_base_properties() -> None:
    names = [prop.name for prop in events.BASE_PROPERTIES]

    assert names == ["nb", "sess", "student", "v", "seq", "cohort"]


@pytest.mark.parametrize(
    ("event", "names"),
    [
        ("start", ["python", "ipython", "frontend", "platform", "rerun"]),
        ("cell", ["cell_id", "cell_num", "code"]),
        ("cell_end", ["cell_id", "cell_num", "ok", "ms", "err"]),
        ("test", ["ex", "ok", "try", "ms", "err", "skipped"]),
        ("hand", ["up"]),
        ("rename", ["prev"]),
        ("pause", []),
        ("resume", []),
    ],
)
def test_an_event_keeps_the_property_names_that_insights_use(event: str, names: list[str]) -> None:
    (kind,) = (kind for kind in events.KINDS if kind.event == event)

    assert [prop.name for prop in kind.properties] == names


def test_everything_in_the_schema_is_explained() -> None:
    properties = [*events.BASE_PROPERTIES, events.SHORTENED]
    for kind in events.KINDS:
        properties += kind.properties

    assert [prop.name for prop in properties if not prop.meaning.strip()] == []
    assert [kind.event for kind in events.KINDS if not kind.when.strip()] == []


# A new event


def test_an_event_has_a_random_uuid_of_the_standards_form() -> None:
    uuids = [UUID(a_record()["uuid"]) for _ in range(200)]

    assert {(uuid.version, uuid.variant) for uuid in uuids} == {(4, RFC_4122)}
    assert len(set(uuids)) == 200


def test_a_uuid_is_written_as_everybody_writes_it() -> None:
    text = a_record()["uuid"]

    assert text == str(UUID(text))


def test_the_time_of_an_event_is_when_it_happened_in_utc() -> None:
    before = datetime.now(tz=timezone.utc)
    happened = datetime.fromisoformat(a_record()["timestamp"])
    after = datetime.now(tz=timezone.utc)

    assert before <= happened <= after
    assert happened.utcoffset() == timedelta(0)


# The message


def test_a_message_has_the_form_in_which_the_sdk_sends_an_event() -> None:
    record = a_record({"own": 1}, event="cell", student="SARA")

    assert message(record, "SARA") == {
        "event": "cell",
        "distinct_id": "SARA",
        "uuid": record["uuid"],
        "timestamp": record["timestamp"],
        "properties": {
            "own": 1,
            "nb": "D3_Datetimes",
            "sess": "abcdef01",
            "v": "0.1.0",
            "student": "SARA",
            "$lib": "ipynb-telemetry",
            "$lib_version": "0.1.0",
            "$geoip_disable": True,
        },
    }


def test_an_event_that_waited_for_a_name_goes_out_under_it() -> None:
    sent = message(a_record(student=None), "SARA")

    assert (sent["distinct_id"], sent["properties"]["student"]) == ("SARA", "SARA")


def test_an_event_with_a_name_keeps_it() -> None:
    sent = message(a_record(student="SARA"), "LENA")

    assert (sent["distinct_id"], sent["properties"]["student"]) == ("SARA", "SARA")


def test_a_resend_by_a_later_version_is_identical(monkeypatch: pytest.MonkeyPatch) -> None:
    line = numbered(encode(a_record({"own": [1.5, None]})), 7)
    first = json.dumps(message(strict_json(line), "SARA"))

    monkeypatch.setattr(events, "version", lambda: "9.9.9")

    assert json.dumps(message(strict_json(line), "SARA")) == first


def test_nobody_can_turn_the_look_up_of_places_on() -> None:
    sent = message(a_record({"$geoip_disable": False, "$lib": "mine"}), "SARA")

    assert sent["properties"]["$geoip_disable"] is True
    assert sent["properties"]["$lib"] == "ipynb-telemetry"


@pytest.mark.parametrize(
    "props",
    [
        pytest.param({"seq": 99, "student": "LENA", "sess": "x", "nb": "x", "v": "x"}, id="text"),
        pytest.param({PurePosixPath("seq"): 99, PurePosixPath("sess"): "x"}, id="other keys"),
    ],
)
def test_what_stands_on_every_event_cannot_be_overwritten(
    props: dict[Any, Any], state_dir: Path
) -> None:
    session = Session("D3_Datetimes")
    outbox = Outbox(state_dir, session.sess, appended=lambda: None)
    Capture(session, outbox)
    session.take_name("SARA")

    session.custom("hint", props)

    batch = outbox.next_batch()
    outbox.close()
    assert batch is not None
    sent = message(batch.records[0], "SARA")["properties"]
    assert {key: sent[key] for key in ("nb", "sess", "student", "seq")} == {
        "nb": "D3_Datetimes",
        "sess": session.sess,
        "student": "SARA",
        "seq": 0,
    }


# One line of strict JSON


def test_an_event_is_one_line() -> None:
    line = encode(a_record({"code": "a\nb\r\n\x85\u2028c"}))

    assert line.index(b"\n") == len(line) - 1


def test_text_keeps_its_script() -> None:
    assert ARABIC.encode() in encode(a_record({"code": ARABIC}))


def test_what_json_can_hold_is_kept_as_it_is() -> None:
    props = {"t": "x", "i": -1, "f": 0.1, "b": False, "n": None, "l": [1, [2]], "d": {"a": {}}}

    assert properties_of(encode(a_record(props))) == props


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    HIGH = 3


class Speechless:
    def __str__(self) -> str:
        msg = "I say nothing"
        raise RuntimeError(msg)


class Unreadable(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def __len__(self) -> int:
        return 1

    def __str__(self) -> str:
        return "unreadable"


class UnreadableDict(dict[str, int]):
    def items(self) -> NoReturn:
        msg = "no items today"
        raise LookupError(msg)


class Scalar:
    """A number as numpy and torch have them: no `int`, with a shape and an item."""

    shape = ()

    def __init__(self, number: object) -> None:
        self._number = number

    def item(self) -> object:
        return self._number


class Pretender:
    """Says that it is a number, as proxies do."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return int

    def __str__(self) -> str:
        return "pretender"


class Hostile:
    """Raises at whatever is done with it."""

    def __getattribute__(self, name: str) -> NoReturn:
        msg = f"no {name} here"
        raise RuntimeError(msg)

    def __str__(self) -> NoReturn:
        raise KeyError


class Many(str):
    """Text with ideas of its own."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another"

    def encode(self, *args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(math.nan, "nan", id="not a number"),
        pytest.param(-math.inf, "-inf", id="infinity"),
        pytest.param([1, {"a": math.inf}], [1, {"a": "inf"}], id="infinity inside"),
        pytest.param("a\ud800b", "a\ufffdb", id="a lone surrogate"),
        pytest.param("\ud83d\ude00", "\U0001f600", id="a surrogate pair"),
        pytest.param(b"raw", "b'raw'", id="bytes"),
        pytest.param(Decimal("1.50"), "1.50", id="an exact number"),
        pytest.param({1}, [1], id="a set"),
        pytest.param((1, {2: 3}), [1, {"2": 3}], id="a tuple"),
        pytest.param({(1, 2): "x"}, {"(1, 2)": "x"}, id="a key that is no text"),
        pytest.param({"\udcff": 1}, {"\ufffd": 1}, id="a key with a lone surrogate"),
        pytest.param(Colour.RED, "Colour.RED", id="an enum"),
        pytest.param([Level.HIGH, {1}], [3, [1]], id="a number of an enum"),
        pytest.param([Scalar(7), Scalar(0.5)], [7, 0.5], id="numbers of numpy"),
        pytest.param([Scalar(True), Scalar(math.nan)], [True, "nan"], id="booleans of numpy"),
        pytest.param(10**5000, "<int>", id="a number too long to be written"),
        pytest.param([{1}, 10**400], [[1], str(10**400)], id="a number too large for a double"),
        pytest.param(Speechless(), "<Speechless>", id="an object that raises"),
        pytest.param(Unreadable(), "unreadable", id="a mapping that raises"),
        pytest.param(UnreadableDict(a=1), "{'a': 1}", id="a dict that raises"),
        pytest.param(Pretender(), "pretender", id="a proxy"),
        pytest.param(Hostile(), "<Hostile>", id="an object that raises at everything"),
        pytest.param([Many("x"), {1}], ["x", [1]], id="text with ideas of its own"),
    ],
)
def test_what_json_cannot_hold_becomes_what_it_can(value: object, kept: object) -> None:
    assert properties_of(encode(a_record({"value": value}))) == {"value": kept}


def test_an_object_with_a_long_text_is_cut() -> None:
    properties = properties_of(encode(a_record({"value": Decimal("1" * 50_000)})))

    assert properties == {"value": "1" * 10_000}


def test_a_circle_ends() -> None:
    circle: list[object] = [1]
    circle.append(circle)

    kept = properties_of(encode(a_record({"value": circle})))["value"]

    assert kept[0] == 1
    assert kept[1][0] == 1


@pytest.mark.parametrize("depth", [50, 120, 500, 5_000, 100_000])
def test_nesting_ends_before_any_reader_gives_up(depth: int) -> None:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}

    line = encode(a_record({"value": value}))

    assert depth_of(strict_json(line)) <= 110


def test_the_name_of_an_event_is_strict_json_too() -> None:
    assert strict_json(encode(a_record(event="a\ud800")))["event"] == "a\ufffd"


def test_props_that_change_afterwards_do_not_change_the_event(state_dir: Path) -> None:
    outbox = Outbox(state_dir, "abcdef01", appended=lambda: None)
    props: dict[str, Any] = {"answers": [1]}
    outbox.append(a_record(props))

    props["answers"].append(2)

    batch = outbox.next_batch()
    outbox.close()
    assert batch is not None
    assert batch.records[0]["properties"]["answers"] == [1]


odd_texts = st.text(st.characters(codec=None, categories=None), max_size=20)
odd_objects = st.sampled_from(
    [
        Speechless(), Unreadable(), UnreadableDict(a=1), Pretender(), Scalar(3),
        Scalar(math.nan), Scalar(object()), Many("x\ud800"), Colour.RED, Level.HIGH, object, ...,
        10**400, range(3), bytearray(b"x"), re.compile("x"), iter([1]), len,
    ]
)  # fmt: skip
odd_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    odd_texts,
    st.binary(max_size=8),
    st.decimals(),
    st.datetimes(),
    st.complex_numbers(),
    odd_objects,
)
odd_keys = st.one_of(odd_texts, st.integers(), st.floats(), st.none(), st.tuples(st.integers()))
odd_values = st.recursive(
    odd_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(odd_keys, inner, max_size=4),
        st.frozensets(st.integers(), max_size=3),
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(props=st.dictionaries(odd_keys, odd_values, max_size=5), event=odd_texts)
@example(props={None: 1, "None": 2, "null": 3}, event="")
@example(props={"seq": Speechless(), PurePosixPath("seq"): 1}, event="\udfff")
def test_any_props_give_one_line_of_strict_json(props: dict[Any, Any], event: str) -> None:
    line = numbered(encode(a_record(props, event=event)), 12)

    record = strict_json(line)
    assert line.index(b"\n") == len(line) - 1
    assert record["properties"]["seq"] == 12
    assert record["properties"]["nb"] == "D3_Datetimes"
    assert is_record(record)
    assert not re.search("[\ud800-\udfff]", json.dumps(record, ensure_ascii=False))
    strict_json(on_the_wire(line))


# The number


@pytest.mark.parametrize("props", [{}, {"a": {}}, {"a": []}, {"a": "}}"}, {"a": {"b": {}}}])
def test_a_number_leaves_the_other_properties_as_they_are(props: dict[str, Any]) -> None:
    line = numbered(encode(a_record(props)), 3)

    assert properties_of(line) == {**props, "seq": 3}


def test_an_event_without_properties_can_be_numbered() -> None:
    record = a_record()
    record["properties"] = {}

    assert strict_json(numbered(encode(record), 3))["properties"] == {"seq": 3}


# An event that is too large

LIMIT = 900 * 1024
TOO_LARGE = {
    "a long text": {"output": "x" * 2_000_000},
    "a long text in Arabic": {"output": ARABIC * 10_000},
    "text that the wire writes six times as long": {"output": "\x7f" * 200_000},
    "two long texts": {"output": "x" * 700_000, "input": "y" * 700_000},
    "one text of many pieces": {"output": ["x" * 100] * 20_000},
    "many texts": {f"output {i}": "x" * 5_000 for i in range(400)},
    "many small properties": {f"property {i}": i for i in range(40_000)},
    "many small properties in Arabic": {f"{ARABIC}{i}": i for i in range(20_000)},
    "long keys": {f"{i} " + "k" * 5_000: i for i in range(400)},
    "one long key": {"k" * 2_000_000: 1},
    "a deep text": {"a": {"b": {"c": "x" * 2_000_000}}},
}


@pytest.mark.parametrize("props", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_an_event_that_is_too_large_becomes_small_enough(props: dict[str, Any]) -> None:
    line = numbered(encode(a_record(props)), 123_456)

    assert len(on_the_wire(line)) <= LIMIT + 1_000  # the envelope, and PostHog takes 1 MB


@pytest.mark.parametrize("props", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_an_event_that_was_too_large_says_so(props: dict[str, Any]) -> None:
    assert properties_of(encode(a_record(props)))["shortened"] is True


@pytest.mark.parametrize("props", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_an_event_that_was_too_large_keeps_what_there_is_room_for(props: dict[str, Any]) -> None:
    line = encode(a_record(props))

    own = properties_of(line)
    assert len(own) > 1
    assert len(on_the_wire(line)) > 50_000 or len(own) == len(props) + 1


def test_an_event_that_was_too_large_keeps_who_and_where_it_was() -> None:
    record = strict_json(numbered(encode(a_record({"output": "x" * 2_000_000})), 4))

    assert (record["host"], record["api_key"]) == (HOST, API_KEY)
    assert {key: record["properties"][key] for key in ("nb", "sess", "v", "seq")} == {
        "nb": "D3_Datetimes",
        "sess": "abcdef01",
        "v": "0.1.0",
        "seq": 4,
    }


def test_what_is_short_stays_whole_beside_what_is_cut() -> None:
    properties = properties_of(
        encode(a_record({"output": "x" * 2_000_000, "n": 7, "t": "y" * 900}))
    )

    assert properties["output"] == "x" * 100_000 + "..."
    assert (properties["n"], properties["t"]) == (7, "y" * 900)


@pytest.mark.parametrize("text", ["x" * 800_000, ARABIC * 5_000], ids=["ASCII", "Arabic"])
def test_an_event_that_just_fits_is_kept_whole(text: str) -> None:
    assert properties_of(encode(a_record({"output": text}))) == {"output": text}


# What can be read back


def a_plain_record() -> dict[str, Any]:
    record: dict[str, Any] = strict_json(encode(a_record()))
    return record


def test_what_was_written_can_be_read() -> None:
    assert decode(encode(a_record({"a": 1}))) is not None


@pytest.mark.parametrize("key", ["host", "api_key", "student"])
def test_a_record_may_have_nothing_yet(key: str) -> None:
    assert is_record({**a_plain_record(), key: None})


@pytest.mark.parametrize(
    "key", ["host", "api_key", "event", "uuid", "timestamp", "student", "properties"]
)
def test_without_any_of_its_parts_it_is_no_record(key: str) -> None:
    record = a_plain_record()
    del record[key]

    assert not is_record(record)


@pytest.mark.parametrize(
    "key", ["host", "api_key", "event", "uuid", "timestamp", "student", "properties"]
)
def test_with_a_part_of_another_kind_it_is_no_record(key: str) -> None:
    assert not is_record({**a_plain_record(), key: 5})


@pytest.mark.parametrize("value", [None, 5, "text", [], [1], {}, {"properties": {}}])
def test_another_value_is_no_record(value: object) -> None:
    assert not is_record(value)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\n", id="an empty line"),
        pytest.param(b"\0" * 100, id="what a power cut leaves"),
        pytest.param(b"[1]\n", id="other JSON"),
        pytest.param(b'{"event": "cell"', id="half a line"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b"9" * 10_000, id="too long a number"),
        pytest.param(encode(a_record({"a": "xyz"})).replace(b"xyz", b"\xff\xfe\n"), id="bytes"),
        pytest.param(
            encode(a_record({"a": "xyz"})).replace(b"xyz", b"\xed\xa0\x80"), id="half a pair"
        ),
    ],
)
def test_a_damaged_line_is_nothing(line: bytes) -> None:
    assert decode(line) is None


@settings(max_examples=200)
@given(place=st.integers(0, 10_000), damage=st.binary(min_size=1, max_size=12))
def test_a_damaged_line_never_raises(place: int, damage: bytes) -> None:
    line = bytearray(encode(a_record({"code": ARABIC})))
    start = place % len(line)
    line[start : start + len(damage)] = damage

    record = decode(bytes(line))

    assert record is None or message(record, "SARA")["uuid"] == record["uuid"]
