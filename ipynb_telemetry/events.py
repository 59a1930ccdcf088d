"""The events: their schema, their limits and their form on the wire.

One description, used by everyone: the capture layer makes events by it, the panel's
'What is sent?' explains them by it, and the README's table is held to it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import metadata
from typing import Any, NamedTuple, TypeAlias

MAX_CODE_CHARS = 500
MAX_ERROR_CHARS = 200
MAX_NAME_CHARS = 200  # PostHog's newer endpoint drops an event with a longer name
MAX_EVENT_BYTES = 900 * 1024  # what the SDK drops; PostHog itself discards over 1 MB
_SHORTENED_CHARS = (100_000, 10_000, 1_000, 100)  # of each property: the first that is enough
_MAX_TEXT_CHARS = 10_000  # of an object that JSON cannot hold
_MAX_DEPTH = 20
_SURE_DEPTH = 100  # every reader follows so far: PostHog 128 levels, Python some 900
_MAX_INT_BITS = 1023  # a larger one is no number for a reader that takes numbers for doubles
_MAX_WIRE_GROWTH = 6  # the wire's escapes turn \x7f into \u007f

# A circle ends in a RecursionError, and looking out for one would cost every event.
_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)

UNNAMED = "(your name)"
"""Stands where the student's name will stand, before there is one."""

AS_IT_CAME = "as_it_came"
"""True in the record of an event that somebody has sent to us: nothing is added to it."""

BEGINNING = b'{"host":'
"""How each line begins: a whole one can be found behind a damaged one that has lost its end."""

Record: TypeAlias = dict[str, Any]
"""An event as it waits: host, api_key, event, uuid, timestamp, student, properties.

In this order: `numbered` counts on the properties to be the last.
"""


class Property(NamedTuple):
    name: str
    meaning: str


class Kind(NamedTuple):
    """One kind of event: when it happens and what it says beside the base properties."""

    event: str
    when: str
    properties: tuple[Property, ...] = ()


BASE_PROPERTIES = (
    Property("nb", "the notebook's id"),
    Property("sess", "the session: 8 hex digits, new for each kernel, student and notebook"),
    Property("student", "the name you gave"),
    Property("v", "the version of ipynb-telemetry"),
    Property("seq", "the number of this event in its session: 0, 1, 2 ..."),
    Property("cohort", "your class, when the notebook names one"),
)
_BASE_NAMES = tuple(prop.name for prop in BASE_PROPERTIES)

SHORTENED = Property("shortened", "true where the event was too large and had to be cut")
"""Stands on an event of any kind, where it is so."""

_ERR = Property("err", f"type and message of the error, at most {MAX_ERROR_CHARS} characters")

KINDS = (
    Kind(
        "start",
        "the setup cell has run, or another student took over",
        (
            Property("python", "the version of Python"),
            Property("ipython", "the version of IPython"),
            Property("frontend", "jupyterlab-or-notebook, classic, colab, vscode, headless ..."),
            Property("platform", "Linux, Windows, Darwin ..."),
            Property("rerun", "how often the setup cell had run before in this kernel"),
        ),
    ),
    Kind(
        "cell",
        "a tracked cell is run",
        (
            Property("cell_id", "the author's name for the cell"),
            Property("cell_num", "the number of this run: 1, 2 ... in this session"),
            Property("code", f"the author's preview, at most {MAX_CODE_CHARS} characters"),
        ),
    ),
    Kind(
        "cell_end",
        "a tracked cell has ended",
        (
            Property("cell_id", "as above"),
            Property("cell_num", "as above"),
            Property("ok", "whether it ended without an error"),
            Property("ms", "how long it took, in milliseconds"),
            _ERR,
        ),
    ),
    Kind(
        "test",
        "a test of an exercise has ended",
        (
            Property("ex", "the exercise"),
            Property("ok", "whether it passed"),
            Property("try", "which attempt this was: 1, 2 ... in this session"),
            Property("ms", "how long it took, in milliseconds"),
            _ERR,
            Property("skipped", "whether the test was skipped"),
        ),
    ),
    Kind("hand", "you raise or lower your hand", (Property("up", "whether it is up"),)),
    Kind("rename", "you correct your name", (Property("prev", "the name before"),)),
    Kind("pause", "you pause telemetry"),
    Kind("resume", "you resume telemetry"),
)


def version() -> str:
    """The version in the package's metadata; `0` where a fork has another name."""
    try:
        # Not metadata.version: it imports a parser of e-mail, which is felt in the setup cell.
        text = metadata.distribution("ipynb-telemetry").read_text("METADATA") or ""
    except metadata.PackageNotFoundError:
        return "0"
    return text.partition("\nVersion: ")[2].partition("\n")[0]


def new_record(
    event: str,
    properties: dict[str, Any],
    *,
    host: str | None,
    api_key: str | None,
    student: str | None,
) -> Record:
    """One event that happens now: it gets its uuid and its time here, and keeps both."""
    return {
        "host": host,
        "api_key": api_key,
        "event": event,
        "uuid": _new_uuid(),
        "timestamp": datetime.now(tz=timezone.utc).isoformat(),
        "student": student,
        "properties": properties,
    }


def _new_uuid() -> str:
    """A random uuid, version 4 of RFC 9562, in a third of the time that `uuid4` takes."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def message(record: Record, student: str) -> dict[str, Any]:
    """The event exactly as PostHog gets it, as the SDK's `Client` would build it.

    Args:
        record: The event as it waits.
        student: Who it is about, if the record was made before there was a name.
    """
    student = record["student"] or student
    properties = record["properties"]
    if not record.get(AS_IT_CAME):
        properties = {
            **properties,
            "student": student,
            "$lib": "ipynb-telemetry",
            # The version that captured it: a resend by a newer one must be identical.
            "$lib_version": properties.get("v"),
            "$geoip_disable": True,
        }
    return {
        "event": record["event"],
        "distinct_id": student,
        "uuid": record["uuid"],
        "timestamp": record["timestamp"],
        "properties": properties,
    }


def encode(record: Record) -> bytes:
    """One line of strict JSON with its newline; what JSON cannot hold becomes text."""
    try:
        line = _strict_json(record)
    except Exception:  # noqa: BLE001  # something that is no JSON, or a student's own mapping
        line = b""
    if not line or line.count(b"[") + line.count(b"{") > _SURE_DEPTH:
        line = _strict_json(_plain_record(record))
    if len(line) * _MAX_WIRE_GROWTH > MAX_EVENT_BYTES:
        line = _short_enough(line)
    return line


def numbered(line: bytes, seq: int) -> bytes:
    """The line of an event that had no `seq`, as that of event `seq` of its session."""
    comma = b"" if line.endswith(b"{}}\n") else b","
    return b'%b%b"seq":%d}}\n' % (line.removesuffix(b"}}\n"), comma, seq)


def decode(line: bytes) -> Record | None:
    """What `encode` made a line of; None where the line is damaged."""
    try:
        value = json.loads(line.decode())  # given bytes, it would let lone surrogates through
    except (ValueError, RecursionError):
        return None
    return value if is_record(value) else None


def is_record(value: object) -> bool:
    """Whether `value`, read back from a file that may be damaged, is a whole record."""
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(key), str) for key in ("event", "uuid", "timestamp"))
        and all(
            key in value and isinstance(value[key], (str, type(None)))
            for key in ("host", "api_key", "student")
        )
        and isinstance(value.get("properties"), dict)
    )


def has_a_time(record: Record) -> bool:
    """Whether its timestamp is one; where it is none, servers put their own in its place."""
    try:
        return datetime.fromisoformat(record["timestamp"]).tzinfo is not None
    except ValueError:
        return False


def _strict_json(record: Record) -> bytes:
    # A lone surrogate raises UnicodeEncodeError.
    return _encoder.encode(record).encode() + b"\n"


def _plain_record(record: Record) -> Record:
    plain = {key: _plain(record[key]) for key in record if key != "properties"}
    properties = {_text(key): _plain(value) for key, value in record["properties"].items()}
    return {**plain, "properties": properties}


def _plain(value: object, depth: int = 0) -> Any:
    """`value` in what strict JSON can hold, with everything else as text."""
    try:
        return _as_json(value, depth)
    except Exception:  # noqa: BLE001  # a student's own object may do anything when looked at
        return _text(value)


def _as_json(value: Any, depth: int) -> Any:
    if getattr(value, "shape", None) == ():  # a number of numpy, torch and their like
        value = value.item()
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int) and value.bit_length() <= _MAX_INT_BITS:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {_text(key): _plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_plain(item, depth + 1) for item in value]
    return _text(value)


def _text(value: object) -> str:
    try:
        text = str.__str__(value) if isinstance(value, str) else str(value)[:_MAX_TEXT_CHARS]
        # Joins the halves of a surrogate pair, and replaces a lone one.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    except Exception:  # noqa: BLE001  # the student's own __str__ may do anything
        return f"<{type(value).__name__}>"


def _short_enough(line: bytes) -> bytes:
    """`line`, with its event's properties cut as far as it takes to send it."""
    record: Record = json.loads(line)
    if _wire_bytes(record) <= MAX_EVENT_BYTES:
        return line
    own = record["properties"]
    base = {SHORTENED.name: True, **{name: own.pop(name) for name in _BASE_NAMES if name in own}}
    room_bytes = MAX_EVENT_BYTES - _wire_bytes({**record, "properties": base})
    for limit in _SHORTENED_CHARS:
        short = {key[:MAX_NAME_CHARS]: _cut(value, limit) for key, value in own.items()}
        if _wire_bytes(short) <= room_bytes:
            break
    else:
        short = _as_many_as_fit(short, room_bytes)
    return _strict_json({**record, "properties": {**short, **base}})


def _cut(value: Any, max_chars: int) -> Any:
    if not isinstance(value, (str, list, dict)):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= max_chars else text[:max_chars] + "..."


def _as_many_as_fit(properties: dict[str, Any], room_bytes: int) -> dict[str, Any]:
    fitting = {}
    for key, value in properties.items():
        room_bytes -= _wire_bytes({key: value})  # its braces are as long as the comma between two
        if room_bytes < 0:
            break
        fitting[key] = value
    return fitting


def _wire_bytes(value: dict[str, Any]) -> int:
    return len(json.dumps(value))
