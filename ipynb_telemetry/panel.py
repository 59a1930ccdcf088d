"""What a student sees: widgets in, widgets out, every word from the observable session."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TypeAlias
from uuid import uuid4

import ipywidgets as widgets
from IPython.display import display
from traitlets import Bunch

from ipynb_telemetry import frontend, panel_html
from ipynb_telemetry.boundary import never_into_the_cell
from ipynb_telemetry.dialogue import MAX_CHOICES, Dialogue, Purpose, Question
from ipynb_telemetry.names import normalize_student_name
from ipynb_telemetry.painter import Painter, call_later
from ipynb_telemetry.session import Session

SETTLED_S = 0.4
"""How long a name must stand still after Enter: a front end sends Enter at once but holds
the last letters back until the kernel has answered."""
_DRAWN = (
    "student", "offered", "paused", "busy", "latest", "delivered", "set_aside", "leftover",
    "problem", "storage_problem", "off_because", "notes",
)  # fmt: skip

Messages: TypeAlias = Callable[[], list[dict[str, Any]]]


class Panel:
    """The panel of a kernel: one set of widgets, showing one session at a time.

    Args:
        session: What is shown, until `follow`.
        latest_messages: The last events exactly as they are sent, newest first.
    """

    def __init__(self, session: Session, latest_messages: Messages) -> None:
        self._id = uuid4().hex[:8]
        self._details: Literal["", "exercises", "sent"] = ""
        self._settling = False
        self._typed_s = 0.0
        self._taking = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        """The main thread's, once a cell has ended there."""
        self._session = session
        self.painter = Painter(self._draw)
        self._build()
        self.follow(session, latest_messages)

    def follow(self, session: Session, latest_messages: Messages) -> None:
        """Show `session` from now on, in the same widgets."""
        if self._session is not session:
            self._session.unobserve(self._on_change, names=_DRAWN)
            self._session.unobserve(self._on_student, names="student")
        self._session, self._latest_messages = session, latest_messages
        self._settling, self._dialogue = False, Dialogue(session, clear_name=self._clear_name)
        session.observe(self._on_student, names="student")
        session.observe(self._on_change, names=_DRAWN)
        self.painter.draw_now()

    def close(self) -> None:
        """Draw what is true at the end, and stop."""
        self.painter.finish()

    def show(self) -> None:
        """Show the panel under the cell that runs now, once more if it was shown before.

        Two outputs: a plain line for whoever opens the notebook without a kernel, which
        the panel hides while it lives, and the panel.
        """
        html, text = panel_html.off_line(self._id), panel_html.OFF_LINE
        display({"text/html": html, "text/plain": text}, raw=True)
        view = {"version_major": 2, "version_minor": 0, "model_id": self._box.model_id}
        bundle = {"application/vnd.jupyter.widget-view+json": view, "text/plain": ""}
        display(bundle, raw=True)

    @never_into_the_cell
    def cell_ended(self) -> None:
        """On the kernel's main thread, after each cell: there every front end redraws."""
        with contextlib.suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()
        if frontend.draws_on_main_thread_alone():  # a long cell may follow at once
            self.painter.draw_now(at_once=True)
        else:
            self.painter.draw_calmly()
        if self._settling:
            self._typed_s = time.monotonic()
            self._look_again(SETTLED_S)

    # What the student does

    @never_into_the_cell
    def _on_text(self, _change: Bunch) -> None:
        self._typed_s = time.monotonic()
        self._dialogue.typed_on()
        self.painter.draw_now()

    @never_into_the_cell
    def _on_box_message(self, _box: object, content: dict[str, Any], _buffers: object) -> None:
        if content.get("event") == "submit":
            self._submit()

    def _ask_which(self) -> None:
        self._dialogue.ask_which()

    def _submit(self) -> None:
        self._settling, self._typed_s = True, time.monotonic()
        self._look_again(SETTLED_S)

    def _look_again(self, delay_s: float) -> None:
        """Look at the typed name later, on the main thread if this is it."""
        if _on_main_thread() and call_later(delay_s, self._take_if_settled):
            return
        timer = threading.Timer(delay_s, self._take_if_settled)
        timer.daemon = True
        timer.start()

    @never_into_the_cell
    def _take_if_settled(self) -> None:
        with self._taking:  # Enter twice is two timers, and one name
            if not self._settling or self._session.busy:
                return  # while a cell runs the last letters may be on their way: see cell_ended
            missing_s = SETTLED_S - (time.monotonic() - self._typed_s)
            self._settling = missing_s > 0.001  # noqa: PLR2004  # a clock's rounding is no letter
        if self._settling:
            self._look_again(missing_s)
            return
        self._dialogue.take(normalize_student_name(self._name.value))
        self.painter.draw_now()

    # The other switches

    def _stop_asking(self) -> None:
        self._settling = False
        self._dialogue.stop()

    def _clear_name(self) -> None:
        self._name.value = ""

    def _toggle_pause(self) -> None:
        if self._session.paused:
            self._session.resume()
            return
        if self._session.student:
            self._stop_asking()
        self._session.pause()

    def _toggle_hand(self) -> None:
        self._session.raise_hand(up=not self._session.hand_up)

    def _toggle_details(self, which: Literal["exercises", "sent"]) -> None:
        self._details = "" if self._details == which else which

    # Widgets

    def _build(self) -> None:
        self._style = widgets.HTML(panel_html.live_style(self._id))
        self._status, self._figures, self._line, self._below = (widgets.HTML() for _ in range(4))
        self._not_you = self._button("Not you?", self._ask_which, "Correct the name or change it")
        self._hand = self._button("Raise hand", self._toggle_hand, "Tell your teacher")
        self._pause = self._button("Pause", self._toggle_pause, "Pause or resume telemetry")
        self._name = widgets.Combobox(
            description="Your name", placeholder="First and last name", continuous_update=True
        )
        self._name.style.description_width = "initial"
        self._name.add_class("ipt-name")
        self._name.observe(self._on_text, names="value")
        self._name.on_msg(self._on_box_message)
        self._start = self._button("Start", self._submit, "Use this name", look="ipt-main")
        self._cancel = self._button("Cancel", self._stop_asking, "Keep the name as it is")
        self._choices = [self._button("", lambda: None, "") for _ in range(MAX_CHOICES)]
        for place, button in enumerate(self._choices):
            button.on_click(lambda _, place=place: self._choose(place))
        self._exercises = self._button(
            "Exercises", lambda: self._toggle_details("exercises"), "List the exercises", "ipt-link"
        )
        self._sent = self._button(
            "What is sent?", lambda: self._toggle_details("sent"), "Show what is sent", "ipt-link"
        )
        self._head = self._row(self._status, self._not_you, self._hand, self._pause)
        self._entry = self._row(self._name, self._start, self._cancel)
        self._answers = self._row(*self._choices)
        links = self._row(self._exercises, self._sent)
        self._box = widgets.VBox(
            [
                self._style, self._head, self._figures, self._line, self._answers, self._entry,
                links, self._below,
            ]
        )  # fmt: skip
        self._box.add_class("ipt-panel")

    def _row(self, *children: widgets.Widget) -> widgets.HBox:
        row = widgets.HBox(children)
        row.add_class("ipt-row")
        return row

    def _button(
        self, label: str, act: Callable[[], None], tooltip: str, look: str = ""
    ) -> widgets.Button:
        button = widgets.Button(description=label, tooltip=tooltip)
        if look:
            button.add_class(look)

        @never_into_the_cell
        def clicked(_button: object) -> None:
            act()
            self.painter.draw_now()

        button.on_click(clicked)
        return button

    @never_into_the_cell
    def _choose(self, place: int) -> None:
        self._dialogue.choose(place)
        self.painter.draw_now()

    @never_into_the_cell
    def _on_student(self, _change: Bunch) -> None:
        self._stop_asking()  # also when the name came from somewhere else

    def _on_change(self, _change: Bunch) -> None:
        self.painter.request()

    # Drawing: called by the painter alone

    def _draw(self) -> None:
        session, dialogue = self._session, self._dialogue
        purpose, question = dialogue.purpose, dialogue.question
        is_on, named = not session.off_because, bool(session.student)
        at_work = is_on and named and not session.paused
        _write(self._status, panel_html.status(session))
        _write(self._figures, panel_html.figures(session))
        _write(self._line, self._line_html(purpose, question) if is_on else "")
        _write(self._below, self._details_html())
        _set(self._hand, description="Lower hand" if session.hand_up else "Raise hand")
        _set(self._pause, description="Resume" if session.paused else "Pause")
        _set(self._name, options=tuple(session.roster))
        for number, button in enumerate(self._choices):
            choice = (
                question.choices[number] if question and number < len(question.choices) else None
            )
            _set(button, description=choice.label if choice else "")
            _show(button, choice is not None)
        _show(self._not_you, at_work and purpose is None and question is None)
        _show(self._hand, at_work)
        _show(self._pause, is_on)
        _show(self._entry, is_on and purpose is not None)
        _show(self._cancel, purpose != "name")
        _show(self._answers, is_on and question is not None)
        _show(self._exercises, named)
        self._send_again()

    @never_into_the_cell
    def _send_again(self) -> None:
        """Say once more, on the main thread, what a background thread has written.

        Colab does not draw what comes from a background thread.
        """
        if _on_main_thread():
            while _written_in_background:
                widget, name = _written_in_background.pop()
                widget.send_state(name)
        elif self._loop is not None and frontend.draws_on_main_thread_alone():
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._send_again)

    def _line_html(self, purpose: Purpose | None, question: Question | None) -> str:
        if question is not None:
            return panel_html.question(question.line)
        if purpose is None:
            return ""
        if self._dialogue.refused:
            return panel_html.refusal(self._dialogue.refused)
        name = normalize_student_name(self._name.value)
        if not name:
            return panel_html.purpose(self._session)
        return panel_html.preview(name, cell_runs=self._settling and self._session.busy)

    def _details_html(self) -> str:
        if self._details == "exercises":
            return panel_html.exercises(self._session)
        if self._details == "sent":
            return panel_html.sent(self._latest_messages(), self._session.host)
        return ""


def show_line(line: str) -> None:
    """A plain line in the panel's place."""
    display({"text/html": panel_html.plain_line(line), "text/plain": line}, raw=True)


def _set(widget: widgets.Widget, **traits: object) -> None:
    """Write only what differs: each write is a message to the front end."""
    for name, value in traits.items():
        if getattr(widget, name) != value:
            setattr(widget, name, value)
            if not _on_main_thread():
                _written_in_background.add((widget, name))


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


_written_in_background: set[tuple[widgets.Widget, str]] = set()


def _write(widget: widgets.HTML, html: str) -> None:
    """Write `html`; nothing leaves no gap."""
    _set(widget, value=html)
    _show(widget, bool(html))


def _show(widget: widgets.Widget, shown: bool) -> None:
    _set(widget.layout, display=None if shown else "none")
