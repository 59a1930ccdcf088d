"""How the exercises of one session came to be passed, worked out once for whoever asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from msgspec import Struct

from ipynb_telemetry.classroom.attempts import Exercise

MINUTE_MS = 60_000


class Ways(Struct, frozen=True, array_like=True, gc=False):
    """What a class is asked about all attempts of its sessions, without a look at each of them."""

    passed_first: list[str]
    """The exercises whose very first attempt passed."""
    minutes: dict[str, float]
    """Of each exercise that has passed: from the pass before it, or from the beginning of the
    session, to its first pass."""
    failures: list[tuple[str, str]]
    """Exercise and message of each failed attempt that is kept."""


def ways_of(exercises: Mapping[str, Exercise], began_ms: int) -> Ways:
    """The ways of a session that began then, in milliseconds since 1970."""
    passed_first: list[str] = []
    passed: list[tuple[str, int, int]] = []
    failures: list[tuple[str, str]] = []
    for name, kept in sorted(exercises.items()):  # they come in any order
        first = kept.first
        if first.ok and first.number <= 1:
            passed_first.append(name)
        if (first_pass := kept.first_pass) is not None:
            passed.append((name, first.at_ms, first_pass.at_ms))
        failures += [(name, each.err) for each in kept.recent if not each.ok]
    passes = sorted([at_ms for _, _, at_ms in passed])
    minutes: dict[str, float] = {}
    for name, first_ms, at_ms in passed:
        place = bisect_left(passes, first_ms)
        begun_ms = passes[place - 1] if place else began_ms
        minutes[name] = max(0, at_ms - begun_ms) / MINUTE_MS
    return Ways(passed_first, minutes, failures)
