"""From sessions to students: who is who, how far each is, and who needs help.

A student may have several sessions of a notebook, one after the other: they are one row. Two
sessions with one name at the same time are two people or two computers, which nobody can
tell from here: each has its own row, marked as a clash.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import nlargest
from itertools import combinations, groupby, takewhile
from typing import Any, NamedTuple, TypeVar

from ipynb_telemetry.classroom.figures import Attempt, Exercise, SessionFigures

MINUTE_MS = 60_000
GONE_MINUTES = 60  # who has done nothing for longer has left, and needs no help any more
SAME_ERRORS = 3  # as often as this in a row is again and again
_SAMPLE_PAIRS = 40_000  # of exercises or cells, whose order in a session is looked at
_SAMPLE_SESSIONS = 40

_Met = TypeVar("_Met")


class Standing(NamedTuple):
    """How a student stands with one exercise."""

    passed: bool
    """Whether the latest attempt did, as the student's panel has it."""
    attempts: int
    first_try: bool
    """Whether the very first attempt passed."""
    ever_passed: bool
    """An exercise can be broken again after it has passed."""


class Trouble(NamedTuple):
    """What speaks for a student needing help, since the last exercise that was passed."""

    fails: int
    """Failed attempts."""
    since_ms: int
    """When the first of them was; 0 where there are none."""
    exercise: str
    """Of the latest of them."""
    err: str
    """The latest message, of an attempt or a cell."""
    same: int
    """How often the same error came, last of all and without another in between."""
    failed_last: bool
    """Whether the last cell or test that ended was a failure."""


@dataclass(frozen=True)
class Student:
    """One row of the class: the sessions of one student within one notebook."""

    name: str
    sessions: tuple[SessionFigures, ...]
    """At least one, those that began earlier first."""
    clash: bool = False

    @property
    def key(self) -> str:
        """Unlike that of any other row."""
        return f"{self.name}#{self._latest.sess}" if self.clash else self.name

    @cached_property
    def _latest(self) -> SessionFigures:
        return max(self.sessions, key=lambda each: (each.last_ms, each.sess))

    @cached_property
    def exercises(self) -> dict[str, Standing]:
        """How the student stands with each exercise that was tried or skipped."""
        met = [session.exercises for session in self.sessions]
        if len(met) == 1:  # nearly always
            return {name: _standing_in_one(each) for name, each in met[0].items()}
        names = {name: None for each in met for name in each}
        return {name: _standing([each[name] for each in met if name in each]) for name in names}

    def minutes_to_pass(self) -> dict[str, float]:
        """Of each exercise that has passed, how long it took.

        From the pass before it, or from the beginning of the session, to its first pass.
        """
        return self._minutes

    @cached_property
    def _minutes(self) -> dict[str, float]:
        minutes: dict[str, float] = {}
        for session in self.sessions:
            passes = sorted(
                each.first_pass.at_ms for each in session.exercises.values() if each.first_pass
            )
            for name, each in session.exercises.items():
                if each.first is not None and each.first_pass is not None and name not in minutes:
                    place = bisect_right(passes, each.first.at_ms - 1)
                    begun_ms = passes[place - 1] if place else session.first_ms
                    minutes[name] = max(0, each.first_pass.at_ms - begun_ms) / MINUTE_MS
        return minutes

    @cached_property
    def trouble(self) -> Trouble:
        tests = [test for session in self.sessions for test in session.tests]
        ends = [end for session in self.sessions for end in session.ends]
        if len(self.sessions) > 1:
            tests.sort(key=lambda each: _when(each[0]))
            ends.sort(key=_when)
        failing = [*takewhile(lambda each: not each[0].ok, reversed(tests))]
        failing_ends = [*takewhile(lambda end: not end.ok, reversed(ends))]
        last = max((*(test for test, _ in tests[-1:]), *ends[-1:]), default=None, key=_when)
        errors = [test.err for test, _ in failing[:1]] or [end.err for end in failing_ends[:1]]
        return Trouble(
            fails=len(failing),
            since_ms=failing[-1][0].at_ms if failing else 0,
            exercise=failing[0][1] if failing else "",
            err=errors[0] if errors else "",
            same=max(_same([test for test, _ in failing]), _same(failing_ends)),
            failed_last=last is not None and not last.ok,
        )

    def as_json(self) -> dict[str, Any]:
        """The row as the page gets it: times in milliseconds since 1970."""
        latest = self._latest
        trouble = self.trouble
        names = {name: None for session in self.sessions for name in session.names}
        return {
            "key": self.key,
            "name": self.name,
            "was": [name for name in names if name != self.name],
            "clash": self.clash,
            "cohort": latest.cohort.what,
            "first": self.sessions[0].first_ms,
            "last": latest.last_ms,
            "cell": latest.cell.what,
            "cellAt": latest.cell.at_ms,
            "at": self._at(),
            "hand": latest.hand.at_ms if latest.hand.what else 0,
            "paused": latest.paused.what == "pause",
            "ex": {
                name: [
                    2 if each.passed else 1 if each.attempts else 0,
                    each.attempts,
                    int(each.ever_passed),
                ]
                for name, each in self.exercises.items()
            },
            "fails": trouble.fails,
            "since": trouble.since_ms,
            "failing": trouble.exercise,
            "err": trouble.err,
            "same": trouble.same,
            "failedLast": trouble.failed_last,
            "sessions": [
                [it.sess, it.received, it.expected, it.first_ms, it.last_ms, it.unnumbered]
                for it in self.sessions
            ],
        }

    def _at(self) -> str:
        """The exercise that the student is working on; empty where that cannot be told."""
        latest = self._latest
        named = [name for name in latest.exercises if _is_named_after(latest.cell.what, name)]
        if named:
            return max(named, key=len)
        attempt, exercise = latest.tests[-1] if latest.tests else (None, "")
        return exercise if attempt is not None and not attempt.ok else ""


def students_of(name: str, sessions: Iterable[SessionFigures]) -> list[Student]:
    """The rows of everybody who has this name, from all their sessions of one notebook."""
    in_order = tuple(sorted(sessions, key=lambda each: (each.first_ms, each.sess)))
    if any(_at_the_same_time(one, other) for one, other in combinations(in_order, 2)):
        return [Student(name, (each,), clash=True) for each in in_order]
    return [Student(name, in_order)] if in_order else []


def all_students(sessions: Iterable[SessionFigures]) -> list[Student]:
    """The rows of a class, from its sessions of one notebook."""
    by_name = sorted(sessions, key=lambda each: each.student)
    return [
        student
        for name, group in groupby(by_name, key=lambda each: each.student)
        for student in students_of(name, group)
    ]


def common_order(names: Iterable[str], orders: Iterable[Sequence[str]]) -> list[str]:
    """The names, in the order in which most have met them.

    Each pair is put as the majority of `orders` has it; a pair that none of them has, or as
    many one way as the other, is put by name, numbers by their value.
    """
    before = Counter(pair for order in orders for pair in combinations(order, 2))
    by_name = sorted({*names}, key=_natural)
    ahead = dict.fromkeys(by_name, 0)
    for one, other in combinations(by_name, 2):
        is_first = before[one, other] >= before[other, one]
        ahead[one if is_first else other] += 1
    return sorted(by_name, key=lambda name: -ahead[name])  # stable: then by name


def exercise_order(sessions: Iterable[SessionFigures]) -> list[str]:
    """Exercises in notebook order, told by when students first tried them."""
    met = [session.exercises for session in sessions]
    names = {name for each in met for name, exercise in each.items() if exercise.first}
    firsts = (
        {name: exercise.first.seq for name, exercise in each.items() if exercise.first}
        for each in _sample(met)
    )
    return common_order(names, (sorted(each, key=each.__getitem__) for each in firsts))


def cell_order(sessions: Iterable[SessionFigures]) -> list[str]:
    """Cells in notebook order, told by when students first ran them."""
    met = [session.cells for session in sessions]
    names = {name for each in met for name in each}
    return common_order(
        names, (sorted(each, key=lambda name: each[name].seq) for each in _sample(met))
    )


def _sample(met: Sequence[dict[str, _Met]]) -> list[dict[str, _Met]]:
    """Those who have met most: their order is enough, and thousands would take their time."""
    pairs_each = max(map(len, met), default=0) ** 2 // 2 + 1
    sessions = min(_SAMPLE_SESSIONS, _SAMPLE_PAIRS // pairs_each + 1)
    return nlargest(sessions, met, key=len)


def reasons(
    student: dict[str, Any], now_ms: int, *, fail_minutes: float = 5, silent_minutes: float = 5
) -> list[str]:
    """Why a student needs help, the most pressing first; `dashboard/help.js` has the same rule.

    Args:
        student: A row as `Student.as_json` gives it.
        now_ms: Milliseconds since 1970.
        fail_minutes: How long after the first failed attempt without a pass.
        silent_minutes: How long after a failure without doing anything.

    Returns:
        Of `hand`, `failing`, `same`, `silent`; empty where the student gets on, or has left.
    """
    silent_ms = now_ms - student["last"]
    if silent_ms > GONE_MINUTES * MINUTE_MS:
        return []
    holds = {
        "hand": student["hand"] > 0,
        "failing": student["fails"] > 0 and now_ms - student["since"] >= fail_minutes * MINUTE_MS,
        "same": student["same"] >= SAME_ERRORS,
        "silent": student["failedLast"]
        and not student["paused"]
        and silent_ms >= silent_minutes * MINUTE_MS,
    }
    return [reason for reason, it_holds in holds.items() if it_holds]


def in_need(
    students: Iterable[dict[str, Any]],
    now_ms: int,
    *,
    fail_minutes: float = 5,
    silent_minutes: float = 5,
) -> list[tuple[dict[str, Any], list[str]]]:
    """Who needs help and why, the most urgent first: raised hands, then who waits longest."""
    needy = [
        (each, why)
        for each in students
        if (why := reasons(each, now_ms, fail_minutes=fail_minutes, silent_minutes=silent_minutes))
    ]
    return sorted(needy, key=lambda each: _urgency(*each))


def _urgency(student: dict[str, Any], why: list[str]) -> tuple[bool, int, str]:
    waits_since = student["hand"] or student["since"] or student["last"]
    return "hand" not in why, waits_since, student["key"]


@lru_cache(maxsize=4096)
def error_kind(err: str) -> str:
    """An error's message without what differs from student to student: numbers, quotes."""
    return re.sub(r"\d+(\.\d+)?", "#", re.sub(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+", "'...'", err))


def _when(attempt: Attempt) -> tuple[int, int]:
    return attempt.at_ms, attempt.seq


def _same(latest_first: Sequence[Attempt]) -> int:
    if not latest_first:
        return 0
    kind = error_kind(latest_first[0].err)
    return sum(1 for _ in takewhile(lambda each: error_kind(each.err) == kind, latest_first))


def _standing_in_one(kept: Exercise) -> Standing:
    """The same as `_standing` of it alone, in a third of the time: rows have dozens."""
    first = kept.first
    return Standing(
        bool(kept.recent) and kept.recent[-1].ok,
        max(kept.counted, kept.highest),
        first is not None and first.ok and first.number <= 1,
        kept.first_pass is not None,
    )


def _standing(kept: Sequence[Exercise]) -> Standing:
    """From one exercise's figures in each session, those that began earlier first."""
    latest = [each.recent[-1] for each in kept if each.recent]
    first = next((each.first for each in kept if each.first), None)
    return Standing(
        passed=max(latest, key=_when).ok if len(latest) > 1 else bool(latest) and latest[0].ok,
        attempts=sum([each.attempts for each in kept]),
        first_try=first is not None and first.ok and first.number <= 1,
        ever_passed=any(each.first_pass for each in kept),
    )


def _at_the_same_time(one: SessionFigures, other: SessionFigures) -> bool:
    return any(
        begins < other_ends and other_begins < ends
        for begins, ends in one.spells
        for other_begins, other_ends in other.spells
    )


def _is_named_after(cell_id: str, exercise: str) -> bool:
    cell, name = _plain(cell_id), _plain(exercise)
    return bool(name) and cell.startswith(name) and not cell[len(name) :][:1].isdigit()


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
