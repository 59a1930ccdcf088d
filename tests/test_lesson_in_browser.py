"""The student's path, from outside: the lesson in a real front end, its events at a server."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from capture_server import CaptureServer
from lesson import LESSON, SOLUTIONS
from notebook_page import FrontEnd, NotebookPage
from playwright.sync_api import Locator, expect
from waiting import wait_until

SETUP = 'from ipynb_telemetry.bootstrap import setup_telemetry\nsetup_telemetry("D3_Datetimes")'
PASSES = '_cell("one")\n@tracked_test("one")\ndef test_one():\n    assert True\ntest_one()'
FAILS = (
    '_cell("two")\n@tracked_test("two")\ndef test_two():\n    assert not 1, "not yet"\ntest_two()'
)
WHO = "print('it is', STUDENT_NAME)"
# Cells of the lesson, counted from 0.
LESSON_SETUP, LESSON_TESTS, LESSON_BLANKS = 1, (4, 7, 9), {"exercise-2": 6, "exercise-3": 8}


def name_box(notebook: NotebookPage) -> Locator:
    return notebook.panel.get_by_label("Your name")


def button(notebook: NotebookPage, name: str) -> Locator:
    return notebook.panel.get_by_role("button", name=name, exact=True)


def give_name(notebook: NotebookPage, name: str, *, delay_ms: float = 20) -> None:
    """Type a name into the panel and press Enter, as a student does."""
    name_box(notebook).click()
    notebook.page.keyboard.type(name, delay=delay_ms)
    notebook.page.keyboard.press("Enter")


def assert_complete(server: CaptureServer, students: set[str]) -> None:
    """Each session's `seq` has no gap, each uuid came once, and each event has its student."""
    by_session: dict[str, list[dict[str, Any]]] = {}
    for event in server.events:
        by_session.setdefault(event["properties"]["sess"], []).append(event)
    assert by_session
    for events in by_session.values():
        assert [event["properties"]["seq"] for event in events] == list(range(len(events)))
    assert set(Counter(event["uuid"] for event in server.events).values()) == {1}
    assert {event["distinct_id"] for event in server.events} == students
    assert {event["properties"]["student"] for event in server.events} == students


def events_named(server: CaptureServer, name: str) -> list[dict[str, Any]]:
    return [event["properties"] for event in server.events if event["event"] == name]


def test_a_student_does_the_lesson(front_end: FrontEnd, server: CaptureServer) -> None:
    notebook = front_end.open(LESSON)

    notebook.run_cell(LESSON_SETUP)
    expect(notebook.panel).to_contain_text("Waiting for your name")
    notebook.run_cell(3)
    notebook.run_cell(LESSON_TESTS[0])
    expect(notebook.panel).to_contain_text("6 events are waiting for your name.")
    give_name(notebook, "Sara Al-Harbi")
    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*SARA-AL-HARBI"))
    expect(notebook.panel).to_contain_text("all 6 events delivered to 127.0.0.1")
    for cell in range(6, 10):
        notebook.run_cell(cell)
    expect(notebook.panel).to_contain_text(re.compile(r"Cells 6\s*Passed 1\s*Failed 2\s*1 of 3"))
    for cell_id, (blank, solution) in SOLUTIONS.items():
        number = LESSON_BLANKS[cell_id]
        notebook.replace_cell_source(number, notebook.sources()[number].replace(blank, solution))
        notebook.run_cell(number)
        notebook.run_cell(number + 1)
    expect(notebook.panel).to_contain_text(re.compile(r"Cells 10\s*Passed 3\s*Failed 0\s*3 of 3"))
    expect(notebook.panel).to_contain_text("all 26 events delivered to 127.0.0.1")

    notebook.panel.scroll_into_view_if_needed()
    notebook.screenshot("lesson-done")
    assert "Time for cake!" in notebook.output_text(7)
    assert_complete(server, {"SARA-AL-HARBI"})
    tests = [(test["ex"], test["ok"], test["try"]) for test in events_named(server, "test")]
    assert tests == [
        ("exercise_1", True, 1),
        ("exercise_2", False, 1),
        ("exercise_3", False, 1),
        ("exercise_2", True, 2),
        ("exercise_3", True, 2),
    ]
    assert [cell["cell_num"] for cell in events_named(server, "cell")] == list(range(1, 11))
    assert [cell["ok"] for cell in events_named(server, "cell_end")].count(False) == 2
    assert events_named(server, "start")[0]["frontend"] == {
        "lab": "jupyterlab-or-notebook",
        "notebook7": "jupyterlab-or-notebook",
        "notebook6": "classic",
    }.get(front_end.name)


def test_run_all_comes_first_and_the_name_later(front_end: FrontEnd, server: CaptureServer) -> None:
    notebook = front_end.open([SETUP, PASSES, WHO, PASSES])

    notebook.run_all()
    expect(notebook.panel).to_contain_text(re.compile(r"7 events are waiting for your name\."))
    assert server.events == []
    give_name(notebook, "Noor", delay_ms=0)
    expect(notebook.panel).to_contain_text("all 7 events delivered")

    assert notebook.output_text(2) == "it is"
    notebook.run_cell(2)
    assert notebook.output_text(2) == "it is NOOR"
    assert_complete(server, {"NOOR"})


def test_a_name_typed_while_a_cell_runs_is_taken_whole(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    wait = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.05)"
    notebook = front_end.open([SETUP, wait, WHO])
    notebook.run_cell(0)

    notebook.run_cell_no_wait(1)
    give_name(notebook, "Lena-Maria Sommerfeld")
    (notebook.path.parent / "go").touch()
    notebook.wait_for_cell(1)
    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*LENA-MARIA-SOMMERFELD"))

    notebook.run_cell(2)
    assert notebook.output_text(2) == "it is LENA-MARIA-SOMMERFELD"
    wait_until(lambda: len(server.events) == 1)
    assert_complete(server, {"LENA-MARIA-SOMMERFELD"})


def test_enter_never_overtakes_the_last_letters(front_end: FrontEnd, server: CaptureServer) -> None:
    notebook = front_end.open([SETUP])
    notebook.run_cell(0)

    give_name(notebook, "Abdulrahman Al-Ghamdi", delay_ms=0)

    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*ABDULRAHMAN-AL-GHAMDI"))


def test_a_refused_name_says_what_to_do_and_keeps_what_was_typed(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    notebook = front_end.open([SETUP])
    notebook.run_cell(0)

    give_name(notebook, "x1")
    expect(notebook.panel).to_contain_text("at least two letters")
    notebook.screenshot("name-refused")
    assert name_box(notebook).input_value() == "x1"
    assert server.events == []
    notebook.page.keyboard.type("y2z")
    expect(notebook.panel).to_contain_text("will be recorded as X1Y2Z")
    button(notebook, "Start").click()
    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*X1Y2Z"))


def test_an_arabic_name_is_recorded_without_its_marks(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    notebook = front_end.open([SETUP, PASSES])
    notebook.run_cell(0)

    name_box(notebook).click()
    notebook.page.keyboard.type(
        "\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f \u0639\u0644\u064a"
    )
    expect(notebook.panel).to_contain_text("\u0645\u062d\u0645\u062f-\u0639\u0644\u064a")
    expect(name_box(notebook)).to_have_css("unicode-bidi", "plaintext")
    notebook.screenshot("arabic-typed")
    notebook.page.keyboard.press("Enter")
    notebook.run_cell(1)
    expect(notebook.panel).to_contain_text("all 4 events delivered")

    notebook.screenshot("arabic-active")
    assert contrast(notebook.panel.locator(".ipt-status b")) >= 4.5
    assert contrast(notebook.panel.locator(".ipt-figures span").first) >= 4.5
    assert_complete(server, {"\u0645\u062d\u0645\u062f-\u0639\u0644\u064a"})


def test_the_setup_cell_run_again_shows_the_same_session(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    count = (
        "from ipywidgets import Widget, widgets\n"
        "print(len(getattr(Widget, 'widgets', None) or widgets.widget._instances))"
    )
    notebook = front_end.open([SETUP, PASSES, count, SETUP])
    notebook.run_cell(0)
    give_name(notebook, "Sara")
    notebook.run_cell(1)
    notebook.run_cell(2)
    models = notebook.output_text(2)

    notebook.run_cell(0)
    notebook.run_cell(3)
    notebook.run_cell(1)
    notebook.run_cell(2)

    assert notebook.output_text(2) == models
    expect(notebook.panel).to_have_count(2)
    for panel in notebook.panel.all():
        expect(panel).to_contain_text(re.compile(r"Cells 2\s*Passed 1\s*Failed 0"))
        expect(panel).to_contain_text("all 9 events delivered")
    assert_complete(server, {"SARA"})
    assert [start["rerun"] for start in events_named(server, "start")] == [0, 1, 2]
    assert len(events_named(server, "cell_end")) == 2


def test_after_a_restart_the_student_continues_with_one_click(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    notebook = front_end.open([SETUP, PASSES])
    notebook.run_cell(0)
    give_name(notebook, "John Doe")
    expect(notebook.panel).to_contain_text("1 event delivered")

    notebook.restart_kernel()
    notebook.run_cell(0)
    notebook.run_cell(1)
    notebook.screenshot("continue-as")
    button(notebook, "Continue as JOHN-DOE").click()

    expect(notebook.panel).to_contain_text("all 4 events delivered")
    assert_complete(server, {"JOHN-DOE"})
    assert len({event["properties"]["sess"] for event in server.events}) == 2


def test_someone_else_is_asked_for_a_name(front_end: FrontEnd, server: CaptureServer) -> None:
    notebook = front_end.open([SETUP])
    notebook.run_cell(0)
    give_name(notebook, "John Doe")
    expect(notebook.panel).to_contain_text("1 event delivered")

    notebook.restart_kernel()
    notebook.run_cell(0)
    button(notebook, "Someone else").click()
    give_name(notebook, "Jane Roe")

    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*JANE-ROE"))
    wait_until(lambda: len(server.events) == 2)
    assert_complete(server, {"JOHN-DOE", "JANE-ROE"})


def test_a_typo_is_corrected_in_the_same_session(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    notebook = front_end.open([SETUP, PASSES])
    notebook.run_cell(0)
    give_name(notebook, "Sara Al-Harb")
    expect(notebook.panel).to_contain_text("1 event delivered")

    button(notebook, "Not you?").click()
    notebook.screenshot("not-you")
    button(notebook, "Fix a typo").click()
    name_box(notebook).fill("Sara Al-Harbi")
    notebook.page.keyboard.press("Enter")
    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*SARA-AL-HARBI"))
    notebook.run_cell(1)

    expect(notebook.panel).to_contain_text("all 5 events delivered")
    assert len({event["properties"]["sess"] for event in server.events}) == 1
    renamed = next(event for event in server.events if event["event"] == "rename")
    assert renamed["properties"]["prev"] == "SARA-AL-HARB"
    assert renamed["distinct_id"] == "SARA-AL-HARBI"


def test_another_student_begins_a_session_of_their_own(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    notebook = front_end.open([SETUP, PASSES, FAILS, WHO])
    notebook.run_cell(0)
    give_name(notebook, "Sara")
    notebook.run_cell(1)
    expect(notebook.panel).to_contain_text("all 4 events delivered")

    button(notebook, "Not you?").click()
    button(notebook, "Another student").click()
    name_box(notebook).fill("Noor")
    notebook.page.keyboard.press("Enter")
    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*NOOR"))
    expect(notebook.panel).to_contain_text("Cells 0")
    notebook.run_cell(2)
    expect(notebook.panel).to_contain_text(re.compile(r"Cells 1\s*Passed 0\s*Failed 1"))
    expect(notebook.panel).to_contain_text("all 4 events delivered")
    notebook.run_cell(3)

    assert notebook.output_text(3) == "it is NOOR"
    assert_complete(server, {"SARA", "NOOR"})
    by_student = {event["distinct_id"]: event["properties"]["sess"] for event in server.events}
    assert by_student["SARA"] != by_student["NOOR"]


def test_a_name_that_is_not_on_the_roster_is_asked_about(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    roster = SETUP.replace(")", ', roster=["Sara Al-Harbi", "Noor Haddad", "Lena Maria"])')
    notebook = front_end.open([roster])
    notebook.run_cell(0)

    give_name(notebook, "Sara Alharbi")
    expect(notebook.panel).to_contain_text("SARA-ALHARBI is not on the class list")
    notebook.screenshot("did-you-mean")
    button(notebook, "Sara Al-Harbi").click()

    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*SARA-AL-HARBI"))
    wait_until(lambda: len(server.events) == 1)
    assert_complete(server, {"SARA-AL-HARBI"})


def test_a_reloaded_page_has_the_live_panel(front_end: FrontEnd, server: CaptureServer) -> None:
    notebook = front_end.open([SETUP, PASSES])
    notebook.run_cell(0)
    give_name(notebook, "Sara")
    notebook.run_cell(1)
    expect(notebook.panel).to_contain_text("all 4 events delivered")
    notebook.save()

    notebook.reload()
    expect(notebook.panel).to_contain_text("all 4 events delivered")
    notebook.run_cell(1)

    expect(notebook.panel).to_contain_text("Cells 2")
    expect(notebook.outputs_of(0).get_by_text("Telemetry is not running")).to_be_hidden()


def test_a_saved_notebook_without_its_kernel_says_so(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    notebook = front_end.open([SETUP])
    notebook.run_cell(0)
    give_name(notebook, "Sara")
    expect(notebook.panel).to_contain_text("1 event delivered")
    notebook.save()
    notebook.close()
    front_end.shut_down_kernels()

    later = front_end.open(notebook.path)

    line = later.outputs_of(0).get_by_text("Telemetry is not running: run this cell to turn it on")
    expect(line.first).to_be_visible()
    later.screenshot("without-kernel")
    assert "model not found" not in later.output_text(0)
    expect(later.panel).to_have_count(0)


def test_the_keyboard_alone_is_enough(front_end: FrontEnd, server: CaptureServer) -> None:
    notebook = front_end.open([SETUP])
    notebook.run_cell(0)
    press = notebook.page.keyboard.press
    name_box(notebook).focus()

    notebook.page.keyboard.type("Sara")
    press("Tab")
    expect(button(notebook, "Start")).to_be_focused()
    press("Enter")
    expect(notebook.panel).to_contain_text(re.compile(r"Active\s*SARA"))
    for name, shown in (
        ("Not you?", "misspelled"),
        ("Cancel", "1 event delivered"),
        ("Raise hand", "Lower hand"),
        ("Pause", "Nothing you do now is counted"),
        ("Resume", "Active"),
        ("Exercises", "No exercise has been tried yet"),
        ("What is sent?", "distinct_id"),
    ):
        tab_to(notebook, name)
        press("Space")
        expect(notebook.panel).to_contain_text(shown, timeout=10_000)


def tab_to(notebook: NotebookPage, name: str) -> None:
    """From the panel's first button with the Tab key alone."""
    notebook.panel.locator("button:visible").first.focus()
    for _ in range(8):
        if button(notebook, name).evaluate("button => button === document.activeElement"):
            return
        notebook.page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {name}")


def test_a_pause_uses_up_no_number(front_end: FrontEnd, server: CaptureServer) -> None:
    notebook = front_end.open([SETUP, PASSES])
    notebook.run_cell(0)
    give_name(notebook, "Sara")
    notebook.run_cell(1)

    button(notebook, "Pause").click()
    expect(notebook.panel).to_contain_text("Paused")
    notebook.run_cell(1)
    notebook.screenshot("paused")
    button(notebook, "Resume").click()
    expect(notebook.panel).to_contain_text("Active")
    notebook.run_cell(1)

    expect(notebook.panel).to_contain_text(re.compile(r"Cells 2\s*Passed 1"))
    expect(notebook.panel).to_contain_text("all 9 events delivered")
    assert_complete(server, {"SARA"})
    assert [cell["cell_num"] for cell in events_named(server, "cell")] == [1, 2]
    assert [test["try"] for test in events_named(server, "test")] == [1, 2]


def test_the_panel_says_the_truth_about_the_connection(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    notebook = front_end.open([SETUP, PASSES])
    notebook.run_cell(0)
    give_name(notebook, "Sara")
    expect(notebook.panel).to_contain_text("1 event delivered")

    server.stop()
    notebook.run_cell(1)
    expect(notebook.panel).to_contain_text("Offline", timeout=10_000)
    expect(notebook.panel).to_contain_text("3 events are safe on this computer")
    notebook.screenshot("offline")
    server.start()
    expect(notebook.panel).to_contain_text("all 4 events delivered", timeout=10_000)
    expect(notebook.panel).to_contain_text("Active")

    assert_complete(server, {"SARA"})


def test_what_is_sent_is_shown_as_it_is_sent(front_end: FrontEnd, server: CaptureServer) -> None:
    notebook = front_end.open([SETUP, FAILS])
    notebook.run_cell(0)
    notebook.run_cell(1)

    button(notebook, "What is sent?").click()
    expect(notebook.panel).to_contain_text("(your name)")
    give_name(notebook, "<img src=x onerror=alert(1)> $x$")
    expect(notebook.panel).to_contain_text("all 4 events delivered")
    expect(notebook.panel).to_contain_text('"student": "IMG-SRC-X-ONERROR-ALERT-1-X"')

    notebook.screenshot("what-is-sent")
    shown = notebook.panel.locator("pre").inner_text()
    for event in server.events:
        assert event["uuid"] in shown
        assert event["timestamp"] in shown


def test_a_thousand_updates_a_second_cost_the_student_nothing(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    storm = "for number in range(5000):\n    _cell('storm')\nprint('my own output')"
    notebook = front_end.open([SETUP, storm])
    notebook.run_cell(0)
    give_name(notebook, "Sara")

    notebook.run_cell(1)

    expect(notebook.panel).to_contain_text("Cells 5000")
    expect(notebook.panel).to_contain_text("all 5002 events delivered", timeout=20_000)
    assert notebook.output_text(1) == "my own output"
    assert_complete(server, {"SARA"})


def test_the_panel_looks_right_in_the_dark_and_in_a_narrow_window(
    front_end: FrontEnd, server: CaptureServer
) -> None:
    notebook = front_end.open([SETUP, PASSES, FAILS], dark=True, window=(700, 900))
    notebook.run_cell(0)
    notebook.screenshot("dark-waiting")
    give_name(notebook, "Sara Al-Harbi")
    notebook.run_cell(1)
    notebook.run_cell(2)
    button(notebook, "Exercises").click()
    expect(notebook.panel).to_contain_text("AssertionError: not yet")

    notebook.screenshot("dark-active")
    wide = notebook.panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    assert wide, "the panel has a scroll bar"
    assert contrast(notebook.panel.locator(".ipt-status b")) >= 4.5
    assert contrast(notebook.panel.locator(".ipt-figures span").first) >= 4.5


def contrast(text: Locator) -> float:
    """WCAG's contrast of a text with the panel's own background."""
    ratio: float = text.evaluate(
        """text => {
            const channels = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
            const light = color => {
                const [red, green, blue] = channels(color).map(value => {
                    const share = value / 255;
                    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
            };
            const panel = text.closest(".ipt-panel");
            const [one, other] = [getComputedStyle(text).color,
                                  getComputedStyle(panel).backgroundColor].map(light);
            return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        }"""
    )
    return ratio
