"""One row of the table: what was measured, beside its budget and its reference."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

HEAD = ("what", "budget", "measured", "ratio", "ok")


@dataclass(frozen=True)
class Row:
    what: str
    budget: str
    measured: str
    ratio: str
    """Against the reference, which was measured in the same run."""
    ok: bool
    figures: dict[str, float] = field(default_factory=dict)
    """The same as numbers, with their units in their names."""

    def __str__(self) -> str:
        cells = (self.what, self.budget, self.measured, self.ratio, "yes" if self.ok else "NO")
        return _line(cells)


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    return "\n".join([_line(HEAD), _line(["---"] * len(HEAD)), *map(str, rows)])


def as_json(rows: Iterable[Row]) -> str:
    return json.dumps([asdict(row) for row in rows], indent=2)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def undisturbed(values: Sequence[float]) -> float:
    """The first quartile: what else a busy computer does can only make things slower."""
    return statistics.quantiles(values, n=4, method="inclusive")[0]


def median_ratio(ours: Sequence[float], reference: Sequence[float]) -> float:
    """Of neighbours in time, so that a computer that grows busier does not count."""
    return statistics.median(a / b for a, b in zip(ours, reference, strict=True))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
