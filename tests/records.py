"""Events as the capture layer makes them, for tests of where they wait and how they look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ipynb_telemetry.events import Record, new_record

HOST, API_KEY = "http://127.0.0.1:1", "phc_test"


def a_record(
    properties: Mapping[Any, Any] | None = None,
    *,
    event: str = "hint",
    student: str | None = None,
    host: str | None = HOST,
    api_key: str | None = API_KEY,
) -> Record:
    """An event of session `abcdef01`, with `properties` of its own."""
    base = {"nb": "D3_Datetimes", "sess": "abcdef01", "v": "0.1.0", "student": student}
    return new_record(
        event, {**(properties or {}), **base}, host=host, api_key=api_key, student=student
    )


def strict_json(text: bytes | str) -> Any:
    """`text` as a reader sees it that takes the standard at its word.

    Raises:
        ValueError: It is no JSON, or not UTF-8, or has a number that no number is.
    """

    def refuse(constant: str) -> None:
        msg = f"{constant} is not JSON"
        raise ValueError(msg)

    text = text.decode() if isinstance(text, bytes) else text
    return json.loads(text, parse_constant=refuse)
