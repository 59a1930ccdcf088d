"""The README's picture of the live view, made again after its looks have changed.

    python tests/make_picture.py

Thirty imagined students after 22 minutes of a lesson of 45, in a real collector and browser.
"""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from browser import find_or_install, launched
from collectors import CollectorProcess
from playwright.sync_api import expect

from ipynb_telemetry.classroom.imagined import Lesson
from ipynb_telemetry.classroom.play import a_class
from ipynb_telemetry.events import message

_PICTURE = Path(__file__).parents[1] / "docs" / "dashboard.png"
_SIZE = {"width": 1600, "height": 1000}
_MINUTES = 22
_MAX_AT_ONCE = 1_000


def main() -> None:
    with tempfile.TemporaryDirectory() as name, CollectorProcess(Path(name)) as collector:
        began = datetime.now(tz=timezone.utc) - timedelta(minutes=_MINUTES)
        lesson = a_class(30, Lesson(exercises=8, minutes=45), began=began, cohorts=["10A", "10B"])
        past = [message(each.record, "") for each in lesson if each.at_s < _MINUTES * 60]
        for start in range(0, len(past), _MAX_AT_ONCE):
            collector.post(past[start : start + _MAX_AT_ONCE]).raise_for_status()
        with launched(find_or_install(print)) as shared, shared.in_use() as browser:
            page = browser.new_page(viewport=_SIZE, color_scheme="light")  # type: ignore[arg-type]  # it is one
            page.goto(f"{collector.url}/?token={collector.token}")
            expect(page.locator("#summary dd").first).to_have_text("30")
            page.screenshot(path=_PICTURE)


if __name__ == "__main__":
    main()
