"""A file is replaced by its edited self as a whole, and never seen half written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from ipynb_telemetry.instrument.edits import Edit

_COPY_BYTES = 1024 * 1024


class NotWritableError(OSError):
    """The file stays as it is; the message says why, for a person."""


def replace_edited(
    path: Path, file: BinaryIO, before: os.stat_result, edits: Iterable[Edit]
) -> None:
    """Put the edited file in the place of the old one, as a whole.

    Args:
        path: A symbolic link stays one: the file it leads to is replaced.
        file: The same file, open; the edits were planned with what it said.
        before: What the system said of the file when it was opened.
        edits: What changes in it.

    Raises:
        NotWritableError: It is read-only, is another file by now, or its owner cannot be kept.
        OSError: The disk is full, the folder cannot be written, or the like.
    """
    target = path.resolve()
    if not os.access(target, os.W_OK):
        msg = "it is read-only"
        raise NotWritableError(msg)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    neighbour = Path(name)
    try:
        with os.fdopen(handle, "wb") as new:
            for part in _edited(file, edits):
                new.write(part)
            # On the disk before it has the name: a computer that loses power then has the old
            # file or the new one, and never an empty one.
            new.flush()
            os.fsync(new.fileno())
        _keep_mode_and_owner(target, neighbour, before)
        _require_the_same(target, before)
        neighbour.replace(target)
    except BaseException:
        neighbour.unlink(missing_ok=True)
        raise


def _edited(file: BinaryIO, edits: Iterable[Edit]) -> Iterator[bytes]:
    file.seek(0)
    at = 0
    for edit in sorted(edits, key=lambda each: each.start):
        yield from _parts(file, edit.start - at)
        yield edit.new
        at = edit.end
        file.seek(at)
    yield from _parts(file, None)


def _parts(file: BinaryIO, length: int | None) -> Iterator[bytes]:
    left = length
    while left is None or left > 0:
        part = file.read(_COPY_BYTES if left is None else min(left, _COPY_BYTES))
        if not part:
            return
        left = None if left is None else left - len(part)
        yield part


def _keep_mode_and_owner(target: Path, neighbour: Path, before: os.stat_result) -> None:
    shutil.copystat(target, neighbour)
    os.utime(neighbour)  # a front end that has it open sees that it changed
    now = neighbour.stat()
    if (now.st_uid, now.st_gid) == (before.st_uid, before.st_gid):
        return
    try:
        os.chown(neighbour, before.st_uid, before.st_gid)
        neighbour.chmod(before.st_mode & 0o7777)  # which a change of owner takes bits from
    except (OSError, AttributeError):
        msg = "it belongs to somebody else, and would not any more"
        raise NotWritableError(msg) from None


def _require_the_same(target: Path, before: os.stat_result) -> None:
    if _identity(target.stat()) != _identity(before):
        msg = "it changed while it was read; run this again"
        raise NotWritableError(msg)


def _identity(file: os.stat_result) -> tuple[int, ...]:
    return file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns
