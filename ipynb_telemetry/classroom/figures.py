"""What is known of one session: figures that each event brings up to date.

Events may come in any order and more than once: the figures are the same. Each figure is a
minimum, a maximum, a set or 'that with the highest `seq`', none of which minds the order,
and an event whose `seq` is already there changes nothing.

The system that was in use before this one numbers nothing: its events are put in order by
their times, those of one millisecond as they come, and whoever applies them sees to it that
each comes once.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import orjson

from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.spans import add_number, add_time
from ipynb_telemetry.classroom.times import moment

MAX_RECENT = 10  # attempts of an exercise that are kept with their messages
MAX_TAIL = 20  # attempts and ends of cells of a session: what it has come to in the end
MAX_NAMED = 400  # cells and exercises of a session: a notebook has fewer, a loop could have more
MAX_NAMES = 10  # of one session's student
_IN_A_MS = 1000  # events without a number, that are told apart
_MAX_ID_CHARS = 200
_MAX_MESSAGE_CHARS = 300


_Numbered = TypeVar("_Numbered", bound=tuple[Any, ...])


class Said(NamedTuple):
    """Something that an event said; of several, that with the highest `seq` holds."""

    seq: int = -1
    at_ms: int = 0
    """When: milliseconds since 1970, UTC."""
    what: str = ""


_NOTHING = Said()


class Attempt(NamedTuple):
    """One run of an exercise's test, or the end of a cell."""

    seq: int
    at_ms: int
    ok: bool
    err: str
    """Type and message; empty where there is none."""
    number: int
    """Which attempt it was by the student's own count; 0 where it does not say."""


@dataclass
class Exercise:
    """What is known of one exercise in one session."""

    counted: int = 0
    highest: int = 0
    """The highest number that the student's side gave an attempt."""
    first: Attempt | None = None
    first_pass: Attempt | None = None
    recent: list[Attempt] = field(default_factory=list)
    """The latest attempts by `seq`, at most `MAX_RECENT`."""

    @property
    def attempts(self) -> int:
        """How many there were, also where not all of them have arrived."""
        return max(self.counted, self.highest)

    @property
    def latest(self) -> Attempt | None:
        return self.recent[-1] if self.recent else None

    @property
    def passed(self) -> bool:
        """Whether the latest attempt did, as the student's panel has it."""
        return self.latest is not None and self.latest.ok

    def attempt(self, attempt: Attempt) -> None:
        self.counted += 1
        self.highest = max(self.highest, attempt.number)
        if self.first is None or attempt.seq < self.first.seq:
            self.first = attempt
        if attempt.ok and (self.first_pass is None or attempt.seq < self.first_pass.seq):
            self.first_pass = attempt
        _keep_latest(self.recent, attempt, MAX_RECENT)


@dataclass
class SessionFigures:
    """What is known of one session; see the module for what `apply` promises."""

    sess: str
    nb: str = ""
    spans: list[list[int]] = field(default_factory=list)
    """The `seq` of what has been received: first and last of each run without a gap."""
    names: dict[str, int] = field(default_factory=dict)
    """Each name of the student, with the highest `seq` under it."""
    cohort: Said = _NOTHING
    cell: Said = _NOTHING
    """The cell that was run last."""
    hand: Said = _NOTHING
    """`up` where the hand is raised."""
    paused: Said = _NOTHING
    """`pause` where telemetry is paused."""
    frontend: Said = _NOTHING
    cells: dict[str, Said] = field(default_factory=dict)
    """Each cell with its first run."""
    exercises: dict[str, Exercise] = field(default_factory=dict)
    tests: list[tuple[Attempt, str]] = field(default_factory=list)
    """The latest attempts, of whichever exercise, each with its exercise; at most `MAX_TAIL`."""
    ends: list[Attempt] = field(default_factory=list)
    """The latest ends of cells, at most `MAX_TAIL`."""
    spells: list[list[int]] = field(default_factory=list)
    """When something happened: first and last of each spell, in milliseconds since 1970."""
    unnumbered: int = 0
    """How many events came without a `seq`: nobody can tell whether one of them is missing."""

    @property
    def student(self) -> str:
        """The name that the student has now."""
        return max(self.names, key=lambda name: (self.names[name], name), default="")

    @property
    def received(self) -> int:
        return sum(last - first + 1 for first, last in self.spans)

    @property
    def expected(self) -> int:
        """How many events there are at least: `seq` counts from 0 without a gap."""
        return self.spans[-1][1] + 1 if self.spans else 0

    @property
    def first_ms(self) -> int:
        return self.spells[0][0] if self.spells else 0

    @property
    def last_ms(self) -> int:
        return self.spells[-1][1] if self.spells else 0

    def apply(self, event: StoredEvent) -> bool:
        """Take an event of this session in; False where it is already in, or of no lesson."""
        if not is_of_a_lesson(event):
            return False
        at_ms = epoch_ms(event.timestamp)
        if event.seq is None:
            seq = max(0, at_ms) * _IN_A_MS + self.unnumbered % _IN_A_MS
            self.unnumbered += 1
        elif add_number(self.spans, event.seq):
            seq = event.seq
        else:
            return False
        add_time(self.spells, at_ms)
        self.nb = event.nb
        known = self.names.get(event.student)
        if known is None:
            self._name(event.student, seq)
        elif known < seq:
            self.names[event.student] = seq
        if event.cohort:
            self.cohort = max(self.cohort, Said(seq, at_ms, event.cohort))
        applier = _APPLIERS.get(event.event)
        if applier is not None:
            applier(self, seq, at_ms, orjson.loads(event.properties))
        return True

    def _cell(self, seq: int, at_ms: int, own: dict[str, Any]) -> None:
        cell_id = _text(own.get("cell_id"), _MAX_ID_CHARS)
        said = Said(seq, at_ms, cell_id)
        self.cell = max(self.cell, said)
        known = self.cells.get(cell_id)
        if known is None or said < known:
            self.cells[cell_id] = said
        if known is None and len(self.cells) > MAX_NAMED:
            del self.cells[max(self.cells, key=lambda each: self.cells[each].seq)]

    def _cell_end(self, seq: int, at_ms: int, own: dict[str, Any]) -> None:
        _keep_latest(self.ends, _attempt(seq, at_ms, own), MAX_TAIL)

    def _test(self, seq: int, at_ms: int, own: dict[str, Any]) -> None:
        name = _text(own.get("ex"), _MAX_ID_CHARS)
        exercise = self.exercises.get(name)
        if exercise is None:
            if len(self.exercises) >= MAX_NAMED:
                return
            exercise = self.exercises[name] = Exercise()
        if isinstance(own.get("ok"), bool):  # a skipped test is no attempt
            attempt = _attempt(seq, at_ms, own)
            exercise.attempt(attempt)
            _keep_latest(self.tests, (attempt, name), MAX_TAIL)

    def _hand(self, seq: int, at_ms: int, own: dict[str, Any]) -> None:
        self.hand = max(self.hand, Said(seq, at_ms, "up" if own.get("up") is True else ""))

    def _rename(self, seq: int, _at_ms: int, own: dict[str, Any]) -> None:
        previous = _text(own.get("prev"), _MAX_ID_CHARS)
        if previous:
            self._name(previous, seq - 1)

    def _name(self, name: str, seq: int) -> None:
        self.names[name] = max(self.names.get(name, -1), seq)
        if len(self.names) > MAX_NAMES:
            del self.names[min(self.names, key=lambda each: (self.names[each], each))]

    def _pause(self, seq: int, at_ms: int, _own: dict[str, Any]) -> None:
        self.paused = max(self.paused, Said(seq, at_ms, "pause"))

    def _resume(self, seq: int, at_ms: int, _own: dict[str, Any]) -> None:
        self.paused = max(self.paused, Said(seq, at_ms))

    def _start(self, seq: int, at_ms: int, own: dict[str, Any]) -> None:
        self.frontend = max(self.frontend, Said(seq, at_ms, _text(own.get("frontend"), 40)))

    def to_json(self) -> str:
        """All of it, for `from_json`."""
        exercises = {
            name: [each.counted, each.highest, each.first, each.first_pass, each.recent]
            for name, each in self.exercises.items()
        }
        return orjson.dumps({**vars(self), "exercises": exercises}, default=tuple).decode()

    @classmethod
    def from_json(cls, text: str) -> SessionFigures:
        """What `to_json` made text of.

        Raises:
            ValueError, KeyError, TypeError: It did not.
        """
        kept = orjson.loads(text)
        made: dict[int, Attempt] = {}  # one is often the first, a pass and a recent one

        def attempt(values: list[Any]) -> Attempt:
            known = made.get(values[0])
            if known is None:
                known = made[values[0]] = Attempt(*values)
            return known

        for name in ("cohort", "cell", "hand", "paused", "frontend"):
            kept[name] = Said(*kept[name])
        kept["cells"] = {cell_id: Said(*said) for cell_id, said in kept["cells"].items()}
        kept["tests"] = [(attempt(values), name) for values, name in kept["tests"]]
        kept["ends"] = [Attempt(*each) for each in kept["ends"]]
        kept["exercises"] = {
            name: Exercise(
                counted,
                highest,
                attempt(first) if first else None,
                attempt(first_pass) if first_pass else None,
                [attempt(each) for each in recent],
            )
            for name, (counted, highest, first, first_pass, recent) in kept["exercises"].items()
        }
        return cls(**kept)


_APPLIERS = {
    "start": SessionFigures._start,  # noqa: SLF001  # this module's own
    "cell": SessionFigures._cell,  # noqa: SLF001
    "cell_end": SessionFigures._cell_end,  # noqa: SLF001
    "test": SessionFigures._test,  # noqa: SLF001
    "hand": SessionFigures._hand,  # noqa: SLF001
    "rename": SessionFigures._rename,  # noqa: SLF001
    "pause": SessionFigures._pause,  # noqa: SLF001
    "resume": SessionFigures._resume,  # noqa: SLF001
}


def is_of_a_lesson(event: StoredEvent) -> bool:
    """Whether the views count it; what another program sends under the same key they do not."""
    return bool(event.sess) and (event.seq is not None or bool(event.nb))


def epoch_ms(timestamp: str) -> int:
    """Milliseconds since 1970 of a time in ISO 8601; 0 where it is none."""
    when: datetime | None
    try:
        when = datetime.fromisoformat(timestamp)  # all that the store has: twice as fast
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        when = moment(timestamp)
    return 0 if when is None else round(when.timestamp() * 1000)


def _attempt(seq: int, at_ms: int, own: dict[str, Any]) -> Attempt:
    number = own.get("try")
    return Attempt(
        seq,
        at_ms,
        own.get("ok") is not False,
        _text(own.get("err"), _MAX_MESSAGE_CHARS),
        number if isinstance(number, int) and 0 < number < 1_000_000 else 0,  # noqa: PLR2004
    )


def _text(value: object, max_chars: int) -> str:
    """A property as text: anybody with the key can send anything."""
    if value is None:
        return ""
    return _one((value if isinstance(value, str) else orjson.dumps(value).decode())[:max_chars])


@lru_cache(maxsize=8192)
def _one(text: str) -> str:
    """Equal texts as one object: a class has few, and says each thousands of times."""
    return text


def _keep_latest(recent: list[_Numbered], latest: _Numbered, most: int) -> None:
    if not recent or latest > recent[-1]:  # nearly always
        recent.append(latest)
    else:
        insort(recent, latest)
    if len(recent) > most:
        del recent[0]
