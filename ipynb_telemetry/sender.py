"""The next step with a box of events: one attempt to send some, and what follows from it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ipynb_telemetry.answers import Answer, Outcome
from ipynb_telemetry.backlog import MAX_BATCH_EVENTS, Backlog, Batch
from ipynb_telemetry.boundary import log
from ipynb_telemetry.events import Record, has_a_time, message
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.road import Road
from ipynb_telemetry.settings import why_bad_host

if TYPE_CHECKING:
    from ipynb_telemetry.transport import Transport

_MAX_SUSPECTS = 20


@dataclass(eq=False)
class Box:
    """An outbox to empty, or what a dead session left."""

    content: Outbox | Backlog
    finished: bool
    """Whether nothing is appended any more."""
    expected: int = 0
    """How many events a leftover had when it was found."""
    delivered: int = 0
    set_aside: int = 0
    empty: bool = False
    road: Road | None = None
    """Where its next events go; None before they were looked at."""
    due_s: float = 0.0
    """When a next step may be possible; infinite: not before something happens."""
    rests_until_s: float = 0.0
    suspects: list[Answer] = field(default_factory=list)
    """Refusals of its first events, each sent alone: their own fault, or the server's."""

    @property
    def total(self) -> int:
        return self.content.recorded if isinstance(self.content, Outbox) else self.expected

    @property
    def gone(self) -> int:
        return self.delivered + self.set_aside

    @property
    def waiting(self) -> int:
        # Of a leftover there may be more than was counted: what nobody has seen to be empty.
        at_least = 0 if isinstance(self.content, Outbox) else 1
        return 0 if self.empty else max(at_least, self.total - self.gone)


class Sender:
    """Knows the roads and what may be sent on them now. Only the delivery thread calls this.

    Args:
        clock: Seconds that only grow.
        attempt_s: How long one attempt may take; None: what `transport` says.
        meanwhile: Called several times a second while an answer is waited for.
        own_wait: Whether the current session has events that came during a leftover's attempt
            and go elsewhere than to the destination that is given.
        before_import: Called once, before the SDK is imported, which slows what runs.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        attempt_s: float | None,
        *,
        meanwhile: Callable[[], None] = lambda: None,
        own_wait: Callable[[tuple[str, str]], bool] = lambda _: False,
        before_import: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._meanwhile = meanwhile
        self._own_wait = own_wait
        self._before_import = before_import
        self._attempt_s = attempt_s
        self._roads: dict[tuple[str, str], Road] = {}
        self._transport: Transport | None = None

    def step(self, box: Box, *, is_leftover: bool) -> bool:
        """Make one attempt with what `box` holds, or find out what it waits for.

        Returns:
            Whether something was done, so that a next step may follow at once.
        """
        box.due_s = math.inf
        student = box.content.student
        # Before anything is read: while it waits, a step costs next to nothing.
        if not student or self._has_to_wait(box, is_leftover=is_leftover):
            return False
        at_most = box.road.max_events if box.road else MAX_BATCH_EVENTS
        batch = box.content.next_batch(at_most, behind=len(box.suspects))
        box.empty = batch is None
        if batch is None:
            return False
        if not has_a_time(batch.records[0]):
            return self._set_all_aside(box, batch, "its timestamp is no time")
        destination = _destination(batch.records[0]) or box.content.destination
        if destination is None:
            reason = "it was captured without a usable host and key"
            return box.finished and self._set_all_aside(box, batch, reason)
        box.road = self._roads.setdefault(destination, Road())
        if self._has_to_wait(box, is_leftover=is_leftover):
            return False
        records = batch.records[len(box.suspects) :]
        if records:
            transport = self._ready_transport()
            messages = [message(record, student) for record in records]
            began_s = self._clock()
            answer = transport.post(
                *destination,
                messages,
                meanwhile=self._meanwhile,
                others_wait=partial(self._own_wait, destination) if is_leftover else _never,
            )
            self._follow(answer, box, box.road, batch, self._clock() - began_s)
        else:
            self._nothing_behind(box, box.road, batch)
        return True

    def reopen_roads(self) -> None:
        for road in self._roads.values():
            road.reopen()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _has_to_wait(self, box: Box, *, is_leftover: bool) -> bool:
        open_from_s = box.road.open_from_s(for_leftovers=is_leftover) if box.road else 0.0
        until_s = max(box.rests_until_s, open_from_s)
        if until_s <= self._clock():
            return False
        box.due_s = until_s
        return True

    def _follow(self, answer: Answer, box: Box, road: Road, batch: Batch, took_s: float) -> None:
        """Do what follows from the answer to what is behind the suspects in `batch`."""
        records = batch.records[len(box.suspects) :]
        if answer.outcome is Outcome.ACCEPTED:
            road.accepted(answer, took_s=took_s)
            self._blame(box, batch.records)
            box.delivered += len(records)
            box.content.acknowledge(batch)
        elif answer.outcome is Outcome.CONTENT_REFUSED and len(records) > 1:
            road.refused(len(records))
        elif answer.outcome is Outcome.CONTENT_REFUSED and len(box.suspects) < _window(road):
            box.suspects.append(answer)
        else:
            box.suspects.clear()
            road.failed(answer, events=len(records), took_s=took_s, now_s=self._clock())
            log.info("%d events wait: %s", len(records), answer.reason)

    def _nothing_behind(self, box: Box, road: Road, batch: Batch) -> None:
        """What to do with suspects when there is no other event to compare them with.

        A server that has just accepted others means this one event. One that refuses
        everything is broken: then it is left alone for a while, and nothing is given up.
        """
        if road.trusted and len(box.suspects) == 1:
            road.trusted = False
            self._blame(box, batch.records)
            box.content.acknowledge(batch)
        else:
            road.failed(box.suspects[-1], events=1, took_s=0, now_s=self._clock())
            box.suspects.clear()

    def _blame(self, box: Box, records: Sequence[Record]) -> None:
        """Set the suspects aside: the server takes others, so it means them."""
        for record, answer in zip(records, box.suspects, strict=False):
            self._set_aside(box, record, answer.reason)
        box.suspects.clear()

    def _set_all_aside(self, box: Box, batch: Batch, reason: str) -> bool:
        for record in batch.records:
            self._set_aside(box, record, reason)
        box.content.acknowledge(batch)
        return True

    def _set_aside(self, box: Box, record: Record, reason: str) -> None:
        box.content.set_aside(record, reason)
        box.set_aside += 1
        log.warning("an event was set aside: %s", reason)

    def _ready_transport(self) -> Transport:
        if self._transport is None:
            self._before_import()
            # Both warn when they are imported beside versions they do not like.
            warnings.filterwarnings("ignore", module=r"(requests|urllib3)$")
            from ipynb_telemetry.transport import ATTEMPT_S, Transport  # noqa: PLC0415  # slow

            self._transport = Transport(attempt_s=self._attempt_s or ATTEMPT_S)
        return self._transport


def _never() -> bool:
    return False


def _window(road: Road) -> int:
    """How many refusals in a row may be the events' own fault; more each time it was not."""
    return min(MAX_BATCH_EVENTS, _MAX_SUSPECTS << min(road.failures, 10))


def _destination(record: Record) -> tuple[str, str] | None:
    """Host and key, where they can be used; a damaged file may hold anything."""
    host, api_key = record["host"], record["api_key"]
    return (host, api_key) if host and api_key and why_bad_host(host) is None else None
