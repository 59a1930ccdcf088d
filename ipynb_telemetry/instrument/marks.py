"""How a line and a cell that were added are known again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ipynb_telemetry.marker import MARK, TEST_MARKER, get_added_test_marker
from ipynb_telemetry.notebook_cells import get_cell_tracking_line, quoted
from ipynb_telemetry.source_strings import without_strings

SETUP_METADATA = {"ipynb_telemetry": {"added": True}}
# A formatter may have put the call on lines of its own; only the last has the mark then.
_CALL = r"[ \t]*(?:_cell|@tracked_test)\((?:.*|(?:\r?\n[ \t].*)+\r?\n[ \t]*)\)"
_TEST = rf"[ \t]*{TEST_MARKER}.*(?<=[ ][ ]){MARK}"
_ADDED_LINE = re.compile(rf"^(?:{_CALL}[ \t]+{MARK}|{_TEST})[ \t\r]*(?:\n|\Z)", re.MULTILINE)


def cell_line(cell_id: str, source: str) -> str:
    """The line that tracks a cell, marked as added."""
    return f"{get_cell_tracking_line(cell_id, source)}  {MARK}"


def decorator_line(exercise: str) -> str:
    """The line above a test function, marked as added."""
    return f"@tracked_test({quoted(exercise)})  {MARK}"


def test_line(exercise: str) -> str:
    """The comment that makes a cell a test, marked as added."""
    return get_added_test_marker(exercise)


def added_spans(text: str) -> list[tuple[int, int]]:
    """From where to where a cell's text was added, each with the newline after it."""
    if MARK not in text:
        return []
    return [found.span() for found in _ADDED_LINE.finditer(without_strings(text))]


def without_added_lines(text: str) -> str:
    """A cell's text as it was before anything was added."""
    kept, at = "", 0
    for start, end in added_spans(text):
        kept, at = kept + text[at:start], end
    return kept + text[at:]


def is_added_cell(metadata: Mapping[str, Any]) -> bool:
    """Whether this is the setup cell that was added."""
    own = metadata.get("ipynb_telemetry")
    return isinstance(own, dict) and own.get("added") is True
