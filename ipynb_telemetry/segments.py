"""Files of JSON lines that one process appends to, and that are for their owner alone."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ipynb_telemetry.boundary import log

_BINARY = getattr(os, "O_BINARY", 0)  # without it Windows writes \r\n
_NAME = re.compile(r"[0-9]{8,}\.jsonl")


class Segment:
    """One numbered file of a session's folder, from a first byte that is no longer needed on.

    Args:
        path: The file; its name is its number.
        complete: Whether nobody appends any more, so that a last line without its end is
            torn. Otherwise it is kept open: it can be read when somebody has deleted it.
    """

    def __init__(self, path: Path, *, complete: bool = True) -> None:
        self.path = path
        self.number = int(path.stem)
        self.complete = complete
        self._descriptor = -1 if complete else os.open(path, os.O_RDONLY | _BINARY)

    @classmethod
    def begin(cls, folder: Path, number: int) -> tuple[Segment, int]:
        """A new file, and the descriptor to append to it with."""
        path = folder / f"{number:08}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | _BINARY
        descriptor = os.open(path, flags, 0o600)
        try:
            return cls(path, complete=False), descriptor
        except OSError:
            os.close(descriptor)
            raise

    def lines(self, start: int) -> Iterator[tuple[bytes, int]]:
        """Each whole line from byte `start` on, with the byte after it.

        Raises:
            OSError: It is there, but cannot be read now.
        """
        with contextlib.suppress(FileNotFoundError), self._opened() as file:
            file.seek(start)
            end = start
            for line in file:
                if not line.endswith(b"\n") and not self.complete:
                    return  # is being written just now
                end += len(line)
                yield line, end

    def size_bytes(self) -> int:
        """How long it is; 0 where it has gone.

        Raises:
            OSError: It is there, but that cannot be found out now.
        """
        with contextlib.suppress(FileNotFoundError):
            is_open = self._descriptor >= 0
            return (os.fstat(self._descriptor) if is_open else self.path.stat()).st_size
        return 0

    def has_border_at(self, offset: int) -> bool:
        """Whether a line can end at byte `offset`, which may be any number."""
        size = self.size_bytes()
        if not 0 < offset < size:
            return offset in {0, size}
        with self._opened() as file:
            file.seek(offset - 1)
            return file.read(1) == b"\n"

    def discard(self) -> None:
        self.close()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as failure:
            log.warning("a file of the outbox was not deleted: %s", failure)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        close_quietly(descriptor)

    def _opened(self) -> BinaryIO:
        """With an empty buffer: what was half a line at the last look may be another by now."""
        if self._descriptor < 0:
            return self.path.open("rb")
        return os.fdopen(os.dup(self._descriptor), "rb")


def segments_in(folder: Path) -> list[Segment]:
    """What is numbered, in order; a copy that a cloud drive has made is not."""
    return [Segment(path) for path in sorted(folder.glob("*.jsonl")) if _NAME.fullmatch(path.name)]


def make_private(folder: Path) -> None:
    """Make `folder` for its owner alone, and with it what is missing above it."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, content: bytes, flags: int = 0) -> None:
    """Write `content` to a file that its owner alone can read.

    Args:
        path: The file; made where it is not there.
        content: Written whole, or not at all where it is appended.
        flags: `os.O_APPEND`: behind what is there; `os.O_TRUNC`: in its place; 0: over its
            beginning, for content that is always of the same length.

    Raises:
        OSError: It could not be written.
    """
    descriptor = os.open(path, flags | os.O_WRONLY | os.O_CREAT | _BINARY, 0o600)
    try:
        append_whole(descriptor, content, size_bytes=os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def close_quietly(descriptor: int) -> None:
    """Close it, unless it is none (-1), or somebody else has closed it."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def append_whole(descriptor: int, content: bytes, *, size_bytes: int) -> None:
    """Append to a file of `size_bytes`, or leave it as it is.

    Raises:
        OSError: Not all of it could be written.
    """
    written = os.write(descriptor, content)
    if written < len(content):  # the disk is full
        os.ftruncate(descriptor, size_bytes)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
