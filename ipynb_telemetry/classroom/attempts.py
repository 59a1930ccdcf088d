"""What a session's figures are made of: what was said, when, and the attempts at an exercise.

They are structures of msgspec, in which a class of thousands takes a fraction of the memory and
the time of tuples: the collector holds hundreds of them for each session. None of them can be
part of a cycle, which is what `gc=False` says.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from msgspec import Struct

MAX_RECENT = 10  # attempts of an exercise that are kept with their messages
MAX_FAILURES = 20  # in a row that are kept: who has so many needs help, and more say no more

NOT_TRIED, TRIED, PASSED = range(3)


class Moment(Struct, frozen=True, order=True, array_like=True, gc=False):
    """When something happened."""

    seq: int
    at_ms: int
    """Milliseconds since 1970, UTC."""


class Said(Struct, frozen=True, order=True, array_like=True, gc=False):
    """Something that an event said; of several, that with the highest `seq` holds."""

    seq: int = -1
    at_ms: int = 0
    what: str = ""


class Attempt(Struct, frozen=True, order=True, array_like=True, gc=False):
    """One run of an exercise's test, or the end of a cell."""

    seq: int
    at_ms: int
    ok: bool
    err: str
    """Type and message; empty where there is none."""
    number: int
    """Which attempt it was by the student's own count; 0 where it does not say."""


class Failure(Struct, frozen=True, order=True, array_like=True, gc=False):
    """An attempt that failed, and at which exercise; at none, where a cell did."""

    attempt: Attempt
    exercise: str


class Streak(Struct, array_like=True, gc=False):
    """The failures of a session since something went well: what it has come to in the end."""

    good: Moment | None = None
    """When something went well last; None where nothing has."""
    failures: tuple[Failure, ...] = ()
    """All that are later by `seq`, at most the latest `MAX_FAILURES` of them."""

    @property
    def latest(self) -> tuple[int, int, bool] | None:
        """When something ended last, by time and then by `seq`, and whether it went well."""
        if self.failures:
            failed = self.failures[-1].attempt
            return failed.at_ms, failed.seq, False
        return None if self.good is None else (self.good.at_ms, self.good.seq, True)

    def add(self, attempt: Attempt, exercise: str) -> None:
        if self.good is not None and attempt.seq < self.good.seq:
            return
        if attempt.ok:
            self.good = Moment(attempt.seq, attempt.at_ms)
            if self.failures:
                self.failures = tuple([it for it in self.failures if it.attempt.seq > attempt.seq])
        else:
            self.failures = with_latest(self.failures, Failure(attempt, exercise), MAX_FAILURES)


class Standing(Struct, frozen=True, array_like=True, gc=False):
    """How a student stands with one exercise, in the form in which the page gets it."""

    state: int = NOT_TRIED
    """By the latest attempt, as the student's panel has it."""
    attempts: int = 0
    ever_passed: int = 0
    """1 where it did: an exercise can be broken again after it has passed."""

    @property
    def passed(self) -> bool:
        return self.state == PASSED


class Exercise(Struct, array_like=True, gc=False):
    """What is known of one exercise in one session, in which it was tried."""

    counted: int = 0
    highest: int = 0
    """The highest number that the student's side gave an attempt."""
    recent: tuple[Attempt, ...] = ()
    """The latest attempts by `seq`, at most `MAX_RECENT`."""
    early: Attempt | None = None
    """The first of those for which `recent` has no room."""
    early_pass: Attempt | None = None
    """The first of those that passed."""

    @property
    def standing(self) -> Standing:
        return Standing(
            PASSED if self.recent[-1].ok else TRIED,
            max(self.counted, self.highest),  # also where not all of them have arrived
            int(self.first_pass is not None),
        )

    @property
    def first(self) -> Attempt:
        return self.early or self.recent[0]

    @property
    def first_pass(self) -> Attempt | None:
        if self.early_pass is None:
            for each in self.recent:  # no generator: thousands of students are asked
                if each.ok:
                    return each
        return self.early_pass

    @property
    def latest_ms(self) -> int:
        return self.recent[-1].at_ms

    def attempt(self, attempt: Attempt) -> None:
        self.counted += 1
        self.highest = max(self.highest, attempt.number)
        recent = with_latest(self.recent, attempt, MAX_RECENT + 1)
        if len(recent) > MAX_RECENT:
            early, *_ = recent
            self.early = min(early, self.early or early)
            if early.ok:
                self.early_pass = min(early, self.early_pass or early)
            recent = recent[1:]
        self.recent = recent


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


_Ended = TypeVar("_Ended", bound=_Ordered)


def with_latest(known: tuple[_Ended, ...], new: _Ended, most: int) -> tuple[_Ended, ...]:
    """Of what was known, in order, and what is new: the latest, at most so many."""
    kept = [*known, new]
    if known and new < known[-1]:  # hardly ever
        kept.sort()
    return tuple(kept[-most:])
