"""What waits in this computer's outbox, whose it is and why: looks, and never touches."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from ipynb_telemetry import ownership
from ipynb_telemetry.backlog import Backlog
from ipynb_telemetry.events import Record, decode, is_record


class Keeper(Enum):
    """Who has a session's events in hand."""

    RUNNING = auto()
    """A notebook that runs on this computer."""
    ENDED = auto()
    """Nobody: its notebook has ended."""
    ELSEWHERE = auto()
    """A notebook on another computer that shares this folder; it may be running."""


class Waiting(NamedTuple):
    """Events of one session that the server has not accepted yet."""

    sess: str
    notebook: str
    student: str
    """Empty where the session has no name yet."""
    events: int
    since: str
    """When the first of them happened: ISO 8601, UTC."""
    destinations: tuple[tuple[str | None, str | None], ...]
    """Host and key that they were captured for, each once."""
    keeper: Keeper
    pid: int
    """The process that keeps them, on its computer."""


class SetAside(NamedTuple):
    """Events that a server refused for good, for one reason."""

    reason: str
    events: int
    notebooks: tuple[str, ...]


def waiting_in(state_folder: Path) -> list[Waiting]:
    """What waits, the oldest first; a session whose events are all delivered is left out."""
    try:
        folders = sorted((state_folder / "outbox").iterdir())
    except OSError:  # nothing there yet, or not ours to read
        return []
    found = [waiting for folder in folders if (waiting := _look_into(folder)) is not None]
    return sorted(found, key=lambda waiting: waiting.since)


def set_aside_in(state_folder: Path) -> list[SetAside]:
    """What was set aside, the most frequent reason first."""
    reasons: Counter[str] = Counter()
    notebooks: dict[str, set[str]] = {}
    for path in sorted((state_folder / "set-aside").glob("*.jsonl")):
        for record in _set_aside_records(path):
            reason = str(record.get("reason", "no reason was noted"))
            reasons[reason] += 1
            notebooks.setdefault(reason, set()).add(_notebook(record))
    return [
        SetAside(reason, events, tuple(sorted(notebooks[reason])))
        for reason, events in reasons.most_common()
    ]


def _look_into(folder: Path) -> Waiting | None:
    sess, _, owner_text = folder.name.partition(".")
    try:
        owner = ownership.Owner.parse(owner_text)
    except ValueError:  # no session's
        return None
    backlog = Backlog(folder, folder)  # its second folder is for writing, which we do not
    records = [*_records(backlog)]
    if not records:
        return None
    return Waiting(
        sess=sess,
        notebook=_notebook(records[0]),
        student=backlog.student or next(filter(None, (each["student"] for each in records)), ""),
        events=len(records),
        since=records[0]["timestamp"],
        destinations=tuple(dict.fromkeys((each["host"], each["api_key"]) for each in records)),
        keeper=_keeper(owner, folder),
        pid=owner.pid,
    )


def _keeper(owner: ownership.Owner, folder: Path) -> Keeper:
    is_here = owner.machine == ownership.Owner.this_process().machine
    try:
        if ownership.is_dead(owner, folder, now_s=time.time()):
            return Keeper.ENDED
    except OSError:  # that cannot be found out, so it may be running
        pass
    return Keeper.RUNNING if is_here else Keeper.ELSEWHERE


def _records(backlog: Backlog) -> Iterator[Record]:
    """What is behind the place up to which the server has said yes."""
    number, offset = backlog.place
    for segment in backlog.segments:
        if segment.number < number:
            continue
        try:
            for line, _ in segment.lines(offset if segment.number == number else 0):
                if (record := decode(line)) is not None:
                    yield record
        except OSError:  # cannot be read now
            continue


def _set_aside_records(path: Path) -> Iterator[Record]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # damaged
            continue
        if is_record(record):
            yield record


def _notebook(record: Record) -> str:
    return str(record["properties"].get("nb", "a notebook"))
