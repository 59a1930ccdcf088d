"""Who owns a session's folder in the outbox, and whether that owner is still alive.

The owner stands in the folder's name, `<sess>.<machine>-<boot>-<pid>-<start>`, so that
taking a folder over is one rename: exactly one process succeeds, on NFS too, and at
every moment the name says whose it is. There is no lock to wait on.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

_NOBODY = 0
SILENCE_S = 24 * 3600
"""A folder that its owner, on another computer, has not touched for so long is nobody's."""


@dataclass(frozen=True)
class Owner:
    """One process: a pid alone comes back after a restart, with its start time it does not."""

    machine: str
    boot: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.machine}-{self.boot}-{self.pid}-{self.started}"

    @classmethod
    def parse(cls, text: str) -> Owner:
        """Raises ValueError where `text` is no owner."""
        machine, boot, pid, started = text.split("-")
        return cls(machine, boot, int(pid), started)

    @classmethod
    def this_process(cls) -> Owner:
        pid = os.getpid()
        return cls(_machine(), _boot(), pid, _started(pid))

    @classmethod
    def nobody(cls) -> Owner:
        """Stands where a process has let go of a folder: any other may have it at once."""
        return cls(_machine(), _boot(), _NOBODY, "0")


def folder_name(sess: str, owner: Owner) -> str:
    return f"{sess}.{owner}"


def is_dead(owner: Owner, folder: Path, *, now_s: float) -> bool:
    """Whether `owner` can certainly write to `folder` no more.

    Args:
        owner: Who the folder's name says.
        folder: The folder; its time stands in for a computer that cannot be asked.
        now_s: The file server's time, as the stamp of a file touched just now: computers
            that share a folder need not agree on the time.

    Raises:
        OSError: That could not be found out.
    """
    me = Owner.this_process()
    if owner.pid == _NOBODY:
        return True
    if owner.machine != me.machine:
        return now_s - folder.stat().st_mtime > SILENCE_S
    if owner.boot != me.boot:
        return True
    try:
        return _started(owner.pid) != owner.started
    except ProcessLookupError:
        return True


@functools.cache
def _machine() -> str:
    """Tells computers apart that share a home folder; hashed, and never sent anywhere.

    Cloned computers share a machine id but not a name. Containers share a kernel but not
    their process numbers, so each counts as a computer.
    """
    signs = (platform.node(), _read("/etc/machine-id"), _link_target("/proc/self/ns/pid"))
    return hashlib.sha256("\0".join(signs).encode()).hexdigest()[:12]


@functools.cache
def _boot() -> str:
    """Changes when the computer restarts, where the system says so; else always the same."""
    return _read("/proc/sys/kernel/random/boot_id").replace("-", "") or "0"


def _started(pid: int) -> str:
    """When process `pid` started, unmoved by a clock that is set.

    Raises:
        ProcessLookupError: There is no such process, or it is a zombie.
        OSError: Whether there is one could not be found out.
    """
    try:
        # proc(5): the name in parentheses may hold anything; after it field 3 is the
        # state and field 22 the start in ticks since boot.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        state, started = fields[0], fields[19]
    except OSError:
        state, started = _started_elsewhere(pid)
    if state in {"Z", "X"}:
        raise ProcessLookupError(pid)
    return started


def _started_elsewhere(pid: int) -> tuple[str, str]:
    import psutil  # noqa: PLC0415  # not needed on Linux, and not free to import

    try:
        process = psutil.Process(pid)
        state = "Z" if process.status() == psutil.STATUS_ZOMBIE else "S"
        return state, f"{process.create_time():.3f}"
    except psutil.NoSuchProcess as gone:
        raise ProcessLookupError(pid) from gone
    except psutil.Error as hidden:
        raise PermissionError(pid) from hidden


def _read(path: str) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except OSError:
        return ""


def _link_target(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
