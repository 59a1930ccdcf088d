"""The sessions of one notebook that are in memory, and its rows, each made once for a change."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import msgspec

from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.order import exercise_order
from ipynb_telemetry.classroom.students import Student, students_of

_NOT_LOADED = 1 << 62
_MORE_EVIDENCE = 1.05  # before exercises are put in order anew: thousands of students are asked


class Query(NamedTuple):
    """Which part of the class somebody looks at."""

    notebook: str = ""
    """Empty: the one heard of last."""
    cohort: str = ""
    """Empty: all."""
    since_ms: int | None = None
    """Sessions heard of then or later; None: those of the latest lesson."""
    until_ms: int | None = None
    """Sessions that began before."""


class Changes(NamedTuple):
    """What is different since a version."""

    version: int
    notebook: str
    """Empty where nothing of it has come in yet."""
    students: dict[str, str]
    """By name: all rows of that name, as JSON text; `[]` where there are none any more."""
    exercises: list[str]
    """All that were tried in this part of the class, in notebook order."""
    notebooks: list[tuple[str, int]]
    """Each with when it was last heard of, in milliseconds since 1970; the latest first."""
    since_ms: int = 0
    """From when on sessions are shown: it moves with the latest lesson."""
    complete_since_ms: int = 0
    """There are too many sessions: those last heard of before are left out; 0 where none is."""


class Notebook:
    """What is in memory of one notebook. Its user sees to it that one thread calls at a time.

    Attributes:
        sessions: By their ids.
        last_ms: When it was last heard of.
        asked_since_ms: Sessions heard of since then were read, as many as there is room for.
        loaded_since_ms: All sessions heard of since then are here.
        loaded_days: Spans of time, from and until, that were read as well; and since when all
            of their sessions are here.
        looked_at_s: When somebody last looked, on the monotonic clock.
    """

    def __init__(self, name: str, *, last_ms: int = 0) -> None:
        self.name = name
        self.last_ms = last_ms
        self.sessions: dict[str, SessionFigures] = {}
        self.asked_since_ms = self.loaded_since_ms = _NOT_LOADED
        self.loaded_days: dict[tuple[int, int], int] = {}
        self.looked_at_s = 0.0
        self._by_name: dict[str, set[str]] = {}  # of each name that a session has or had
        self._versions: dict[str, int] = {}  # of each session; 0 where it is no news
        self._changed: dict[str, None] = {}  # sessions, that which changed last at the end
        self._forgotten: dict[str, int] = {}
        self._rows: dict[str, _Rows] = {}
        self._stale: dict[str, None] = {}  # names whose rows may have changed
        self._order: list[str] = []  # of exercises
        self._met: dict[str, int] = {}  # how many exercises each session has tried
        self._met_now = self._met_in_order = 0  # their sum: now, and when the order was made
        self._uncounted: dict[str, None] = {}  # sessions that may have tried more by now
        self._is_order_wrong = False  # an exercise is not in it, or a session has gone

    def add(self, figures: SessionFigures) -> None:
        """Take a session in that is no news."""
        self.sessions[figures.sess] = figures
        self._versions[figures.sess] = 0
        self._note(figures)

    def has_changed(self, figures: SessionFigures, version: int) -> None:
        """Note that a session of ours is different since `version`."""
        self._versions[figures.sess] = version
        self._changed.pop(figures.sess, None)
        self._changed[figures.sess] = None
        self.last_ms = max(self.last_ms, figures.last_ms)
        self._note(figures)

    def _note(self, figures: SessionFigures) -> None:
        for name in figures.names:
            self._by_name.setdefault(name, set()).add(figures.sess)
            self._stale[name] = None
        self._uncounted[figures.sess] = None

    def warm(self, query: Query, most: int) -> bool:
        """Make some rows before anybody asks for them; False where there are none to make."""
        for _ in range(min(most, len(self._stale))):
            self._rows_of(self._stale.popitem()[0], query)
        return bool(self._stale)

    def forget(self, student: str, version: int) -> list[str]:
        """Drop the sessions in which a name stands; which they were."""
        dropped = [*self._by_name.get(student, ())]
        for sess in dropped:
            self._forgotten.update(dict.fromkeys(self.sessions[sess].names, version))
            self._drop(sess)
        return dropped

    def drop_before(self, ms: int) -> None:
        """Drop the sessions not heard of since then."""
        for sess in [each.sess for each in self.sessions.values() if each.last_ms < ms]:
            self._drop(sess)
        self.asked_since_ms = max(self.asked_since_ms, ms)
        self.loaded_since_ms = max(self.loaded_since_ms, ms)
        self.loaded_days.clear()

    def _drop(self, sess: str) -> None:
        for name in self.sessions.pop(sess).names:
            self._by_name[name].discard(sess)
            if not self._by_name[name]:
                del self._by_name[name]
            self._rows.pop(name, None)
        self._met_now -= self._met.pop(sess, 0)
        self._is_order_wrong = True
        del self._versions[sess]
        self._changed.pop(sess, None)
        self._uncounted.pop(sess, None)

    def complete_since_ms(self, query: Query) -> int:
        """See `Changes`; of what was loaded for `query`."""
        since_ms, until_ms = query.since_ms or 0, query.until_ms
        complete_ms = self.loaded_since_ms
        if until_ms is not None:
            complete_ms = min(complete_ms, self.loaded_days.get((since_ms, until_ms), complete_ms))
        return complete_ms if complete_ms > since_ms else 0

    def students(self, query: Query) -> list[Student]:
        """All rows that `query` asks for."""
        return [row for name in [*self._by_name] for row in self._students_of(name, query)]

    def rows_since(self, query: Query, after: int) -> dict[str, str]:
        """By name, all rows of each name that is different since version `after`, as JSON."""
        if after == 0:
            rows = {name: self._rows_of(name, query) for name in self._by_name}
            return {name: text for name, text in rows.items() if text != "[]"}
        return {name: self._rows_of(name, query) for name in self._changed_names(after)}

    def exercises(self, query: Query) -> list[str]:
        """The exercises that were tried in what `query` asks for, in notebook order."""
        met: set[str] = set()
        order = self._all_exercises()
        for each in self.sessions.values():
            if _is_asked_for(each, query):
                met |= each.standings.keys()
                if len(met) == len(order):
                    return order
        return [name for name in order if name in met]

    def _all_exercises(self) -> list[str]:
        self._count()
        if self._is_order_wrong or self._met_now > _MORE_EVIDENCE * self._met_in_order:
            self._order = exercise_order(self.sessions.values())
            self._met_in_order = self._met_now
            self._is_order_wrong = False
        return self._order

    def _count(self) -> None:
        ordered = set(self._order)
        for sess in self._uncounted:
            met = self.sessions[sess].standings.keys()
            self._met_now += len(met) - self._met.get(sess, 0)
            self._met[sess] = len(met)
            self._is_order_wrong = self._is_order_wrong or not met <= ordered
        self._uncounted.clear()

    def _changed_names(self, after: int) -> Iterable[str]:
        names = {name: None for name, version in self._forgotten.items() if version > after}
        for sess in reversed(self._changed):
            if self._versions[sess] <= after:
                break
            names.update(dict.fromkeys(self.sessions[sess].names))
        return names

    def _sessions_of(self, name: str, query: Query) -> list[SessionFigures]:
        return [
            each
            for each in (self.sessions[sess] for sess in self._by_name.get(name, ()))
            if _is_asked_for(each, query) and each.student == name
        ]

    def _students_of(self, name: str, query: Query) -> list[Student]:
        return self._rows_for(name, query).students

    def _rows_of(self, name: str, query: Query) -> str:
        return self._rows_for(name, query).text

    def _rows_for(self, name: str, query: Query) -> _Rows:
        sessions = self._sessions_of(name, query)
        state = {each.sess: (self._versions[each.sess], each.expected) for each in sessions}
        rows = self._rows.get(name)
        if rows is None or rows.state != state:
            rows = self._rows[name] = _Rows(state, students_of(name, sessions))
        return rows


def _is_asked_for(session: SessionFigures, query: Query) -> bool:
    return (
        session.last_ms >= (query.since_ms or 0)
        and (query.until_ms is None or session.first_ms < query.until_ms)
        and (not query.cohort or session.cohort.what == query.cohort)
    )


class _Rows:
    """All rows of one name, and what is worked out of them, until a session changes."""

    def __init__(self, state: object, students: list[Student]) -> None:
        self.state, self.students = state, students

    @cached_property
    def text(self) -> str:
        return msgspec.json.encode([each.row() for each in self.students]).decode()
