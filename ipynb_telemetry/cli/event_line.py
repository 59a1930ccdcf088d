"""An event as one line of text, for a person who watches a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ipynb_telemetry.classroom.protocol import StoredEvent

_MAX_CHARS = 200


def event_line(event: StoredEvent) -> str:
    """When it happened, in local time, where, to whom and what."""
    own: dict[str, Any] = json.loads(event.properties)
    when = datetime.fromisoformat(event.timestamp).astimezone()
    details = _DETAILS.get(event.event, _anything)(own)
    where = f"{event.nb} #{event.seq}"
    line = f"{when:%H:%M:%S}  {where}  {event.distinct_id}  {event.event}  {details}"
    return printable(line).rstrip()


def printable(text: str) -> str:
    """`text` in one line: a name or a message must not move the cursor of whoever reads it."""
    return "".join(character if character.isprintable() else " " for character in text)


def _anything(own: dict[str, Any]) -> str:
    shown = {key: value for key, value in own.items() if not key.startswith("$")}
    return json.dumps(shown, ensure_ascii=False)[:_MAX_CHARS]


def _cell_end(own: dict[str, Any]) -> str:
    outcome = "ok" if own.get("ok") else own.get("err")
    return f"{own.get('cell_id')}  {outcome}  ({own.get('ms')} ms)"


def _test(own: dict[str, Any]) -> str:
    if own.get("skipped"):
        return f"{own.get('ex')}  skipped"
    outcome = "passed" if own.get("ok") else f"failed: {own.get('err')}"
    return f"{own.get('ex')}  attempt {own.get('try')}  {outcome}"


_DETAILS: dict[str, Callable[[dict[str, Any]], str]] = {
    "start": lambda own: f"{own.get('frontend')}, Python {own.get('python')}",
    "cell": lambda own: f"{own.get('cell_id')}  run {own.get('cell_num')}",
    "cell_end": _cell_end,
    "test": _test,
    "hand": lambda own: "up" if own.get("up") else "down",
    "rename": lambda own: f"was {own.get('prev')}",
    "pause": lambda _own: "",
    "resume": lambda _own: "",
}
