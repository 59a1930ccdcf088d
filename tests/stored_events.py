"""Events as the store keeps them."""

from __future__ import annotations

import json
import uuid
from typing import Any

from ipynb_telemetry.classroom.protocol import StoredEvent


def a_stored_event(**changes: Any) -> StoredEvent:
    """An event of a class, with a uuid of its own."""
    event = StoredEvent(
        uuid=str(uuid.uuid4()),
        event="cell",
        distinct_id="SARA",
        timestamp="2026-11-24T09:00:00+00:00",
        received="2026-11-24T09:00:01+00:00",
        nb="D3",
        sess="abcdef01",
        student="SARA",
        cohort="",
        seq=0,
        properties=json.dumps({"nb": "D3", "sess": "abcdef01", "seq": 0, "student": "SARA"}),
    )
    return event._replace(**changes)
