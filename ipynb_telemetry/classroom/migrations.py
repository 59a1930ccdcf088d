"""The store's schema: one numbered function for each version, never edited after a release."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable


def _migrate_1(connection: sqlite3.Connection) -> None:
    """Events as they came, what a database keeps about itself, and a cache of figures."""
    connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    connection.execute(
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY,
            uuid BLOB NOT NULL UNIQUE,
            event TEXT NOT NULL,
            distinct_id TEXT NOT NULL,
            timestamp TEXT NOT NULL,
            received TEXT NOT NULL,
            nb TEXT NOT NULL,
            sess TEXT NOT NULL,
            student TEXT NOT NULL,
            cohort TEXT NOT NULL,
            seq INTEGER,
            properties TEXT NOT NULL
        )
        """
    )
    connection.execute("CREATE INDEX events_by_session ON events (sess)")
    connection.execute(
        """
        CREATE TABLE figures (
            sess TEXT PRIMARY KEY,
            nb TEXT NOT NULL,
            student TEXT NOT NULL,
            cohort TEXT NOT NULL,
            last TEXT NOT NULL,
            figures TEXT NOT NULL
        )
        """
    )
    connection.execute("CREATE INDEX figures_by_notebook ON figures (nb, last)")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_migrate_1,)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the newest version, each step whole or not at all.

    Args:
        connection: In autocommit mode; its database is no newer than `MIGRATIONS`.
    """
    # Asked again inside the transaction: two processes may open a new database at once.
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(schema_version(connection), len(MIGRATIONS)):
            MIGRATIONS[version](connection)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def schema_version(connection: sqlite3.Connection) -> int:
    """0 for an empty database."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
