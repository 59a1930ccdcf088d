"""Outboxes as a session has them, and what can happen to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ipynb_telemetry.backlog import Backlog
from ipynb_telemetry.events import Record
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.ownership import Owner, folder_name

SESS = "abcdef01"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def deliver_all(content: Outbox | Backlog, *, max_events: int = 250) -> list[Record]:
    """What a server gets that says yes to everything, in order."""
    delivered: list[Record] = []
    while (batch := content.next_batch(max_events)) is not None:
        delivered += batch.records
        content.acknowledge(batch)
    return delivered


def numbers(records: Sequence[Record]) -> list[int]:
    return [record["properties"]["seq"] for record in records]


def uuids(records: Sequence[Record]) -> list[str]:
    return [record["uuid"] for record in records]


def folder_of(state_dir: Path, sess: str = SESS) -> Path:
    """The folder of a session, whoever has it."""
    (folder,) = (state_dir / "outbox").glob(f"{sess}.*")
    return folder


def only_file(state_dir: Path, sess: str = SESS) -> Path:
    """The session's one file of events."""
    (file,) = folder_of(state_dir, sess).glob("*.jsonl")
    return file


def die(state_dir: Path, sess: str = SESS, *, machine: str = "") -> Path:
    """Leave the session's folder to be adopted: its owner is a process that is no more.

    Args:
        state_dir: Where the folder is.
        sess: The session.
        machine: The computer that it was on; empty: this one.
    """
    me = Owner.this_process()
    owner = replace(me, started="1", machine=machine or me.machine)
    folder = folder_of(state_dir, sess)
    return folder.rename(folder.with_name(folder_name(sess, owner)))


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def overwrite(path: Path, offset: int, content: bytes) -> None:
    """Write over what is at `offset`, as a broken disk does."""
    descriptor = os.open(path, os.O_WRONLY)
    os.pwrite(descriptor, content, offset)
    os.close(descriptor)
