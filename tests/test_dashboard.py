"""The live view in a real browser, fed by a real collector."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from browser import SharedBrowser
from collectors import CollectorProcess
from kernel_fixtures import SETUP, NewKernel
from notebook_page import ARTEFACTS
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect
from waiting import wait_until

from ipynb_telemetry.classroom.imagined import Lesson
from ipynb_telemetry.classroom.live import MAX_SESSIONS
from ipynb_telemetry.classroom.play import a_class
from ipynb_telemetry.classroom.store import FigureRow, Store
from ipynb_telemetry.events import Record, message, new_record

NOTEBOOK = "D3_Datetimes"
VIEWS = {
    "class": "The class now",
    "help": "Who needs help",
    "exercises": "Each exercise",
    "pace": "The lesson's pace",
    "received": "Is it all there",
}
NEEDS = json.loads((Path(__file__).parent / "data" / "needs.json").read_text("utf-8"))


class Dashboard:
    """The teacher's page, and what it may not have done."""

    def __init__(self, browser: Browser, collector: CollectorProcess, **context: Any) -> None:
        self.collector = collector
        self._context = browser.new_context(**context)
        self.page: Page = self._context.new_page()
        self.strangers: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)

    def open(self, view: str = "class", query: str = "") -> Page:
        address = f"{self.collector.url}/?token={self.collector.token}{query}#{view}"
        self.page.goto(address)
        expect(self.connection).to_have_text("live")
        return self.page

    @property
    def connection(self) -> Locator:
        return self.page.locator("#connection")

    def row(self, name: str) -> Locator:
        """The student's row of the grid."""
        button = self.page.get_by_role("button", name=name, exact=True)
        return self.page.locator(".grid tbody tr").filter(has=button)

    def names(self) -> list[str]:
        return self.page.locator(".grid tbody .name").all_text_contents()

    def cell(self, name: str, exercise: int) -> Locator:
        """The student's cell of the exercise with this number, from 1."""
        return self.row(name).locator(".cell").nth(exercise - 1)

    def close(self) -> None:
        self._context.close()

    def _note(self, address: str) -> None:
        if not address.startswith(self.collector.url):
            self.strangers.append(address)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type in {"error", "warning"} and "Failed to load resource" not in said.text:
            self.errors.append(said.text)


@pytest.fixture
def collector(clean_environment: None, tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path) as collector:
        yield collector


@pytest.fixture
def dashboard(shared_browser: SharedBrowser, collector: CollectorProcess) -> Iterator[Dashboard]:
    with shared_browser.in_use() as browser:
        dashboard = Dashboard(browser, collector)
        yield dashboard
        dashboard.close()
    assert dashboard.strangers == []
    assert dashboard.errors == []


class Student:
    """Sends events as a student's session does.

    Args:
        name: As it is sent; nobody normalizes it here.
        ago_minutes: When the first event was; each is a second after the one before.
    """

    def __init__(
        self,
        collector: CollectorProcess,
        name: str,
        sess: str,
        *,
        ago_minutes: float = 0,
        **base: str,
    ) -> None:
        self._collector, self.name = collector, name
        self._base = {"nb": NOTEBOOK, "sess": sess, "v": "1.0", **base}
        self._at = datetime.now(tz=timezone.utc) - timedelta(minutes=ago_minutes)
        self._seq = 0
        self.lost = 0

    def does(self, event: str, **own: Any) -> Student:
        assert self._collector.post([self._message(event, own)]).status_code == 200
        return self

    def loses(self, event: str, **own: Any) -> Student:
        """An event happens that never arrives."""
        self._message(event, own)
        return self

    def cell(self, cell_id: str) -> Student:
        return self.does("cell", cell_id=cell_id, cell_num=1, code="# code")

    def test(self, exercise: str, *, ok: bool, attempt: int = 1, err: str | None = None) -> Student:
        own = {"ok": ok, "try": attempt, "ms": 1, "err": err, "skipped": False}
        return self.does("test", ex=exercise, **own)

    def _message(self, event: str, own: dict[str, Any]) -> dict[str, Any]:
        properties = {**own, **self._base, "student": self.name, "seq": self._seq}
        record = new_record(event, properties, host=None, api_key=None, student=self.name)
        record["timestamp"] = self._at.isoformat()
        self._seq += 1
        self._at += timedelta(seconds=1)
        return message(record, "")


def post_all(collector: CollectorProcess, records: list[Record]) -> None:
    for start in range(0, len(records), 1000):
        batch = [message(record, "") for record in records[start : start + 1000]]
        assert collector.post(batch).status_code == 200


def test_three_kernels_at_once_are_seen_as_they_work(
    dashboard: Dashboard, collector: CollectorProcess, new_kernel: NewKernel
) -> None:
    dashboard.open()
    expect(dashboard.page.locator("h1")).to_have_text("Waiting for the first student")
    names = ["ADA", "BEN", "EVA"]
    settings = {"TELEMETRY_HOST": collector.url, "TELEMETRY_API_KEY": collector.api_key}
    kernels = [new_kernel(**settings) for _ in names]
    for name, kernel in zip(names, kernels, strict=True):
        kernel.run(f"{SETUP}\nsetup_telemetry({NOTEBOOK!r}, student={name!r})")
    check = (
        '_cell("exercise_1_test")\n'
        '@tracked_test("exercise_1")\n'
        "def check():\n    assert {} == 3, 'not three'\n"
        "check()"
    )

    begun = [kernel.begin(check.format(2)) for kernel in kernels]
    for kernel, number in zip(kernels, begun, strict=True):
        kernel.finish(number)

    for name in names:
        expect(dashboard.cell(name, 1)).to_have_attribute("aria-label", "tried, 1 attempt, is here")
    kernels[1].run(check.format(3))
    expect(dashboard.cell("BEN", 1)).to_have_attribute("aria-label", "passed, 2 attempts")
    expect(dashboard.cell("ADA", 1)).to_have_attribute("aria-label", "tried, 1 attempt, is here")
    assert sorted(dashboard.names()) == names


def test_after_a_restart_the_page_shows_what_it_missed_and_nothing_twice(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    ada = Student(collector, "ADA", "aaaaaaaa").test("one", ok=False)
    dashboard.open()
    expect(dashboard.cell("ADA", 1)).to_have_attribute("aria-label", "tried, 1 attempt, is here")

    collector.kill()
    expect(dashboard.connection).to_have_text("reconnecting")
    collector.start()
    ada.test("one", ok=True, attempt=2)
    Student(collector, "BEN", "bbbbbbbb").test("one", ok=True)

    expect(dashboard.connection).to_have_text("live", timeout=15_000)
    expect(dashboard.cell("ADA", 1)).to_have_attribute("aria-label", "passed, 2 attempts")
    expect(dashboard.cell("BEN", 1)).to_have_attribute("aria-label", "passed, 1 attempt")
    assert dashboard.names() == ["ADA", "BEN"]


def test_a_page_that_was_off_line_is_told_what_it_missed(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    ada = Student(collector, "ADA", "aaaaaaaa").test("one", ok=False)
    page = dashboard.open()
    expect(dashboard.row("ADA")).to_be_visible()

    page.context.set_offline(True)
    ada.test("one", ok=True, attempt=2)
    page.context.set_offline(False)

    expect(dashboard.cell("ADA", 1)).to_have_attribute(
        "aria-label", "passed, 2 attempts", timeout=15_000
    )


HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>${1}"\'`'


def test_nothing_that_a_student_sends_can_run_as_script(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    mallory = Student(collector, HOSTILE, "aaaaaaaa", cohort=HOSTILE, ago_minutes=6)
    mallory.does("start", frontend=HOSTILE)
    mallory.does("rename", prev=HOSTILE + "2")
    mallory.does("cell", cell_id=HOSTILE, cell_num=1, code=HOSTILE)
    mallory.test(HOSTILE, ok=False, err=HOSTILE)
    mallory.does("cell_end", cell_id=HOSTILE, cell_num=1, ok=False, ms=1, err=HOSTILE + "3")
    mallory.does(HOSTILE, **{HOSTILE: HOSTILE})
    mallory.does("hand", up=True)
    other = Student(collector, "javascript:alert(1)", "bbbbbbbb", cohort="10A")
    other._base["nb"] = HOSTILE
    other.cell("a")
    page = dashboard.open(query=f"&notebook={NOTEBOOK}")
    expect(dashboard.row(HOSTILE)).to_be_visible()

    for view, label in VIEWS.items():
        page.evaluate(f"location.hash = '{view}'")
        expect(page.get_by_role("region", name=label)).to_contain_text(
            re.compile("img|script|missing|arrived|cell")
        )
    page.evaluate("location.hash = 'class'")
    dashboard.row(HOSTILE).locator(".name").click()
    expect(page.get_by_role("dialog")).to_contain_text(HOSTILE + "3")
    page.keyboard.press("Escape")
    page.get_by_label("Notebook", exact=True).select_option(HOSTILE)
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    page.get_by_label("Notebook", exact=True).select_option(NOTEBOOK)
    page.get_by_label("Class", exact=True).select_option(HOSTILE)
    expect(dashboard.row(HOSTILE)).to_be_visible()

    assert page.evaluate("window.pwned") is None
    assert page.locator("img, body script, a[href^=javascript]").count() == 0


def test_an_exercise_may_have_the_name_of_something_in_javascript(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    for exercise in ("constructor", "__proto__", "toString"):
        Student(collector, f"ADA-{exercise}", f"sess-{exercise}").test(exercise, ok=True)
    page = dashboard.open()

    for exercise in ("constructor", "__proto__", "toString"):
        cells = dashboard.row(f"ADA-{exercise}").locator(".cell")
        expect(cells).to_have_count(3)
        states = cells.evaluate_all("cells => cells.map((cell) => cell.dataset.state)")
        assert sorted(states) == ["none", "none", "passed"]
    page.evaluate("location.hash = 'constructor'")
    expect(page.get_by_role("region", name="The class now")).to_be_visible()


def test_the_page_may_run_no_script_but_its_own(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    page = dashboard.open()
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.pwned = 1";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.pwned=1'>");
        }"""
    )

    expect(page.locator("img")).to_have_count(1)
    wait_until(lambda: page.evaluate("document.querySelector('img').complete"))
    assert page.evaluate("window.pwned") is None
    assert all("Content Security Policy" in error for error in dashboard.errors)
    assert len(dashboard.errors) >= 2
    dashboard.errors.clear()


def test_the_class_is_asked_for_once_and_its_changes_from_there(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").cell("a")
    asked: list[str] = []
    dashboard.page.on("request", lambda request: asked.append(request.url))

    dashboard.open()

    expect(dashboard.row("ADA")).to_be_visible()
    about = [address.removeprefix(collector.url) for address in asked if "/api/" in address]
    assert about[0] == "/api/class"
    assert about[1].startswith("/api/stream?seen=")
    assert len(about) == 2


def test_one_key_hides_all_names_and_a_reload_keeps_them_hidden(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").does("hand", up=True)
    page = dashboard.open()
    expect(dashboard.row("ADA")).to_be_visible()

    page.keyboard.press("h")

    expect(dashboard.row("Student 1")).to_be_visible()
    page.reload()
    expect(dashboard.row("Student 1")).to_be_visible()
    for view in VIEWS:
        page.evaluate(f"location.hash = '{view}'")
        expect(page.locator("main section")).to_be_visible()
        assert "ADA" not in page.locator("body").inner_text()


def test_hidden_names_are_not_in_their_order(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    page = dashboard.open()
    for name, sess in (("ZOE", "aaaaaaaa"), ("ADA", "bbbbbbbb"), ("MIA", "eeeeeeee")):
        Student(collector, name, sess).cell(f"cell-of-{name}")
        expect(dashboard.row(name)).to_be_visible()

    page.keyboard.press("h")

    rows = page.locator(".grid tbody tr")
    expect(page.locator(".grid tbody .name")).to_have_text(["Student 1", "Student 2", "Student 3"])
    expect(rows).to_contain_text(["cell-of-ZOE", "cell-of-ADA", "cell-of-MIA"])


def test_a_hidden_student_has_the_same_number_on_every_page_and_after_a_reload(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    zoe = Student(collector, "ZOEE", "eeeeeeee").cell("cell-of-ZOE")
    Student(collector, "ADA", "aaaaaaaa").cell("cell-of-ADA")
    page = dashboard.open()
    page.keyboard.press("h")
    where = page.locator(".grid tbody .at")
    expect(where).to_have_text(["cell-of-ZOE", "cell-of-ADA"])

    # What came late happened before all others, as when a name is given at the lesson's end.
    Student(collector, "MIA", "bbbbbbbb", ago_minutes=9).cell("cell-of-MIA")
    zoe.name = "ZOE"
    zoe.does("rename", prev="ZOEE").cell("next-of-ZOE")

    in_order = ["next-of-ZOE", "cell-of-ADA", "cell-of-MIA"]
    expect(where).to_have_text(in_order)
    collector.stop()
    collector.start()
    page.reload()
    expect(page.locator(".grid tbody .name")).to_have_text(["Student 1", "Student 2", "Student 3"])
    expect(where).to_have_text(in_order)


def test_a_notebook_that_is_not_there_leaves_a_way_to_those_that_are(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").cell("a")
    page = dashboard.open(query="&notebook=D9")
    expect(page.locator("h1")).to_have_text("Nothing yet from D9")
    choice = page.get_by_label("Notebook", exact=True)
    expect(choice).to_have_value("D9")

    choice.select_option(NOTEBOOK)

    expect(dashboard.row("ADA")).to_be_visible()
    expect(choice).to_be_hidden()


def test_a_notebook_that_is_not_there_yet_is_shown_when_it_begins(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").cell("a")
    page = dashboard.open(query="&notebook=D9")
    expect(page.locator("h1")).to_have_text("Nothing yet from D9")

    Student(collector, "BEN", "bbbbbbbb", nb="D9").cell("a")

    expect(dashboard.row("BEN")).to_be_visible()
    expect(page.locator("h1")).to_have_text("D9")
    expect(page.get_by_label("Notebook", exact=True)).to_have_value("D9")


def test_only_a_hand_that_goes_up_now_is_said_aloud(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "LONG-UP", "aaaaaaaa", ago_minutes=3).does("hand", up=True)
    page = dashboard.open("help")
    announcer = page.locator("#announcer")
    expect(page.locator(".card .name")).to_have_text(["LONG-UP"])
    expect(announcer).to_have_text("")

    Student(collector, "JUST-UP", "bbbbbbbb").does("hand", up=True)

    expect(announcer).to_have_text("JUST-UP has raised a hand.")
    page.keyboard.press("h")
    expect(announcer).to_have_text("")
    wait_until(lambda: "-UP" not in page.content())


def test_a_corrected_typo_merges_the_rows(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    sara = Student(collector, "SARRA", "aaaaaaaa").test("one", ok=True)
    page = dashboard.open()
    expect(dashboard.row("SARRA")).to_be_visible()

    sara.name = "SARA"
    sara.does("rename", prev="SARRA")

    expect(dashboard.cell("SARA", 1)).to_have_attribute("aria-label", "passed, 1 attempt")
    assert dashboard.names() == ["SARA"]
    dashboard.row("SARA").locator(".name").click()
    expect(page.get_by_role("dialog")).to_contain_text("before: SARRA")


def test_two_computers_with_one_name_at_once_are_a_clash(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    here = Student(collector, "SARA", "aaaaaaaa", ago_minutes=2).test("one", ok=True)
    there = Student(collector, "SARA", "bbbbbbbb", ago_minutes=2).test("one", ok=False)
    here.cell("a")
    there.cell("a")

    dashboard.open()

    expect(dashboard.row("SARA")).to_have_count(2)
    expect(dashboard.row("SARA").nth(0)).to_contain_text("same name twice")
    expect(dashboard.row("SARA").nth(1)).to_contain_text("same name twice")


def test_who_needs_help_is_listed_raised_hands_first_with_the_last_message(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    stuck = Student(collector, "STUCK", "aaaaaaaa", ago_minutes=20)
    stuck.test("one", ok=False, err="KeyError: 'x'")
    Student(collector, "FINE", "bbbbbbbb", ago_minutes=3).test("one", ok=True)
    page = dashboard.open("help")
    expect(page.locator(".card .name")).to_have_text(["STUCK"])
    expect(page.locator(".card")).to_contain_text("KeyError: 'x'")
    expect(page.locator(".card")).to_contain_text("1 failed attempt in 20 min")

    Student(collector, "HAND", "eeeeeeee").does("hand", up=True)

    expect(page.locator(".card .name")).to_have_text(["HAND", "STUCK"])
    expect(page.locator("#announcer")).to_have_text("HAND has raised a hand.")
    page.get_by_label("Failing without a pass for").fill("30")
    page.get_by_label("Silent after a failure for").fill("30")
    expect(page.locator(".card .name")).to_have_text(["HAND"])


def test_the_page_and_the_data_frames_have_one_rule_for_who_needs_help(
    dashboard: Dashboard,
) -> None:
    page = dashboard.open()
    row = {"hand": 0, "fails": 0, "since": 0, "same": 0, "failedLast": False, "paused": False}
    rows = [{**row, "last": 1_000_000, **case["row"]} for case in NEEDS]

    why = page.evaluate(
        """async (rows) => {
            const { reasons } = await import("/dashboard/needs.js");
            return rows.map((row) => reasons(row, 1_000_000, { fail: 5, silent: 5 }));
        }""",
        rows,
    )

    assert why == [case["why"] for case in NEEDS]


def test_missing_events_are_told_until_they_arrive(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").cell("a").cell("b")
    page = dashboard.open("received")
    expect(page.locator(".verdict")).to_have_text("✓ All 2 events have arrived.")

    Student(collector, "BEN", "bbbbbbbb").cell("a").loses("cell").loses("cell").cell("b")

    expect(page.locator(".verdict")).to_contain_text("2 of 6 events are missing, from 1 session.")
    expect(page.locator(".received tbody tr").first).to_contain_text("BEN")
    expect(page.get_by_role("link", name="Is it all there? 2 missing")).to_be_visible()


def test_a_class_on_the_system_before_this_one_is_shown_as_well(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    page = dashboard.open("received")
    properties = {"nb": NOTEBOOK, "sess": "aaaaaaaa", "v": "1.0.0"}
    at = datetime.now(tz=timezone.utc)
    for number, (event, own) in enumerate(
        [
            ("start", {}),
            ("cell", {"cell_id": "one", "cell_num": 1, "code": "# code"}),
            ("test", {"ex": "one", "ok": False, "try": 1, "ms": 2, "err": "no"}),
            ("test", {"ex": "one", "ok": True, "try": 2, "ms": 2, "err": None}),
        ]
    ):
        sent = {"event": event, "distinct_id": "ADA-LEE", "properties": {**own, **properties}}
        timestamp = (at + timedelta(milliseconds=number)).isoformat()
        assert collector.post([{**sent, "timestamp": timestamp}]).status_code == 200

    expect(page.locator(".verdict")).to_contain_text("4 events came without a number")
    expect(page.locator(".received tbody td")).to_contain_text(["aaaaaaaa", "4", "not told"])
    page.evaluate("location.hash = 'class'")
    expect(dashboard.cell("ADA-LEE", 1)).to_have_attribute("data-state", "passed")
    dashboard.row("ADA-LEE").locator(".name").click()
    expect(page.get_by_role("dialog")).to_contain_text("✓ passed one, attempt 2")
    expect(page.get_by_role("dialog")).not_to_contain_text("not ended")


def test_each_exercise_and_the_pace_follow_the_class(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    ada = Student(collector, "ADA", "aaaaaaaa").cell("first").test("one", ok=False, err="E: 1")
    page = dashboard.open("exercises")
    expect(page.locator(".exercises tbody tr")).to_contain_text("0 of 1")
    expect(page.locator(".exercises tbody tr")).to_contain_text("E: 1")

    ada.test("one", ok=True, attempt=2)
    Student(collector, "BEN", "bbbbbbbb").cell("first").cell("second")

    expect(page.locator(".exercises tbody tr")).to_contain_text("1 of 2")
    page.keyboard.press("4")
    expect(page.locator(".pace svg .line text")).to_have_text(["first\u200e 2", "second\u200e 1"])


def test_the_timeline_of_a_student_grows_while_it_is_open(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    ada = Student(collector, "ADA", "aaaaaaaa").cell("intro")
    page = dashboard.open()
    dashboard.row("ADA").locator(".name").click()
    steps = page.get_by_role("dialog").locator(".timeline > li")
    expect(steps).to_have_count(1)

    ada.cell("exercise").test("one", ok=False, err="E: 1")

    expect(steps).to_have_count(2)
    expect(steps.first).to_contain_text("✗ failed one, attempt 1")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_timeline_of_a_student_goes_on_when_the_name_is_corrected(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    student = Student(collector, "SRA", "aaaaaaaa").cell("a")
    page = dashboard.open()
    dashboard.row("SRA").locator(".name").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("SRA")

    student.name = "SARA"
    student.does("rename", prev="SRA").cell("b")

    expect(dialog.get_by_role("heading")).to_have_text("SARA")
    expect(dialog.locator(".timeline > li strong")).to_have_text(["b", "a"])


def test_what_is_opened_or_focused_stays_so_while_the_class_goes_on(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    ada = Student(collector, "ADA", "aaaaaaaa", ago_minutes=9).cell("a")
    ada.test("one", ok=False, err="E: 1")
    page = dashboard.open("help")
    name = page.get_by_role("button", name="ADA")
    name.focus()

    ada.test("one", ok=False, attempt=2, err="E: 2")
    Student(collector, "BEN", "bbbbbbbb").does("hand", up=True)

    expect(page.locator(".card .name")).to_have_text(["BEN", "ADA"])
    expect(page.locator(".card").nth(1)).to_contain_text("E: 2")
    expect(name).to_be_focused()
    page.keyboard.press("4")
    page.get_by_text("The same as a table").click()
    ada.cell("b")
    expect(page.locator(".pace tbody th")).to_have_text(["a", "b"])
    expect(page.locator(".pace table")).to_be_visible()


def test_cohort_notebook_and_date_choose_the_part_of_the_class(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa", cohort="10A").cell("a")
    Student(collector, "BEN", "bbbbbbbb", cohort="10B").cell("a")
    Student(collector, "OLD", "eeeeeeee", ago_minutes=3 * 24 * 60).cell("a")
    Student(collector, "EVA", "dddddddd", ago_minutes=60, nb="D4_Files").cell("a")
    page = dashboard.open()
    expect(page.locator(".grid tbody .name")).to_have_text(["ADA", "BEN"])

    page.get_by_label("Class", exact=True).select_option("10B")
    expect(page.locator(".grid tbody .name")).to_have_text(["BEN"])
    page.reload()
    expect(page.locator(".grid tbody .name")).to_have_text(["BEN"])
    page.get_by_label("Class", exact=True).select_option("Everybody")
    page.get_by_label("When", exact=True).select_option("All dates")
    expect(page.locator(".grid tbody .name")).to_have_text(["ADA", "BEN", "OLD"])
    page.get_by_label("Notebook", exact=True).select_option(index=1)
    expect(page.locator(".grid tbody .name")).to_have_text(["EVA"])


def test_sessions_that_are_too_many_for_one_view_are_told_of(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    collector.stop()
    began = datetime.now(tz=timezone.utc) - timedelta(days=9)
    store = Store(collector.database)
    rows = []
    for number in range(MAX_SESSIONS + 1):
        last = (began + timedelta(minutes=number)).isoformat(timespec="microseconds")
        rows.append(FigureRow(f"{number:08x}", NOTEBOOK, "ADA", "", last, b""))
    store.write_figures(rows, 0).result()
    store.close()
    collector.start()
    page = dashboard.open()
    expect(page.locator("#left-out")).to_be_hidden()

    page.get_by_label("When", exact=True).select_option("All dates")

    expect(page.locator("#left-out")).to_contain_text("last heard of before")
    page.get_by_label("When", exact=True).select_option("On a day")
    expect(page.locator("#left-out")).to_be_hidden()


def test_who_works_in_another_notebook_is_told_of_and_one_click_away(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    ada = Student(collector, "ADA", "aaaaaaaa").cell("a")
    page = dashboard.open()
    expect(dashboard.row("ADA")).to_be_visible()
    expect(page.locator("#elsewhere")).to_be_hidden()

    Student(collector, "EVA", "dddddddd", nb="D4_Files").cell("a")

    expect(page.locator("#elsewhere")).to_contain_text("D4_Files")
    page.locator("#elsewhere").get_by_role("button", name="D4_Files").click()
    expect(page.locator(".grid tbody .name")).to_have_text(["EVA"])
    ada.cell("b")
    expect(page.locator("#elsewhere")).to_have_text(re.compile(NOTEBOOK))


def test_what_another_page_looks_at_changes_nothing_here(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    ada = Student(collector, "ADA", "aaaaaaaa").test("now", ok=True)
    Student(collector, "ADA", "bbbbbbbb", ago_minutes=9 * 24 * 60).test("before", ok=False)
    page = dashboard.open()
    expect(page.locator(".grid thead .ex")).to_have_count(1)

    collector.read("/api/class", since="0")
    ada.test("now", ok=True, attempt=2)

    expect(dashboard.cell("ADA", 1)).to_have_attribute("aria-label", "passed, 2 attempts")
    expect(page.locator(".grid thead .ex")).to_have_count(1)


def test_who_has_come_to_the_end_is_at_no_exercise_before_it(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "BEN", "bbbbbbbb").test("one", ok=True).test("two", ok=True)
    ada = Student(collector, "ADA", "aaaaaaaa").test("one", ok=False).cell("end")
    page = dashboard.open()
    expect(dashboard.cell("ADA", 1)).to_have_attribute("data-here", "")

    ada.test("two", ok=True).cell("end")

    expect(dashboard.cell("ADA", 2)).to_have_attribute("data-state", "passed")
    expect(page.locator(".grid tbody .cell[data-here]")).to_have_count(0)


def test_names_are_hidden_by_the_key_also_from_a_field(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").cell("a")
    page = dashboard.open()
    for view, field in (("class", "When"), ("help", "Silent after a failure for")):
        page.goto(f"{collector.url}/#{view}")
        page.get_by_label(field).focus()
        hidden = page.get_by_role("button", name="Hide names")
        before = hidden.get_attribute("aria-pressed")

        page.keyboard.press("h")

        expect(hidden).not_to_have_attribute("aria-pressed", str(before))


def test_the_skip_link_leads_into_the_view_that_is_shown(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").cell("a")
    page = dashboard.open("received")

    page.locator(".skip").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("region", name="Is it all there")).to_be_visible()
    expect(page.locator("#main")).to_be_focused()


def test_everything_is_reached_from_the_keyboard(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    for name, sess in (("ADA", "aaaaaaaa"), ("BEN", "bbbbbbbb"), ("EVA", "eeeeeeee")):
        Student(collector, name, sess).test("one", ok=name != "ADA")
    page = dashboard.open()
    dashboard.row("ADA").locator(".name").focus()

    page.keyboard.press("ArrowDown")
    expect(dashboard.row("BEN").locator(".name")).to_be_focused()
    page.keyboard.press("End")
    expect(dashboard.row("EVA").locator(".name")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("EVA")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect(page.locator(".grid tbody .name")).to_have_text(["BEN", "EVA", "ADA"])
    for number, label in enumerate(VIEWS.values(), start=1):
        page.keyboard.press(str(number))
        expect(page.get_by_role("region", name=label)).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("hide or show names")


def test_a_view_that_a_key_has_opened_is_scrolled_by_keys(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    records = []
    for number in range(60):
        base = {"nb": NOTEBOOK, "sess": f"{number:08x}", "seq": 0, "student": f"S-{number:02}"}
        own = {"cell_id": "a", "cell_num": 1, "code": ""}
        records.append(
            new_record("cell", own | base, host=None, api_key=None, student=f"S-{number:02}")
        )
    post_all(collector, records)
    page = dashboard.open()
    expect(page.locator("#summary dd").first).to_have_text("60")

    page.keyboard.press("5")
    page.keyboard.press("End")

    expect(page.locator(".received tbody th").last).to_be_in_viewport()
    page.go_back()
    expect(page.get_by_role("region", name="The class now")).to_be_visible()


def test_a_row_that_a_key_has_reached_is_in_view_below_upright_names(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    for number in range(40):
        student = Student(collector, f"S-{number:02}", f"{number:08x}")
        student.test(f"{number % 20:02}-mean-of-something", ok=True)
    page = dashboard.open()
    page.set_viewport_size({"width": 1000, "height": 600})
    expect(page.locator(".scroller[data-upright]")).to_be_visible()
    dashboard.row("S-00").locator(".name").focus()

    for number in range(1, 26):
        page.keyboard.press("ArrowDown")
        expect(dashboard.row(f"S-{number:02}").locator(".name")).to_be_focused()
        expect(dashboard.row(f"S-{number:02}").locator(".name")).to_be_in_viewport(ratio=0.99)


def test_an_empty_class_is_told_in_each_view(dashboard: Dashboard) -> None:
    page = dashboard.open()
    said = {
        "class": "Nobody is here yet.",
        "help": "Nobody needs help right now.",
        "exercises": "No exercise has been tried yet.",
        "pace": "No cell has been run yet.",
        "received": "No event has arrived yet.",
    }

    for view, words in said.items():
        page.evaluate(f"location.hash = '{view}'")
        expect(page.locator("main .empty")).to_contain_text(words)


def test_one_student_is_told_of_with_all_exercises_that_the_class_has(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").test("one", ok=True).test("two", ok=True)
    Student(collector, "BEN", "bbbbbbbb").test("one", ok=True)
    page = dashboard.open()

    dashboard.row("BEN").locator(".name").click()

    expect(page.get_by_role("dialog")).to_contain_text("1 of 2 exercises passed")


def test_a_thousand_students_are_drawn_as_they_are_needed(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    records: list[Record] = []
    for number in range(1000):
        base = {"nb": NOTEBOOK, "sess": f"{number:08x}", "seq": 0, "student": f"S-{number:04}"}
        own = {"ex": f"e{number % 40}", "ok": True, "try": 1, "ms": 1, "err": None}
        records.append(
            new_record("test", own | base, host=None, api_key=None, student=f"S-{number:04}")
        )
    post_all(collector, records)
    page = dashboard.open()
    expect(page.locator("#summary dd").first).to_have_text("1,000")
    assert 10 < page.locator(".grid tbody .name").count() < 100

    page.locator(".grid tbody .name").first.focus()
    page.keyboard.press("End")

    expect(dashboard.row("S-0999").locator(".name")).to_be_focused()
    expect(dashboard.row("S-0999")).to_have_attribute("aria-rowindex", "1001")
    assert 10 < page.locator(".grid tbody .name").count() < 100


def test_before_the_first_exercise_each_student_is_a_row(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    Student(collector, "ADA", "aaaaaaaa").cell("intro")
    dashboard.open()
    parts = dashboard.row("ADA").locator("th, td")
    expect(parts).to_have_text(["", "ADA", "0/0", re.compile("intro")])

    tops = parts.evaluate_all("nodes => nodes.map((node) => node.getBoundingClientRect().top)")
    row = dashboard.row("ADA").bounding_box()

    assert row is not None
    assert all(row["y"] <= top < row["y"] + row["height"] / 2 for top in tops)


def test_long_names_hide_nothing_else(dashboard: Dashboard, collector: CollectorProcess) -> None:
    ada = Student(collector, "ADA", "aaaaaaaa", ago_minutes=10).cell("light-years-" * 16)
    for exercise in ("light-years-" * 16, *(f"{number}-light-years" for number in range(25))):
        ada.test(exercise, ok=False, err="KeyError: " + "x" * 150)
    page = dashboard.open()
    page.set_viewport_size({"width": 1440, "height": 900})

    for heading in ("Student", "Passed"):
        expect(page.get_by_role("columnheader", name=heading, exact=True)).to_be_in_viewport()
    expect(page.get_by_text("0-light-years", exact=True)).to_be_in_viewport()
    for view in VIEWS:
        page.evaluate(f"location.hash = '{view}'")
        inner = page.locator("main > section")
        assert inner.evaluate("node => node.scrollWidth <= node.clientWidth"), view


def test_on_a_phone_a_clash_leaves_room_for_the_name(
    dashboard: Dashboard, collector: CollectorProcess
) -> None:
    for sess in ("aaaaaaaa", "bbbbbbbb"):
        Student(collector, "NADIA-NGUYEN", sess).cell("a").cell("b")
    page = dashboard.open()
    page.set_viewport_size({"width": 390, "height": 844})

    name = page.locator(".grid tbody .name").first
    expect(page.get_by_text("same name twice")).to_have_count(2)
    wait_until(lambda: page.locator(".scroller[data-narrow]").count() == 1)
    assert name.evaluate("node => node.clientWidth > 60")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_every_view_is_drawn(
    shared_browser: SharedBrowser, collector: CollectorProcess, theme: str, size: str
) -> None:
    began = datetime.now(tz=timezone.utc) - timedelta(minutes=22)
    lesson = a_class(30, Lesson(minutes=45), began=began, cohorts=["10A", "10B"])
    post_all(collector, [moment.record for moment in lesson if moment.at_s < 22 * 60])
    viewport = {"width": 1920, "height": 1080} if size == "wide" else {"width": 390, "height": 844}
    folder = ARTEFACTS / "dashboard"
    with shared_browser.in_use() as browser:
        dashboard = Dashboard(browser, collector, viewport=viewport, color_scheme=theme)
        page = dashboard.open()
        expect(page.locator("#summary dd").first).to_have_text("30")

        for view, label in VIEWS.items():
            page.evaluate(f"location.hash = '{view}'")
            expect(page.get_by_role("region", name=label)).not_to_be_empty()
            page.screenshot(path=folder / f"{view}-{theme}-{size}.png")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        page.evaluate("location.hash = 'class'")
        page.locator(".grid tbody .name").nth(3).click()
        expect(page.get_by_role("dialog").locator(".timeline > li").nth(3)).to_be_visible()
        page.screenshot(path=folder / f"student-{theme}-{size}.png")
        dashboard.close()
    assert dashboard.errors == dashboard.strangers == []
