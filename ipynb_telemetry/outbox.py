"""Where events wait: one session's files, written by the one process that owns them.

    <state folder>/outbox/<sess>.<owner>/00000001.jsonl   events, a line each
                                         student          the name, once there is one
                                         acknowledged     how far the server said yes
    <state folder>/set-aside/<sess>.jsonl                 what the server refused, and why

An event is in the file before `append` returns, so it outlives the process. Where the
file cannot be written it waits in memory and goes to the file as soon as that works.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ipynb_telemetry import ownership
from ipynb_telemetry.backlog import MAX_BATCH_EVENTS, STUDENT_FILE, Backlog, Batch, Segment
from ipynb_telemetry.boundary import log
from ipynb_telemetry.events import Record, encode

MAX_SEGMENT_BYTES = 1024 * 1024
_MAX_DONE_BYTES = 64 * 1024  # a segment that is all delivered and larger is forgotten
_SYNC_EVERY_S = 1.0


class _Tail(NamedTuple):
    """Replaced whole, so that an interrupt finds the old one or the new one."""

    size: int
    """Bytes in the segment that is written to."""
    seq: int
    """The number of the next event."""


class _InMemory(NamedTuple):
    seq: int
    record: Record


class Outbox:
    """The events of one session, in order, from `append` until they are acknowledged.

    Any thread may call `append` and `give_name`; the rest is the delivery thread's.
    """

    def __init__(self, state_folder: Path, sess: str, *, appended: Callable[[], None]) -> None:
        self.sess = sess
        self.destination: tuple[str, str] | None = None
        """Host and key for events that were captured while these were not usable."""
        self.storage_problem = ""
        """Why events cannot be kept on disk now; empty when they can."""
        owner = ownership.Owner.this_process()
        self._folder = state_folder / "outbox" / ownership.folder_name(sess, owner)
        self._set_aside_folder = state_folder / "set-aside"
        self._appended = appended
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._tail = _Tail(0, 0)
        self._in_doubt = 0
        """Length of a line whose write may have been interrupted."""
        self._memory: deque[_InMemory] = deque()
        self._unkept: list[tuple[Record, str]] = []
        self._backlog: Backlog | None = None
        self._student: str | None = None
        self._unsynced = False
        self._next_sync_s = self._next_heartbeat_s = 0.0

    @property
    def recorded(self) -> int:
        """How many events were appended; also the `seq` of the next."""
        return self._tail.seq

    @property
    def student(self) -> str | None:
        """Whose events these are; None while they wait for a name."""
        return self._student

    def append(self, record: Record) -> None:
        """Stamp `record` with its `seq` and keep it; when this returns it is in the file."""
        with self._lock:
            self._settle_doubt()
            record["properties"]["seq"] = self._tail.seq
            line = encode(record)
            self._in_doubt = len(line)
            if self._memory or not self._try_disk(lambda: self._write(line)):
                self._memory.append(_InMemory(self._tail.seq, record))
                self._tail = _Tail(self._tail.size, self._tail.seq + 1)
            self._in_doubt = 0
        self._appended()

    def give_name(self, student: str) -> None:
        """Let what waits for a name go out under `student`."""
        with self._lock:
            self._student = student
            if self._backlog is not None:
                self._try_disk(self._write_name)
        self._appended()

    def next_batch(self, max_events: int = MAX_BATCH_EVENTS) -> Batch | None:
        """The next events for one destination, or None when nothing waits."""
        if self._backlog and (batch := self._backlog.next_batch(max_events)):
            return batch
        first = [kept.record for kept in tuple(self._memory)[:max_events]]
        same = [record for record in first if record["host"] == first[0]["host"]]
        return Batch(tuple(same), 0, len(same)) if same else None

    def acknowledge(self, batch: Batch) -> None:
        """The server has said yes to `batch`: forget it."""
        if batch.segment and self._backlog:
            self._backlog.acknowledge(batch)
        else:
            for _ in range(batch.end):
                self._memory.popleft()

    def set_aside(self, record: Record, reason: str) -> None:
        """Keep `record` out of the way of the rest, with the reason."""
        try:
            (self._backlog or self._unopened()).set_aside(record, reason)
        except OSError as failure:
            log.warning("an event was set aside in memory alone: %s", failure)
            self._unkept.append((record, reason))

    def settle(self) -> bool:
        """Bring the disk up to date: off the hot path, at most once a second.

        Returns:
            Whether something is left to be brought there a second later.
        """
        now = time.monotonic()
        if now < self._next_sync_s:
            return self._unsynced or bool(self._memory)
        self._next_sync_s = now + _SYNC_EVERY_S
        if self._memory:
            self._flush_memory()
        self._sync()
        if now >= self._next_heartbeat_s:
            self._next_heartbeat_s = now + ownership.HEARTBEAT_S
            self._heartbeat()
        self._forget_done()
        return self._unsynced or bool(self._memory)

    def remove(self) -> None:
        """Leave nothing behind; to be called when nothing waits any more."""
        with self._lock:
            self._close_descriptor()
            if self._backlog:
                self._backlog.remove()

    def close(self) -> None:
        """Let go of the files; what waits in them stays for whoever adopts them."""
        with self._lock:
            self._close_descriptor()
            if self._backlog:
                self._backlog.close()

    def close_in_child(self) -> None:
        """In a forked child: let go of the parent's file, without its lock."""
        self._close_descriptor()

    def _write(self, line: bytes) -> None:
        if self._tail.size > MAX_SEGMENT_BYTES or not self._is_untouched():
            self._open_segment()
        assert self._descriptor is not None  # noqa: S101  # _is_untouched said so
        written = os.write(self._descriptor, line)
        if written < len(line):
            os.ftruncate(self._descriptor, self._tail.size)
            msg = f"only {written} of {len(line)} bytes could be written"
            raise OSError(msg)
        self._tail = _Tail(self._tail.size + written, self._tail.seq + 1)
        self._unsynced = True

    def _is_untouched(self) -> bool:
        """Whether the file is there and as long as we left it."""
        if self._descriptor is None:
            return False
        status = os.fstat(self._descriptor)
        return status.st_size == self._tail.size and status.st_nlink > 0

    def _open_segment(self) -> None:
        """Begin a new file, in a new folder if somebody deleted it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._backlog is None:
            self._backlog = self._unopened()
        segments = self._backlog.segments
        number = segments[-1].number + 1 if segments else 1
        path = self._folder / f"{number:08}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags, 0o600)
        self._close_descriptor()
        self._descriptor = descriptor
        self._tail = _Tail(0, self._tail.seq)
        segment = Segment(path)
        segment.complete = False
        for earlier in segments:
            earlier.complete = True
        segments.append(segment)
        self._backlog.place_is_stale()
        if self._student:
            self._write_name()

    def _unopened(self) -> Backlog:
        return Backlog(self._folder, self._set_aside_folder)

    def _write_name(self) -> None:
        neighbour = self._folder / f".{STUDENT_FILE}"
        neighbour.write_text(self._student or "", "utf-8")
        neighbour.chmod(0o600)
        neighbour.replace(self._folder / STUDENT_FILE)

    def _try_disk(self, attempt: Callable[[], None]) -> bool:
        try:
            attempt()
        except OSError as failure:
            self.storage_problem = f"{self._folder.parent}: {failure.strerror or failure}"
            log.warning("the outbox cannot be written: %s", failure)
            return False
        self.storage_problem = ""
        return True

    def _settle_doubt(self) -> None:
        """Find out whether an append that was interrupted had kept its event."""
        if not self._in_doubt:
            return
        size, seq = self._tail
        if self._memory and self._memory[-1].seq == seq:
            self._tail = _Tail(size, seq + 1)
        elif self._descriptor is not None:
            actual = os.fstat(self._descriptor).st_size
            if actual == size + self._in_doubt:
                self._tail = _Tail(actual, seq + 1)
            elif actual > size:
                os.ftruncate(self._descriptor, size)
        self._in_doubt = 0

    def _flush_memory(self) -> None:
        """Move what waits in memory to the disk, in order, as far as that works."""
        with self._lock:
            self._settle_doubt()
            seq = self._tail.seq
            while self._memory:
                line = encode(self._memory[0].record)
                if not self._try_disk(lambda line=line: self._write(line)):  # type: ignore[misc]
                    break
                self._memory.popleft()
            self._tail = _Tail(self._tail.size, seq)

    def _sync(self) -> None:
        with self._lock:  # a descriptor of its own: syncing takes long, `append` must not wait
            if not self._unsynced or self._descriptor is None:
                return
            self._unsynced = False
            descriptor = os.dup(self._descriptor)
        try:
            self._try_disk(lambda: os.fsync(descriptor))
        finally:
            os.close(descriptor)

    def _heartbeat(self) -> None:
        try:
            os.utime(self._folder)
        except OSError as failure:  # deleted, or adopted while this computer slept
            log.warning("the outbox has gone: %s", failure)

    def _forget_done(self) -> None:
        """Delete what is delivered, the current file too once it is long enough."""
        if self._backlog is None:
            return
        with self._lock:
            current = self._backlog.segments[-1]
            if _MAX_DONE_BYTES < self._tail.size <= self._backlog.done_bytes(current):
                self._try_disk(self._open_segment)
        self._backlog.forget_done_segments()

    def _close_descriptor(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def adopt_leftovers(state_folder: Path) -> list[Backlog]:
    """Take over what dead sessions left behind, each by exactly one process.

    What had no name when its session died goes out as `ANONYMOUS-<SESS>`: it must never
    be given to another student.
    """
    root = state_folder / "outbox"
    try:
        os.utime(root)
        now_s = root.stat().st_mtime
        folders = sorted(root.iterdir())
    except OSError:  # nothing there yet, or not ours to read
        return []
    adopted = []
    for folder in folders:
        try:
            if (backlog := _adopt(folder, state_folder / "set-aside", now_s)) is not None:
                adopted.append(backlog)
        except OSError as failure:  # another process was first, or it is not ours
            log.info("a folder in the outbox was not adopted: %s", failure)
    return adopted


def _adopt(folder: Path, set_aside_folder: Path, now_s: float) -> Backlog | None:
    sess, _, owner_text = folder.name.partition(".")
    try:
        owner = ownership.Owner.parse(owner_text)
    except ValueError:
        return None
    me = ownership.Owner.this_process()
    if owner == me or not ownership.is_dead(owner, folder, now_s=now_s):
        return None
    ours = folder.with_name(ownership.folder_name(sess, me))
    folder.rename(ours)
    os.utime(ours)
    backlog = Backlog(ours, set_aside_folder)
    backlog.student = backlog.student or f"ANONYMOUS-{sess.upper()}"
    return backlog
