"""Makes one record of each thing that the session reports, and hands it to the outbox."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import Any

from traitlets import Bunch

from ipynb_telemetry import events
from ipynb_telemetry.boundary import never_into_the_cell
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.session import Happening, Session

SHOWN_EVENTS = 20
_OWN_LIMITS = {"code": events.MAX_CODE_CHARS, "err": events.MAX_ERROR_CHARS}
_OWN_EVENTS = {kind.event for kind in events.KINDS}


class Capture:
    """Observes a session: what happens becomes an event, a name names what waited.

    Args:
        session: What is observed, until `close`.
        outbox: Where events go.
    """

    def __init__(self, session: Session, outbox: Outbox) -> None:
        self._session, self._outbox = session, outbox
        self._version = events.version()
        self._latest: deque[bytes] = deque(maxlen=SHOWN_EVENTS)
        self._lock = threading.RLock()
        self.configure(host=None, api_key=None, send_code=True)
        session.observe(self._on_happening, names="latest")
        session.observe(self._on_student, names="student")

    def configure(self, *, host: str | None, api_key: str | None, send_code: bool) -> None:
        """What holds for the events from now on.

        Args:
            host: Where they are to be delivered; None: nowhere yet, they wait.
            api_key: The project's key at `host`.
            send_code: Whether `cell` events carry the code preview.
        """
        self._host, self._api_key, self._send_code = host, api_key, send_code
        session = self._session
        self._base = {"nb": session.notebook_id, "sess": session.sess, "v": self._version}
        if session.cohort:
            self._base["cohort"] = session.cohort
        self._student = session.student or None

    def close(self) -> None:
        self._session.unobserve(self._on_happening, names="latest")
        self._session.unobserve(self._on_student, names="student")

    def latest_messages(self) -> list[dict[str, Any]]:
        """The last events exactly as they are sent, newest first."""
        student = self._outbox.student or events.UNNAMED
        return [events.message(json.loads(line), student) for line in reversed(tuple(self._latest))]

    @never_into_the_cell
    def _on_happening(self, change: Bunch) -> None:
        happening: Happening = change.new
        properties = dict(happening.properties)
        properties.pop("cohort", None)  # the notebook's alone, also where it names none
        if happening.event in _OWN_EVENTS:
            self._limit(properties)
        # What stands on each event comes last: nobody's props can overwrite it.
        properties.update(self._base, student=self._student)
        record = events.new_record(
            happening.event[: events.MAX_NAME_CHARS],
            properties,
            host=self._host,
            api_key=self._api_key,
            student=self._student,
        )
        self._latest.append(self._outbox.append(record))
        with self._lock:  # or a thread that looked earlier could set it later, to less
            self._session.recorded = self._outbox.recorded

    @never_into_the_cell
    def _on_student(self, change: Bunch) -> None:
        self._student = change.new
        # What waited keeps its first name, a corrected one has a `rename` event: an event
        # that is sent twice is the same event both times.
        if not self._outbox.student:
            self._outbox.give_name(change.new)

    def _limit(self, own: dict[str, Any]) -> None:
        """Cut an event of our own to what the schema says."""
        if not self._send_code:
            own.pop("code", None)
        for name, limit in _OWN_LIMITS.items():
            if isinstance(own.get(name), str):
                own[name] = own[name][:limit]
