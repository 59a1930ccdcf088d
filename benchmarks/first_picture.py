"""How soon the live view shows 1,000 students x 40 exercises, and then an update.

    python benchmarks/first_picture.py [--times 15]

A real collector, and a real Chromium with an empty cache: each first picture is of a new
browser context. An update is one student's result, or those of forty students at once: so many
come in the 200 ms after which a page is told again when 1,000 send every five seconds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # for the collector that the tests have

from browser import find_or_install, launched  # after the line above
from collectors import CollectorProcess
from figures import median
from large_store import fill
from live_page import a_page, wait_for
from playwright.sync_api import Browser, Page

from ipynb_telemetry.events import message, new_record

_SETTLED_S = 3  # a teacher opens the page some moments after the start
_BETWEEN_MS = 400  # longer than the pause after which a page is told again
_FIRST_MS, _UPDATE_MS = 500, 50
_LOADED = """() => {
    const loaded = performance.getEntriesByType("resource");
    const end = (part) => loaded.findLast(({ name }) => name.includes(part)).responseEnd;
    return { ...watched, scripts: end(".js"), data: end("api/class") };
}"""


class Figures(NamedTuple):
    """How long something took, each time."""

    what: str
    took_ms: Sequence[float]
    budget_ms: float | None = None

    def __str__(self) -> str:
        within = sum(each <= (self.budget_ms or 0) for each in self.took_ms)
        budget = f"{self.budget_ms} ms | {within} of {len(self.took_ms)}" if self.budget_ms else "|"
        half, worst = median(self.took_ms), max(self.took_ms)
        return f"| {self.what} | {half:.0f} ms | {worst:.0f} ms | {budget} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=15)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        collector = CollectorProcess(Path(name))
        fill(collector.database, 1)
        with collector, launched(find_or_install(print)) as shared, shared.in_use() as browser:
            time.sleep(_SETTLED_S)
            print("\n| what | median | worst | budget | within it |\n|---|---|---|---|---|")
            for figures in (
                _server(collector, asked.times),
                *_first_pictures(browser, collector, asked.times),
                *_updates(browser, collector, asked.times),
            ):
                print(figures, flush=True)


def _server(collector: CollectorProcess, times: int) -> Figures:
    """What the class takes without a browser."""
    took_ms = []
    for _ in range(times):
        began_s = time.perf_counter()
        collector.read("/api/class").raise_for_status()
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return Figures("the server's answer, all of it", took_ms)


def _first_pictures(browser: Browser, collector: CollectorProcess, times: int) -> list[Figures]:
    """From the beginning of the navigation, of a page of its own each time."""
    seen = []
    for _ in range(times):
        with a_page(browser, collector) as page:
            seen.append(page.evaluate(_LOADED))
    return [
        Figures(f"first picture: {words}", [each[stage] for each in seen], budget_ms)
        for stage, words, budget_ms in (
            ("scripts", "the scripts have come", None),
            ("data", "the class has come", None),
            ("dom", "in the DOM", _FIRST_MS),
            ("painted", "painted", _FIRST_MS),
        )
    ]


def _updates(browser: Browser, collector: CollectorProcess, times: int) -> list[Figures]:
    """From when the news has reached the page."""
    figures = []
    with a_page(browser, collector) as page:
        for students, what in ((1, "one student"), (40, "40 students")):
            seen = _after(page, collector, students, times)
            for stage, words in (("dom", "in the DOM"), ("painted", "painted")):
                took_ms = [each[stage] for each in seen]
                figures.append(Figures(f"update, {what}: {words}", took_ms, _UPDATE_MS))
    return figures


def _after(
    page: Page, collector: CollectorProcess, students: int, times: int
) -> list[dict[str, float]]:
    """What the page has noted of each update."""
    page.evaluate("watched.updates.length = 0")
    for number in range(times):
        page.wait_for_timeout(_BETWEEN_MS)
        _results(collector, students, number)
        wait_for(page, f"watched.updates.length > {number}")
    noted: list[dict[str, float]] = page.evaluate("watched.updates")
    return noted


def _results(collector: CollectorProcess, students: int, number: int) -> None:
    """So many students try the last exercise again, with another result."""
    batch = []
    for student in range(students):
        name = f"STUDENT-{student:04}"
        base = {"nb": "D0", "sess": f"0000{student:04x}", "v": "0.2.0", "seq": 1_000 + number}
        own = {"ex": "exercise_40", "ok": number % 2 == 0, "try": 2 + number, "ms": 1, "err": None}
        properties = {**own, **base, "student": name}
        record = new_record("test", properties, host=None, api_key=None, student=name)
        batch.append(message(record, ""))
    collector.post(batch).raise_for_status()


if __name__ == "__main__":
    main()
