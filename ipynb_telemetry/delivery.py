"""The one thread that takes events from the outbox to PostHog, and waits, and tries again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ipynb_telemetry.backlog import MAX_BATCH_EVENTS, Backlog, Batch
from ipynb_telemetry.boundary import log, never_into_the_cell
from ipynb_telemetry.events import Record, message
from ipynb_telemetry.outbox import Outbox, adopt_leftovers

if TYPE_CHECKING:
    from ipynb_telemetry.transport import Answer, Transport

SHUTDOWN_S = 2.0
_GATHER_S = 0.05  # a cell makes several events: let them leave together
_MAX_WAIT_S = 60.0
# Nobody answers, so asking costs nobody anything: the class is back within seconds.
_MAX_WAIT_UNREACHABLE_S = 3.0
_MAX_RETRY_AFTER_S = 300.0
_FIRST_WAIT_S = 0.5
_ADOPT_EVERY_S = 60.0


@dataclass(frozen=True)
class Report:
    """What the panel may know of the delivery."""

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


@dataclass
class _Road:
    """The way to one destination: when it may be tried again, and how much at once."""

    failures: int = 0
    not_before_s: float = 0.0
    max_events: int = MAX_BATCH_EVENTS
    answer: Answer | None = None


@dataclass
class _Box:
    """An outbox to empty, or what a dead session left."""

    content: Outbox | Backlog
    finished: bool
    """Whether nothing is appended any more: once empty it goes."""
    expected: int = 0
    """How many events a leftover had when it was found."""
    delivered: int = 0
    set_aside: int = 0
    empty: bool = False
    road: _Road = field(default_factory=_Road)

    @property
    def waiting(self) -> int:
        total = self.content.recorded if isinstance(self.content, Outbox) else self.expected
        return 0 if self.empty else max(1, total - self.delivered - self.set_aside)


class Delivery:
    """Sends what waits, oldest first, and reports how it goes.

    Args:
        state_folder: Where sessions leave their outboxes.
        report: Called from the delivery thread whenever its figures changed.
        clock: Seconds that only grow; handed in by tests that wait for minutes.
    """

    def __init__(
        self,
        state_folder: Path,
        report: Callable[[Report], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state_folder = state_folder
        self._report = report
        self._clock = clock
        self._boxes: list[_Box] = []
        self._roads: dict[tuple[str, str], _Road] = {}
        self._last_report: Report | None = None
        self._next_adoption_s = 0.0
        self._transport: Transport | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def serve(self, outbox: Outbox) -> None:
        """From now on `outbox` is the current session's; those before it are finished."""
        with self._lock:
            for box in self._boxes:
                box.finished = True
            self._boxes.insert(0, _Box(outbox, finished=False))
        self.wake()

    def start(self) -> None:
        """Start the thread, once; to be called when the cell that caused it has ended."""
        if self._thread is None and not self._stopping.is_set():
            thread = threading.Thread(target=self._run, name="ipynb-telemetry", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is shutting down: the next session sends it
                log.info("too late to start a thread")
            else:
                self._thread = thread

    def wake(self) -> None:
        """There may be something to send. Cheap: called for each event."""
        if not self._wake.is_set():
            self._wake.set()

    def stop(self, *, deadline_s: float = SHUTDOWN_S) -> None:
        """Send what can be sent within `deadline_s`; the rest stays for the next session."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(deadline_s)

    @never_into_the_cell
    def _run(self) -> None:
        stopping = unsettled = False
        while not stopping:
            self._wake.wait(self._pause_s(unsettled=unsettled))
            # Clear first, look second: an event appended in between sets it again.
            self._wake.clear()
            stopping = self._stopping.wait(_GATHER_S)
            unsettled = self._settle()
            self._round()
        if self._transport is not None:
            self._transport.close()

    def _pause_s(self, *, unsettled: bool) -> float:
        """How long to sleep if nothing happens."""
        now = self._clock()
        due = [box.road.not_before_s for box in self._boxes if not box.empty and box.road.failures]
        due.append(self._next_adoption_s)
        if unsettled:
            due.append(now + 1)
        return max(0.0, min(due) - now)

    def _settle(self) -> bool:
        outboxes = [box.content for box in self._boxes if isinstance(box.content, Outbox)]
        unsettled = [outbox.settle() for outbox in outboxes]
        return any(unsettled)

    @never_into_the_cell
    def _round(self) -> None:
        """Empty each box as far as its road allows; a failure costs this round alone."""
        self._adopt()
        with self._lock:
            boxes = list(self._boxes)
        for box in boxes:
            self._tell()
            self._empty(box)
        for box in boxes:
            if box.empty and (box.finished or self._stopping.is_set()):
                box.content.remove()
                with self._lock:
                    self._boxes.remove(box)
        self._tell()

    def _adopt(self) -> None:
        if self._clock() < self._next_adoption_s:
            return
        self._next_adoption_s = self._clock() + _ADOPT_EVERY_S
        for backlog in adopt_leftovers(self._state_folder):
            box = _Box(backlog, finished=True, expected=backlog.waiting())
            with self._lock:
                self._boxes.append(box)

    def _empty(self, box: _Box) -> None:
        """Send what `box` holds until it is empty or has to wait."""
        student = box.content.student
        while student and (box.road.not_before_s <= self._clock()):
            batch = box.content.next_batch(box.road.max_events)
            box.empty = batch is None
            if batch is None:
                return
            destination = _destination(batch.records[0]) or box.content.destination
            if destination is not None:
                box.road = self._roads.setdefault(destination, box.road)
                if box.road.not_before_s <= self._clock():
                    self._deliver(box, batch, destination, student)
            elif box.finished:
                self._set_aside(box, batch, "it was captured without a usable host and key")
            else:
                return
            self._tell()

    def _deliver(self, box: _Box, batch: Batch, destination: tuple[str, str], student: str) -> None:
        """One attempt with one batch, and what follows from the answer."""
        from ipynb_telemetry.transport import Outcome, Transport  # noqa: PLC0415  # slow to import

        self._transport = self._transport or Transport()
        messages = [message(record, student) for record in batch.records]
        road = box.road
        answer = self._transport.post(*destination, messages)
        if answer.outcome is Outcome.CONTENT_REFUSED:
            if len(messages) == 1:
                self._set_aside(box, batch, answer.reason)
                road.max_events = MAX_BATCH_EVENTS
            else:  # half of it next time: the culprit will be found, the rest goes on
                road.max_events = len(messages) // 2
            return
        road.answer = answer
        if answer.outcome is Outcome.ACCEPTED:
            box.content.acknowledge(batch)
            box.delivered += len(messages)
            road.failures = 0
            road.max_events = min(MAX_BATCH_EVENTS, road.max_events * 2)
        else:
            road.failures += 1
            road.not_before_s = self._clock() + _wait_s(answer, road.failures)
            log.info("%d events wait: %s", len(messages), answer.reason)

    def _set_aside(self, box: _Box, batch: Batch, reason: str) -> None:
        for record in batch.records:
            box.content.set_aside(record, reason)
        box.content.acknowledge(batch)
        box.set_aside += len(batch.records)
        log.warning("%d events were set aside: %s", len(batch.records), reason)

    def _tell(self) -> None:
        with self._lock:
            boxes = list(self._boxes)
        if not boxes:
            return
        current, others = boxes[0], boxes[1:]
        answer = current.road.answer
        report = Report(
            delivered=current.delivered,
            set_aside=current.set_aside,
            leftover=sum(box.waiting for box in others),
            storage_problem=getattr(current.content, "storage_problem", ""),
            outcome=answer.outcome.name if answer else "",
            reason=answer.reason if answer else "",
        )
        if report != self._last_report:
            self._last_report = report
            self._report(report)


def _destination(record: Record) -> tuple[str, str] | None:
    host, api_key = record["host"], record["api_key"]
    return (host, api_key) if host and api_key else None


def _wait_s(answer: Answer, failures: int) -> float:
    """How long to leave a destination alone after `failures` in a row, with jitter."""
    share = random.random()  # noqa: S311  # a class must not come back all at once
    if answer.retry_after_s is not None:
        return min(answer.retry_after_s, _MAX_RETRY_AFTER_S) + share * _FIRST_WAIT_S
    if answer.outcome.name == "KEY_REFUSED":
        return _MAX_WAIT_S
    longest = _MAX_WAIT_UNREACHABLE_S if answer.outcome.name == "UNREACHABLE" else _MAX_WAIT_S
    wait_s: float = min(longest, _FIRST_WAIT_S * 2 ** min(failures, 10))
    return wait_s * (1 + share) / 2
