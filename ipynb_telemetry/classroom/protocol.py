"""PostHog's capture protocol: requests in, events or a refusal out. Knows no server, no disk."""

from __future__ import annotations

from typing import NamedTuple


class StoredEvent(NamedTuple):
    """A valid event as it is stored."""

    uuid: str
    """Lower case, with its hyphens."""
    event: str
    distinct_id: str
    timestamp: str
    """When it happened: ISO 8601, UTC."""
    received: str
    """When the collector got it: ISO 8601, UTC."""
    nb: str
    sess: str
    student: str
    cohort: str
    """These four are empty where the event says nothing of them."""
    seq: int | None
    properties: str
    """All its properties: one JSON object as text."""
