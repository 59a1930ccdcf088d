"""What sessions left on disk, read as plain files: without the code that wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def kept_events(state_dir: Path) -> list[dict[str, Any]]:
    """Every event in the outbox of every session, in the order of its session."""
    files = sorted(state_dir.glob("outbox/*/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def files_in(folder: Path) -> list[str]:
    """The name of every file below `folder`; none where there is no such folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
