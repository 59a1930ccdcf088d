"""The reading side of a session's folder: what waits there, in order, and what is done.

A folder holds numbered segments of JSON lines, the student's name once there is one, and
how far the server has said yes. Whoever owns the folder (`ownership.py`) may read it:
the session itself, or the session that adopted it after its owner died.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ipynb_telemetry import ownership
from ipynb_telemetry.boundary import log
from ipynb_telemetry.events import BEGINNING, Record, decode, encode, has_a_time
from ipynb_telemetry.segments import Segment, make_private, segments_in, write_private

MAX_BATCH_EVENTS = 100  # as many as the SDK sends at once by default; 250 took a megabyte more
MAX_BATCH_BYTES = 2 * 1024 * 1024  # PostHog takes 20 MiB; a slow line has to send it in seconds
_STUDENT_FILE = "student"
_ACKNOWLEDGED_FILE = "acknowledged"


class Line(NamedTuple):
    """An event as it waits, which may be damaged."""

    text: bytes
    segment: int
    """The number of the segment that it is in; 0: it is in memory alone."""
    end: int
    """The byte after it; in memory: the `seq` after its own."""


class Batch(NamedTuple):
    """Events of one destination, in order, and where in the folder they end."""

    records: tuple[Record, ...]
    segment: int
    """The number of the segment in which they end; 0: they are in memory alone."""
    end: int
    """The byte after the last of them; in memory: the `seq` after the last of them."""


class Backlog:
    """What a session left in its folder. Only the delivery thread calls this."""

    destination: tuple[str, str] | None = None
    """A dead session's events go where they were captured for, or nowhere."""

    def __init__(self, folder: Path, set_aside_folder: Path) -> None:
        self.folder = folder
        self.sess = folder.name.partition(".")[0]
        self.segments = segments_in(folder)
        self.student: str | None = _read_name(folder / _STUDENT_FILE)
        self.storage_problem = ""
        """Why something that was set aside is in memory alone; empty when nothing is."""
        self._set_aside_path = set_aside_folder / f"{self.sess}.jsonl"
        self._unkept: list[bytes] = []
        self._acknowledged = _Acknowledged(folder / _ACKNOWLEDGED_FILE, self.segments)

    @property
    def place(self) -> tuple[int, int]:
        """How far the server has said yes: a segment's number and a byte in it."""
        return self._acknowledged.place

    def next_batch(self, max_events: int = MAX_BATCH_EVENTS, *, behind: int = 0) -> Batch | None:
        """The next events for one destination, or None when nothing waits.

        Args:
            max_events: How many at most.
            behind: So many come before these, and count for no limit.
        """
        batch = first_batch(self._lines(), max_events, behind=behind)
        if batch.end and not batch.records:  # nothing but damaged lines
            self._acknowledged.place = (batch.segment, batch.end)
        return batch if batch.records else None

    def _lines(self) -> Iterator[Line]:
        """What waits, in order, as far as it can be read now."""
        for segment in tuple(self.segments):
            if (start := self._acknowledged.offset_in(segment)) is None:
                continue
            try:
                for line, end in segment.lines(start):
                    yield Line(line, segment.number, end)
            except OSError as failure:  # not passed over: what it holds comes first
                log.warning("a file of the outbox cannot be read now: %s", failure)
                return
            if not segment.complete:  # half a line at its end may be a whole one by now
                return

    def waiting(self) -> int:
        """How many lines wait on disk; reads them all."""
        total = 0
        for segment in self.segments:
            start = self._acknowledged.offset_in(segment)
            with contextlib.suppress(OSError):  # what cannot be read cannot be counted
                total += sum(1 for _ in segment.lines(start)) if start is not None else 0
        return total

    def acknowledge(self, batch: Batch) -> None:
        """The server has said yes to `batch`: forget it."""
        self._acknowledged.place = (batch.segment, batch.end)
        self.settle()

    def set_aside(self, record: Record, reason: str) -> None:
        """Keep `record` out of the way of the rest, with the reason, for a person to read."""
        self._unkept.append(encode({**record, "reason": reason}))
        self.settle()

    def settle(self) -> None:
        """Bring to the disk what is in memory alone, and delete what is done with."""
        try:
            while self._unkept:
                make_private(self._set_aside_path.parent)
                write_private(self._set_aside_path, self._unkept[0], os.O_APPEND)
                del self._unkept[0]
        except OSError as failure:
            # Until it is kept, what is done is not noted: should this process die now, the
            # next one asks the server again, which refuses it again.
            self.storage_problem = f"{self._set_aside_path.parent}: {failure.strerror or failure}"
            log.warning("an event was set aside in memory alone: %s", failure)
            return
        self.storage_problem = ""
        self._acknowledged.note()
        while self.segments and self.segments[0].complete and self._is_done(self.segments[0]):
            self.segments.pop(0).discard()

    def keep_name(self) -> None:
        """Write the student's name down, unless it is there or there is none.

        Raises:
            OSError: It cannot be written.
        """
        path = self.folder / _STUDENT_FILE
        if self.student is None or path.exists():
            return
        make_private(self.folder)
        neighbour = path.with_name(f".{_STUDENT_FILE}")
        write_private(neighbour, self.student.encode(), os.O_TRUNC)
        neighbour.replace(path)

    def remove(self) -> bool:
        """Leave nothing behind, unless something waits: it stays for whoever adopts it.

        Returns:
            Whether nothing waited.
        """
        self.settle()
        if self._unkept or not all(map(self._is_done, self.segments)):
            return False
        self.close_files()
        self.segments.clear()
        if self.folder.exists():
            self._delete_files()
        return True

    def close(self) -> None:
        """Let go of the files; they stay for whoever adopts them, this process too."""
        self.close_files()
        nobodys = ownership.folder_name(self.sess, ownership.Owner.nobody())
        with contextlib.suppress(OSError):  # there are none; or it is left when we are dead
            self.folder.rename(self.folder.with_name(nobodys))

    def close_files(self) -> None:
        for segment in self.segments:
            segment.close()

    def _is_done(self, segment: Segment) -> bool:
        start = self._acknowledged.offset_in(segment)
        try:
            return start is None or start >= segment.size_bytes()
        except OSError:
            return False

    def _delete_files(self) -> None:
        names = (f".{_STUDENT_FILE}", _STUDENT_FILE, _ACKNOWLEDGED_FILE)
        try:
            # In this order: what is done must not be forgotten before the events are.
            for segment in segments_in(self.folder):
                segment.path.unlink()
            for name in names:
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()
        except OSError as failure:  # somebody else's file in it, or it has gone already
            log.warning("a folder of the outbox was not deleted: %s", failure)


class _Acknowledged:
    """How far the server has said yes: a segment's number and a byte in it.

    Noted by one short write in place, so a kill leaves the old place or the new one. Where
    it cannot be noted it is kept in memory; the worst that follows is a resend.
    """

    _LENGTH = 32

    def __init__(self, path: Path, segments: list[Segment]) -> None:
        self._path = path
        self.place = self._noted = self._read(segments)

    def offset_in(self, segment: Segment) -> int | None:
        """The byte from which on `segment` waits; None: it is done, whatever it holds."""
        number, offset = self.place
        if segment.number == number:
            return offset
        return 0 if segment.number > number else None

    def note(self) -> None:
        if self.place == self._noted:
            return
        line = "{} {}".format(*self.place).ljust(self._LENGTH - 1) + "\n"
        try:
            write_private(self._path, line.encode())
            self._noted = self.place
        except OSError as failure:
            log.warning("what was delivered could not be noted: %s", failure)

    def _read(self, segments: list[Segment]) -> tuple[int, int]:
        """The place that was noted; where that is torn or cannot be, one before it."""
        try:
            number, offset = map(int, self._path.read_bytes().split())
            current = [segment for segment in segments if segment.number == number]
            is_possible = all(segment.has_border_at(offset) for segment in current)
        except (OSError, ValueError):
            return 0, 0
        if not segments or number > segments[-1].number:
            return 0, 0
        return number, offset if is_possible else 0


def first_batch(lines: Iterable[Line], max_events: int, *, behind: int = 0) -> Batch:
    """The first events of `lines` that go to one destination, or that cannot go anywhere.

    Args:
        lines: One that is damaged costs itself alone.
        max_events: How many at most.
        behind: So many come before these, and count for no limit.

    Returns:
        No records where there are no lines, or nothing but damaged ones.
    """
    records: list[Record] = []
    size_bytes = segment = end = 0
    for line in lines:
        record = decode(line.text) or _whole_at_the_end(line.text)
        counted = len(records) - behind
        if record is None:
            log.warning("a damaged line of %d bytes in the outbox was skipped", len(line.text))
        elif (
            (records and _group(record) != _group(records[0]))
            or counted == max_events
            or (counted > 0 and size_bytes + len(line.text) > MAX_BATCH_BYTES)
        ):
            break
        else:
            records.append(record)
            size_bytes += len(line.text) if counted >= 0 else 0
        segment, end = line.segment, line.end
    return Batch(tuple(records), segment, end)


def _whole_at_the_end(line: bytes) -> Record | None:
    """The event behind one that was damaged so that it has lost its end."""
    at = len(line)
    while (at := line.rfind(BEGINNING, 0, at)) > 0:  # also within an event's own properties
        if (record := decode(line[at:])) is not None:
            return record
    return None


def _group(record: Record) -> tuple[str | None, str | None, bool]:
    """What all events of a batch have in common."""
    return record["host"], record["api_key"], has_a_time(record)


def _read_name(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return None
