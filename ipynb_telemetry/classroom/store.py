"""Where a class's events are: one SQLite file, and one thread that writes to it.

All SQL of the package is here, in `reading.py`, `database.py` and `migrations.py`. Events that come
in while a commit is under way are written together by the next one, so that a class of
thousands shares what one commit costs.
"""

from __future__ import annotations

import itertools
import logging
import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ipynb_telemetry.classroom.database import (
    StoreError,
    connect,
    in_transaction,
    keep,
    kept,
    open_database,
)
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.reading import COLUMNS, NEXT_ID, FigureRow, Reader

__all__ = ["MADE_UP", "FigureRow", "Store", "StoreError"]

MADE_UP = "phc_class_"
"""How a key begins that no PostHog has given."""

log = logging.getLogger("ipynb_telemetry")

Applied: TypeAlias = Callable[[Sequence[tuple[int, StoredEvent]]], None]

_MAX_GROUP_EVENTS = 10_000  # of one commit, so that none waits long for its answer
# Many rows in one statement are written without a return to Python after each: in half as
# much time again as executemany has, and other threads run meanwhile.
_ROWS_AT_ONCE = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
_ROW = "(?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT = {
    rows: f"INSERT OR IGNORE INTO events ({COLUMNS}) VALUES {','.join([_ROW] * rows)}"  # noqa: S608  # our own words
    for rows in _ROWS_AT_ONCE
}


_Other: TypeAlias = Callable[[sqlite3.Connection], int]


class _Write(NamedTuple):
    """One thing for the writer to do: events, or something else; and who waits for it."""

    events: Sequence[StoredEvent]
    other: _Other | None
    done: Future[int]


class Store(Reader):
    """The events of one database, and what is kept beside them.

    Args:
        path: The database; made when it is not there.
        api_key: Sets the key that senders must have, from now on.
        applied: Called by the writer's thread after each commit with those of its events
            that were new, each with the id of its row, in the order of their ids.
        create: False to refuse a database that is not there.

    Attributes:
        api_key: What senders must have. Made once for a database.
        token: What readers must have. Made once for a database.

    Raises:
        StoreError: The database is not there, not ours, or of a newer version.
    """

    def __init__(
        self,
        path: Path,
        *,
        api_key: str | None = None,
        applied: Applied | None = None,
        create: bool = True,
    ) -> None:
        super().__init__(path)
        self._applied = applied
        self._connection = open_database(path, create=create)  # the writer's alone once it runs
        self.api_key = kept(self._connection, "api_key", MADE_UP + secrets.token_hex(16))
        self.token = kept(self._connection, "token", secrets.token_hex(24))
        if api_key is not None:
            keep(self._connection, "api_key", api_key)
            self.api_key = api_key
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()  # for `_closed`: nothing comes after the end
        self._writer = threading.Thread(target=self._write_all, name="store-writer", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Write what has been submitted, then let go of the file."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._writes.put(None)
        self._writer.join()

    # Writing

    def submit(self, events: Sequence[StoredEvent]) -> Future[int]:
        """Have events written; one whose uuid is there already changes nothing.

        Returns:
            Done when they are on disk, all of them or none: the number that was new.
            Fails with a `sqlite3.Error` where the disk is full or broken.
        """
        return self._ask(_Write(events, None, Future()))

    def write_figures(self, rows: Sequence[FigureRow], upto: int) -> Future[int]:
        """Keep the figures of sessions; `upto` is the highest id of an event they contain."""

        def write(connection: sqlite3.Connection) -> int:
            connection.executemany("INSERT OR REPLACE INTO figures VALUES (?,?,?,?,?,?)", rows)
            keep(connection, "figures_upto", str(upto))
            return len(rows)

        return self._ask(_Write((), write, Future()))

    def note_forwarded(self, host: str, upto: int) -> Future[int]:
        """`host` has all events up to this id."""

        def note(connection: sqlite3.Connection) -> int:
            keep(connection, f"forwarded_upto {host}", str(upto))
            return upto

        return self._ask(_Write((), note, Future()))

    def note_address(self, address: str) -> None:
        """The collector that runs on this database answers there; empty: none does."""

        def note(connection: sqlite3.Connection) -> int:
            keep(connection, "address", address)
            return 1

        self._ask(_Write((), note, Future())).result()

    def forget(self, student: str) -> int:
        """Delete everything about one student, for good.

        A session is one student's, so each session goes in which the name stands: also what
        came before a typo was corrected.

        Returns:
            How many events there were.
        """

        def delete(connection: sqlite3.Connection) -> int:
            return _delete_student(connection, student)

        forgotten = self._ask(_Write((), delete, Future())).result()
        with closing(connect(self.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # it stands there as well
        return forgotten

    # The writer's thread

    def _ask(self, write: _Write) -> Future[int]:
        with self._lock:
            if not self._closed:
                self._writes.put(write)
                return write.done
        write.done.set_exception(StoreError(f"{self.path} was closed"))
        return write.done

    def _write_all(self) -> None:
        with closing(self._connection):
            while not self._write_next_group():
                pass  # what was written does not stay in memory until something else comes

    def _write_next_group(self) -> bool:
        """Write what waits; whether it was the last."""
        group, ends = self._next_group()
        for other, writes in itertools.groupby(group, key=lambda write: write.other):
            if other is None:
                self._write_events([*writes])
            else:
                for write in writes:
                    self._write_other(other, write.done)
        return ends

    def _next_group(self) -> tuple[list[_Write], bool]:
        """What waits, at least one thing; and whether it is the last."""
        group: list[_Write] = []
        events = 0
        write = self._writes.get()
        while write is not None:
            if write.done.set_running_or_notify_cancel():
                group.append(write)
                events += len(write.events)
            if events >= _MAX_GROUP_EVENTS:
                return group, False
            try:
                write = self._writes.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _write_events(self, writes: Sequence[_Write]) -> None:
        events = [event for write in writes for event in write.events]
        try:
            first, new = in_transaction(self._connection, lambda it: _insert(it, events))
        except Exception as failure:  # noqa: BLE001  # whoever waits for it is told
            if len(writes) == 1:
                writes[0].done.set_exception(failure)
            else:  # one that cannot be written must not take the others with it
                for write in writes:
                    self._write_events([write])
            return
        _tell(writes, first, new)
        if self._applied is not None and new:
            try:
                self._applied([(number, events[number - first]) for number in new])
            except Exception:
                log.exception("the views did not follow; the events are stored")

    def _write_other(self, other: _Other, done: Future[int]) -> None:
        try:
            number = in_transaction(self._connection, other)
        except Exception as failure:  # noqa: BLE001  # whoever waits for it is told
            done.set_exception(failure)
        else:
            done.set_result(number)


def _tell(writes: Sequence[_Write], first: int, new: Sequence[int]) -> None:
    """Say to each who waits how many of its events were new: all, as a rule."""
    for write in writes:
        ids = range(first, first + len(write.events))
        first = ids.stop
        is_all = isinstance(new, range)
        write.done.set_result(len(ids) if is_all else sum(number in ids for number in new))


def _insert(
    connection: sqlite3.Connection, events: Sequence[StoredEvent]
) -> tuple[int, Sequence[int]]:
    """The id meant for the first event, and the ids of those that were new."""
    first: int = connection.execute(NEXT_ID).fetchone()[0]
    before = connection.total_changes
    place = 0
    for rows in _ROWS_AT_ONCE:
        while len(events) - place >= rows:
            part = events[place : place + rows]
            values: list[object] = []
            keyed = zip(_uuid_bytes(part), part, strict=True)
            for number, (key, event) in enumerate(keyed, first + place):
                values += (number, key)
                values.extend(event[1:])
            connection.execute(_INSERT[rows], values)
            place += rows
    if connection.total_changes - before == len(events):
        return first, range(first, first + len(events))
    found = connection.execute("SELECT id FROM events WHERE id >= ? ORDER BY id", (first,))
    return first, [number for (number,) in found]


def _delete_student(connection: sqlite3.Connection, student: str) -> int:
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    keep(connection, "last_id", str(connection.execute(NEXT_ID).fetchone()[0] - 1))
    theirs = "student = :student OR distinct_id = :student"
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS theirs (sess TEXT PRIMARY KEY)")
    connection.execute("DELETE FROM theirs")
    connection.execute(
        f"""
        INSERT INTO theirs SELECT sess FROM events WHERE sess != '' AND ({theirs})
        UNION SELECT sess FROM figures WHERE student = :student
        """,  # noqa: S608  # our own words
        {"student": student},
    )
    deleted = connection.execute(
        f"DELETE FROM events WHERE {theirs} OR sess IN (SELECT sess FROM theirs)",  # noqa: S608
        {"student": student},
    )
    connection.execute("DELETE FROM figures WHERE sess IN (SELECT sess FROM theirs)")
    return deleted.rowcount


def _uuid_bytes(events: Sequence[StoredEvent]) -> Iterator[bytes]:
    """The uuid of each; decoded all at once, in a third of the time."""
    joined = bytes.fromhex("".join([event.uuid for event in events]).replace("-", ""))
    return (joined[start : start + 16] for start in range(0, len(joined), 16))
