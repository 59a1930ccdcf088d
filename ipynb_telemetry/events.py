"""The events: their schema, their limits and their form on the wire.

One description, used by everyone: the capture layer makes events by it, the panel's
'What is sent?' explains them by it, and the README's table is held to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from typing import Any, TypeAlias
from uuid import uuid4

MAX_CODE_CHARS = 500
MAX_ERROR_CHARS = 200
MAX_NAME_CHARS = 200  # PostHog's newer endpoint drops an event with a longer name
MAX_EVENT_BYTES = 900 * 1024  # what the SDK drops; PostHog itself discards over 1 MB
_SHORTENED_CHARS = 1_000  # of each property, when an event has to be shortened
_MAX_TEXT_CHARS = 10_000  # of an object that JSON cannot hold
_MAX_DEPTH = 20

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

UNNAMED = "(your name)"
"""Stands where the student's name will stand, before there is one."""

Record: TypeAlias = dict[str, Any]
"""An event as it waits: host, api_key, event, uuid, timestamp, student, properties."""


@dataclass(frozen=True)
class Property:
    name: str
    meaning: str


@dataclass(frozen=True)
class Kind:
    """One kind of event: when it happens and what it says beside the base properties."""

    event: str
    when: str
    properties: tuple[Property, ...] = ()


BASE_PROPERTIES = (
    Property("nb", "the notebook's id"),
    Property("sess", "the session: 8 hex digits, new for each kernel"),
    Property("student", "the name you gave"),
    Property("v", "the version of ipynb-telemetry"),
    Property("seq", "the number of this event in its session: 0, 1, 2 ..."),
    Property("cohort", "your class, when the notebook names one"),
)

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
    """The version in the package's metadata."""
    return metadata.version("ipynb-telemetry")


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
        "uuid": str(uuid4()),
        "timestamp": datetime.now(tz=timezone.utc).isoformat(),
        "student": student,
        "properties": properties,
    }


def message(record: Record, student: str) -> dict[str, Any]:
    """The event exactly as PostHog gets it, as the SDK's `Client` would build it.

    Args:
        record: The event as it waits.
        student: Who it is about, if the record was made before there was a name.
    """
    student = record["student"] or student
    properties = record["properties"]
    return {
        "event": record["event"],
        "distinct_id": student,
        "uuid": record["uuid"],
        "timestamp": record["timestamp"],
        "properties": {
            **properties,
            "student": student,
            "$lib": "ipynb-telemetry",
            # The version that captured it: a resend by a newer one must be identical.
            "$lib_version": properties.get("v"),
            "$geoip_disable": True,
        },
    }


def encode(record: Record) -> bytes:
    """One line of strict JSON with its newline; what JSON cannot hold becomes text."""
    try:
        line = _strict_json(record)
    except (TypeError, ValueError, RecursionError):
        line = _strict_json(_plain(record))
    # Where the text is not Latin, the wire's escapes make it up to three times as long.
    if len(line) * 3 > MAX_EVENT_BYTES and _wire_bytes(line) > MAX_EVENT_BYTES:
        line = _strict_json(_shortened(json.loads(line)))
    return line


def is_record(value: object) -> bool:
    """Whether `value`, read back from a file that may be damaged, is a whole record."""
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(key), str) for key in ("event", "uuid", "timestamp"))
        and isinstance(value.get("properties"), dict)
        and all(
            value.get(key) is None or isinstance(value[key], str)
            for key in ("host", "api_key", "student")
        )
    )


def _strict_json(record: Record) -> bytes:
    # A lone surrogate raises UnicodeEncodeError, which is a ValueError.
    return _encoder.encode(record).encode() + b"\n"


def _wire_bytes(line: bytes) -> int:
    return len(json.dumps(json.loads(line)))


def _plain(value: object, depth: int = 0) -> Any:
    """`value` in what strict JSON can hold, with everything else as text."""
    is_finite = type(value) is float and math.isfinite(value)
    if value is None or type(value) in {bool, int} or is_finite:
        return value
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {_text(key): _plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [_plain(item, depth + 1) for item in value]
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return _whole_text(value)
    try:
        text = str(value)
    except Exception:  # noqa: BLE001  # the student's own __str__ may do anything
        text = f"<{type(value).__name__}>"
    return _whole_text(text[:_MAX_TEXT_CHARS])


def _whole_text(text: str) -> str:
    """`text` with surrogate pairs joined and lone surrogates replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _shortened(record: Record) -> Record:
    """The event with its longest properties cut until it is small enough to be sent."""
    properties = record["properties"]
    properties["shortened"] = True
    own = {prop.name for prop in BASE_PROPERTIES} | {"shortened"}
    sizes = {key: len(json.dumps(value)) for key, value in properties.items() if key not in own}
    excess = len(json.dumps(record)) - MAX_EVENT_BYTES
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if excess <= 0:
            break
        value = properties.pop(key)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        short_key = key[:MAX_NAME_CHARS]
        properties[short_key] = text[:_SHORTENED_CHARS] + "..."
        excess -= sizes[key] + len(key) - len(json.dumps({short_key: properties[short_key]}))
    if len(json.dumps(record)) > MAX_EVENT_BYTES:  # thousands of small properties
        record["properties"] = {key: properties[key] for key in properties if key in own}
    return record
