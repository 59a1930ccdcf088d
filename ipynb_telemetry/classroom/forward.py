"""Everything on to PostHog, by the same delivery that a student's computer has.

Events wait in the store itself, which says 200 to a student only when they are on disk. What
is noted besides is how far PostHog has said yes; what was sent and not noted yet when the
collector was killed is sent again, and is the same event with the same uuid.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from ipynb_telemetry.backlog import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, Batch
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.refused import forward_folder
from ipynb_telemetry.classroom.store import Store
from ipynb_telemetry.delivery import Delivery, Report
from ipynb_telemetry.events import AS_IT_CAME, Record
from ipynb_telemetry.outbox import Outbox

log = logging.getLogger("ipynb_telemetry")

_STOP_WITHIN_S = 2.0


class Forward:
    """Passes on what the store has and PostHog has not.

    Args:
        store: Whose events they are, and under whose key they go.
        host: The PostHog's address.
    """

    def __init__(self, store: Store, host: str) -> None:
        folder = forward_folder(store.path)
        self._delivery = Delivery(folder, self._tell)
        self._last_outcome = ""
        self._delivery.serve(StoreOutbox(store, host, folder))

    def start(self) -> None:
        """Begin to send."""
        self._delivery.start()

    def wake(self) -> None:
        """There may be something to send."""
        self._delivery.wake()

    def close(self) -> None:
        """Send what can be sent quickly; the rest waits for the next start."""
        self._delivery.stop(deadline_s=_STOP_WITHIN_S)

    def _tell(self, report: Report) -> None:
        if report.outcome != self._last_outcome:
            self._last_outcome = report.outcome
            log.warning("forwarding: %s (%s)", report.outcome.lower(), report.reason)


class StoreOutbox(Outbox):
    """The store as an outbox: what has a higher id than PostHog has said yes to.

    Only the delivery's thread calls this. What PostHog refuses for its content is set aside
    as on a student's computer, in a file.
    """

    def __init__(self, store: Store, host: str, folder: Path) -> None:
        super().__init__(folder, "collector", appended=lambda: None)
        self._store = store
        self._host = host
        self._upto = store.forwarded_upto(host)

    @property
    def recorded(self) -> int:
        """How many events there are."""
        return self._store.last_id()

    @property
    def student(self) -> str:
        """Not asked for: each event has its own."""
        return "collector"

    @property
    def storage_problem(self) -> str:
        """None: the store says itself when it has one."""
        return ""

    def next_batch(self, max_events: int = MAX_BATCH_EVENTS, *, behind: int = 0) -> Batch | None:
        """The next events, or None when all were accepted; as `Backlog.next_batch`."""
        records: list[Record] = []
        size = last = 0
        for event_id, event in self._store.events(after=self._upto, limit=behind + max_events):
            counted = len(records) - behind
            size += len(event.properties) if counted >= 0 else 0
            if counted > 0 and size > MAX_BATCH_BYTES:
                break
            records.append(self._record(event))
            last = event_id
        return Batch((*records,), 0, last) if records else None

    def acknowledge(self, batch: Batch) -> None:
        """PostHog has said yes to `batch`."""
        self._upto = batch.end
        self._store.note_forwarded(self._host, batch.end).result()

    def settle(self) -> bool:
        """Nothing to do: all is on disk."""
        return False

    def remove(self) -> bool:
        """Whether nothing waits; what does stays in the store."""
        return self._store.last_id() <= self._upto

    def _record(self, event: StoredEvent) -> Record:
        return {
            "host": self._host,
            "api_key": self._store.api_key,
            "event": event.event,
            "uuid": event.uuid,
            "timestamp": event.timestamp,
            "student": event.distinct_id,
            "properties": json.loads(event.properties),
            AS_IT_CAME: True,
        }
