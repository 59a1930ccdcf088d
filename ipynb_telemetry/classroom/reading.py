"""What can be read of a class's database, by any thread, while another writes to it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ipynb_telemetry.classroom.database import connect, kept_value
from ipynb_telemetry.classroom.protocol import StoredEvent

_PAGE_EVENTS = 2_000  # of one read, so that no reader keeps the file from being tidied
COLUMNS = (
    "id, uuid, event, distinct_id, timestamp, received, nb, sess, student, cohort, seq, properties"
)
# An id is given once, also where the highest was forgotten: who has seen events up to an id
# asks for those after it.
NEXT_ID = """
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
    figures: bytes
    """In whatever form its owner gives them; what an older version has written may be text."""


class Reader:
    """The events of one database, and what is kept beside them.

    Each read has a connection of its own, so any thread may ask.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

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
        limit: int | None = None,
    ) -> Iterator[tuple[int, StoredEvent]]:
        """The events that were stored, each with the id of its row, in that order.

        Args:
            after: Only those with a higher id.
            upto: Only those with this id or a lower one.
            notebook: Only those of this notebook.
            cohort: Only those of this class.
            student: Only those under this name, as they were sent; also of a sender whose
                events say no more of whom they are about than their id.
            sess: Only those of this session.
            since: Only those that happened then or later: ISO 8601, UTC, or its beginning.
            until: Only those that happened before: as `since`.
            limit: At most so many.
        """
        conditions = {
            "id <= ?": upto,
            "nb = ?": notebook,
            "cohort = ?": cohort,
            "? IN (student, distinct_id)": student,
            "sess = ?": sess,
            "timestamp >= ?": since,
            "timestamp < ?": until,
        }
        asked = {sql: value for sql, value in conditions.items() if value is not None}
        where = " AND ".join(["id > ?", *asked])
        query = f"SELECT {COLUMNS} FROM events WHERE {where} ORDER BY id LIMIT ?"  # noqa: S608  # our own words
        left = sys.maxsize if limit is None else limit
        with closing(connect(self.path)) as connection:
            while page := connection.execute(
                query, (after, *asked.values(), min(left, _PAGE_EVENTS))
            ).fetchall():
                for row in page:
                    yield row[0], StoredEvent(_uuid_text(row[1]), *row[2:])
                after = page[-1][0]
                left -= len(page)

    def has(self, uuid: str) -> bool:
        """Whether the event with this uuid is there."""
        key = bytes.fromhex(uuid.replace("-", ""))
        with closing(connect(self.path)) as connection:
            found = connection.execute("SELECT 1 FROM events WHERE uuid = ?", (key,))
            return found.fetchone() is not None

    def last_id(self) -> int:
        """The highest id that an event has or had; 0 where there was none."""
        with closing(connect(self.path)) as connection:
            next_id: int = connection.execute(NEXT_ID).fetchone()[0]
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
        since: str | None = None,
        until: str | None = None,
        limit: int = -1,
    ) -> Iterator[FigureRow]:
        """The figures that were kept, in the order of their rows; they are not held in memory.

        Args:
            notebook: Only those of this notebook.
            since: Only those heard of then or later: ISO 8601, UTC, or its beginning.
            until: Only those last heard of before: as `since`.
            limit: At most so many, those heard of last; a negative number: all.
        """
        conditions = {
            "nb = ?": notebook,
            "last >= ?": since,
            "last < ?": until,
        }
        asked = {sql: value for sql, value in conditions.items() if value is not None}
        where = " AND ".join(asked) or "1"
        wanted = f"SELECT rowid FROM figures WHERE {where} ORDER BY last DESC LIMIT ?"  # noqa: S608  # our own words
        # As they lie in the file: a disk is read in a third of the time that it takes from one
        # of thousands of places to the next.
        query = f"SELECT * FROM figures WHERE rowid IN ({wanted}) ORDER BY rowid"  # noqa: S608
        with closing(connect(self.path)) as connection:
            yield from map(FigureRow._make, connection.execute(query, (*asked.values(), limit)))

    def figures_as_kept(self, *, notebook: str | None = None) -> tuple[int, list[FigureRow]]:
        """All figures, and the highest id of an event that they contain, of one moment."""
        with closing(connect(self.path)) as connection:
            connection.execute("BEGIN")  # or they could be written anew between the two
            upto = int(kept_value(connection, "figures_upto") or 0)
            where, asked = ("1", ()) if notebook is None else ("nb = ?", (notebook,))
            rows = connection.execute(f"SELECT * FROM figures WHERE {where}", asked)  # noqa: S608  # our own words
            return upto, [FigureRow(*row) for row in rows]

    def figures_of(self, sessions: Iterable[str]) -> list[FigureRow]:
        """The figures that were kept of these sessions, in no order."""
        query = "SELECT * FROM figures WHERE sess IN (SELECT value FROM json_each(?))"
        asked = json.dumps([*sessions])
        with closing(connect(self.path)) as connection:
            return [FigureRow(*row) for row in connection.execute(query, (asked,))]

    def notebooks(self) -> list[tuple[str, str]]:
        """Each notebook that there are figures of, with when it was last heard of."""
        with closing(connect(self.path)) as connection:
            return connection.execute("SELECT nb, max(last) FROM figures GROUP BY nb").fetchall()

    def address(self) -> str:
        """Where the collector answers that runs on this database; empty where none does.

        One that was killed may still stand there.
        """
        with closing(connect(self.path)) as connection:
            return kept_value(connection, "address") or ""

    def forwarded_upto(self, host: str) -> int:
        """The highest id of an event that `host` has; 0 where it has none."""
        with closing(connect(self.path)) as connection:
            return int(kept_value(connection, f"forwarded_upto {host}") or 0)


def _uuid_text(value: bytes) -> str:
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
