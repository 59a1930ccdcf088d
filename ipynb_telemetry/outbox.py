"""Where events wait: one session's files, written by the one process that owns them.

    <state folder>/outbox/<sess>.<owner>/00000001.jsonl   events, a line each
                                         student          the name, once there is one
                                         acknowledged     how far the server said yes
    <state folder>/set-aside/<sess>.jsonl                 what the server refused, and why

An event is in the file before `append` returns, so it outlives the process. Where the
file cannot be written it waits in memory and goes to the file as soon as that works.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ipynb_telemetry import ownership
from ipynb_telemetry.backlog import MAX_BATCH_EVENTS, Backlog, Batch, Line, first_batch
from ipynb_telemetry.boundary import log
from ipynb_telemetry.events import Record, encode, numbered
from ipynb_telemetry.segments import Segment, append_whole, close_quietly, make_private

MAX_SEGMENT_BYTES = 1024 * 1024
_MAX_DONE_BYTES = 64 * 1024  # a segment that is all delivered and larger is forgotten
_SETTLE_EVERY_S = 1.0


class _Tail(NamedTuple):
    """Where the next event goes. Replaced whole: an interrupt finds the old or the new one."""

    descriptor: int
    """Of the segment that is appended to; -1 where there is none."""
    segment: int
    size_bytes: int
    seq: int
    """The number of the next event."""


class Outbox:
    """The events of one session, in order, from `append` until they are acknowledged.

    Any thread may call `append` and `give_name`; the rest is the delivery thread's. An
    interrupt may end `append` at any moment: then the event is kept, or it never was.

    Args:
        state_folder: Where the sessions of this account leave what they keep.
        sess: The session's id.
        appended: Called after each event, and when a name is given.
        clock: Seconds that only grow; handed in by tests.
    """

    def __init__(
        self,
        state_folder: Path,
        sess: str,
        *,
        appended: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sess = sess
        self.destination: tuple[str, str] | None = None
        """Host and key for events that were captured while these were not usable."""
        owner = ownership.Owner.this_process()
        folder = state_folder / "outbox" / ownership.folder_name(sess, owner)
        self._backlog = Backlog(folder, state_folder / "set-aside")
        self._appended = appended
        self._clock = clock
        self._lock = threading.RLock()
        self._tail = _Tail(-1, 0, 0, 0)
        self._in_doubt = 0
        """Length of a line whose append may have been interrupted."""
        self._last_segment = 0
        self._memory: deque[Line] = deque()
        self._failure = ""
        self._name_waits = False
        self._is_synced = True
        self._full: list[int] = []
        """Descriptors that nothing is appended to any more, still to be synced."""
        self._next_settling_s = self._next_sync_s = float("-inf")

    @property
    def recorded(self) -> int:
        """How many events were appended; also the `seq` of the next."""
        return self._tail.seq

    @property
    def student(self) -> str | None:
        """Whose the events are that were made before there was a name; None until then."""
        return self._backlog.student

    @property
    def storage_problem(self) -> str:
        """Why events cannot be kept on disk now; empty when they can."""
        return self._failure or self._backlog.storage_problem

    def append(self, record: Record) -> bytes:
        """Keep `record`, with its `seq`; when this returns it is in the file.

        Returns:
            The line as it is kept: nothing that the caller does later changes it.
        """
        record["properties"].pop("seq", None)
        line = encode(record)  # without the lock: it may call a student's own __str__
        try:
            with self._lock:
                self._settle_doubt()
                seq = self._tail.seq
                line = numbered(line, seq)
                self._in_doubt = len(line)
                if self._memory or not self._try_disk(self._write, line, seq + 1):
                    self._memory.append(Line(line, 0, seq + 1))
                    self._tail = self._tail._replace(seq=seq + 1)
                self._in_doubt = 0
        finally:
            self._appended()  # also where an interrupt has come after the event was kept
        return line

    def give_name(self, student: str) -> None:
        """Let what waits for a name go out under `student`.

        The first name stays: an event that is sent twice must be the same both times.
        """
        with self._lock:
            if self._backlog.student is None:
                self._name_waits = True  # first: an interrupt may come in between
                self._backlog.student = student
            self._keep_name()
        self._appended()

    def next_batch(self, max_events: int = MAX_BATCH_EVENTS, *, behind: int = 0) -> Batch | None:
        """As `Backlog.next_batch`; what is in memory alone comes last."""
        # First what was interrupted, then memory, then the disk: what falls to memory meanwhile
        # must not overtake what was written before it.
        with self._lock:
            self._settle_doubt()
            in_memory = list(islice(self._memory, behind + max_events))
        if batch := self._backlog.next_batch(max_events, behind=behind):
            return batch
        return first_batch(in_memory, max_events, behind=behind) if in_memory else None

    def acknowledge(self, batch: Batch) -> None:
        """The server has said yes to `batch`: forget it."""
        if batch.segment:
            self._backlog.acknowledge(batch)
            return
        with self._lock:
            while self._memory and self._memory[0].end <= batch.end:
                self._memory.popleft()

    def set_aside(self, record: Record, reason: str) -> None:
        """Keep `record` out of the way of the rest, with the reason, for a person to read."""
        self._backlog.set_aside(record, reason)

    def settle(self) -> bool:
        """Bring the disk up to date: off the hot path, at most once a second.

        Returns:
            Whether something is left to be brought there a second later.
        """
        self.sync()
        if self._clock() >= self._next_settling_s:
            self._next_settling_s = self._clock() + _SETTLE_EVERY_S
            with self._lock:
                self._keep_name()
            self._flush_memory()
            self._leave_done_segment()
            self._backlog.settle()
        return bool(self.storage_problem) or not self._is_synced

    def sync(self) -> None:
        """Bring what was appended through to the disk; at most once a second."""
        is_due = self._clock() >= self._next_sync_s
        if is_due and (self._full or not self._is_synced):
            self._next_sync_s = self._clock() + _SETTLE_EVERY_S
            self._sync()

    def remove(self) -> bool:
        """Leave nothing behind, unless something waits: it stays for whoever adopts it.

        Returns:
            Whether nothing waited.
        """
        with self._lock:
            self._settle_doubt()
            self._close_descriptors()
            return not self._memory and self._backlog.remove()

    def close(self) -> None:
        """Let go of the files; what waits in them stays for whoever adopts them."""
        self._sync()
        with self._lock:
            self._settle_doubt()
            self._close_descriptors()
            self._backlog.close()

    def close_in_child(self) -> None:
        """In a forked child: let go of the parent's files, without its lock."""
        self._close_descriptors()
        self._backlog.close_files()

    def _write(self, line: bytes, next_seq: int) -> None:
        if not self._is_as_we_left_it() or self._tail.size_bytes > MAX_SEGMENT_BYTES:
            self._open_segment()
        descriptor, segment, size_bytes, _ = self._tail
        self._is_synced = False
        append_whole(descriptor, line, size_bytes=size_bytes)
        self._tail = _Tail(descriptor, segment, size_bytes + len(line), next_seq)

    def _is_as_we_left_it(self) -> bool:
        """Whether the file is there and as long as it was."""
        try:
            status = os.fstat(self._tail.descriptor)
        except OSError:  # not opened yet, or closed by somebody else, who may open another
            self._tail = self._tail._replace(descriptor=-1)
            return False
        return status.st_size == self._tail.size_bytes and status.st_nlink > 0

    def _open_segment(self) -> None:
        """Begin a new file, in a new folder if somebody has deleted it."""
        make_private(self._backlog.folder)
        self._write_name()
        self._last_segment += 1  # used up, also if an interrupt comes before the next line ends
        segment, descriptor = Segment.begin(self._backlog.folder, self._last_segment)
        # An interrupt may come between any two: what is appended to can always be read, and
        # a segment is complete only when it is certain that nothing is appended to it.
        self._backlog.segments.append(segment)
        before, self._tail = self._tail, _Tail(descriptor, segment.number, 0, self._tail.seq)
        if before.descriptor >= 0:
            self._full.append(before.descriptor)
        self._complete_earlier_segments()

    def _complete_earlier_segments(self) -> None:
        for segment in tuple(self._backlog.segments):  # the delivery thread may take the first
            if segment.number < self._tail.segment:
                segment.complete = True

    def _try_disk(self, attempt: Callable[..., None], *args: object) -> bool:
        try:
            attempt(*args)
        except OSError as failure:
            self._failure = f"{self._backlog.folder.parent}: {failure.strerror or failure}"
            log.warning("the outbox cannot be written: %s", failure)
            return False
        if not self._memory and not self._name_waits:
            self._failure = ""
        return True

    def _settle_doubt(self) -> None:
        """Find out whether an append that was interrupted had kept its event."""
        if not self._in_doubt:
            return
        tail = self._tail
        if self._memory and self._memory[-1].end == tail.seq + 1:
            self._tail = tail._replace(seq=tail.seq + 1)
        elif _size_bytes(tail.descriptor) == (whole := tail.size_bytes + self._in_doubt):
            self._tail = tail._replace(size_bytes=whole, seq=tail.seq + 1)
        # Half of it was never kept: the file is not as we left it, so we begin another.
        self._complete_earlier_segments()  # if the interrupt came before that
        self._in_doubt = 0

    def _keep_name(self) -> None:
        if self._name_waits and self._last_segment:  # before the first event: with that
            self._try_disk(self._write_name)

    def _write_name(self) -> None:
        self._backlog.keep_name()
        self._name_waits = False

    def _flush_memory(self) -> None:
        """Move what waits in memory to the disk, in order, as far as that works."""
        while self._memory:
            with self._lock:  # for one event at a time: `append` must not wait for all of them
                self._settle_doubt()
                if not self._try_disk(self._write_oldest):
                    return

    def _write_oldest(self) -> None:
        self._write(self._memory[0].text, self._tail.seq)
        self._memory.popleft()

    def _sync(self) -> None:
        with self._lock:
            descriptors, self._full = self._full, []
            if not self._is_synced:
                with contextlib.suppress(OSError):  # too many files are open: a second later
                    # One of our own: syncing takes long, and `append` must not wait for it.
                    descriptors.append(os.dup(self._tail.descriptor))
                    self._is_synced = True
        for descriptor in descriptors:
            try:
                os.fsync(descriptor)
            except OSError as failure:  # it is in the file all the same
                log.warning("the outbox could not be synced: %s", failure)
            close_quietly(descriptor)

    def _leave_done_segment(self) -> None:
        """Begin a new file where the current one is long, and all in it is delivered."""
        with self._lock:
            self._settle_doubt()
            end = (self._tail.segment, self._tail.size_bytes)
            if self._tail.size_bytes > _MAX_DONE_BYTES and self._backlog.place >= end:
                self._try_disk(self._open_segment)

    def _close_descriptors(self) -> None:
        descriptors, self._full = [*self._full, self._tail.descriptor], []
        self._tail = self._tail._replace(descriptor=-1)
        for descriptor in descriptors:
            close_quietly(descriptor)


def _size_bytes(descriptor: int) -> int:
    """How long an open file is; -1 where somebody has closed it."""
    try:
        return os.fstat(descriptor).st_size
    except OSError:
        return -1
