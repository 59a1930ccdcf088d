"""`ipynb-telemetry demo`, as the README says: the lesson in a browser, its events printed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from browser import SharedBrowser
from lesson import EXERCISES
from playwright.sync_api import expect
from waiting import wait_until


class Demo:
    """The command as a person starts it, what it has said so far, and its end."""

    def __init__(self, said: Path) -> None:
        self._said = said
        with said.open("wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ipynb_telemetry", "demo", "--no-browser"],
                stdin=subprocess.DEVNULL,
                stdout=terminal,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    def wait_until_up(self) -> str:
        """The lesson's address."""
        wait_until(lambda: "Lesson:" in self.said or self.process.poll() is not None, timeout_s=60)
        found = re.search(r"Lesson:\s+(\S+)", self.said)
        assert found, self.said
        return found[1]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "said")
    yield demo
    demo.process.terminate()
    demo.process.wait()


def test_the_lessons_events_are_printed_as_they_arrive(
    demo: Demo, shared_browser: SharedBrowser
) -> None:
    address = demo.wait_until_up()
    with shared_browser.in_use() as running, running.new_context() as context:
        page = context.new_page()
        page.goto(address)
        cells = page.locator(".jp-NotebookPanel .jp-Cell")
        expect(cells).to_have_count(10, timeout=60_000)
        bottom = page.locator("#jp-bottom-panel")
        expect(bottom).to_contain_text("Python 3 (ipykernel) | Idle", timeout=60_000)
        cells.nth(1).locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        name = page.locator(".ipt-panel").get_by_label("Your name")
        name.fill("Ada Lovelace", timeout=60_000)
        name.press("Enter")

        wait_until(lambda: "ADA-LOVELACE  start" in demo.said)
        for number in (3, 4):
            cells.nth(number).locator(".cm-content").click()
            page.keyboard.press("Shift+Enter")

    wait_until(lambda: f"{EXERCISES[0]}  attempt 1  passed" in demo.said)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_leaves_nothing_running(demo: Demo, end: signal.Signals) -> None:
    demo.wait_until_up()
    children = psutil.Process(demo.process.pid).children(recursive=True)
    assert children

    demo.process.send_signal(end)

    assert demo.process.wait(30) == 0
    assert [child for child in children if child.is_running()] == []
    assert "Goodbye." in demo.said


def test_help_names_each_command() -> None:
    command = [sys.executable, "-m", "ipynb_telemetry", "--help"]

    shown = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "demo" in shown.stdout
    assert shown.stderr == ""
