"""`ipynb-telemetry demo`, as the README says: the lesson and the live view, in a browser."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from browser import SharedBrowser
from lesson import EXERCISES
from playwright.sync_api import expect
from waiting import wait_until


class Demo:
    """The command as a person starts it, what it has said so far, and its end."""

    def __init__(self, said: Path, *options: str) -> None:
        self._said = said
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may run the tests
        try:
            with said.open("wb") as terminal:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "ipynb_telemetry", "demo", "--no-browser", *options],
                    stdin=subprocess.DEVNULL,
                    stdout=terminal,
                    stderr=subprocess.STDOUT,
                )
        finally:
            signal.signal(signal.SIGHUP, before)

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    def wait_until_up(self) -> tuple[str, str]:
        """The lesson's address, and the live view's."""
        wait_until(lambda: "Ctrl-C" in self.said or self.process.poll() is not None, timeout_s=60)
        found = re.search(r"Lesson:\s+(\S+)\nLive view:\s+(\S+)\n", self.said)
        assert found, self.said
        return found[1], found[2]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "said")
    yield demo
    demo.process.terminate()
    demo.process.wait()


@pytest.fixture
def demo_with_a_class(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "said", "--class", "30")
    yield demo
    demo.process.terminate()
    demo.process.wait()


def test_the_lessons_events_are_printed_as_they_arrive(
    demo: Demo, shared_browser: SharedBrowser
) -> None:
    lesson, view = demo.wait_until_up()
    with shared_browser.in_use() as running, running.new_context() as context:
        page = context.new_page()
        page.goto(lesson)
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
        page.goto(view)
        expect(page.get_by_text("ADA-LOVELACE").first).to_be_visible()


def test_an_imagined_class_is_in_the_live_view(demo_with_a_class: Demo) -> None:
    _, view = demo_with_a_class.wait_until_up()
    base, _, token = view.partition("/?token=")

    def students() -> dict[str, Any]:
        answer = requests.get(
            f"{base}/api/class", headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        found: dict[str, Any] = answer.json()["students"]
        return found

    def rows() -> list[dict[str, Any]]:
        return [row for of_one_name in students().values() for row in of_one_name]

    wait_until(lambda: len(rows()) == 30)
    wait_until(lambda: any(row["hand"] for row in rows()))
    wait_until(lambda: any(row["fails"] >= 3 for row in rows()))
    assert "imagined students" in demo_with_a_class.said
    assert "attempt" not in demo_with_a_class.said  # a class would drown the person's own


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_cleanly_and_leaves_nothing_running(
    demo_with_a_class: Demo, end: signal.Signals
) -> None:
    demo = demo_with_a_class
    demo.wait_until_up()
    children = psutil.Process(demo.process.pid).children(recursive=True)
    assert children

    demo.process.send_signal(end)

    assert demo.process.wait(30) == 0
    assert [child for child in children if child.is_running()] == []
    assert "Goodbye." in demo.said
    assert "Traceback" not in demo.said


def test_asked_to_end_twice_it_still_ends_cleanly(demo: Demo) -> None:
    demo.wait_until_up()
    children = psutil.Process(demo.process.pid).children(recursive=True)
    assert children

    demo.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Goodbye." in demo.said)
    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(30) == 0
    assert [child for child in children if child.is_running()] == []


def test_help_names_each_command() -> None:
    command = [sys.executable, "-m", "ipynb_telemetry", "--help"]

    shown = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "demo" in shown.stdout
    assert shown.stderr == ""
