"""Sending what ended notebooks have left, by the same steps as the delivery in a kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ipynb_telemetry.adoption import adopt_leftovers
from ipynb_telemetry.sender import Box, Sender

PATIENCE_S = 10.0
"""How long a server that does not answer is tried again."""
_PAUSE_S = 0.1


class Sent(NamedTuple):
    """What became of one session's events."""

    sess: str
    sent: int
    set_aside: int
    waiting: int
    reason: str
    """Why those that still wait do so; empty when none does."""


def send_waiting(
    state_folder: Path,
    *,
    sent: Callable[[int], None],
    patience_s: float = PATIENCE_S,
) -> list[Sent]:
    """Take over what ended sessions have left, and send it.

    A session that lives keeps its events: taking over is one rename, and only of a folder
    whose process is gone. What still waits in the end stays for the next notebook.

    Args:
        state_folder: Where sessions leave their outboxes.
        sent: Called with how many more have gone out.
        patience_s: How long to try before what is left stays where it is.
    """
    sender = Sender(time.monotonic, None)
    boxes = [
        Box(backlog, finished=True, expected=backlog.waiting())
        for backlog in adopt_leftovers(state_folder)
    ]
    deadline_s = time.monotonic() + patience_s
    try:
        left = boxes
        while left and time.monotonic() < deadline_s:
            left = [box for box in left if not _is_done(sender, box, sent)]
            time.sleep(_PAUSE_S if left else 0)
    finally:
        sender.close()
        for box in boxes:
            box.content.close()
    return [_outcome(box) for box in boxes]


def _is_done(sender: Sender, box: Box, sent: Callable[[int], None]) -> bool:
    """Take all steps that can be taken now; whether nothing of the box is left."""
    before, went_on = box.delivered, True
    while went_on:
        went_on = sender.step(box, is_leftover=False)
        sent(box.delivered - before)
        before = box.delivered
    return box.empty and box.content.remove()


def _outcome(box: Box) -> Sent:
    answer = box.road.answer if box.road else None
    reason = answer.reason if answer else "it was captured without a usable host and key"
    return Sent(
        sess=box.content.sess,
        sent=box.delivered,
        set_aside=box.set_aside,
        waiting=box.waiting,
        reason=reason if box.waiting else "",
    )
