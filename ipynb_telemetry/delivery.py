"""The one thread that takes events from the outbox to PostHog, and waits, and tries again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ipynb_telemetry.adoption import adopt_leftovers
from ipynb_telemetry.backlog import Backlog
from ipynb_telemetry.boundary import log, never_into_the_cell, report_failure
from ipynb_telemetry.flag import Flag
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.sender import Box, Sender

SHUTDOWN_S = 2.0
GATHER_S = 0.05
"""How long an event waits for others: a cell makes several, let them leave together."""
BETWEEN_S = 0.5
"""How far apart rounds are on average: sending is Python, and a cell that runs waits for it."""
CREDIT_S = 1.0
"""How far ahead of that they may be: after a quiet time, the first few leave at once."""
_ADOPT_EVERY_S = 60.0
_SETTLE_EVERY_S = 0.5  # an outbox does it once a second; so it is never much later
_LOOK_UP_EVERY_S = 0.1
_BREATH_S = 0.05
_REST_WITHIN_S = 10.0
_REST_AFTER_FAILURE_S = 60.0


class Report(NamedTuple):
    """What the panel may know of the delivery."""

    sess: str
    """The current session, whose figures these are."""
    delivered: int
    """Events of the current session that PostHog has accepted."""
    set_aside: int
    """Events of the current session that it refused for good."""
    leftover: int
    """Events of other sessions that still wait."""
    storage_problem: str
    outcome: str
    """Name of the last attempt's `Outcome` for the current session; empty before the first."""
    reason: str


class Delivery:
    """Sends what waits, the current session's first, and reports how it goes.

    Any thread may call what has no underscore; the rest is the one thread's.

    Args:
        state_folder: Where sessions leave their outboxes.
        report: Called from the delivery thread whenever its figures changed.
        clock: Seconds that only grow; handed in by tests that wait for minutes.
        attempt_s: How long one attempt may take; by default what `transport` says.
        cells_run: Whether a student waits for cells now.
    """

    def __init__(
        self,
        state_folder: Path,
        report: Callable[[Report], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        attempt_s: float | None = None,
        cells_run: Callable[[], bool] = lambda: False,
    ) -> None:
        self._state_folder = state_folder
        self._cells_run = cells_run
        self._report = report
        self._clock = clock
        self._sender = Sender(
            clock,
            attempt_s,
            meanwhile=self._meanwhile,
            own_wait=self._own_wait,
            before_import=self._wait_for_a_rest,
        )
        self._boxes: tuple[Box, ...] = ()
        """The current session's first. Replaced whole: whoever reads it needs no lock."""
        self._current: Box | None = None
        self._last_report: Report | None = None
        self._sent_until = 0
        """The round ends when so many events of the current session have left."""
        self._made = 0
        """How many events the current session had at the last look."""
        self._next_adoption_s = 0.0
        self._next_settling_s = math.inf
        self._thread: threading.Thread | None = None
        self._wake = Flag()
        self._stopping = Flag()
        self._stop_by_s = math.inf
        self._lock = threading.RLock()  # for replacing `_boxes` and `_thread`

    def serve(self, outbox: Outbox, *, earlier_go_on: bool = False) -> None:
        """From now on `outbox` is the current session's.

        Args:
            outbox: Whose figures are reported.
            earlier_go_on: Events may still come for those before it, until `finish_earlier`.
        """
        with self._lock:
            self._current = Box(outbox, finished=False)
            self._boxes = (self._current, *self._boxes)
        if not earlier_go_on:
            self.finish_earlier()
        self.wake()

    def finish_earlier(self) -> None:
        """Nothing is appended any more to the outboxes before the current session's."""
        for box in self._boxes:
            if box is not self._current and not box.finished:
                box.finished = True
                self.wake()

    def start(self) -> None:
        """Start the thread, once; to be called when the cell that caused it has ended."""
        with self._lock:
            if self._is_started() or self._stopping.is_set():
                return
            self._thread = threading.Thread(target=self._run, name="ipynb-telemetry", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down: the next session sends it
                log.info("too late to start a thread")

    def wake(self) -> None:
        """There may be something to send. Cheap: called for each event."""
        self._wake.set()

    def stop(self, *, deadline_s: float = SHUTDOWN_S) -> None:
        """Send what can be sent within `deadline_s`; the rest stays for the next session."""
        self._stop_by_s = self._clock() + deadline_s
        self._stopping.set()
        self._wake.set()
        if self._thread is not None and self._is_started():
            self._thread.join(deadline_s)
        else:
            self._close()

    def _is_started(self) -> bool:
        # Not "is not None": an interrupt may have come before the thread began.
        return self._thread is not None and self._thread.ident is not None

    def _run(self) -> None:
        stopping, next_s = False, 0.0
        while not stopping:
            self._wake.wait(self._pause_s())
            # Clear first, look second: an event appended in between sets it again.
            self._wake.clear()
            stopping = self._gather(max(GATHER_S, next_s - time.monotonic()))
            if stopping:
                self._sender.reopen_roads()
            next_s = max(next_s, time.monotonic() - CREDIT_S) + BETWEEN_S
            self._round()
        self._close()

    def _wait_for_a_rest(self) -> None:
        """Let cells end that run one after the other: importing the SDK would slow them.

        It is a fifth of a second of Python, once; after ten seconds little beside what has run.
        """
        until_s = time.monotonic() + _REST_WITHIN_S
        while self._cells_run() and time.monotonic() < until_s and not self._gather(GATHER_S):
            pass

    def _gather(self, wait_s: float) -> bool:
        """Let more events come; whether it is time to stop."""
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0:
            if self._stopping.wait(min(left_s, _LOOK_UP_EVERY_S)):
                return True
            self._meanwhile()
        return self._stopping.is_set()

    @never_into_the_cell
    def _meanwhile(self) -> None:
        """What must not be late while something else is waited for: a power cut may come."""
        if self._current is not None and isinstance(self._current.content, Outbox):
            self._current.content.sync()
        self._tell()

    def _pause_s(self) -> float:
        """How long to sleep if nothing happens."""
        due = [self._next_adoption_s, self._next_settling_s, *(box.due_s for box in self._boxes)]
        return max(0.0, min(due) - self._clock())

    @never_into_the_cell
    def _round(self) -> None:
        """Send what can be sent now, one attempt after the other."""
        self._settle()
        self._adopt()
        # Said again in every round: the listener may be another one by now.
        self._last_report = None
        self._tell()
        self._let_in_what_came()
        # After each step from the front again: the current session's own go first.
        while any(self._advance(box) for box in self._boxes):
            self._settle()
            self._tell()
            self._let_a_cell_run()
        self._remove_done()
        self._tell()

    def _let_a_cell_run(self) -> None:
        """Pause where events keep coming: a cell makes them, and sending slows it."""
        before, self._made = self._made, self._events_made()
        if self._made != before:
            self._stopping.wait(_BREATH_S)

    def _events_made(self) -> int:
        return self._current.total if self._current else 0

    def _settle(self) -> None:
        """Let the boxes bring the disk up to date, again in a second where that is needed."""
        unsettled = [self._is_unsettled(box.content) for box in self._boxes]
        self._next_settling_s = self._clock() + _SETTLE_EVERY_S if any(unsettled) else math.inf

    def _is_unsettled(self, content: Outbox | Backlog) -> bool:
        try:
            return content.settle() or bool(content.storage_problem)
        except Exception as failure:  # noqa: BLE001  # sending goes on, from memory
            report_failure("settling the outbox", failure)
            return True

    def _adopt(self) -> None:
        if self._clock() < self._next_adoption_s:
            return
        self._next_adoption_s = self._clock() + _ADOPT_EVERY_S
        for backlog in adopt_leftovers(self._state_folder):
            box = Box(backlog, finished=True, expected=backlog.waiting())
            with self._lock:
                self._boxes = (*self._boxes, box)

    def _advance(self, box: Box) -> bool:
        """Take the next step with `box`, if there is one; after a failure of ours it rests."""
        if self._clock() >= self._stop_by_s:
            return False
        if self._can_wait(box):
            box.due_s = math.inf  # what comes will wake us
            return False
        is_leftover = box is not self._current
        try:
            return self._sender.step(box, is_leftover=is_leftover)
        except Exception as failure:  # noqa: BLE001  # the other boxes go on
            self._let_rest(box, failure)
            return False
        finally:
            if is_leftover:
                self._let_in_what_came()

    def _let_in_what_came(self) -> None:
        """Of the current session's events, those made by now can go out in this round."""
        self._sent_until = self._events_made()

    def _own_wait(self, destination: tuple[str, str]) -> bool:
        """Whether the current session waits for the end of a leftover's attempt there.

        Not where its own go to the same server: that is as slow for them.
        """
        if self._current is None or not self._current.content.student:
            return False
        goes_elsewhere = self._current.content.destination not in (None, destination)
        return goes_elsewhere and self._events_made() > self._sent_until

    def _can_wait(self, box: Box) -> bool:
        """Whether all that `box` holds came during this round: one by one it costs more."""
        is_open = box is self._current and not self._stopping.is_set()
        # A damaged file may hold more than was made: then counting says nothing.
        return is_open and self._sent_until <= box.gone <= box.total

    def _remove_done(self) -> None:
        for box in self._boxes:
            is_done = box.empty and (box.finished or self._stopping.is_set())
            if is_done and box.rests_until_s <= self._clock():
                self._remove(box)

    def _remove(self, box: Box) -> None:
        try:
            is_removed = box.content.remove()
        except Exception as failure:  # noqa: BLE001  # the other boxes go on
            self._let_rest(box, failure)
            return
        if is_removed:
            with self._lock:
                self._boxes = tuple(other for other in self._boxes if other is not box)
        else:  # an event came just now, or something cannot be read or written just now
            box.due_s = self._clock() + _REST_AFTER_FAILURE_S

    def _let_rest(self, box: Box, failure: Exception) -> None:
        report_failure("Delivery", failure)
        box.due_s = box.rests_until_s = self._clock() + _REST_AFTER_FAILURE_S

    @never_into_the_cell
    def _tell(self) -> None:
        current = self._current
        if current is None:
            return
        answer = current.road.answer if current.road else None
        report = Report(
            sess=current.content.sess,
            delivered=current.delivered,
            set_aside=current.set_aside,
            leftover=sum(box.waiting for box in self._boxes if box is not current),
            storage_problem=current.content.storage_problem,
            outcome=answer.outcome.name if answer else "",
            reason=answer.reason if answer else "",
        )
        if report != self._last_report:
            self._last_report = report
            self._report(report)

    @never_into_the_cell
    def _close(self) -> None:
        """Let go of everything; what still waits stays for the next session."""
        self._sender.close()
        for box in self._boxes:
            box.content.close()
