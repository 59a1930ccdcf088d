"""What a server or the way to it can do to a lesson: nothing is lost, and the panel is right.

In a real kernel, with a real HTTP server on loopback.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from capture_server import SELF_SIGNED, CaptureServer, Fault
from kernel_fixtures import Classroom, Lesson, NewKernel
from shown import felt, panel_of, set_up, wait_for_panel
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
UNTRUSTED = (
    "Offline SARA {host}: its certificate cannot be trusted. Is this computer's clock right? "
    f"{SAFE} and will be sent when the connection is back."
)
KEY_REFUSED = (
    f"Needs attention SARA {{host}} does not take this notebook's key. Tell your teacher. {SAFE}."
)
NOT_POSTHOG = (
    "Needs attention SARA {host} is not a PostHog server (it said 404: told to answer 404). "
    f"Tell your teacher. {SAFE}."
)
ALL_DELIVERED = "Active SARA Cells 1 Passed 0 Failed 0 all 4 events delivered to {host}"


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
    wait_for_panel(lesson.kernel, trouble.panel.format(host=host))
    _end_of_trouble(server)

    wait_for_panel(lesson.kernel, ALL_DELIVERED.format(host=host))
    events = list(server.distinct().values())
    assert [event["event"] for event in events] == EVENTS
    assert [event["properties"]["seq"] for event in events] == [0, 1, 2, 3]
    assert felt(*cells) == []


def test_a_call_returns_while_the_server_hangs(lesson: Lesson, server: CaptureServer) -> None:
    server.answer = Fault.HANG
    lesson.set_up(host=server.url)
    wait_until(lambda: server.requests, timeout_s=30)

    cell = lesson.run(f"for _ in range(100):{WORK.replace(chr(10), chr(10) + '    ')}")

    # The first attempt has not been given up yet: what waited for the network still would.
    wait_for_panel(lesson.kernel, "Active SARA Cells 100 ")
    assert len(server.requests) == 1
    assert felt(cell) == []


def test_nothing_follows_a_redirect(lesson: Lesson, server: CaptureServer) -> None:
    host = server.url.removeprefix("http://")
    with CaptureServer() as elsewhere:
        server.redirect_to(f"{elsewhere.url}/batch/")

        cells = [lesson.set_up(host=server.url), lesson.run(WORK)]
        wait_for_panel(lesson.kernel, INTERCEPTED.format(host=host))
        _end_of_trouble(server)

        wait_for_panel(lesson.kernel, ALL_DELIVERED.format(host=host))
        assert [event["event"] for event in server.distinct().values()] == EVENTS
        assert elsewhere.requests == []
        assert felt(*cells) == []


def test_a_server_is_left_alone_for_as_long_as_it_asks(
    lesson: Lesson, server: CaptureServer
) -> None:
    server.answer, server.headers = 429, {"Retry-After": "3"}

    lesson.set_up(host=server.url)
    wait_until(lambda: server.requests, timeout_s=30)
    server.answer = 200
    cell = lesson.run(WORK)  # new events change nothing about it

    wait_until(lambda: len(server.distinct()) == 4, timeout_s=30)
    first, second = server.requests[:2]
    assert second.arrived_s - first.arrived_s >= 3
    assert felt(cell) == []


def test_a_host_is_found_again_when_its_name_is_known_again(
    lesson: Lesson, server: CaptureServer
) -> None:
    host = server.url.removeprefix("http://").replace("127.0.0.1", "posthog.school.example")

    cells = [lesson.set_up(host=f"http://{host}"), lesson.run(WORK)]
    wait_for_panel(lesson.kernel, OFFLINE)
    assert server.connections == 0
    lesson.run(
        "import socket\n"
        "def _looked_up(host, *rest, _look_up=socket.getaddrinfo, **more):\n"
        "    known = host == 'posthog.school.example'\n"
        "    return _look_up('127.0.0.1' if known else host, *rest, **more)\n"
        "socket.getaddrinfo = _looked_up\n"
    )

    wait_for_panel(lesson.kernel, ALL_DELIVERED.format(host=host))
    assert [event["event"] for event in server.distinct().values()] == EVENTS
    assert felt(*cells) == []


def test_one_refused_event_of_a_hundred_is_set_aside_alone(
    new_kernel: NewKernel, server: CaptureServer, state_dir: Path
) -> None:
    host = server.url.removeprefix("http://")
    server.poison = lambda event: event["properties"].get("number") == 37
    kernel = new_kernel()

    cells = [
        set_up(kernel),
        kernel.run("for n in range(100): _telemetry_capture('hint', {'number': n})"),
    ]

    says = f"100 of 101 events delivered to {host} 1 event refused by {host} and set aside"
    wait_for_panel(kernel, says)
    assert panel_of(kernel).startswith("Telemetry Active SARA ")
    numbers = [event["properties"].get("number") for event in server.distinct().values()]
    assert numbers == [None, *range(37), *range(38, 100)]
    (file,) = (state_dir / "set-aside").iterdir()
    (line,) = file.read_text("utf-8").splitlines()
    assert json.loads(line)["properties"]["number"] == 37
    assert json.loads(line)["reason"] == "400: failed to parse request: poisoned"
    assert felt(*cells) == []


# What does not come right in the same session is sent by the next


def _takes_another_key(server: CaptureServer) -> None:
    server.api_key = "phc_of_another_class"


def _takes_any_key(server: CaptureServer) -> None:
    server.api_key, server.answer = None, 200


@pytest.mark.parametrize(
    "begin", [_takes_another_key, _answers(401), _answers(403)], ids=["a key", "401", "403"]
)
def test_what_a_server_refused_for_its_key_is_sent_by_the_next_session(
    begin: Callable[[CaptureServer], None], new_kernel: NewKernel, server: CaptureServer
) -> None:
    host = server.url.removeprefix("http://")
    begin(server)
    kernel = new_kernel()
    cells = [
        set_up(kernel),
        kernel.run(WORK),
    ]
    wait_for_panel(kernel, KEY_REFUSED.format(host=host))
    kernel.shutdown()
    assert server.events == []

    _takes_any_key(server)
    set_up(new_kernel(), "D4_Plots", "John")

    wait_until(lambda: len(server.distinct()) == 5, timeout_s=30)
    events = [e for e in server.distinct().values() if e["properties"]["nb"] == "D3_Datetimes"]
    assert [event["event"] for event in events] == EVENTS
    assert {event["distinct_id"] for event in events} == {"SARA"}
    assert felt(*cells) == []


def test_what_waits_for_a_certificate_to_be_trusted_is_sent_by_the_next_session(
    new_kernel: NewKernel,
) -> None:
    with CaptureServer(tls=True) as server:
        kernel = new_kernel(TELEMETRY_HOST=server.url)
        cells = [
            set_up(kernel),
            kernel.run(WORK),
        ]
        wait_for_panel(kernel, UNTRUSTED.format(host=server.url.removeprefix("https://")))
        kernel.shutdown()
        assert server.connections > 0
        assert server.requests == []

        heir = new_kernel(TELEMETRY_HOST=server.url, REQUESTS_CA_BUNDLE=str(SELF_SIGNED))
        set_up(heir, "D4_Plots", "John")

        wait_until(lambda: len(server.distinct()) == 5, timeout_s=30)
        events = [e for e in server.distinct().values() if e["properties"]["nb"] == "D3_Datetimes"]
        assert [event["event"] for event in events] == EVENTS
        assert {event["distinct_id"] for event in events} == {"SARA"}
        assert felt(*cells) == []
