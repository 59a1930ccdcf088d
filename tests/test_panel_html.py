"""The panel's HTML for those who do not see it, and for hostile text."""

from __future__ import annotations

import re
from pathlib import Path

from ipynb_telemetry import panel_html
from ipynb_telemetry.events import KINDS
from ipynb_telemetry.session import Session

HOSTILE = "<img src=x onerror=alert(1)> $x$ & \"quoted\" 'too'"


def test_foreign_text_is_escaped_wherever_it_is_shown() -> None:
    session = Session(HOSTILE)
    session.host = f"http://{HOSTILE}"
    session.offered = HOSTILE
    session.note(HOSTILE)
    session.end_test(HOSTILE, ok=False, ms=1, err=HOSTILE)
    session.set_trait("student", HOSTILE)

    shown = "".join(
        (
            panel_html.status(session),
            panel_html.figures(session),
            panel_html.purpose(session),
            panel_html.exercises(session),
            panel_html.sent([{"event": HOSTILE}], session.host),
            panel_html.preview(HOSTILE, cell_runs=False),
            panel_html.refusal(HOSTILE),
            panel_html.question(HOSTILE),
            panel_html.plain_line(HOSTILE),
        )
    )

    assert "<img" not in shown
    assert shown.count("&lt;img") >= 10
    assert shown.count("tex2jax_ignore mathjax_ignore") == 9


def test_the_counts_stand_right_behind_their_words() -> None:
    session = Session("D3")
    session.take_name("Sara")
    for _ in range(12):
        session.run_cell("one", "")
    for number in range(4):
        session.end_test(f"exercise_{number}", ok=number != 3, ms=1, err=None)

    html = panel_html.figures(session)

    assert "Cells <b>12</b>" in html
    assert "Passed <b>3</b>" in html
    assert "Failed <b>1</b>" in html


def test_the_progress_bar_tells_its_values() -> None:
    session = Session("D3")
    session.take_name("Sara")
    session.expected = ("exercise_1", "exercise_2", "exercise_3", "exercise_4", "exercise_5")
    for number in (1, 2, 3):
        session.end_test(f"exercise_{number}", ok=True, ms=1, err=None)

    html = panel_html.figures(session)

    assert 'role="progressbar"' in html
    assert 'aria-valuemin="0" aria-valuemax="5" aria-valuenow="3"' in html
    assert "3 of 5" in html


def test_expected_exercises_are_listed_before_they_are_tried() -> None:
    session = Session("D3")
    session.expected = ("exercise_1",)

    assert "Not tried" in panel_html.exercises(session)


def test_notes_are_shown_before_there_is_a_name() -> None:
    session = Session("D3")
    session.note("TELEMETRY_ROSTER was ignored.")

    assert "TELEMETRY_ROSTER was ignored." in panel_html.figures(session)


def test_each_kind_of_event_is_explained_where_what_is_sent_is_shown() -> None:
    html = panel_html.sent([], "http://127.0.0.1:8642")

    for kind in KINDS:
        assert f"<td>{kind.event}</td><td>{kind.when}</td>" in html
        for each in kind.properties:
            assert f"<b>{each.name}</b> {each.meaning}" in html


def test_every_colour_has_a_fallback() -> None:
    css = (Path(panel_html.__file__).parent / "panel.css").read_text("utf-8")
    defined = re.findall(r"^\s*(--ipt-[\w-]+):", css, re.MULTILINE)
    used = re.findall(r"var\((--[\w-]+)(,)?", css)

    assert {name for name, fallback in used if not fallback} == {*defined}
    assert all(fallback for name, fallback in used if not name.startswith("--ipt-"))
