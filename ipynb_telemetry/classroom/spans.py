"""Sorted runs: of numbers without a gap, and of moments that are close to each other."""

from __future__ import annotations

from bisect import bisect_left

SPELL_MS = 10 * 60 * 1000  # who does nothing for longer was away
MAX_RUNS = (
    1_000  # of one session: a lost event makes one gap, and anybody can send every other number
)


def add_number(spans: list[list[int]], number: int) -> bool:
    """Put `number` into a sorted list of runs.

    Returns:
        False where it is in one of them, or where it would be one more than `MAX_RUNS`.
    """
    if spans and number == spans[-1][1] + 1:  # nearly always
        spans[-1][1] = number
        return True
    place = bisect_left(spans, [number + 1])  # the first run that begins after it
    before = spans[place - 1] if place else None
    if before and number <= before[1]:
        return False
    after = spans[place] if place < len(spans) else None
    joins_before = before is not None and before[1] == number - 1
    joins_after = after is not None and after[0] == number + 1
    if len(spans) >= MAX_RUNS and not joins_before and not joins_after:
        return False
    low = before[0] if before and joins_before else number
    high = after[1] if after and joins_after else number
    spans[place - joins_before : place + joins_after] = [[low, high]]
    return True


def add_time(spells: list[list[int]], at_ms: int) -> None:
    """Put a moment into a sorted list of spells, joining those that are close enough.

    Of more than `MAX_RUNS` spells the two oldest are joined.
    """
    if spells and spells[-1][0] <= at_ms <= spells[-1][1] + SPELL_MS:  # nearly always
        spells[-1][1] = max(spells[-1][1], at_ms)
        return
    place = bisect_left(spells, [at_ms])
    start = place
    low = high = at_ms
    if start and spells[start - 1][1] + SPELL_MS >= at_ms:
        start -= 1
        low, high = spells[start][0], max(high, spells[start][1])
    if place < len(spells) and spells[place][0] - SPELL_MS <= high:
        high = max(high, spells[place][1])
        place += 1
    spells[start:place] = [[low, high]]
    if len(spells) > MAX_RUNS:
        spells[:2] = [[spells[0][0], spells[1][1]]]
