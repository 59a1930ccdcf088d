"""The SQLite file of a class: how it is opened, and what it keeps about itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from ipynb_telemetry.classroom.migrations import MIGRATIONS, migrate, schema_version

_BUSY_TIMEOUT_S = 30
_CHECKPOINT_PAGES = 4_000  # 16 MB: a few seconds of a class of thousands


class StoreError(Exception):
    """A database that cannot be used; the message says what to do."""


class InUseError(StoreError):
    """A collector runs on it."""


def claimed(path: Path) -> FileLock:
    """The right to run a collector on a database: until it is released, or the process ends.

    Two at once would each know half of the class, and keep figures of that half.

    Raises:
        InUseError: One runs.
        StoreError: The folder cannot be written.
    """
    lock = FileLock(f"{path}.lock", mode=0o600, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        msg = f"a collector runs on {path} already. Stop it, or choose another file with --db."
        raise InUseError(msg) from None
    except OSError as broken:
        raise _unusable(path, broken) from broken
    return lock


def open_database(path: Path, *, create: bool) -> sqlite3.Connection:
    """The database, brought to this version; it is not written to before it is known as ours."""
    if not create and not path.exists():
        msg = f"there is no database at {path}. `ipynb-telemetry serve` makes one."
        raise StoreError(msg)
    try:
        # Names and code are in it, and its own key.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        connection = connect(path)
        try:
            _refuse_what_is_not_ours(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            # 8 MiB, for uuids come in no order. More was not faster, with a million events in it
            # neither: the system has the file in memory, and a class fills any cache in minutes.
            connection.execute("PRAGMA cache_size = -8192")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, OSError) as broken:
        raise _unusable(path, broken) from broken
    return connection


def _unusable(path: Path, broken: Exception) -> StoreError:
    return StoreError(
        f"{path} cannot be used as a class's database: {broken}. Choose another with --db."
    )


def _refuse_what_is_not_ours(connection: sqlite3.Connection, path: Path) -> None:
    version = schema_version(connection)
    if version > len(MIGRATIONS):
        msg = (
            f"{path} was written by a newer ipynb-telemetry (its version is {version}, this one "
            f"knows {len(MIGRATIONS)}). Update with: "
            'python -m pip install --upgrade "ipynb-telemetry[teacher]"'
        )
        raise StoreError(msg)
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        msg = f"{path} is another program's database. Choose another file with --db."
        raise StoreError(msg)


def connect(path: Path) -> sqlite3.Connection:
    """A connection with SQLite's own small cache.

    Whoever reads does so once: to keep what was read took twice as long, most of it for memory.
    """
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        # What a commit has written is on the disk, not only with the system: an answer of 200
        # holds after a power cut too. NORMAL would only hold after a kill.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    except BaseException:  # it is no database
        connection.close()
        raise
    return connection


def kept(connection: sqlite3.Connection, name: str, new: str) -> str:
    """What the database keeps under `name`; `new` from now on where it has nothing yet."""
    connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, new))
    return kept_value(connection, name) or new


def keep(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def kept_value(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


_Result = TypeVar("_Result")


def in_transaction(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _Result]
) -> _Result:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise
    return result
