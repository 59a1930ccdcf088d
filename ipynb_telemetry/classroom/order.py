"""In which order exercises and cells stand in the notebook, told by what students did first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from heapq import nlargest
from itertools import combinations

from ipynb_telemetry.classroom.figures import SessionFigures

_SAMPLE_PAIRS = 40_000  # of exercises or cells, whose order in a session is looked at
_SAMPLE_SESSIONS = 40


def common_order(names: Iterable[str], orders: Iterable[Sequence[str]]) -> list[str]:
    """The names, in the order in which most have met them.

    Each pair is put as the majority of `orders` has it; a pair that none of them has, or as
    many one way as the other, is put by name, numbers by their value.
    """
    before: Counter[tuple[str, str]] = Counter()
    for order, times in Counter(map(tuple, orders)).items():  # most have the same
        for pair in combinations(order, 2):
            before[pair] += times
    by_name = sorted({*names}, key=_natural)
    ahead = dict.fromkeys(by_name, 0)
    for one, other in combinations(by_name, 2):
        is_first = before[one, other] >= before[other, one]
        ahead[one if is_first else other] += 1
    return sorted(by_name, key=lambda name: -ahead[name])  # stable: then by name


def exercise_order(sessions: Iterable[SessionFigures]) -> list[str]:
    """Exercises in notebook order, told by when students first tried them."""
    by_session = {each.sess: each for each in sessions}
    met = {sess: each.standings for sess, each in by_session.items()}
    names: set[str] = set().union(*met.values())
    firsts = [
        [(kept.first, name) for name, kept in by_session[sess].exercises.items()]
        for sess in _sample(met)
    ]
    return common_order(names, ([name for _, name in sorted(each)] for each in firsts))


def cell_order(sessions: Iterable[SessionFigures]) -> list[str]:
    """Cells in notebook order, told by when students first ran them."""
    met = {session.sess: session.cells for session in sessions}
    names = {name for each in met.values() for name in each}
    sample = (met[sess] for sess in _sample(met))
    return common_order(names, (sorted(each, key=each.__getitem__) for each in sample))


def _sample(met: Mapping[str, Sized]) -> list[str]:
    """Who have met most: their order is enough, and thousands would take their time."""
    pairs_each = max(map(len, met.values()), default=0) ** 2 // 2 + 1
    sessions = min(_SAMPLE_SESSIONS, _SAMPLE_PAIRS // pairs_each + 1)
    return nlargest(sessions, met, key=lambda sess: len(met[sess]))


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
