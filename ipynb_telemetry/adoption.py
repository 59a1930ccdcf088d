"""Taking over what dead sessions left in the outbox."""

from __future__ import annotations

import os
from pathlib import Path

from ipynb_telemetry import ownership
from ipynb_telemetry.backlog import Backlog
from ipynb_telemetry.boundary import log


def adopt_leftovers(state_folder: Path) -> list[Backlog]:
    """Take over what dead sessions left behind, each by exactly one process.

    What had no name when its session died goes out as `ANONYMOUS-<SESS>`: it must never
    be given to another student. To be called every minute or so: it also shows other
    computers that what this process has taken over is in hand.
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
    if owner == me:
        os.utime(folder)
        return None
    if not ownership.is_dead(owner, folder, now_s=now_s):
        return None
    os.utime(folder)  # first: under our name it must never look as if we were silent
    ours = folder.rename(folder.with_name(ownership.folder_name(sess, me)))
    backlog = Backlog(ours, set_aside_folder)
    backlog.student = backlog.student or f"ANONYMOUS-{sess.upper()}"
    return backlog
