"""What the panel says of a session, in words: the status, the delivery, the leftovers."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from ipynb_telemetry.session import Session


class Status(NamedTuple):
    kind: str
    """`off`, `attention`, `paused`, `waiting`, `offline` or `active`; also a CSS class."""
    word: str
    text: str = ""
    """What it means for the student and what to do, one line; may be empty."""


def status_of(session: Session) -> Status:
    """The one status of `session`: the first that holds of those in `Status.kind`."""
    if session.off_because:
        return Status("off", "Off", f"{session.off_because}.")
    needs_attention = _attention(session)
    if needs_attention:
        return Status("attention", "Needs attention", needs_attention)
    if session.paused:
        return Status("paused", "Paused", "Nothing you do now is counted, recorded or sent.")
    if not session.student:
        return Status("waiting", "Waiting for your name", _waiting_for_name(session))
    if session.problem is not None:
        return Status("offline", "Offline", _offline(session))
    return Status("active", "Active")


def delivery_line(session: Session) -> str:
    """How much of this session has arrived; empty before there is anything to say."""
    if not session.student or not session.recorded or not session.delivered:
        return ""
    host, total = host_name(session.host), session.recorded
    if session.delivered >= total:
        return (
            f"all {total} events delivered to {host}"
            if total > 1
            else f"1 event delivered to {host}"
        )
    return f"{session.delivered} of {total} events delivered to {host}"


def extra_lines(session: Session) -> list[str]:
    """What else the student should know: leftovers, refused events, notes."""
    lines = []
    if session.leftover:
        lines.append(f"{_events(session.leftover)} of an earlier session on the way")
    if session.set_aside:
        lines.append(
            f"{_events(session.set_aside)} refused by {host_name(session.host)} "
            "and set aside on this computer"
        )
    return [*lines, *session.notes]


def host_name(host: str) -> str:
    """`https://us.i.posthog.com` -> `us.i.posthog.com`; a port that says something stays."""
    return urlsplit(host).netloc.rpartition("@")[2] or host or "nowhere"


def _attention(session: Session) -> str:
    problem = session.problem
    if problem is not None and problem.outcome == "BLOCKED":
        return f"Nothing is sent: {problem.reason}"
    if session.storage_problem:
        return (
            f"Your results cannot be saved on this computer ({session.storage_problem}). "
            "They are kept in memory: keep this notebook open, and tell your teacher."
        )
    if problem is None:
        return ""
    host = host_name(session.host)
    if problem.outcome == "KEY_REFUSED":
        return f"{host} does not take this notebook's key. Tell your teacher. {_safe(session)}."
    if problem.outcome == "NOT_POSTHOG":
        return (
            f"{host} is not a PostHog server (it said {problem.reason}). "
            f"Tell your teacher. {_safe(session)}."
        )
    return ""


def _waiting_for_name(session: Session) -> str:
    if session.recorded == 1:
        return "1 event is waiting for your name."
    return f"{session.recorded} events are waiting for your name." if session.recorded else ""


def _offline(session: Session) -> str:
    text = f"{_safe(session)} and will be sent when the connection is back."
    host, problem = host_name(session.host), session.problem
    if problem is not None and problem.outcome == "INTERCEPTED":
        return f"Something else answers in place of {host}: a Wi-Fi login page? {text}"
    if problem is not None and problem.outcome == "CONTENT_REFUSED":
        return f"{host} refuses what it gets just now. {_safe(session)} and will be sent again."
    if problem is not None and problem.outcome == "UNTRUSTED":
        return f"{host}: {problem.reason}. Is this computer's clock right? {text}"
    return text


def _safe(session: Session) -> str:
    waiting = max(0, session.recorded - session.delivered - session.set_aside)
    if not waiting:  # those of an earlier session do
        return "Your results are safe on this computer"
    verb = "is" if waiting == 1 else "are"
    return f"{_events(waiting)} {verb} safe on this computer"


def _events(number: int) -> str:
    return "1 event" if number == 1 else f"{number} events"
