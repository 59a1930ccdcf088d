"""The panel's dialogue, without a browser: the widgets as a front end would see them."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from collections.abc import Iterator
from threading import Timer

import ipywidgets as widgets
import pytest
from coroutines import run_to_end
from waiting import wait_until

from ipynb_telemetry.panel import Panel
from ipynb_telemetry.session import Session


@pytest.fixture
def session() -> Session:
    return Session("D3_Datetimes")


@pytest.fixture
def panel(session: Session) -> Iterator[Panel]:
    panel = Panel(session, list)
    yield panel
    panel.close()


def is_shown(widget: object) -> bool:
    return bool(widget.layout.display != "none")  # type: ignore[attr-defined]


def choices(panel: Panel) -> list[str]:
    panel.painter.draw_now(at_once=True)
    shown = [button.description for button in panel._choices if is_shown(button)]
    return shown if is_shown(panel._answers) else []


def choose(panel: Panel, label: str) -> None:
    button = next(button for button in panel._choices if button.description == label)
    button.click()


def enter(panel: Panel, name: str) -> None:
    panel._name.value = name
    panel._on_box_message(panel._name, {"event": "submit"}, [])


def test_a_name_is_taken_once_it_stands_still(panel: Panel, session: Session) -> None:
    enter(panel, "Sara Al-Harb")
    panel._name.value = "Sara Al-Harbi"

    wait_until(lambda: session.student)

    assert session.student == "SARA-AL-HARBI"


def test_no_name_is_taken_while_a_cell_runs(panel: Panel, session: Session) -> None:
    session.busy = True
    enter(panel, "Len")
    enter(panel, "Lena")
    wait_until(lambda: not any(isinstance(thread, Timer) for thread in threading.enumerate()))

    assert session.student == ""
    session.busy = False
    panel.cell_ended()
    wait_until(lambda: session.student == "LENA")


def test_a_name_that_came_from_elsewhere_ends_the_question(panel: Panel, session: Session) -> None:
    session.offered = "SARA-LEE"
    panel.follow(session, list)
    assert choices(panel) == ["Continue as SARA-LEE", "Someone else"]

    session.take_name("John Doe")

    assert choices(panel) == []
    assert is_shown(panel._not_you)


def test_a_remembered_name_that_is_not_on_the_roster_is_asked_about(
    panel: Panel, session: Session
) -> None:
    session.offered, session.roster = "SARA-LEE", ("Sara Leigh", "John Doe")
    panel.follow(session, list)
    choices(panel)

    choose(panel, "Continue as SARA-LEE")

    assert session.student == ""
    assert choices(panel) == ["Sara Leigh", "No, I am SARA-LEE"]


def test_the_same_name_is_not_another_student(panel: Panel, session: Session) -> None:
    session.take_name("Sara")
    panel._not_you.click()
    choices(panel)
    choose(panel, "Another student")
    assert panel._name.value == ""

    panel._dialogue.take("SARA")

    assert session.successor == ""


def test_a_pause_right_after_enter_does_not_lose_the_name(panel: Panel, session: Session) -> None:
    enter(panel, "Sara")

    panel._pause.click()

    wait_until(lambda: session.student == "SARA")
    assert session.paused


def test_the_main_thread_says_again_what_a_background_thread_wrote(
    panel: Panel, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.take_name("Sara")
    panel.cell_ended()
    sent: list[tuple[str, object]] = []
    kind = type(panel._figures)
    monkeypatch.setattr(kind, "send_state", lambda self, key=None: sent.append((key, self)))
    session.run_cell("one", "")
    thread = threading.Thread(target=panel.painter.draw_now, kwargs={"at_once": True})
    thread.start()
    thread.join()
    sent.clear()

    panel.cell_ended()

    assert ("value", panel._figures) in sent
    assert "Cells <b>1</b>" in panel._figures.value


def test_in_colab_what_was_written_while_no_cell_runs_is_said_again_on_the_main_thread(
    panel: Panel, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    session.take_name("Sara")
    sent: list[tuple[object, str]] = []
    kind = type(panel._line)
    monkeypatch.setattr(
        kind,
        "send_state",
        lambda self, key=None: sent.append((self, threading.current_thread().name)),
    )

    async def arrive_after_the_last_cell() -> None:
        session.run_cell("one", "")
        session.recorded = 1
        panel.cell_ended()
        session.delivered = 1
        sent.clear()
        await asyncio.to_thread(panel.painter.draw_now, at_once=True)
        await asyncio.sleep(0)

    run_to_end(arrive_after_the_last_cell())

    assert (panel._figures, threading.main_thread().name) in sent


def test_with_a_roster_the_box_completes_from_it(panel: Panel, session: Session) -> None:
    session.roster = ("Sara Al-Harbi", "Omar")

    panel.painter.draw_now(at_once=True)

    assert panel._name.options == session.roster


def test_the_panel_is_made_of_core_widgets_that_show_text_as_it_is(panel: Panel) -> None:
    def kinds(widget: object) -> set[type]:
        return {type(widget)}.union(*map(kinds, getattr(widget, "children", ())))

    allowed = {
        widgets.VBox,
        widgets.HBox,
        widgets.Box,
        widgets.HTML,
        widgets.Button,
        widgets.Combobox,
    }

    assert type(panel._box) is widgets.VBox
    assert kinds(panel._box) <= allowed


def test_in_colab_the_end_of_each_cell_is_drawn_before_the_next_begins(
    panel: Panel, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    session.take_name("Sara")
    shown: list[str] = []

    async def run_all() -> None:
        for _ in range(3):
            session.run_cell("one", "")
            panel.cell_ended()
            shown.append(panel._figures.value)

    run_to_end(run_all())

    assert [f"Cells <b>{number}</b>" in html for number, html in enumerate(shown, 1)] == [True] * 3


def test_the_panel_follows_one_session_at_a_time(panel: Panel, session: Session) -> None:
    later = Session("D4")
    panel.follow(later, list)
    later.take_name("Noor")

    session.take_name("Sara")

    panel.painter.draw_now(at_once=True)
    assert "NOOR" in panel._status.value
