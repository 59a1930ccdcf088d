"""Disks that are full, or that cannot be written at all."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

SMALL_BYTES = 256 * 1024


class LimitedDisk:
    """A folder in which no file can grow any more, once it is full."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, *, left_bytes: int = 0) -> None:
        files = [path.stat().st_size for path in self.folder.rglob("*") if path.is_file()]
        largest = max([0, *files])
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + left_bytes, self._before[1]))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)

    def close(self) -> None:
        self.free()


class SmallDisk:
    """A file system of its own with little room; needs the rights to mount it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._filler = folder / "filler"
        options = f"size={SMALL_BYTES}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)

    def fill(self, *, left_bytes: int = 0) -> None:
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=True)


Disk = LimitedDisk | SmallDisk

KINDS: dict[str, type[Disk]] = {"no file can grow": LimitedDisk}
if os.geteuid() == 0:  # not a skip: without the rights, the other kind shows the same
    KINDS["no room left"] = SmallDisk


@contextlib.contextmanager
def unwritable(kind: str, folder: Path) -> Iterator[Path]:
    """A state folder in which nothing can be made."""
    if kind == "a file is in its place":
        folder.write_text("not a folder")
        yield folder
    elif kind == "read-only":
        folder.mkdir()
        folder.chmod(0o500)
        try:
            yield folder
        finally:
            folder.chmod(0o700)
    else:
        # Also when the test fails: a mount left behind spoils the runs after this one.
        with contextlib.closing(SmallDisk(folder)) as disk:
            disk.make_read_only()
            yield folder


UNWRITABLE = ["a file is in its place", "a disk is" if os.geteuid() == 0 else "read-only"]
