"""Where a class's events are: one SQLite file, and one thread that writes to it.

All SQL of the package is here, in `database.py` and in `migrations.py`. Events that come
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
    kept_value,
    open_database,
)
from ipynb_telemetry.classroom.protocol import StoredEvent

__all__ = ["MADE_UP", "FigureRow", "Store", "StoreError"]

MADE_UP = "phc_class_"
"""How a key begins that no PostHog has given."""

log = logging.getLogger("ipynb_telemetry")

Applied: TypeAlias = Callable[[Sequence[tuple[int, StoredEvent]]], None]

_MAX_GROUP_EVENTS = 10_000  # of one commit, so that none waits long for its answer
_PAGE_EVENTS = 2_000  # of one read, so that no reader keeps the file from being tidied
# Many rows in one statement are written without a return to Python after each: in half as
# much time again as executemany has, and other threads run meanwhile.
_ROWS_AT_ONCE = (512, 64, 8, 1)
_COLUMNS = (
    "id, uuid, event, distinct_id, timestamp, received, nb, sess, student, cohort, seq, properties"
)
_ROW = "(?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT = {
    rows: f"INSERT OR IGNORE INTO events ({_COLUMNS}) VALUES {','.join([_ROW] * rows)}"  # noqa: S608  # our own words
    for rows in _ROWS_AT_ONCE
}
# An id is given once, also where the highest was forgotten: who has seen events up to an id
# asks for those after it.
_NEXT_ID = """
    SELECT 1 + max(
        coalesce((SELECT max(id) FROM events), 0),
        coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'last_id'), 0)
    )
"""


class FigureRow(NamedTuple):
    """What is known of one session, as it is kept between two runs of the collector."""

    sess: str
    nb: str
    student: str
    cohort: str
    last: str
    """When it was last heard of: ISO 8601, UTC."""
    figures: str
    """JSON, in whatever form its owner gives it."""


_Other: TypeAlias = Callable[[sqlite3.Connection], int]


class _Write(NamedTuple):
    """One thing for the writer to do: events, or something else; and who waits for it."""

    events: Sequence[StoredEvent]
    other: _Other | None
    done: Future[int]


class Store:
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
        self.path = path
        self._applied = applied
        self._connection = open_database(path, create=create)  # the writer's alone once it runs
        self.api_key = kept(self._connection, "api_key", MADE_UP + secrets.token_hex(16))
        self.token = kept(self._connection, "token", secrets.token_urlsafe(24))
        if api_key is not None:
            keep(self._connection, "api_key", api_key)
            self.api_key = api_key
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="store-writer", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Write what has been submitted, then let go of the file."""
        if self._writer.is_alive():
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

    # Reading: each read has a connection of its own, so any thread may ask

    def events(
        self,
        *,
        after: int = 0,
        upto: int | None = None,
        notebook: str | None = None,
        cohort: str | None = None,
        student: str | None = None,
        sess: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Iterator[tuple[int, StoredEvent]]:
        """The events that were stored, each with the id of its row, in that order.

        Args:
            after: Only those with a higher id.
            upto: Only those with this id or a lower one.
            notebook: Only those of this notebook.
            cohort: Only those of this class.
            student: Only those under this name, as they were sent.
            sess: Only those of this session.
            since: Only those that happened then or later: ISO 8601, UTC, or its beginning.
            until: Only those that happened before: as `since`.
        """
        conditions = {
            "id <= ?": upto,
            "nb = ?": notebook,
            "cohort = ?": cohort,
            "student = ?": student,
            "sess = ?": sess,
            "timestamp >= ?": since,
            "timestamp < ?": until,
        }
        asked = {sql: value for sql, value in conditions.items() if value is not None}
        where = " AND ".join(["id > ?", *asked])
        query = f"SELECT {_COLUMNS} FROM events WHERE {where} ORDER BY id LIMIT ?"  # noqa: S608  # our own words
        with closing(connect(self.path)) as connection:
            while page := connection.execute(
                query, (after, *asked.values(), _PAGE_EVENTS)
            ).fetchall():
                for row in page:
                    yield row[0], StoredEvent(_uuid_text(row[1]), *row[2:])
                after = page[-1][0]

    def last_id(self) -> int:
        """The highest id that an event has or had; 0 where there was none."""
        with closing(connect(self.path)) as connection:
            next_id: int = connection.execute(_NEXT_ID).fetchone()[0]
        return next_id - 1

    def count(self) -> int:
        """How many events there are."""
        with closing(connect(self.path)) as connection:
            number: int = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        return number

    def figures_upto(self) -> int:
        """The highest id of an event that the kept figures contain; 0 where there are none."""
        with closing(connect(self.path)) as connection:
            return int(kept_value(connection, "figures_upto") or 0)

    def read_figures(
        self,
        *,
        notebook: str | None = None,
        sess: str | None = None,
        since: str | None = None,
        limit: int = -1,
    ) -> list[FigureRow]:
        """The figures that were kept, those heard of last first.

        Args:
            notebook: Only those of this notebook.
            sess: Only those of this session.
            since: Only those heard of then or later: ISO 8601, UTC, or its beginning.
            limit: At most so many; a negative number: all.
        """
        conditions = {"nb = ?": notebook, "sess = ?": sess, "last >= ?": since}
        asked = {sql: value for sql, value in conditions.items() if value is not None}
        where = " AND ".join(asked) or "1"
        query = f"SELECT * FROM figures WHERE {where} ORDER BY last DESC LIMIT ?"  # noqa: S608  # our own words
        with closing(connect(self.path)) as connection:
            return [FigureRow(*row) for row in connection.execute(query, (*asked.values(), limit))]

    def notebooks(self) -> list[tuple[str, str]]:
        """Each notebook that there are figures of, with when it was last heard of."""
        with closing(connect(self.path)) as connection:
            return connection.execute("SELECT nb, max(last) FROM figures GROUP BY nb").fetchall()

    # The writer's thread

    def _ask(self, write: _Write) -> Future[int]:
        self._writes.put(write)
        return write.done

    def _write_all(self) -> None:
        with closing(self._connection):
            ends = False
            while not ends:
                group, ends = self._next_group()
                for other, writes in itertools.groupby(group, key=lambda write: write.other):
                    if other is None:
                        self._write_events([*writes])
                    else:
                        for write in writes:
                            self._write_other(other, write.done)

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
    first: int = connection.execute(_NEXT_ID).fetchone()[0]
    before = connection.total_changes
    place = 0
    for rows in _ROWS_AT_ONCE:
        while len(events) - place >= rows:
            values: list[object] = []
            for number, event in enumerate(events[place : place + rows], first + place):
                values += (number, _uuid_bytes(event.uuid), *event[1:])
            connection.execute(_INSERT[rows], values)
            place += rows
    if connection.total_changes - before == len(events):
        return first, range(first, first + len(events))
    found = connection.execute("SELECT id FROM events WHERE id >= ? ORDER BY id", (first,))
    return first, [number for (number,) in found]


def _delete_student(connection: sqlite3.Connection, student: str) -> int:
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    keep(connection, "last_id", str(connection.execute(_NEXT_ID).fetchone()[0] - 1))
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


def _uuid_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _uuid_text(value: bytes) -> str:
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
