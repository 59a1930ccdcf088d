"""The live view in a real browser, and when it has shown what (`page_watch.js`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collectors import CollectorProcess
from playwright.sync_api import Browser, Page

_WATCH = Path(__file__).with_name("page_watch.js")
_LOOK_EVERY_MS, _MAX_LOOKS = 50, 400


@contextmanager
def a_page(browser: Browser, collector: CollectorProcess) -> Iterator[Page]:
    """A teacher's page with an empty cache, its first picture there."""
    with browser.new_context(viewport={"width": 1920, "height": 1080}) as context:
        page = context.new_page()
        page.add_init_script(path=_WATCH)
        page.goto(f"{collector.url}/?token={collector.token}")
        wait_for(page, "watched.painted")
        yield page


def wait_for(page: Page, what: str) -> None:
    """Return as soon as `what` is true in the page.

    Raises:
        TimeoutError: It stays false.
    """
    # Not wait_for_function: the Content-Security-Policy lets nobody evaluate a string there.
    for _ in range(_MAX_LOOKS):
        if page.evaluate(what):
            return
        page.wait_for_timeout(_LOOK_EVERY_MS)
    raise TimeoutError(what)
