"""Events as the store has them, for tests of what the views make of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from msgspec.structs import asdict

from ipynb_telemetry.classroom.figures import SessionFigures, epoch_ms
from ipynb_telemetry.classroom.protocol import StoredEvent

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
BEGAN_MS = epoch_ms(BEGAN.isoformat())
MINUTE_MS = 60_000


class Lesson:
    """One session's events, each a minute after the one before unless `wait` says otherwise.

    Args:
        student: Who works in it.
        sess: The session's id.
        at_minutes: When it begins, after 9:00 on 2 March 2026.
    """

    def __init__(
        self,
        student: str = "SARA",
        sess: str = "aaaaaaaa",
        *,
        at_minutes: float = 0,
        nb: str = "D3_Datetimes",
        cohort: str = "",
    ) -> None:
        self.student, self.sess, self.nb, self.cohort = student, sess, nb, cohort
        self.events: list[StoredEvent] = []
        self._now = BEGAN + timedelta(minutes=at_minutes)

    def wait(self, minutes: float) -> Lesson:
        self._now += timedelta(minutes=minutes)
        return self

    def event(self, event: str, **own: Any) -> Lesson:
        seq = len(self.events)
        self.events.append(
            StoredEvent(
                uuid=str(uuid4()),
                event=event,
                distinct_id=self.student,
                timestamp=self._now.isoformat(),
                received=self._now.isoformat(),
                nb=self.nb,
                sess=self.sess,
                student=self.student,
                cohort=self.cohort,
                seq=seq,
                properties=json.dumps({**own, "seq": seq}),
            )
        )
        return self.wait(1)

    def cell(self, cell_id: str) -> Lesson:
        return self.event("cell", cell_id=cell_id, cell_num=len(self.events), code="# code")

    def end(self, cell_id: str, err: str | None = None) -> Lesson:
        return self.event("cell_end", cell_id=cell_id, ok=err is None, ms=1, err=err)

    def passed(self, exercise: str, attempt: int = 1) -> Lesson:
        own = {"ex": exercise, "ok": True, "try": attempt, "ms": 1, "err": None}
        return self.event("test", **own, skipped=False)

    def failed(self, exercise: str, attempt: int = 1, err: str = "AssertionError: no") -> Lesson:
        own = {"ex": exercise, "ok": False, "try": attempt, "ms": 1, "err": err}
        return self.event("test", **own, skipped=False)

    def hand(self, *, up: bool) -> Lesson:
        return self.event("hand", up=up)

    def rename(self, student: str) -> Lesson:
        previous, self.student = self.student, student
        return self.event("rename", prev=previous)

    @property
    def figures(self) -> SessionFigures:
        return figures_of(self.events)


def figures_of(events: Iterable[StoredEvent]) -> SessionFigures:
    """Those of one session, its events taken in as they come."""
    figures: SessionFigures | None = None
    for event in events:
        figures = figures or SessionFigures(event.sess)
        figures.apply(event)
    assert figures is not None
    return figures


def comparable(figures: SessionFigures) -> dict[str, Any]:
    """All that is known of a session, whichever of it is still encoded."""
    lazy = {
        "exercises_kept": figures.exercises,
        "cells_kept": figures.cells,
        "ways_kept": figures.ways,
    }
    return {**asdict(figures), **lazy}
