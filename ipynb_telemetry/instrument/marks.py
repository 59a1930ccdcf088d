"""How a line and a cell that were added are known again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ipynb_telemetry.marker import TEST_MARKER, get_test_marker
from ipynb_telemetry.notebook_cells import get_cell_tracking_line, quoted

MARK = "# ipynb-telemetry"
SETUP_METADATA = {"ipynb_telemetry": {"added": True}}
# A formatter may have put the call on lines of its own; only the last has the mark then.
_CALL = r"[ \t]*(?:_cell|@tracked_test)\((?:.*|(?:\r?\n[ \t].*)+\r?\n[ \t]*)\)"
ADDED_LINE = re.compile(rf"^(?:{_CALL}[ \t]+{MARK}|[ \t]*{TEST_MARKER}.*?)[ \t\r]*$", re.MULTILINE)
"""All that was added to a cell's text, without the newline after it."""


def cell_line(cell_id: str, source: str) -> str:
    """The line that tracks a cell, marked as added."""
    return f"{get_cell_tracking_line(cell_id, source)}  {MARK}"


def decorator_line(exercise: str) -> str:
    """The line above a test function, marked as added."""
    return f"@tracked_test({quoted(exercise)})  {MARK}"


def test_line(exercise: str) -> str:
    """The comment that makes a cell a test; it is its own mark."""
    return get_test_marker(exercise)


def is_added_cell(metadata: Mapping[str, Any]) -> bool:
    """Whether this is the setup cell that was added."""
    own = metadata.get("ipynb_telemetry")
    return isinstance(own, dict) and own.get("added") is True
