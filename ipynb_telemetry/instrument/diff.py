"""What would change in a file, as `git diff` would show it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from ipynb_telemetry.instrument.edits import Edit, applied

_CONTEXT_LINES = 3
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


class _Change(NamedTuple):
    """The lines from `first` to `end`, counted from 0, become others."""

    first: int
    end: int
    new: list[bytes]


def unified_diff(data: bytes, edits: Sequence[Edit], name: str) -> bytes:
    """The edits as a patch that `git apply` and `patch` take; empty where there are none."""
    lines = _LINE.findall(data)
    hunks, moved = [], 0
    for group in _groups(list(_changes(lines, edits))):
        hunk, moved = _hunk(lines, group, moved)
        hunks.append(hunk)
    return b"".join([f"--- a/{name}\n+++ b/{name}\n".encode(), *hunks]) if hunks else b""


def _changes(lines: Sequence[bytes], edits: Sequence[Edit]) -> Iterator[_Change]:
    starts = list(accumulate(map(len, lines), initial=0))
    left = sorted(edits, key=lambda each: each.start)
    while left:
        first = bisect_right(starts, left[0].start) - 1
        end, within = first + 1, []
        while left and left[0].start < starts[min(end, len(lines))]:
            within.append(left.pop(0))
            end = max(end, bisect_right(starts, max(within[-1].end - 1, within[-1].start)))
        base = starts[first]
        moved = [Edit(each.start - base, each.end - base, each.new) for each in within]
        old = lines[first:end]
        new = _LINE.findall(applied(moved, b"".join(old)))
        same = _same_at_begin(old, new)
        after = _same_at_begin(old[same:][::-1], new[same:][::-1])
        yield _Change(first + same, end - after, new[same : len(new) - after])


def _same_at_begin(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _groups(changes: Sequence[_Change]) -> Iterator[list[_Change]]:
    """Changes so near to each other that one hunk shows them."""
    group: list[_Change] = []
    for change in changes:
        if group and change.first - group[-1].end > 2 * _CONTEXT_LINES:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(lines: Sequence[bytes], group: Sequence[_Change], moved: int) -> tuple[bytes, int]:
    """One hunk, and by how many lines what follows it has moved."""
    begin = at = max(0, group[0].first - _CONTEXT_LINES)
    end = min(len(lines), group[-1].end + _CONTEXT_LINES)
    shown: list[bytes] = []
    for change in group:
        shown += [b" " + line for line in lines[at : change.first]]
        shown += [b"-" + line for line in lines[change.first : change.end]]
        shown += [b"+" + line for line in change.new]
        at = change.end
    shown += [b" " + line for line in lines[at:end]]
    grown = sum(len(change.new) - (change.end - change.first) for change in group)
    old_length, new_length = end - begin, end - begin + grown
    head = f"@@ -{begin + 1},{old_length} +{begin + moved + 1},{new_length} @@\n"
    return b"".join([head.encode(), *map(_ended, shown)]), moved + grown


def _ended(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n"
