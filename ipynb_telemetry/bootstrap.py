"""`setup_telemetry`: builds the parts once per kernel, connects them, takes them apart again.

The only module that knows all the others. One direction of flow:
panel and tracking -> session -> capture -> outbox -> delivery -> PostHog.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from traitlets import Bunch

from ipynb_telemetry import frontend, settings
from ipynb_telemetry.boundary import log, never_into_the_cell, on_failure, report_failure
from ipynb_telemetry.builtin_names import NAMES_WHEN_OFF, are_injected, inject
from ipynb_telemetry.capture import Capture
from ipynb_telemetry.delivery import SHUTDOWN_S, Delivery, Report
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.panel import Panel, show_line
from ipynb_telemetry.remembered import recall, remember
from ipynb_telemetry.session import Problem, Session
from ipynb_telemetry.settings import Roster, Settings
from ipynb_telemetry.tracking import Tracking

_REST_S = 0.1


def setup_telemetry(
    notebook_id: str,
    *,
    host: str | None = None,
    api_key: str | None = None,
    student: str | None = None,
    roster: Roster | None = None,
    exercises: Sequence[str] | None = None,
    cohort: str | None = None,
    send_code: bool | None = None,
    enabled: bool | None = None,
) -> None:
    """Show the panel, and give every cell the four names that notebooks use.

    They are `STUDENT_NAME`, `_cell`, `tracked_test` and `_telemetry_capture`. Run again in
    the same kernel it shows the same session again; with another notebook id or another
    `student` the session ends and a new one begins.

    Args:
        notebook_id: The author's name for this notebook, such as `D3_Datetimes`.
        host: Where events go: a PostHog, or a server that speaks its protocol.
        api_key: The project's write-only key there.
        student: The student's name; without it the panel asks.
        roster: Names to choose from: a sequence, or the path of a CSV or text file.
        exercises: Ids expected in this notebook, for a true progress bar.
        cohort: Which class this is; a property of every event.
        send_code: Whether `cell` events carry the author's preview of the code.
        enabled: False turns telemetry off; True cannot turn it on against the environment.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument has a value that cannot work; the message says what does.
    """
    resolved = settings.resolve(
        notebook_id,
        host=host,
        api_key=api_key,
        student=student,
        roster=roster,
        exercises=exercises,
        cohort=cohort,
        send_code=send_code,
        enabled=enabled,
    )
    _set_up(resolved)


def _set_up(new: Settings) -> None:
    """Turn telemetry on or off; whatever fails, the four names exist afterwards."""
    if not are_injected():
        inject(NAMES_WHEN_OFF)
    if new.off_because:
        _turn_off(new.off_because)
    else:
        _turn_on(new)


def _turn_on(new: Settings) -> None:
    global _kernel  # noqa: PLW0603  # there is one for a process
    try:
        if _kernel is None:
            _kernel = _Kernel(new)
        else:
            _kernel.run_again(new)
        _kernel.show()
    except Exception as failure:  # noqa: BLE001  # the lesson goes on, and says so
        report_failure("setup_telemetry", failure)
        _say("Telemetry could not start here. The lesson works without it; tell your teacher.")


@never_into_the_cell
def _turn_off(because: str) -> None:
    global _kernel  # noqa: PLW0603
    inject(NAMES_WHEN_OFF)
    if _kernel is not None:
        _kernel.turn_off(because)
        _kernel = None
    _say(f"Telemetry is off: {because}.")


@never_into_the_cell
def _say(line: str) -> None:
    """Show `line` under the cell, where there is a place for it."""
    if frontend.has_kernel():
        show_line(line)


@dataclass(frozen=True)
class _Lesson:
    """A session, and what is only its own."""

    session: Session
    outbox: Outbox
    capture: Capture


class _Kernel:
    """The parts of a process, connected: one lesson at a time, one delivery, one panel."""

    def __init__(self, new: Settings) -> None:
        self._settings = new
        self._reruns = 0
        self._shell = frontend.shell()
        self._panel: Panel | None = None
        self._cell_ended_s = 0.0
        self._delivery = Delivery(new.state_folder, self._on_report, cells_run=self._cells_run)
        self._begin(new.student)
        session = self._lesson.session
        self._tracking = _the_tracking(session)
        self._undo_failures = on_failure(self._show_failure)
        self._panel = self._build_panel()
        if self._shell is not None:
            self._tracking.hook_into(self._shell)
        inject(
            {
                "STUDENT_NAME": session.student,
                "_cell": self._tracking.cell,
                "tracked_test": self._tracking.tracked_test,
                "_telemetry_capture": self._tracking.capture,
            }
        )
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._go_on_in_child)
        self._announce_start()

    def run_again(self, new: Settings) -> None:
        """Go on with the session that is this notebook's and student's, or begin another."""
        old, self._settings = self._settings, new
        session = self._lesson.session
        is_another_student = new.student not in ("", old.student, session.student)
        if old.notebook_id != new.notebook_id or (is_another_student and session.student):
            self._replace_lesson(new.student, is_the_same_student=not is_another_student)
        elif old.destination and new.destination != old.destination:
            # A server counts on `seq` without gaps, and must not wait for what is another's, or
            # for what happens while nobody knows where it goes.
            self._replace_lesson(new.student or session.student, is_the_same_student=True)
        else:
            self._configure(self._lesson)
            self._delivery.wake()  # what waited for a usable host may go, also while paused
            if is_another_student:
                session.take_name(new.student)
        self._reruns += 1
        self._announce_start()

    def show(self) -> None:
        if self._panel is not None:
            self._panel.show()

    def _build_panel(self) -> Panel | None:
        """The panel, where a student is there to see it; without it everything else works."""
        if not frontend.can_ask():
            return None
        try:
            return Panel(self._lesson.session, self._lesson.capture.latest_messages)
        except Exception as failure:  # noqa: BLE001  # events are worth more than their picture
            report_failure("the panel", failure)
            _say("Telemetry is active, but its panel cannot be shown here. Tell your teacher.")
            return None

    def turn_off(self, because: str) -> None:
        """End the session; what waits stays on disk, for a session that is on."""
        self._lesson.session.off_because = because
        self._lesson.capture.close()
        self._tracking.unhook()
        atexit.unregister(self.close)
        self.close(deadline_s=0)

    @never_into_the_cell
    def close(self, *, deadline_s: float = SHUTDOWN_S) -> None:
        """End the session, and send what can be sent by then."""
        self._end()
        self._delivery.stop(deadline_s=deadline_s)
        if self._panel is not None:
            self._panel.close()
        self._undo_failures()

    def _begin(self, student: str, *, earlier_go_on: bool = False) -> None:
        """A session with its own `sess`, counts and outbox, under `student` if there is one."""
        session = Session(self._settings.notebook_id)
        outbox = Outbox(self._settings.state_folder, session.sess, appended=self._event_waits)
        self._lesson = _Lesson(session, outbox, Capture(session, outbox))
        self._configure(self._lesson)
        session.offered = recall(self._settings.state_folder)
        session.observe(self._on_student, names="student")
        session.observe(self._on_successor, names="successor")
        self._delivery.serve(outbox, earlier_go_on=earlier_go_on)
        if student or not frontend.can_ask():
            session.take_name(student or session.anonymous_name)

    def _configure(self, lesson: _Lesson) -> None:
        """What a setup cell that is run again may have changed."""
        new, session, capture = self._settings, lesson.session, lesson.capture
        session.host, session.cohort = new.host or "", new.cohort
        session.roster, session.expected = new.roster, new.exercises
        if new.blocked_because:
            session.problem = Problem("BLOCKED", new.blocked_because)
        elif session.problem is not None and session.problem.outcome == "BLOCKED":
            session.problem = None
        session.notes = list(new.notes)
        capture.configure(host=new.host, api_key=new.api_key, send_code=new.send_code)
        lesson.outbox.destination = new.destination

    def _end(self) -> None:
        """Let the session go out under its own name; it is never given to another student.

        Capture goes on with it: a tracked cell of it that runs now has yet to end.
        """
        session, outbox = self._lesson.session, self._lesson.outbox
        session.unobserve(self._on_student, names="student")
        session.unobserve(self._on_successor, names="successor")
        if not session.student:
            outbox.give_name(session.anonymous_name)

    def _replace_lesson(self, student: str, *, is_the_same_student: bool = False) -> None:
        was = self._lesson.session
        self._end()
        self._begin(student, earlier_go_on=was.busy)
        if is_the_same_student:  # then the student's switch stays
            self._lesson.session.paused = was.paused
        self._tracking.follow(self._lesson.session)
        inject({"STUDENT_NAME": self._lesson.session.student})
        if self._panel is not None:
            self._panel.follow(self._lesson.session, self._lesson.capture.latest_messages)

    def _announce_start(self) -> None:
        self._lesson.session.start(frontend.describe(), rerun=self._reruns)

    @never_into_the_cell
    def _on_student(self, change: Bunch) -> None:
        inject({"STUDENT_NAME": change.new})
        session = change.owner
        if change.new in (self._settings.student, session.anonymous_name):
            return
        try:
            remember(self._settings.state_folder, change.new)
        except OSError as failure:  # then the student is asked again next time
            log.warning("the name could not be remembered: %s", failure)

    @never_into_the_cell
    def _on_successor(self, change: Bunch) -> None:
        self._replace_lesson(change.new)
        self._announce_start()

    def _cells_run(self) -> bool:
        """Whether a student waits for cells now; between two, a kernel rests for an instant."""
        if self._panel is None:
            return False
        return self._lesson.session.busy or time.monotonic() < self._cell_ended_s + _REST_S

    def _event_waits(self) -> None:
        self._delivery.wake()
        if self._shell is None:  # no cell whose end could be waited for
            self._delivery.start()

    def cell_ended(self) -> None:
        self._cell_ended_s = time.monotonic()
        self._delivery.finish_earlier()
        self._delivery.start()
        if self._panel is not None:
            self._panel.painter.start()
            self._panel.cell_ended()

    @never_into_the_cell
    def _on_report(self, report: Report) -> None:
        session = self._lesson.session
        if report.sess != session.sess:
            return  # figures of the one before
        session.delivered, session.set_aside = report.delivered, report.set_aside
        session.leftover, session.storage_problem = report.leftover, report.storage_problem
        if not self._settings.blocked_because:
            has_failed = report.outcome not in ("", "ACCEPTED")
            session.problem = Problem(report.outcome, report.reason) if has_failed else None

    def _show_failure(self, _line: str) -> None:
        self._lesson.session.note("Telemetry had a problem of its own. Your work is not affected.")

    @never_into_the_cell
    def _go_on_in_child(self) -> None:
        """A forked child is a session of its own: it sends nothing of its parent's.

        It has none of the parent's threads, so what it records waits on disk for its
        parent, or the next session, to adopt.
        """
        if _kernel is not self:
            return
        session = self._lesson.session
        session.unobserve_all()
        session.become_a_fork()
        self._lesson.outbox.close_in_child()
        self._panel = None
        self._delivery = Delivery(self._settings.state_folder, self._on_report)
        outbox = Outbox(self._settings.state_folder, session.sess, appended=lambda: None)
        if session.student:
            outbox.give_name(session.student)
        self._lesson = _Lesson(session, outbox, Capture(session, outbox))
        self._configure(self._lesson)


def _the_tracking(session: Session) -> Tracking:
    """One for a process: what was decorated before telemetry was off for a while counts on."""
    global _tracking  # noqa: PLW0603  # there is one for a process
    if _tracking is None:
        _tracking = Tracking(session, cell_ended=_a_cell_ended)
    else:
        _tracking.follow(session)
    return _tracking


def _a_cell_ended() -> None:
    if _kernel is not None:
        _kernel.cell_ended()


# importlib.reload runs this module again in the same namespace: what runs goes on running.
_kernel: _Kernel | None = globals().get("_kernel")
_tracking: Tracking | None = globals().get("_tracking")
