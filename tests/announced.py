"""What a session announces, for tests that need no outbox."""

from __future__ import annotations

from typing import Any

from ipynb_telemetry.session import Session


class Announced:
    """What a session has announced since it was made."""

    def __init__(self, session: Session) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        session.observe(self._note, names="latest")

    def _note(self, change: Any) -> None:
        self.events.append((change.new.event, dict(change.new.properties)))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def last(self) -> dict[str, Any]:
        return self.events[-1][1]
