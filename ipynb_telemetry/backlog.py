"""The reading side of a session's folder: what waits there, in order, and what is done.

A folder holds numbered segments of JSON lines, the student's name once there is one, and
how far the server has said yes. Whoever owns the folder (`ownership.py`) may read it:
the session itself, or the session that adopted it after its owner died.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ipynb_telemetry.boundary import log
from ipynb_telemetry.events import Record, encode, is_record

MAX_BATCH_EVENTS = 250
MAX_BATCH_BYTES = 2 * 1024 * 1024  # PostHog takes 20 MiB; a slow line has to send it in seconds
STUDENT_FILE = "student"
_ACKNOWLEDGED_FILE = "acknowledged"


@dataclass(frozen=True)
class Batch:
    """Events of one destination, in order, and where in the folder they end."""

    records: tuple[Record, ...]
    segment: int
    """The segment's number; 0: they are in memory alone."""
    end: int
    """The byte after the last of them; in memory: how many they are."""


class Segment:
    """One file of JSON lines, kept open: a file that is deleted can still be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = int(path.stem)
        self.complete = True
        """Whether nobody appends any more: then a last line without its end is torn."""
        self._file = path.open("rb")

    def lines(self, start: int) -> Iterator[tuple[bytes, int]]:
        """Each whole line from byte `start` on, with the byte after it."""
        self._file.seek(start)
        end = start
        for line in iter(self._file.readline, b""):
            if not line.endswith(b"\n") and not self.complete:
                return  # is being written just now
            end += len(line)
            yield line, end

    def discard(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        self._file.close()


class Backlog:
    """What a session left in its folder. Only the delivery thread calls this."""

    destination: tuple[str, str] | None = None
    """A dead session's events go where they were captured for, or nowhere."""

    def __init__(self, folder: Path, set_aside_folder: Path) -> None:
        self.folder = folder
        self.sess = folder.name.partition(".")[0]
        self.segments = [Segment(path) for path in sorted(folder.glob("*.jsonl"))]
        self.student: str | None = _read_name(folder / STUDENT_FILE)
        self.damaged = 0
        """Lines that were no whole record."""
        self._set_aside_path = set_aside_folder / f"{self.sess}.jsonl"
        self._acknowledged = _Acknowledged(folder / _ACKNOWLEDGED_FILE)

    def next_batch(self, max_events: int = MAX_BATCH_EVENTS) -> Batch | None:
        """The next events for one destination, or None when nothing waits."""
        for segment in tuple(self.segments):
            records, end = self._records_of(segment, max_events)
            if records:
                return Batch(tuple(records), segment.number, end)
            if end > self._acknowledged.offset_in(segment.number):
                self._acknowledged.move(segment.number, end)  # nothing but damaged lines
        return None

    def waiting(self) -> int:
        """How many lines wait on disk; reads them all."""
        return sum(
            1
            for segment in self.segments
            for _ in segment.lines(self._acknowledged.offset_in(segment.number))
        )

    def acknowledge(self, batch: Batch) -> None:
        """The server has said yes to `batch`: forget it."""
        self._acknowledged.move(batch.segment, batch.end)
        self.forget_done_segments()

    def set_aside(self, record: Record, reason: str) -> None:
        """Keep `record` out of the way of the rest, with the reason, for a person to read.

        Raises:
            OSError: It could not be kept; then it must not be acknowledged.
        """
        self._set_aside_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._set_aside_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, encode({**record, "reason": reason}))
        finally:
            os.close(descriptor)

    def remove(self) -> None:
        """Leave nothing behind; to be called when nothing waits any more."""
        for segment in self.segments:
            segment.discard()
        self.segments.clear()
        self._acknowledged.close()
        for name in (STUDENT_FILE, _ACKNOWLEDGED_FILE):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty: somebody else's file, or gone already
            self.folder.rmdir()

    def close(self) -> None:
        """Let go of the files; they stay for whoever adopts them."""
        for segment in self.segments:
            segment.close()
        self._acknowledged.close()

    def forget_done_segments(self) -> None:
        while len(self.segments) > 1 and self._is_done(self.segments[0]):
            self.segments.pop(0).discard()

    def place_is_stale(self) -> None:
        """The folder may be another one now: note what is done in its own file."""
        self._acknowledged.stale = True

    def done_bytes(self, segment: Segment) -> int:
        """How much of `segment` is acknowledged."""
        return self._acknowledged.offset_in(segment.number)

    def _is_done(self, segment: Segment) -> bool:
        return next(segment.lines(self.done_bytes(segment)), None) is None

    def _records_of(self, segment: Segment, max_events: int) -> tuple[list[Record], int]:
        """The next records of one destination in `segment`, and the byte after them."""
        records: list[Record] = []
        end = start = self._acknowledged.offset_in(segment.number)
        for line, line_end in segment.lines(start):
            record = _whole_record(line)
            if record is None:
                self.damaged += 1
                log.warning("a damaged line of %d bytes in the outbox was skipped", len(line))
            elif records and (
                _destination(record) != _destination(records[0])
                or len(records) == max_events
                or line_end - start > MAX_BATCH_BYTES
            ):
                break
            else:
                records.append(record)
            end = line_end
        return records, end


class _Acknowledged:
    """How far the server has said yes: a segment's number and a byte in it.

    One short write in place, so a kill leaves the old place or the new one. Where it
    cannot be written it is kept in memory; the worst that follows is a resend.
    """

    _WIDTH = 32

    def __init__(self, path: Path) -> None:
        self._path = path
        self.stale = False
        """Whether the file may have been deleted; it is opened again for the next move."""
        self._file: io.FileIO | None = None
        self._place = self._read()

    def offset_in(self, segment: int) -> int:
        number, offset = self._place
        if segment == number:
            return offset
        return 0 if segment > number else 2**62  # nothing waits before the place

    def move(self, segment: int, offset: int) -> None:
        self._place = (segment, offset)
        line = f"{segment} {offset}".ljust(self._WIDTH - 1) + "\n"
        try:
            if self.stale:
                self.stale = False
                self.close()
            if self._file is None:
                self._file = _open_private(self._path)
            self._file.seek(0)
            self._file.write(line.encode())
        except OSError as failure:
            log.warning("what was delivered could not be noted: %s", failure)

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _read(self) -> tuple[int, int]:
        try:
            number, offset = self._path.read_text("ascii").split()
            return int(number), int(offset)
        except (OSError, ValueError):  # nothing yet, or torn: then all of it is sent again
            return 0, 0


def _open_private(path: Path) -> io.FileIO:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    return io.FileIO(descriptor, "r+")


def _whole_record(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if is_record(value) else None


def _destination(record: Record) -> tuple[object, object]:
    return record.get("host"), record.get("api_key")


def _read_name(path: Path) -> str | None:
    try:
        return path.read_text("utf-8").strip() or None
    except (OSError, ValueError):
        return None
