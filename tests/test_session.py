"""What is true of a lesson: counts, results, names, and what is announced of them."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Callable

import pytest
from announced import Announced

from ipynb_telemetry.session import Session


@pytest.fixture
def session() -> Session:
    return Session("D3_Datetimes")


@pytest.fixture
def announced(session: Session) -> Announced:
    return Announced(session)


def fail(session: Session, exercise: str, message: str = "AssertionError") -> None:
    session.end_test(exercise, ok=False, ms=1, err=message)


def succeed(session: Session, exercise: str) -> None:
    session.end_test(exercise, ok=True, ms=1, err=None)


def skip(session: Session, exercise: str) -> None:
    session.end_test(exercise, ok=None, ms=1, err="SkipTest: tomorrow")


def test_a_session_is_known_by_eight_hex_digits() -> None:
    sessions = [Session("D3_Datetimes").sess for _ in range(100)]

    assert all(re.fullmatch("[0-9a-f]{8}", sess) for sess in sessions)
    assert len(set(sessions)) == 100


def test_the_anonymous_name_is_made_of_the_session() -> None:
    session = Session("D3_Datetimes")
    session.sess = "0a1b2c3d"

    assert session.anonymous_name == "ANONYMOUS-0A1B2C3D"


# Cells


def test_runs_of_cells_are_numbered_from_1(session: Session, announced: Announced) -> None:
    numbers = [session.run_cell("exercise_1", "# one"), session.run_cell("exercise_2", "# two")]

    assert numbers == [1, 2]
    assert session.cells == 2
    assert announced.events == [
        ("cell", {"cell_id": "exercise_1", "cell_num": 1, "code": "# one"}),
        ("cell", {"cell_id": "exercise_2", "cell_num": 2, "code": "# two"}),
    ]


def test_the_same_cell_run_twice_is_two_happenings(session: Session, announced: Announced) -> None:
    session.run_cell("exercise_1", "")
    session.run_cell("exercise_1", "")

    assert announced.names == ["cell", "cell"]


def test_two_equal_custom_events_are_two_happenings(session: Session, announced: Announced) -> None:
    session.custom("hint", {"exercise": 2})
    session.custom("hint", {"exercise": 2})

    assert announced.events == [("hint", {"exercise": 2}), ("hint", {"exercise": 2})]


def test_ten_threads_use_each_number_once(session: Session) -> None:
    numbers: list[int | None] = []
    together = threading.Barrier(10)

    def run_cells() -> None:
        together.wait()
        numbers.extend([session.run_cell("exercise_1", "") for _ in range(300)])

    threads = [threading.Thread(target=run_cells) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(number for number in numbers if number) == list(range(1, 3001))
    assert session.cells == 3000


# Exercises


def test_a_fixed_exercise_moves_from_failed_to_passed(session: Session) -> None:
    fail(session, "exercise_1")
    before = (session.passed, session.failed)
    succeed(session, "exercise_1")

    assert before == (0, 1)
    assert (session.passed, session.failed) == (1, 0)


def test_a_broken_exercise_moves_from_passed_to_failed(session: Session) -> None:
    succeed(session, "exercise_1")
    fail(session, "exercise_1")

    assert (session.passed, session.failed) == (0, 1)


def test_exercises_are_counted_once_however_often_they_are_tried(session: Session) -> None:
    for exercise in ("exercise_1", "exercise_2", "exercise_1", "exercise_1"):
        fail(session, exercise)

    assert session.failed == 2


def test_attempts_are_counted_for_each_exercise(session: Session, announced: Announced) -> None:
    for exercise in ("exercise_1", "exercise_2", "exercise_1"):
        fail(session, exercise)

    assert [properties["try"] for _, properties in announced.events] == [1, 1, 2]


def test_a_test_says_how_it_ended(session: Session, announced: Announced) -> None:
    session.end_test("exercise_1", ok=False, ms=12, err="AssertionError: no")

    assert announced.events == [
        (
            "test",
            {
                "ex": "exercise_1",
                "ok": False,
                "try": 1,
                "ms": 12,
                "err": "AssertionError: no",
                "skipped": False,
            },
        )
    ]


def test_a_skipped_test_is_no_attempt(session: Session, announced: Announced) -> None:
    skip(session, "exercise_1")

    assert announced.last()["try"] == 0
    assert (announced.last()["ok"], announced.last()["skipped"]) == (None, True)
    assert (session.passed, session.failed) == (0, 0)


def test_a_skipped_test_leaves_the_result_before_it(session: Session) -> None:
    succeed(session, "exercise_1")
    skip(session, "exercise_1")

    assert session.passed == 1


def test_an_exercise_keeps_the_message_of_its_last_failure(session: Session) -> None:
    fail(session, "exercise_1", "AssertionError: first")
    fail(session, "exercise_1", "AssertionError: second")

    assert session.exercises["exercise_1"].message == "AssertionError: second"


def test_an_exercise_that_passes_has_no_message(session: Session) -> None:
    fail(session, "exercise_1", "AssertionError: no")
    succeed(session, "exercise_1")

    assert session.exercises["exercise_1"].message == ""


def test_without_expected_exercises_those_met_make_the_total(session: Session) -> None:
    fail(session, "exercise_1")
    skip(session, "exercise_2")

    assert session.exercises_total == 2


def test_expected_exercises_count_before_they_are_met(session: Session) -> None:
    session.expected = ("exercise_1", "exercise_2", "exercise_3")
    fail(session, "exercise_3")
    fail(session, "a_surprise")

    assert session.exercises_total == 4


# Pause


def test_while_paused_no_number_is_used_up(session: Session) -> None:
    session.run_cell("exercise_1", "")
    session.pause()
    while_paused = session.run_cell("exercise_2", "")
    session.resume()

    assert while_paused is None
    assert session.run_cell("exercise_3", "") == 2


def test_a_pause_that_two_threads_ask_for_at_once_is_one(
    session: Session, announced: Announced
) -> None:
    together = threading.Barrier(8)

    def pause() -> None:
        together.wait()
        session.pause()

    threads = [threading.Thread(target=pause) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert announced.names == ["pause"]


def test_while_paused_no_attempt_is_used_up(session: Session, announced: Announced) -> None:
    session.pause()
    fail(session, "exercise_1")
    session.resume()
    succeed(session, "exercise_1")

    assert announced.last()["try"] == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.start({"python": "3"}, rerun=1),
        lambda session: session.run_cell("exercise_1", ""),
        lambda session: session.end_cell("exercise_1", 1, ok=True, ms=1, err=None),
        lambda session: succeed(session, "exercise_1"),
        lambda session: session.custom("hint", {}),
        lambda session: session.raise_hand(up=True),
        lambda session: session.pause(),
    ],
    ids=["start", "cell", "cell_end", "test", "custom", "hand", "pause"],
)
def test_while_paused_nothing_is_announced(
    session: Session, announced: Announced, act: Callable[[Session], object]
) -> None:
    session.pause()
    act(session)
    session.resume()

    assert announced.names == ["pause", "resume"]


def test_while_paused_nothing_is_counted(session: Session) -> None:
    session.pause()
    session.run_cell("exercise_1", "")
    succeed(session, "exercise_1")
    session.raise_hand(up=True)

    assert (session.cells, session.passed, session.hand_up) == (0, 0, False)


def test_a_run_that_was_counted_is_announced_though_the_pause_comes_in_between(
    session: Session, announced: Announced
) -> None:
    counted = contextlib.ExitStack()
    counted.callback(session.pause)
    session._lock = counted  # type: ignore[assignment]  # let go of once the run is counted

    session.run_cell("exercise_1", "")

    assert session.cells == 1
    assert sorted(announced.names) == ["cell", "pause"]


def test_a_resume_without_a_pause_is_none(session: Session, announced: Announced) -> None:
    session.resume()

    assert announced.names == []


# Names


def test_a_name_is_taken_in_its_one_spelling(session: Session) -> None:
    session.take_name("  john   doe ")

    assert session.student == "JOHN-DOE"


def test_a_session_stays_the_first_students(session: Session) -> None:
    session.take_name("SARA")
    session.take_name("LENA")

    assert session.student == "SARA"


def test_a_corrected_name_says_what_it_was(session: Session, announced: Announced) -> None:
    session.take_name("JON DOE")
    session.rename("John Doe")

    assert session.student == "JOHN-DOE"
    assert announced.events == [("rename", {"prev": "JON-DOE"})]


def test_another_spelling_of_the_same_name_is_no_correction(
    session: Session, announced: Announced
) -> None:
    session.take_name("John Doe")
    session.rename("john doe")

    assert announced.names == []


def test_a_correction_is_announced_while_paused_too(session: Session, announced: Announced) -> None:
    session.take_name("JON DOE")
    session.pause()
    session.rename("JOHN DOE")

    assert announced.names == ["pause", "rename"]


def test_another_student_does_not_change_whose_this_session_is(
    session: Session, announced: Announced
) -> None:
    session.take_name("SARA")
    session.hand_over("lena maria")

    assert (session.student, session.successor) == ("SARA", "LENA-MARIA")
    assert announced.names == []


# The rest


def test_a_hand_goes_up_and_down(session: Session, announced: Announced) -> None:
    session.raise_hand(up=True)
    session.raise_hand(up=True)
    session.raise_hand(up=False)

    assert announced.events == [("hand", {"up": True}), ("hand", {"up": False})]


def test_a_start_says_where_it_runs(session: Session, announced: Announced) -> None:
    session.start({"python": "3.13"}, rerun=2)

    assert announced.events == [("start", {"python": "3.13", "rerun": 2})]


def test_a_note_is_shown_once(session: Session) -> None:
    for line in ("first", "second", "first"):
        session.note(line)

    assert session.notes == ["first", "second"]


def test_the_last_five_notes_are_shown(session: Session) -> None:
    for number in range(7):
        session.note(f"note {number}")

    assert session.notes == ["note 2", "note 3", "note 4", "note 5", "note 6"]


def test_an_observer_that_fails_does_not_reach_who_ran_the_cell(
    session: Session, telemetry_log: list[logging.LogRecord]
) -> None:
    def broken(_change: object) -> None:
        raise RuntimeError

    session.observe(broken, names="latest")

    assert session.run_cell("exercise_1", "") == 1
    assert [record.getMessage() for record in telemetry_log] == [
        "Session._announce failed; the cell goes on"
    ]


def test_a_forked_child_counts_for_itself(session: Session) -> None:
    session.run_cell("exercise_1", "")
    fail(session, "exercise_1")
    of_the_parent = session.sess

    session.become_a_fork()

    assert session.sess != of_the_parent
    assert session.run_cell("exercise_1", "") == 1
    assert session.failed == 0


def test_a_forked_child_does_not_wait_for_the_parents_threads(session: Session) -> None:
    session._lock = threading.Lock()  # type: ignore[assignment]  # as if another thread had it
    session._lock.acquire()

    session.become_a_fork()

    assert session.run_cell("exercise_1", "") == 1
