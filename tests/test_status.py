"""What the panel says: one status at a time, in words that a student can act on."""

from __future__ import annotations

import pytest

from ipynb_telemetry.session import Problem, Session
from ipynb_telemetry.status import Status, delivery_line, extra_lines, host_name, status_of


def a_session(**traits: object) -> Session:
    """A session in a good state, but for what is said."""
    session = Session("D3_Datetimes")
    session.host = "https://us.i.posthog.com"
    for name, value in ({"student": "SARA"} | traits).items():
        setattr(session, name, value)
    return session


IN_ORDER: list[tuple[str, dict[str, object]]] = [
    ("Off", {"off_because": "DO_NOT_TRACK is set"}),
    ("Needs attention", {"storage_problem": "/home/sara: read-only"}),
    ("Paused", {"paused": True}),
    ("Waiting for your name", {"student": ""}),
    ("Offline", {"problem": Problem("UNREACHABLE", "no connection")}),
    ("Active", {}),
]


@pytest.mark.parametrize("place", range(len(IN_ORDER)), ids=[word for word, _ in IN_ORDER])
def test_the_first_that_holds_is_the_status(place: int) -> None:
    word, _ = IN_ORDER[place]
    later = {
        name: value for _, traits in reversed(IN_ORDER[place:]) for name, value in traits.items()
    }

    assert status_of(a_session(**later)).word == word


@pytest.mark.parametrize("outcome", ["BLOCKED", "KEY_REFUSED", "NOT_POSTHOG"])
def test_what_somebody_has_to_mend_needs_attention(outcome: str) -> None:
    session = a_session(problem=Problem(outcome, "a reason"), paused=True, student="")

    assert status_of(session).kind == "attention"


@pytest.mark.parametrize(
    "outcome", ["UNREACHABLE", "UNTRUSTED", "BUSY", "INTERCEPTED", "CONTENT_REFUSED"]
)
def test_what_mends_itself_is_offline(outcome: str) -> None:
    assert status_of(a_session(problem=Problem(outcome, "a reason"))).kind == "offline"


def test_a_server_that_refuses_everything_is_no_lost_connection() -> None:
    text = status_of(a_session(problem=Problem("CONTENT_REFUSED", "400"))).text

    assert "refuses" in text
    assert "connection" not in text


def test_off_says_why() -> None:
    status = status_of(a_session(off_because="DO_NOT_TRACK is set"))

    assert status == Status("off", "Off", "DO_NOT_TRACK is set.")


def test_paused_says_what_that_means() -> None:
    status = status_of(a_session(paused=True))

    assert status == Status("paused", "Paused", "Nothing you do now is counted, recorded or sent.")


@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        (0, ""),
        (1, "1 event is waiting for your name."),
        (14, "14 events are waiting for your name."),
    ],
)
def test_waiting_says_how_much_waits(recorded: int, text: str) -> None:
    status = status_of(a_session(student="", recorded=recorded))

    assert status == Status("waiting", "Waiting for your name", text)


@pytest.mark.parametrize(
    ("recorded", "delivered", "set_aside", "text"),
    [
        (4, 0, 0, "4 events are safe on this computer"),
        (17, 14, 2, "1 event is safe on this computer"),
        (4, 4, 0, "Your results are safe on this computer"),
    ],
)
def test_offline_says_that_nothing_is_lost(
    recorded: int, delivered: int, set_aside: int, text: str
) -> None:
    session = a_session(
        problem=Problem("UNREACHABLE", "no connection"),
        recorded=recorded,
        delivered=delivered,
        set_aside=set_aside,
    )

    assert status_of(session).text == f"{text} and will be sent when the connection is back."


def test_where_something_else_answers_it_says_so() -> None:
    session = a_session(problem=Problem("INTERCEPTED", "200: <html>"), recorded=4)

    assert status_of(session).text == (
        "Something else answers in place of us.i.posthog.com: a Wi-Fi login page? "
        "4 events are safe on this computer and will be sent when the connection is back."
    )


def test_a_certificate_that_is_not_trusted_is_said() -> None:
    problem = Problem("UNTRUSTED", "its certificate cannot be trusted")

    assert status_of(a_session(problem=problem, recorded=1)).text == (
        "us.i.posthog.com: its certificate cannot be trusted. Is this computer's clock right? "
        "1 event is safe on this computer and will be sent when the connection is back."
    )


def test_a_refused_key_is_the_teachers_to_mend() -> None:
    session = a_session(problem=Problem("KEY_REFUSED", "401: no"), recorded=4)

    assert status_of(session).text == (
        "us.i.posthog.com does not take this notebook's key. Tell your teacher. "
        "4 events are safe on this computer."
    )


def test_a_host_that_is_no_posthog_is_named_with_what_it_said() -> None:
    session = a_session(problem=Problem("NOT_POSTHOG", "404: Not Found"), recorded=4)

    assert status_of(session).text == (
        "us.i.posthog.com is not a PostHog server (it said 404: Not Found). Tell your teacher. "
        "4 events are safe on this computer."
    )


def test_where_nothing_can_be_sent_it_says_why() -> None:
    session = a_session(problem=Problem("BLOCKED", "TELEMETRY_API_KEY is empty."))

    assert status_of(session).text == "Nothing is sent: TELEMETRY_API_KEY is empty."


def test_a_folder_that_cannot_be_written_is_named() -> None:
    session = a_session(storage_problem="/home/sara: No space left on device")

    assert status_of(session).text == (
        "Your results cannot be saved on this computer (/home/sara: No space left on device). "
        "They are kept in memory: keep this notebook open, and tell your teacher."
    )


@pytest.mark.parametrize(
    ("recorded", "delivered", "line"),
    [
        (0, 0, ""),
        (3, 0, ""),
        (1, 1, "1 event delivered to us.i.posthog.com"),
        (17, 15, "15 of 17 events delivered to us.i.posthog.com"),
        (17, 17, "all 17 events delivered to us.i.posthog.com"),
    ],
)
def test_delivery_speaks_of_this_session(recorded: int, delivered: int, line: str) -> None:
    assert delivery_line(a_session(recorded=recorded, delivered=delivered)) == line


def test_before_there_is_a_name_nothing_is_said_of_delivery() -> None:
    assert delivery_line(a_session(student="", recorded=2, delivered=2)) == ""


def test_leftovers_have_a_line_of_their_own() -> None:
    assert extra_lines(a_session(leftover=2)) == ["2 events of an earlier session on the way"]


def test_events_that_were_refused_are_named() -> None:
    assert extra_lines(a_session(set_aside=1)) == [
        "1 event refused by us.i.posthog.com and set aside on this computer"
    ]


def test_notes_come_last() -> None:
    session = a_session(leftover=1, set_aside=1)
    session.note("TELEMETRY_ROSTER was ignored.")

    lines = extra_lines(session)
    assert len(lines) == 3
    assert lines[-1] == "TELEMETRY_ROSTER was ignored."


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("https://us.i.posthog.com", "us.i.posthog.com"),
        ("http://127.0.0.1:8642", "127.0.0.1:8642"),
        ("http://teacher:secret@example.org/class", "example.org"),
        ("http://[::1]:80", "[::1]:80"),
        ("", "nowhere"),
    ],
)
def test_a_host_is_shown_without_what_a_student_need_not_read(host: str, name: str) -> None:
    assert host_name(host) == name
