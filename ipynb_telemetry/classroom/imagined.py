"""One imagined student, who reads, runs cells, fails, thinks, asks and gets on, or does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple, TypeAlias

from ipynb_telemetry.events import MAX_ERROR_CHARS

_LATECOMERS_S = 90.0
_QUICK_MS, _SLOW_MS = (1, 15), (3, 400)
_MAX_ATTEMPTS = 14

# The example lesson's own first; in a longer lesson the same trouble comes again.
_WRONG_ANSWERS = (
    (
        "AssertionError: Not -5 days, 17:15:00: landing - launch.",
        "NameError: name 'apollo_11_launch' is not defined",
    ),
    (
        "AssertionError: Look again at Saturday.",
        "AssertionError: Still to do: write your answer for the ...",
        "AttributeError: 'datetime.date' object has no attribute 'weekDay'",
    ),
    (
        "AssertionError: 10 seconds are left, and yours says: T minus -1 day, 23:59:50",
        "AssertionError: Still to do: write your answer for the ...",
        "TypeError: can't subtract offset-naive and offset-aware datetimes",
    ),
)
_SYNTAX_ERROR = "SyntaxError: '(' was never closed (2735129021.py, line 4)"


@dataclass(frozen=True)
class Lesson:
    """What the class works on.

    Args:
        notebook_id: The author's name for it.
        exercises: How many it has; their ids are `exercise_1`, `exercise_2` ...
        minutes: How long the lesson lasts. Most students need two thirds of that.
    """

    notebook_id: str = "D3_Datetimes"
    exercises: int = 3
    minutes: float = 45.0

    @property
    def seconds_each(self) -> float:
        """How long most students need for one exercise."""
        return self.minutes * 60 * 2 / 3 / self.exercises


_Event: TypeAlias = "tuple[float, str, dict[str, Any]]"


class Happening(NamedTuple):
    at_s: float
    """Seconds since the lesson began."""
    event: str
    properties: dict[str, Any]
    student: str


@dataclass
class Student:
    """Works through the lesson alone; whatever chance decides comes from `chance`.

    Args:
        chance: The student's own.
        name: As it is recorded.
        lesson: What to work on.
        mistyped: A name that is corrected after a while; empty: typed right at once.
    """

    chance: Random
    name: str
    lesson: Lesson
    mistyped: str = ""
    _now_s: float = field(default=0.0, init=False)
    _cells: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        chance, exercises = self.chance, self.lesson.exercises
        self._now_s = chance.uniform(0, _LATECOMERS_S)
        self._pace = chance.lognormvariate(0, 0.35)
        self._skill = min(0.95, max(0.25, chance.gauss(0.65, 0.2)))
        is_stuck = exercises > 1 and chance.random() < 0.2  # noqa: PLR2004  # one in five
        self._stuck_at = chance.randrange(1, exercises) if is_stuck else None
        self._asks = chance.random() < 0.5  # noqa: PLR2004  # one in two

    def happenings(self) -> Iterator[Happening]:
        """All that happens until the lesson is over, in order."""
        lesson_s = self.lesson.minutes * 60
        for happening in self._the_whole_lesson():
            if happening.at_s > lesson_s:
                return
            yield happening

    def _the_whole_lesson(self) -> Iterator[Happening]:
        current = self.mistyped or self.name
        for at_s, event, properties in self._work():
            if current != self.name and event == "cell" and self._cells > 2:  # noqa: PLR2004
                yield Happening(at_s, "rename", {"prev": current}, self.name)
                current = self.name
            yield Happening(at_s, event, properties, current)

    def _work(self) -> Iterator[_Event]:
        yield self._now_s, "start", self._about(rerun=0)
        for number in range(self.lesson.exercises):
            yield from self._exercise(number)
            if self.chance.random() < 0.02:  # noqa: PLR2004  # a kernel that was not restarted
                yield self._now_s, "start", self._about(rerun=1)
            if self.chance.random() < 0.03:  # noqa: PLR2004  # a break
                yield self._now_s, "pause", {}
                self._think(0.5)
                yield self._now_s, "resume", {}

    def _about(self, *, rerun: int) -> dict[str, Any]:
        colab = self.chance.random() < 0.4  # noqa: PLR2004
        return {
            "python": "3.13.5",
            "ipython": "7.34.0" if colab else "9.6.0",
            "frontend": "colab" if colab else "jupyterlab-or-notebook",
            "platform": "Linux" if colab else self.chance.choice(["Windows", "Darwin", "Linux"]),
            "rerun": rerun,
        }

    def _exercise(self, number: int) -> Iterator[_Event]:
        """Read, write, test, and again until it passes or the student gives up."""
        exercise = f"exercise_{number + 1}"
        wrong_answers = _WRONG_ANSWERS[number % len(_WRONG_ANSWERS)]
        stubborn = self.chance.choice(wrong_answers)
        is_stuck = number == self._stuck_at
        self._think(0.4)
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            yield from self._write(exercise, f"# Exercise {number + 1}")
            passed = not is_stuck and self.chance.random() < (0.98 if number == 0 else self._skill)
            wrong = stubborn if is_stuck else self.chance.choice(wrong_answers)
            err = None if passed else wrong[:MAX_ERROR_CHARS]
            yield from self._test(exercise, attempt, err)
            if passed:
                return
            self._think(0.2)
            if is_stuck and attempt == 3 and self._asks:  # noqa: PLR2004  # not at once
                yield self._now_s, "hand", {"up": True}
                self._think(0.8)
                if self.chance.random() < 0.6:  # noqa: PLR2004  # somebody came and helped
                    yield self._now_s, "hand", {"up": False}
                    is_stuck = False
            elif is_stuck and attempt >= 5 and not self._asks:  # noqa: PLR2004  # gives up
                self._now_s = float("inf")
                return

    def _write(self, exercise: str, preview: str) -> Iterator[_Event]:
        """Run the cell of an exercise, and once more where a bracket was forgotten."""
        if self.chance.random() < 0.05:  # noqa: PLR2004
            yield from self._cell(exercise, preview, _SYNTAX_ERROR)
            self._think(0.1)
        yield from self._cell(exercise, preview, None)
        self._think(0.1)

    def _test(self, exercise: str, attempt: int, err: str | None) -> Iterator[_Event]:
        ms = self.chance.randint(*_QUICK_MS)
        own = {"ex": exercise, "ok": err is None, "try": attempt, "ms": ms}
        test = ("test", {**own, "err": err, "skipped": False})
        yield from self._cell(f"{exercise}_test", f"# Run this to check {exercise}", err, test)

    def _cell(
        self,
        cell_id: str,
        code: str,
        err: str | None,
        within: tuple[str, dict[str, Any]] | None = None,
    ) -> Iterator[_Event]:
        """One run of a cell, with what happens in it."""
        self._cells += 1
        run = {"cell_id": cell_id, "cell_num": self._cells}
        yield self._now_s, "cell", {**run, "code": code}
        if within is not None:
            self._now_s += within[1]["ms"] / 1000
            yield (self._now_s, *within)
        ms = self.chance.randint(*_SLOW_MS)
        self._now_s += ms / 1000
        yield self._now_s, "cell_end", {**run, "ok": err is None, "ms": ms, "err": err}

    def _think(self, share: float) -> None:
        """Let time go by: about `share` of what an exercise takes, at this student's pace."""
        self._now_s += (
            share * self.lesson.seconds_each * self._pace * self.chance.lognormvariate(-0.1, 0.5)
        )
