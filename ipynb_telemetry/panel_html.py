"""The panel's words as HTML. Pure: a session goes in, text comes out.

Foreign text (names, messages, ids) is escaped. Notebook 6 typesets `$...$` even in
escaped HTML, so everything stands in an element that MathJax leaves alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from ipynb_telemetry.events import KINDS, Kind
from ipynb_telemetry.session import Exercise, Session
from ipynb_telemetry.status import delivery_line, extra_lines, host_name, status_of

OFF_LINE = "Telemetry is not running: run this cell to turn it on"
# A mark beside each word, for those who do not see colours.
_MARKS = {
    "active": "\u25cf",  # a filled circle
    "attention": "!",
    "offline": "\u25cb",  # an empty circle
    "off": "\u25cb",
    "paused": "\u2016",  # two bars
    "waiting": "\u2026",  # an ellipsis
}
_RESULTS = {True: "Passed", False: "Failed", None: "Not tried"}


def style() -> str:
    """The panel's stylesheet, as an element."""
    css = Path(__file__).with_name("panel.css").read_text("utf-8")
    return f"<style>{css}</style>"


def off_line(panel_id: str) -> str:
    """The line that a saved notebook shows; the live panel of that id hides it."""
    return f'{style()}<p class="ipt-off-line ipt-off-{panel_id}">{OFF_LINE}.</p>'


def live_style(panel_id: str) -> str:
    return f"{style()}<style>.ipt-off-{panel_id} {{display: none}}</style>"


def plain_line(line: str) -> str:
    return _block(f"<p>{escape(line)}</p>")


def status(session: Session) -> str:
    now = status_of(session)
    who = f'<span class="ipt-who">{_name(session.student)}</span>' if session.student else ""
    text = f'<p class="ipt-muted">{escape(now.text)}</p>' if now.text else ""
    return _block(
        '<span class="ipt-title">Telemetry</span>'
        f'<div class="ipt-status ipt-{now.kind}" role="status">'
        f'<span class="ipt-mark" aria-hidden="true">{_MARKS[now.kind]}</span>'
        f"<b>{now.word}</b>{who}{text}</div>"
    )


def figures(session: Session) -> str:
    """Counts, progress and delivery, once there is a name; and what else there is to say."""
    muted = "".join(
        f'<p class="ipt-muted" dir="auto">{escape(line)}</p>'
        for line in (delivery_line(session), *extra_lines(session))
        if line
    )
    if not session.student:
        return _block(muted) if muted else ""
    counts = (("Cells", session.cells), ("Passed", session.passed), ("Failed", session.failed))
    spans = "".join(f"<span>{word} <b>{number}</b></span>" for word, number in counts)
    return _block(f'<div class="ipt-figures">{spans}{_progress(session)}</div>{muted}')


def purpose(session: Session) -> str:
    """What giving a name means, said before it is given."""
    if not session.host:
        return ""
    return _block(
        '<p class="ipt-muted">Your name, the cells you run and your test results go to '
        f"{escape(host_name(session.host))}, for your teacher to see.</p>"
    )


def preview(normalized: str, *, cell_runs: bool) -> str:
    """What the typed name becomes, and when it will be taken if not at once."""
    later = " when this cell has ended" if cell_runs else ""
    return _block(f'<p class="ipt-muted">will be recorded as {_name(normalized)}{later}</p>')


def question(line: str) -> str:
    return _block(f'<p dir="auto">{escape(line)}</p>')


def refusal(line: str) -> str:
    return _block(f'<p class="ipt-refused" role="alert" dir="auto">{escape(line)}</p>')


def exercises(session: Session) -> str:
    """Each exercise with its attempts and the last message."""
    known = {name: Exercise(name) for name in session.expected} | dict(session.exercises)
    if not known:
        return _details("<p>No exercise has been tried yet.</p>")
    rows = "".join(
        f'<tr><td dir="auto">{escape(exercise.name)}</td><td>{_RESULTS[exercise.passed]}</td>'
        f'<td>{exercise.attempts}</td><td dir="auto">{escape(exercise.message)}</td></tr>'
        for exercise in known.values()
    )
    head = "".join(
        f'<th scope="col">{word}</th>'
        for word in ("Exercise", "Result", "Attempts", "Last message")
    )
    return _details(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")


def sent(messages: Sequence[dict[str, Any]], host: str) -> str:
    """The last events exactly as they are sent, newest first, and what each kind is about."""
    place = f"To <b>{escape(host_name(host))}</b>" if host else "Nothing is sent yet"
    where = (
        f"<p>{place}, with this notebook's key and the time of sending: the last events of this "
        "session, newest first, exactly as they are.</p>"
    )
    events = "\n".join(json.dumps(message, ensure_ascii=False, indent=1) for message in messages)
    shown = f'<pre dir="ltr">{escape(events)}</pre>' if events else "<p>None so far.</p>"
    kinds = "".join(
        f"<tr><td>{kind.event}</td><td>{kind.when}</td><td>{_meanings(kind)}</td></tr>"
        for kind in KINDS
    )
    return _details(f"{where}{shown}<table><tbody>{kinds}</tbody></table>")


def _meanings(kind: Kind) -> str:
    return "<br>".join(f"<b>{each.name}</b> {each.meaning}" for each in kind.properties)


def _progress(session: Session) -> str:
    total = session.exercises_total
    if not total:
        return ""
    share = round(100 * session.passed / total)
    return (
        f'<span><span class="ipt-bar" role="progressbar" aria-label="Exercises passed" '
        f'aria-valuemin="0" aria-valuemax="{total}" aria-valuenow="{session.passed}">'
        f'<span style="width: {share}%"></span></span>{session.passed} of {total}</span>'
    )


def _details(inner: str) -> str:
    return _block(f'<div class="ipt-details" tabindex="0">{inner}</div>')


def _name(name: str) -> str:
    return f"<bdi>{escape(name)}</bdi>"


def _block(inner: str) -> str:
    return f'<div class="tex2jax_ignore mathjax_ignore">{inner}</div>'
