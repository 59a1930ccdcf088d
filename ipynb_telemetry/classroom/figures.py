"""What is known of one session: figures that each event brings up to date.

Events may come in any order and more than once: the figures are the same. Each figure is a
minimum, a maximum, a set or 'that with the highest `seq`', none of which minds the order,
and an event whose `seq` is already there changes nothing.

The system that was in use before this one numbers nothing: its events are put in order by
their times, those of one millisecond as they come, and whoever applies them sees to it that
each comes once.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import orjson
from msgspec import Struct, field

from ipynb_telemetry.classroom.attempts import (
    Attempt,
    Exercise,
    Moment,
    Said,
    Standing,
    Streak,
)
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.spans import add_number, add_time
from ipynb_telemetry.classroom.times import moment
from ipynb_telemetry.classroom.ways import Ways, ways_of

MAX_NAMED = 400  # cells and exercises of a session: a notebook has fewer, a loop could have more
MAX_NAMES = 10  # of one session's student
_IN_A_MS = 1000  # events without a number, that are told apart
_MAX_ID_CHARS = 200
_MAX_MESSAGE_CHARS = 300
_NOTHING = Said()


class _Own(Struct, gc=False):
    """What the figures need of an event's own properties; anybody can send anything there."""

    cell_id: Any = None
    ex: Any = None
    ok: Any = None
    attempt: Any = field(name="try", default=None)
    err: Any = None
    up: Any = None
    prev: Any = None
    frontend: Any = None


# The tag stands in what is kept: whoever changes the form of the figures gives it a new number, and
# those that were kept in another form are worked out again from the events.
class SessionFigures(Struct, tag=3, array_like=True, gc=False):
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
    standings: dict[str, Standing] = field(default_factory=dict)
    """How the student stands with each exercise that was tried."""
    tests: Streak = field(default_factory=Streak)
    """Of attempts, at whichever exercise."""
    ends: Streak = field(default_factory=Streak)
    """Of cells."""
    spells: list[list[int]] = field(default_factory=list)
    """When something happened: first and last of each spell, in milliseconds since 1970."""
    unnumbered: int = 0
    """How many events came without a `seq`: nobody can tell whether one of them is missing."""
    arrived: int = 0
    """The id of the first event that was stored; 0 where nobody has told."""
    exercises_kept: dict[str, Exercise] | bytes = field(default_factory=dict)
    """Encoded until somebody asks for `exercises`."""
    cells_kept: dict[str, Moment] | bytes = field(default_factory=dict)
    """Encoded until somebody asks for `cells`."""
    ways_kept: Ways | bytes | None = None
    """Encoded until somebody asks for `ways`; None until they are worked out again."""

    # The class is shown without these, which are most of what is kept of a session: to read
    # them of thousands of sessions would take most of the time of a first look.
    @property
    def exercises(self) -> dict[str, Exercise]:
        if isinstance(self.exercises_kept, bytes):
            self.exercises_kept = _EXERCISES.decode(self.exercises_kept)
        return self.exercises_kept

    @property
    def cells(self) -> dict[str, Moment]:
        """Each cell with its first run."""
        if isinstance(self.cells_kept, bytes):
            self.cells_kept = _CELLS.decode(self.cells_kept)
        return self.cells_kept

    @property
    def ways(self) -> Ways:
        if self.ways_kept is None:
            self.ways_kept = ways_of(self.exercises, self.first_ms)
        elif isinstance(self.ways_kept, bytes):
            self.ways_kept = _WAYS.decode(self.ways_kept)
        return self.ways_kept

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
        self.ways_kept = None
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
            applier(self, seq, at_ms, _OWN.decode(event.properties))
        return True

    def _cell(self, seq: int, at_ms: int, own: _Own) -> None:
        cell_id = _text(own.cell_id, _MAX_ID_CHARS)
        self.cell = max(self.cell, Said(seq, at_ms, cell_id))
        cells, run = self.cells, Moment(seq, at_ms)
        known = cells.get(cell_id)
        if known is None or run < known:
            cells[cell_id] = run
        if known is None and len(cells) > MAX_NAMED:
            del cells[max(cells, key=cells.__getitem__)]

    def _cell_end(self, seq: int, at_ms: int, own: _Own) -> None:
        self.ends.add(_attempt(seq, at_ms, own), "")

    def _test(self, seq: int, at_ms: int, own: _Own) -> None:
        if not isinstance(own.ok, bool):  # a skipped test is no attempt
            return
        name, attempt = _text(own.ex, _MAX_ID_CHARS), _attempt(seq, at_ms, own)
        exercise = self.exercises.get(name)
        if exercise is None:
            if len(self.exercises) >= MAX_NAMED:
                return
            exercise = self.exercises[name] = Exercise()
        exercise.attempt(attempt)
        self.tests.add(attempt, name)
        self.standings[name] = exercise.standing

    def _hand(self, seq: int, at_ms: int, own: _Own) -> None:
        self.hand = max(self.hand, Said(seq, at_ms, "up" if own.up is True else ""))

    def _rename(self, seq: int, _at_ms: int, own: _Own) -> None:
        previous = _text(own.prev, _MAX_ID_CHARS)
        if previous:
            self._name(previous, seq - 1)

    def _name(self, name: str, seq: int) -> None:
        self.names[name] = max(self.names.get(name, -1), seq)
        if len(self.names) > MAX_NAMES:
            del self.names[min(self.names, key=lambda each: (self.names[each], each))]

    def _pause(self, seq: int, at_ms: int, _own: _Own) -> None:
        self.paused = max(self.paused, Said(seq, at_ms, "pause"))

    def _resume(self, seq: int, at_ms: int, _own: _Own) -> None:
        self.paused = max(self.paused, Said(seq, at_ms))

    def _start(self, seq: int, at_ms: int, own: _Own) -> None:
        self.frontend = max(self.frontend, Said(seq, at_ms, _text(own.frontend, 40)))

    def to_bytes(self) -> bytes:
        """All of it, for `from_bytes`: MessagePack, where what nobody asks for is skipped."""
        # They stay encoded here as well, for less memory: what goes on decodes them again.
        self.exercises_kept, self.cells_kept, self.ways_kept = (
            each if isinstance(each, bytes) else msgspec.msgpack.encode(each)
            for each in (self.exercises_kept, self.cells_kept, self.ways_kept or self.ways)
        )
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, encoded: bytes) -> SessionFigures:
        """What `to_bytes` has encoded.

        Raises:
            ValueError: It did not, or one of a version that gave it another form.
        """
        return _FIGURES.decode(encoded)


_OWN = msgspec.json.Decoder(_Own)
_FIGURES = msgspec.msgpack.Decoder(SessionFigures)
_EXERCISES = msgspec.msgpack.Decoder(dict[str, Exercise])
_CELLS = msgspec.msgpack.Decoder(dict[str, Moment])
_WAYS = msgspec.msgpack.Decoder(Ways)
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


def _attempt(seq: int, at_ms: int, own: _Own) -> Attempt:
    number = own.attempt
    return Attempt(
        seq,
        at_ms,
        own.ok is not False,
        _text(own.err, _MAX_MESSAGE_CHARS),
        number if type(number) is int and 0 < number < 1_000_000 else 0,  # noqa: PLR2004
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
