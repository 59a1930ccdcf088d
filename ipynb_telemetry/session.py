"""What is true of this lesson. Knows neither widgets nor network: they come to it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

from traitlets import Bool, Dict, HasTraits, Instance, Int, List, Unicode

from ipynb_telemetry.boundary import never_into_the_cell
from ipynb_telemetry.names import normalize_student_name


@dataclass(eq=False, slots=True)  # eq=False: the same cell run twice is two happenings
class Happening:
    """Something that has just happened and becomes one event."""

    event: str
    properties: Mapping[str, Any]


class Exercise(NamedTuple):
    """An exercise and its latest result."""

    name: str
    passed: bool | None = None
    """None until a test of it has passed or failed."""
    attempts: int = 0
    message: str = ""
    """The last failure's, empty when it passed."""


class Problem(NamedTuple):
    """Why events do not go out now."""

    outcome: str
    """`BLOCKED`, or the name of the last attempt's outcome (`answers.Outcome`)."""
    reason: str


class Session(HasTraits):
    """One kernel's life with one notebook id.

    Everything a student sees in the panel, and every event, comes from these traits.
    Any thread may call any method: counts change under one lock, and what has happened is
    announced outside it, in the thread that called.
    """

    student = Unicode("", help="The normalized name, empty until there is one.")
    offered = Unicode("", help="The name last used on this computer: offered, never taken.")
    successor = Unicode("", help="The name of another student who takes over.")
    paused = Bool(False, help="The student's own switch.")
    hand_up = Bool(False, help="Whether the student has raised a hand.")
    busy = Bool(False, help="Whether a cell is running.")
    exercises = Dict(help="Exercise by name, in the order in which they were met.")
    latest = Instance(Happening, allow_none=True, help="What has just happened.")
    delivered = Int(0, help="Events of this session that the server has accepted.")
    set_aside = Int(0, help="Events of this session that the server refused for good.")
    leftover = Int(0, help="Events of earlier sessions that are still waiting.")
    problem = Instance(Problem, allow_none=True, help="Why events do not go out now.")
    storage_problem = Unicode("", help="Why events cannot be kept on disk now.")
    off_because = Unicode("", help="Why telemetry was turned off; empty while it is on.")
    notes = List(Unicode(), help="Lines for the student: settings ignored, events dropped.")

    def __init__(self, notebook_id: str) -> None:
        super().__init__()
        self.notebook_id = notebook_id
        self.sess = uuid4().hex[:8]
        self.host = ""
        """Where events go; empty while that is not known."""
        self.cohort = ""
        self.roster: tuple[str, ...] = ()
        self.expected: tuple[str, ...] = ()
        """Exercises that the author expects in this notebook."""
        # No traits: they change with each event, a trait is slow to set, and who wants to
        # know observes `latest`, which is announced after the one and seen by capture first.
        self.cells = 0
        """Tracked cell runs."""
        self.recorded = 0
        """Events recorded, delivered or not."""
        self._lock = threading.RLock()

    @property
    def anonymous_name(self) -> str:
        """The name under which a session goes out that never had one."""
        return f"ANONYMOUS-{self.sess.upper()}"

    @property
    def passed(self) -> int:
        return sum(exercise.passed is True for exercise in self.exercises.values())

    @property
    def failed(self) -> int:
        return sum(exercise.passed is False for exercise in self.exercises.values())

    @property
    def exercises_total(self) -> int:
        """Exercises expected by the author, or else those seen so far."""
        return len({*self.expected, *self.exercises})

    def start(self, about: Mapping[str, Any], *, rerun: int) -> None:
        self._announce_unless_paused("start", {**about, "rerun": rerun})

    def run_cell(self, cell_id: str, code: str) -> int | None:
        """Count one run of a tracked cell.

        Returns:
            Its number, from 1; None when paused, and then no number is used up.
        """
        with self._lock:
            if self.paused:
                return None
            self.cells += 1
            number = self.cells
        self._announce("cell", {"cell_id": cell_id, "cell_num": number, "code": code})
        return number

    def end_cell(self, cell_id: str, number: int, *, ok: bool, ms: int, err: str | None) -> None:
        outcome = {"cell_id": cell_id, "cell_num": number, "ok": ok, "ms": ms, "err": err}
        self._announce_unless_paused("cell_end", outcome)

    def end_test(self, name: str, *, ok: bool | None, ms: int, err: str | None) -> None:
        """Record the outcome of a test; `ok` None: skipped, which is no attempt."""
        with self._lock:
            if self.paused:
                return
            exercise = self.exercises.get(name) or Exercise(name)
            if ok is not None:
                exercise = Exercise(name, ok, exercise.attempts + 1, err or "")
            self.exercises = {**self.exercises, name: exercise}
        outcome = {"ex": name, "ok": ok, "try": exercise.attempts, "ms": ms, "err": err}
        self._announce("test", {**outcome, "skipped": ok is None})

    def custom(self, event: str, properties: Mapping[str, Any]) -> None:
        self._announce_unless_paused(event, properties)

    def take_name(self, student: str) -> None:
        """This session is `student`'s, and so is what waited for a name; it stays the first's."""
        if not self.student:
            self.student = normalize_student_name(student)

    def rename(self, student: str) -> None:
        """The same student, spelled right; paused or not, or one student would look like two."""
        previous, self.student = self.student, normalize_student_name(student)
        if self.student != previous:
            self._announce("rename", {"prev": previous})

    def hand_over(self, student: str) -> None:
        """Another student takes this computer: whoever wired this session begins a new one."""
        self.successor = normalize_student_name(student)

    def raise_hand(self, *, up: bool) -> None:
        if not self.paused and self._switch("hand_up", up):
            self._announce("hand", {"up": up})

    def pause(self) -> None:
        if self._switch("paused", True):
            self._announce("pause", {})

    def resume(self) -> None:
        if self._switch("paused", False):
            self._announce("resume", {})

    def note(self, line: str) -> None:
        """Show `line` in the panel, once."""
        with self._lock:
            if line not in self.notes:
                self.notes = [*self.notes[-4:], line]

    def become_a_fork(self) -> None:
        """In a forked child: a session of its own, with a lock that nobody holds."""
        self._lock = threading.RLock()
        self.sess, self.recorded, self.delivered = uuid4().hex[:8], 0, 0
        self.cells, self.exercises = 0, {}

    def _switch(self, name: str, value: bool) -> bool:
        """Set a switch; False where it stands like that already, be it for another thread."""
        with self._lock:
            is_new: bool = getattr(self, name) != value
            setattr(self, name, value)
        return is_new

    def _announce_unless_paused(self, event: str, properties: Mapping[str, Any]) -> None:
        if not self.paused:
            self._announce(event, properties)

    @never_into_the_cell
    def _announce(self, event: str, properties: Mapping[str, Any]) -> None:
        """Tell the observers; one that fails must not keep the caller from its own work."""
        self.latest = Happening(event, properties)
