"""What PostHog has refused of what a class passes on to it: a copy of each, in a file."""

from __future__ import annotations

import os
from pathlib import Path

from ipynb_telemetry.classroom.store import Store, StoreError
from ipynb_telemetry.events import decode
from ipynb_telemetry.segments import write_private


def forward_folder(database: Path) -> Path:
    """Where the delivery of a class's events keeps its files."""
    return database.with_name(f"{database.name}.forward")


def drop_forgotten(store: Store) -> None:
    """Keep only what the store still has.

    Raises:
        StoreError: A file cannot be read or written, and may have the rest.
    """
    for path in (forward_folder(store.path) / "set-aside").glob("*.jsonl"):
        try:
            _drop_forgotten_from(path, store)
        except OSError as failure:
            msg = f"{path} may still have events that PostHog refused: {failure}. Delete the file."
            raise StoreError(msg) from failure


def _drop_forgotten_from(path: Path, store: Store) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if (it := decode(line)) and store.has(it["uuid"])]
    if len(kept) < len(lines):
        neighbour = path.with_name(f".{path.name}")
        write_private(neighbour, b"".join(kept), os.O_TRUNC)
        neighbour.replace(path)
