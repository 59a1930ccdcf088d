"""What a server or the way to it can do to a lesson: nothing is lost, and the panel is right.

A real kernel and a real HTTP server on loopback. What the panel says is read from the live
widgets, where the front end has it from.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from capture_server import SELF_SIGNED, CaptureServer, Fault
from kernel_fixtures import SETUP, Classroom, Lesson, NewKernel
from kernels import Kernel, Ran
from waiting import wait_until

WORK = """
_cell("exercise_1", "# try it")
_telemetry_capture("hint", {"number": 1})
"""
EVENTS = ["start", "cell", "hint", "cell_end"]  # of the setup cell and WORK

SAFE = "4 events are safe on this computer"
OFFLINE = f"Offline SARA {SAFE} and will be sent when the connection is back."
INTERCEPTED = (
    "Offline SARA Something else answers in place of {host}: a Wi-Fi login page? "
    f"{SAFE} and will be sent when the connection is back."
)
KEY_REFUSED = (
    "Needs attention SARA {host} does not take this notebook's key. "
    f"Tell your teacher. {SAFE}."
)
NOT_POSTHOG = (
    "Needs attention SARA {host} is not a PostHog server (it said 404: told to answer 404). "
    f"Tell your teacher. {SAFE}."
)
ALL_DELIVERED = "Active SARA Cells 1 Passed 0 Failed 0 all 4 events delivered to {host}"

SHOWN_TEXT = """
import ipywidgets, sys
_models = vars(sys.modules["ipywidgets.widgets.widget"]).get("_instances")
if _models is None:  # ipywidgets 7
    _models = ipywidgets.Widget.widgets
[
    model.value
    for model in list(_models.values())
    if isinstance(model, ipywidgets.HTML) and model.layout.display != "none"
]
"""


def panel_of(kernel: Kernel) -> str:
    """The words on the panel, without those for screen readers and the marks."""
    blocks = ast.literal_eval(kernel.run(SHOWN_TEXT, store_history=False).results[0])
    markup = re.sub(r"<style>.*?</style>|<span[^>]*aria-hidden.*?</span>", "", " ".join(blocks))
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def felt(*cells: Ran) -> list[tuple[str, str, str]]:
    """What cells have shown that they would not show without telemetry."""
    shown = [(ran.stdout, ran.stderr, ran.error) for ran in cells]
    return [each for each in shown if any(each)]


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong, and comes right again."""

    begin: Callable[[CaptureServer], None]
    panel: str = OFFLINE


def _answers(status: int | Fault) -> Callable[[CaptureServer], None]:
    def begin(server: CaptureServer) -> None:
        server.answer = status

    return begin


def _answers_when_nobody_listens_any_more(server: CaptureServer) -> None:
    server.delay_s = 600


def _end_of_trouble(server: CaptureServer) -> None:
    server.answer, server.headers, server.body, server.delay_s = 200, {}, None, 0
    server.stop()  # those that hang are not answered either
    server.start()


TROUBLES = {
    "refuses": Trouble(CaptureServer.stop),
    "resets_in_the_middle_of_the_answer": Trouble(_answers(Fault.RESET)),
    "hangs_up": Trouble(_answers(Fault.HANG_UP)),
    "hangs_for_ever": Trouble(_answers(Fault.HANG)),
    "answers_200_after_the_client_gave_up": Trouble(_answers_when_nobody_listens_any_more),
    "answers_garbage": Trouble(_answers(Fault.GARBAGE)),
    "answers_404": Trouble(_answers(404), NOT_POSTHOG),
    "answers_429": Trouble(_answers(429)),
    "answers_500": Trouble(_answers(500)),
    "answers_502": Trouble(_answers(502)),
    "answers_503": Trouble(_answers(503)),
    "answers_504": Trouble(_answers(504)),
    "is_a_captive_portal": Trouble(CaptureServer.captive_portal, INTERCEPTED),
}


@pytest.fixture
def lesson(classroom: Classroom, server: CaptureServer) -> Iterator[Lesson]:
    """A lesson that is not set up yet, in the kernel of this module, with a server of its own."""
    classroom.kernel.printed = ""
    yield Lesson(classroom._replace(server=server))
    assert classroom.kernel.printed == ""
    left = classroom.errors.read_text("utf-8", "replace") if classroom.errors.exists() else ""
    assert left == ""


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_nothing_is_lost_and_the_panel_is_right_when_the_server(
    trouble: Trouble, lesson: Lesson, server: CaptureServer
) -> None:
    host = server.url.removeprefix("http://")
    trouble.begin(server)

    cells = [lesson.set_up(host=server.url), lesson.run(WORK)]
    wait_until(lambda: trouble.panel.format(host=host) in panel_of(lesson.kernel))
    _end_of_trouble(server)

    wait_until(lambda: ALL_DELIVERED.format(host=host) in panel_of(lesson.kernel), timeout_s=30)
    events = list(server.distinct().values())
    assert [event["event"] for event in events] == EVENTS
    assert [event["properties"]["seq"] for event in events] == [0, 1, 2, 3]
    assert felt(*cells) == []
