from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from class_events import BEGAN_MS, MINUTE_MS, Lesson

from ipynb_telemetry.classroom.attempts import PASSED, Standing
from ipynb_telemetry.classroom.order import common_order, exercise_order
from ipynb_telemetry.classroom.students import (
    Student,
    all_students,
    error_kind,
    in_need,
    reasons,
    students_of,
)
from ipynb_telemetry.classroom.summary import exercise_figures, pace

NOW_MS = 1_000_000
A_ROW = {
    "key": "SARA",
    "hand": 0,
    "fails": 0,
    "since": 0,
    "same": 0,
    "failedLast": False,
    "last": NOW_MS,
    "paused": False,
}
NEEDS = json.loads((Path(__file__).parent / "data" / "needs.json").read_text("utf-8"))


def only(*lessons: Lesson) -> Student:
    [student] = all_students(lesson.figures for lesson in lessons)
    return student


def row(*lessons: Lesson) -> dict[str, Any]:
    return only(*lessons).as_json()


# Who is who


def test_sessions_one_after_the_other_are_one_student() -> None:
    before = Lesson(sess="aaaaaaaa").failed("one").failed("one", 2)
    after = Lesson(sess="bbbbbbbb", at_minutes=30).passed("one")

    student = only(after, before)

    assert not student.clash
    assert student.exercises["one"] == Standing(PASSED, attempts=3, ever_passed=1)
    assert student.passed_first == set()


def test_sessions_at_the_same_time_are_a_clash_and_two_rows() -> None:
    here = Lesson(sess="aaaaaaaa").cell("a").cell("b").cell("c")
    there = Lesson(sess="bbbbbbbb", at_minutes=0.5).cell("a").cell("b")

    rows = [each.as_json() for each in all_students([here.figures, there.figures])]

    assert [(each["key"], each["clash"]) for each in rows] == [
        ("SARA#aaaaaaaa", True),
        ("SARA#bbbbbbbb", True),
    ]


def test_a_kernel_that_was_left_open_over_lunch_is_no_clash() -> None:
    left_open = Lesson(sess="aaaaaaaa").cell("a").wait(60).cell("b")
    meanwhile = Lesson(sess="bbbbbbbb", at_minutes=20).cell("a").cell("b")

    assert not only(left_open, meanwhile).clash


def test_a_corrected_typo_is_the_same_row() -> None:
    lesson = Lesson("SARRA").passed("one").rename("SARA").passed("two")

    of_sara = row(lesson)

    assert (of_sara["name"], of_sara["was"]) == ("SARA", ["SARRA"])
    assert of_sara["ex"] == {"one": [2, 1, 1], "two": [2, 1, 1]}


def test_nobody_has_no_row() -> None:
    assert students_of("SARA", []) == []


# How far


def test_an_exercise_that_is_broken_again_has_not_passed_any_more() -> None:
    assert row(Lesson().passed("one").failed("one", 2))["ex"] == {"one": [1, 2, 1]}


def test_the_latest_attempt_counts_in_whichever_session_it_was() -> None:
    left_open = Lesson(sess="aaaaaaaa").failed("one").failed("two").wait(60).passed("one", 2)
    meanwhile = Lesson(sess="bbbbbbbb", at_minutes=20).failed("one").passed("two")

    of_sara = row(left_open, meanwhile)

    assert of_sara["ex"] == {"one": [2, 3, 1], "two": [2, 2, 1]}
    assert (of_sara["fails"], of_sara["failedLast"]) == (0, False)


def test_a_student_is_at_the_exercise_after_which_the_cell_is_named() -> None:
    lesson = Lesson().passed("exercise_1").failed("exercise_12").cell("exercise-1-test")

    assert row(lesson)["at"] == "exercise_1"


def test_a_student_is_at_the_exercise_that_failed_last() -> None:
    assert row(Lesson().passed("one").failed("two").cell("helper"))["at"] == "two"


def test_where_a_student_is_cannot_be_told_after_a_pass() -> None:
    assert row(Lesson().failed("two").passed("one").cell("helper"))["at"] == ""


def test_minutes_to_pass_count_from_the_pass_before_or_the_beginning() -> None:
    lesson = Lesson().cell("a").wait(3).passed("one").wait(2).failed("two").wait(4).passed("two", 2)

    assert only(lesson).minutes_to_pass == {"one": 4.0, "two": 8.0}


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([["a", "b", "c"], ["a", "b", "c"], ["c", "a"]], ["a", "b", "c"]),
        ([["b", "a"], ["b", "a"], ["a", "b"]], ["b", "a"]),
        ([["e10"], ["e9"], ["e1"]], ["e1", "e9", "e10"]),
        ([["a_first", "e2", "e10"], ["e1", "e2"]], ["a_first", "e1", "e2", "e10"]),
    ],
    ids=["one strays", "the majority", "nobody met two", "what one skipped"],
)
def test_exercises_are_in_the_order_in_which_most_have_met_them(
    orders: list[list[str]], expected: list[str]
) -> None:
    assert common_order([name for order in orders for name in order], orders) == expected


def test_the_order_of_exercises_is_that_of_their_first_attempts() -> None:
    lesson = Lesson().failed("late").failed("early").passed("late", 2)

    assert exercise_order([lesson.figures]) == ["late", "early"]


# Who needs help


@pytest.mark.parametrize("case", NEEDS, ids=[case["what"] for case in NEEDS])
def test_why_a_student_needs_help(case: dict[str, Any]) -> None:
    assert reasons({**A_ROW, **case["row"]}, NOW_MS) == case["why"]


def test_a_raised_hand_comes_first_then_who_waits_longest() -> None:
    rows = [
        {**A_ROW, "key": "NOT-LONG", "fails": 1, "since": 600_000},
        {**A_ROW, "key": "LONG", "fails": 1, "since": 100_000},
        {**A_ROW, "key": "HAND", "hand": 900_000},
        {**A_ROW, "key": "FINE"},
        {**A_ROW, "key": "HAND-BEFORE", "hand": 800_000},
    ]

    assert [row["key"] for row, _ in in_need(rows, NOW_MS)] == [
        "HAND-BEFORE",
        "HAND",
        "LONG",
        "NOT-LONG",
    ]


def test_failures_count_since_the_last_pass_with_their_last_message() -> None:
    lesson = Lesson().failed("one").passed("one", 2).failed("two", 1, "E: 1").failed("two", 2, "F")

    facts = row(lesson)

    assert (facts["fails"], facts["failing"], facts["err"]) == (2, "two", "F")
    assert facts["since"] == BEGAN_MS + 2 * MINUTE_MS
    assert facts["failedLast"]


def test_an_error_is_the_same_where_only_numbers_and_quoted_words_differ() -> None:
    lesson = Lesson()
    for number, err in enumerate(["E: 'a' is not 1", "E: 'b' is not 2.5", "E: 'c' is not 33"]):
        lesson.failed("one", number + 1, err)

    assert row(lesson)["same"] == 3


def test_failures_count_since_the_last_pass_in_any_session() -> None:
    left_open = Lesson(sess="aaaaaaaa").failed("one").wait(60).failed("one", 2)
    meanwhile = Lesson(sess="bbbbbbbb", at_minutes=20).passed("two").failed("three")

    trouble = only(left_open, meanwhile).trouble

    assert (trouble.fails, trouble.exercise) == (2, "one")


def test_another_error_in_between_is_not_the_same_again_and_again() -> None:
    lesson = Lesson().failed("one", 1, "E").failed("one", 2, "F").failed("one", 3, "E")

    assert row(lesson)["same"] == 1


def test_a_cell_that_fails_again_and_again_counts_without_a_test() -> None:
    lesson = Lesson()
    for _ in range(3):
        lesson.cell("a").end("a", "SyntaxError: '(' was never closed")

    facts = row(lesson)

    assert (facts["same"], facts["failedLast"]) == (3, True)
    assert facts["err"] == "SyntaxError: '(' was never closed"


def test_error_kinds_keep_the_words() -> None:
    assert error_kind("KeyError: 'x1' at 0xfe12, line 4") == "KeyError: '...' at '...', line #"


# All of the class


def test_each_exercise_has_its_shares_medians_and_common_errors() -> None:
    students = all_students(
        [
            Lesson("ADA", "aaaaaaaa").passed("one").figures,
            Lesson("BEN", "bbbbbbbb").failed("one", 1, "E: 1").failed("one", 2, "F").figures,
            Lesson("EVA", "eeeeeeee").failed("one", 1, "E: 2").passed("one", 2).figures,
            Lesson("TOM", "dddddddd").cell("a").figures,
        ]
    )

    [one] = exercise_figures(students)

    assert (one["students"], one["tried"], one["passed"], one["firstTry"]) == (4, 3, 2, 1)
    assert (one["attempts"], one["minutes"]) == (2, 0.5)
    assert one["errors"] == [["E: 1", 2, 2], ["F", 1, 1]]


def test_an_exercise_that_was_only_skipped_is_none_of_the_class_yet() -> None:
    skipped = Lesson().event("test", ex="two", ok=None, skipped=True).passed("one")

    [one] = exercise_figures(all_students([skipped.figures]))

    assert (one["name"], one["tried"], one["passed"]) == ("one", 1, 1)


def test_the_pace_is_how_many_have_reached_each_cell_by_then() -> None:
    students = all_students(
        [
            Lesson("ADA", "aaaaaaaa").cell("first").cell("second").cell("first").figures,
            Lesson("BEN", "bbbbbbbb", at_minutes=0.5).cell("first").figures,
        ]
    )

    plot = pace(students)

    assert plot["cells"] == ["first", "second"]
    assert (plot["times"][0], plot["times"][-1]) == (BEGAN_MS, BEGAN_MS + MINUTE_MS)
    first, second = plot["reached"]
    assert (first[0], first[59], first[60], first[-1]) == (1, 1, 2, 2)
    assert (second[0], second[-2], second[-1]) == (0, 0, 1)


def test_a_clock_that_is_ahead_does_not_press_the_pace_together() -> None:
    now_ms = round(time.time() * 1000)
    ahead = (now_ms - BEGAN_MS) / MINUTE_MS + 20 * 60
    minutes = (now_ms - BEGAN_MS) / MINUTE_MS - 30
    lessons = [
        Lesson("ADA", "aaaaaaaa", at_minutes=minutes),
        Lesson("EVA", "eeeeeeee", at_minutes=ahead),
    ]
    found = pace(all_students([lesson.cell("first").cell("second").figures for lesson in lessons]))

    assert found["times"][0] < now_ms - 29 * MINUTE_MS
    assert found["times"][-1] <= round(time.time() * 1000)
    assert [reached[-1] for reached in found["reached"]] == [2, 2]


def test_the_pace_of_nobody_is_empty() -> None:
    assert pace([]) == {"times": [], "cells": [], "reached": []}
