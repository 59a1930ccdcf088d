"""From sessions to students: who is who, how far each is, and who needs help.

A student may have several sessions of a notebook, one after the other: they are one row. Two
sessions with one name at the same time are two people or two computers, which nobody can
tell from here: each has its own row, marked as a clash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, combinations, groupby, pairwise, takewhile
from typing import Any, NamedTuple

from msgspec import Struct, to_builtins

from ipynb_telemetry.classroom.attempts import Attempt, Failure, Standing, Streak
from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.ways import MINUTE_MS

GONE_MINUTES = 60  # who has done nothing for longer has left, and needs no help any more
SAME_ERRORS = 3  # as often as this in a row is again and again


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


class Row(Struct, rename="camel", gc=False):
    """What the page gets of a student: times in milliseconds since 1970, UTC."""

    key: str
    name: str
    was: list[str]
    """Other names that the student had."""
    clash: bool
    cohort: str
    first: int
    last: int
    cell: str
    """That was run last."""
    cell_at: int
    at: str
    """The exercise that the student is working on; empty where that cannot be told."""
    hand: int
    """Since when it is up; 0 where it is not."""
    paused: bool
    ex: dict[str, Standing]
    fails: int
    since: int
    failing: str
    err: str
    same: int
    failed_last: bool
    """These six are the `Trouble`."""
    sessions: list[tuple[str, int, int, int, int, int]]
    """Of each its id, received, expected, first, last, and how many came without a number."""
    arrived: int
    """The smaller, the earlier the first event came, whenever it happened; 0 where nobody told."""


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
        """How the student stands with each exercise that was tried."""
        if len(self.sessions) == 1:  # nearly always
            return self._latest.standings
        standings: dict[str, Standing] = {}
        for name, now in chain.from_iterable(self._standings()):
            before = standings.get(name)
            if before is None:
                standings[name] = now
            else:
                attempts, ever = before.attempts + now.attempts, before.ever_passed
                standings[name] = Standing(now.state, attempts, ever | now.ever_passed)
        return standings

    def _standings(self) -> Iterable[Iterable[tuple[str, Standing]]]:
        """In each session; of one exercise, that comes later whose latest attempt is later."""
        if all(one.last_ms <= other.first_ms for one, other in pairwise(self.sessions)):
            return (session.standings.items() for session in self.sessions)
        # A session was left open during another: it has to be asked of each exercise.
        kept = chain(*(session.exercises.items() for session in self.sessions))
        in_order = sorted(kept, key=lambda each: each[1].latest_ms)
        return [[(name, exercise.standing) for name, exercise in in_order]]

    @cached_property
    def passed_first(self) -> set[str]:
        """The exercises whose very first attempt passed."""
        tried: set[str] = set()
        passed: set[str] = set()
        for session in self.sessions:
            passed.update({*session.ways.passed_first} - tried)
            tried.update(session.standings)
        return passed

    @cached_property
    def minutes_to_pass(self) -> dict[str, float]:
        """Of each exercise that has passed, how long it took; as `Ways` has it."""
        minutes: dict[str, float] = {}
        for session in reversed(self.sessions):  # the first of them holds
            minutes.update(session.ways.minutes)
        return minutes

    @cached_property
    def trouble(self) -> Trouble:
        tests = _failing([session.tests for session in self.sessions])
        ends = _failing([session.ends for session in self.sessions])
        streaks = (streak.latest for each in self.sessions for streak in (each.tests, each.ends))
        last = max((each for each in streaks if each is not None), default=None)
        return Trouble(
            fails=len(tests),
            since_ms=tests[-1].attempt.at_ms if tests else 0,
            exercise=tests[0].exercise if tests else "",
            err=next((each.attempt.err for each in (*tests, *ends)), ""),
            same=max(_same(tests), _same(ends)),
            failed_last=last is not None and not last[2],
        )

    def row(self) -> Row:
        """The student as the page shows one."""
        latest, trouble = self._latest, self.trouble
        names = {name: None for session in self.sessions for name in session.names}
        names.pop(self.name, None)
        return Row(
            key=self.key,
            name=self.name,
            was=[*names],
            clash=self.clash,
            cohort=latest.cohort.what,
            first=self.sessions[0].first_ms,
            last=latest.last_ms,
            cell=latest.cell.what,
            cell_at=latest.cell.at_ms,
            at=self._at(),
            hand=latest.hand.at_ms if latest.hand.what else 0,
            paused=latest.paused.what == "pause",
            ex=self.exercises,
            fails=trouble.fails,
            since=trouble.since_ms,
            failing=trouble.exercise,
            err=trouble.err,
            same=trouble.same,
            failed_last=trouble.failed_last,
            sessions=[
                (it.sess, it.received, it.expected, it.first_ms, it.last_ms, it.unnumbered)
                for it in self.sessions
            ],
            # In this order nobody who comes later gets an earlier place.
            arrived=min(session.arrived for session in self.sessions),
        )

    def as_json(self) -> dict[str, Any]:
        """The row as its reader finds it in the JSON."""
        values: dict[str, Any] = to_builtins(self.row())
        return values

    def _at(self) -> str:
        """The exercise that the student is working on; empty where that cannot be told."""
        latest = self._latest
        named = [name for name in latest.standings if _is_named_after(latest.cell.what, name)]
        if named:
            return max(named, key=len)
        failures = latest.tests.failures
        return failures[-1].exercise if failures else ""


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


def reasons(
    student: dict[str, Any], now_ms: int, *, fail_minutes: float = 5, silent_minutes: float = 5
) -> list[str]:
    """Why a student needs help, the most pressing first; `dashboard/needs.js` has the same rule.

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


def _failing(streaks: Sequence[Streak]) -> list[Failure]:
    """The failures since something went well last, in any of the sessions; the latest first."""
    if len(streaks) == 1:  # nearly always
        return [*reversed(streaks[0].failures)]
    good = max(((it.good.at_ms, it.good.seq) for it in streaks if it.good), default=(-1, -1))
    failures = ((_when(it.attempt), it) for streak in streaks for it in streak.failures)
    return [it for when, it in sorted(failures, reverse=True) if when > good]


def _when(attempt: Attempt) -> tuple[int, int]:
    return attempt.at_ms, attempt.seq


def _same(latest_first: Sequence[Failure]) -> int:
    if not latest_first:
        return 0
    kind = error_kind(latest_first[0].attempt.err)
    alike = takewhile(lambda each: error_kind(each.attempt.err) == kind, latest_first)
    return sum(1 for _ in alike)


def _at_the_same_time(one: SessionFigures, other: SessionFigures) -> bool:
    return any(
        begins < other_ends and other_begins < ends
        for begins, ends in one.spells
        for other_begins, other_ends in other.spells
    )


@lru_cache(maxsize=4096)
def _is_named_after(cell_id: str, exercise: str) -> bool:
    cell, name = _plain(cell_id), _plain(exercise)
    return bool(name) and cell.startswith(name) and not cell[len(name) :][:1].isdigit()


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
