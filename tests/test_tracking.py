"""`_cell`, `tracked_test` and `_telemetry_capture`: what they tell, and what they leave alone."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import sys
import threading
import traceback
import unittest
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from announced import Announced
from coroutines import run_to_end
from IPython.core.events import EventManager, available_events

from ipynb_telemetry.session import Session
from ipynb_telemetry.tracking import Tracking


@pytest.fixture
def session() -> Session:
    return Session("D3_Datetimes")


@pytest.fixture
def announced(session: Session) -> Announced:
    return Announced(session)


@pytest.fixture
def tracking(session: Session) -> Tracking:
    return Tracking(session, cell_ended=lambda: None)


class Hostile:
    """Nothing of it can be made into text."""

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def failing_test() -> None:
    msg = "no"
    raise AssertionError(msg)


def run(test: Callable[[], object]) -> BaseException | None:
    """Run `test` to its end, whatever kind it is, and give back what it raised."""
    try:
        result = test()
        if inspect.iscoroutine(result):
            run_to_end(result)
        elif inspect.isgenerator(result):
            list(result)
    except BaseException as outcome:  # noqa: BLE001  # what it is, is the question
        return outcome
    return None


# _cell


def test_a_cell_says_its_id_and_its_preview(tracking: Tracking, announced: Announced) -> None:
    tracking.cell("exercise_1", "# Exercise 1")

    assert announced.events == [
        ("cell", {"cell_id": "exercise_1", "cell_num": 1, "code": "# Exercise 1"})
    ]


def test_outside_ipython_a_cell_has_no_end(tracking: Tracking, announced: Announced) -> None:
    tracking.cell("exercise_1")
    tracking.cell("exercise_2")

    assert announced.names == ["cell", "cell"]


def test_a_preview_may_be_left_out(tracking: Tracking, announced: Announced) -> None:
    tracking.cell("exercise_1")

    assert announced.last()["code"] == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "None"), (7, "7"), (b"x", "b'x'"), ("\ud800", "\ud800"), ("x" * 10**6, "x" * 10**6)],
    ids=["None", "a number", "bytes", "half a surrogate pair", "a million characters"],
)
def test_an_id_may_be_anything(
    value: Any, text: str, tracking: Tracking, announced: Announced
) -> None:
    tracking.cell(value, value)

    assert (announced.last()["cell_id"], announced.last()["code"]) == (text, text)


def test_an_id_without_a_text_is_known_by_its_class(
    tracking: Tracking, announced: Announced, telemetry_log: list[logging.LogRecord]
) -> None:
    tracking.cell(Hostile())  # type: ignore[arg-type]

    assert announced.last()["cell_id"] == "Hostile"
    assert len(telemetry_log) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda tracking: tracking.cell(),
        lambda tracking: tracking.cell("exercise_1", "# preview", 3),
        lambda tracking: tracking.cell(preview="# preview"),
        lambda tracking: tracking.capture(),
        lambda tracking: tracking.capture("hint", {}, 3),
    ],
)
def test_a_call_with_the_wrong_arguments_reaches_the_log_alone(
    call: Callable[[Any], None],
    tracking: Tracking,
    announced: Announced,
    telemetry_log: list[logging.LogRecord],
) -> None:
    call(tracking)

    assert announced.events == []
    assert [record.levelname for record in telemetry_log] == ["ERROR"]


# _telemetry_capture


def test_an_event_of_the_authors_own(tracking: Tracking, announced: Announced) -> None:
    tracking.capture(" hint ", {"exercise": 2})
    tracking.capture("bye")

    assert announced.events == [("hint", {"exercise": 2}), ("bye", {})]


@pytest.mark.parametrize(
    "event", ["", "  ", None, 7, Hostile()], ids=lambda event: type(event).__name__
)
def test_an_event_without_a_name_is_dropped_and_the_panel_says_so(
    event: Any, tracking: Tracking, session: Session, announced: Announced
) -> None:
    tracking.capture(event, {"exercise": 2})

    assert announced.events == []
    assert session.notes == ["An event of this notebook was dropped: it has no name."]


class _Unreadable(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


@pytest.mark.parametrize(
    ("props", "expected"),
    [
        (5, {"value": 5}),
        ("text", {"value": "text"}),
        ([1, 2], {"value": [1, 2]}),
        (_Unreadable(), {"value": "<_Unreadable>"}),
    ],
    ids=["a number", "a text", "a list", "a mapping that cannot be read"],
)
def test_props_that_are_no_mapping_are_kept_as_a_value(
    props: Any, expected: dict[str, Any], tracking: Tracking, announced: Announced
) -> None:
    tracking.capture("hint", props)

    assert announced.events == [("hint", expected)]


# tracked_test: what it tells


def plain_passes() -> None:
    pass


async def coroutine_passes() -> None:
    await asyncio.sleep(0)


def generator_passes() -> Iterator[int]:
    yield 1
    yield 2


async def coroutine_fails() -> None:
    await asyncio.sleep(0)
    failing_test()


def generator_fails() -> Iterator[int]:
    yield 1
    failing_test()


@pytest.mark.parametrize("test", [plain_passes, coroutine_passes, generator_passes])
def test_a_test_that_returns_has_passed(
    test: Callable[[], object], tracking: Tracking, announced: Announced
) -> None:
    assert run(tracking.tracked_test("exercise_1")(test)) is None

    assert announced.names == ["test"]
    del announced.last()["ms"]
    assert announced.last() == {
        "ex": "exercise_1",
        "ok": True,
        "try": 1,
        "err": None,
        "skipped": False,
    }


@pytest.mark.parametrize("test", [failing_test, coroutine_fails, generator_fails])
def test_a_test_that_asserts_in_vain_has_failed(
    test: Callable[[], object], tracking: Tracking, announced: Announced
) -> None:
    assert isinstance(run(tracking.tracked_test("exercise_1")(test)), AssertionError)

    assert announced.names == ["test"]
    assert (announced.last()["ok"], announced.last()["err"]) == (False, "AssertionError: no")


def test_a_generator_that_nobody_has_run_says_nothing(
    tracking: Tracking, announced: Announced
) -> None:
    half_run = tracking.tracked_test("exercise_1")(generator_passes)()

    assert next(half_run) == 1
    assert announced.events == []


def test_a_generator_gives_what_the_tests_generator_gives(tracking: Tracking) -> None:
    def conversation() -> Any:
        heard = yield "hello"
        return f"heard {heard}"

    talk = tracking.tracked_test("exercise_1")(conversation)()

    assert next(talk) == "hello"
    with pytest.raises(StopIteration) as end:
        talk.send("goodbye")
    assert end.value.value == "heard goodbye"


def test_a_coroutine_that_is_not_awaited_says_nothing(
    tracking: Tracking, announced: Announced
) -> None:
    tracking.tracked_test("exercise_1")(coroutine_passes)().close()

    assert announced.events == []


def raising(outcome: BaseException) -> Callable[[], None]:
    def test() -> None:
        raise outcome

    return test


@pytest.mark.parametrize(
    ("outcome", "err"),
    [
        (AssertionError(), "AssertionError"),
        (AssertionError("not 3: "), "AssertionError: not 3: "),
        (NameError("name 'answer' is not defined"), "NameError: name 'answer' is not defined"),
        (KeyError("launch"), "KeyError: 'launch'"),
        (ValueError(Hostile()), "ValueError"),
        (StopIteration(), "StopIteration"),
        (ValueError("x" * 300), "ValueError: " + "x" * 188),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_any_exception_is_a_failure_with_its_type_and_message(
    outcome: Exception, err: str, tracking: Tracking, announced: Announced
) -> None:
    run(tracking.tracked_test("exercise_1")(raising(outcome)))

    assert (announced.last()["ok"], announced.last()["err"]) == (False, err)


def test_what_pytest_calls_a_failure_is_one(tracking: Tracking, announced: Announced) -> None:
    outcome = run(tracking.tracked_test("exercise_1")(lambda: pytest.fail("not yet")))

    assert isinstance(outcome, pytest.fail.Exception)
    assert (announced.last()["ok"], announced.last()["err"]) == (False, "Failed: not yet")


@pytest.mark.parametrize(
    ("test", "err"),
    [
        (raising(unittest.SkipTest("tomorrow")), "SkipTest: tomorrow"),
        (lambda: pytest.skip("tomorrow"), "Skipped: tomorrow"),
    ],
    ids=["unittest", "pytest"],
)
def test_a_skipped_test_is_neither_passed_nor_failed(
    test: Callable[[], None], err: str, tracking: Tracking, announced: Announced
) -> None:
    outcome = run(tracking.tracked_test("exercise_1")(test))

    assert type(outcome).__name__ in {"SkipTest", "Skipped"}
    assert announced.last() | {"ms": 0} == {
        "ex": "exercise_1",
        "ok": None,
        "try": 0,
        "ms": 0,
        "err": err,
        "skipped": True,
    }


@pytest.mark.parametrize(
    "outcome",
    [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError(), GeneratorExit()],
    ids=lambda outcome: type(outcome).__name__,
)
def test_what_ends_more_than_the_test_says_nothing_of_the_exercise(
    outcome: BaseException, tracking: Tracking, announced: Announced
) -> None:
    raised = run(tracking.tracked_test("exercise_1")(raising(outcome)))

    assert raised is outcome
    assert announced.events == []


def test_a_cancelled_task_says_nothing_of_the_exercise(
    tracking: Tracking, announced: Announced
) -> None:
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    async def cancel_it() -> None:
        task = asyncio.ensure_future(tracking.tracked_test("exercise_1")(wait_for_ever)())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run_to_end(cancel_it())

    assert announced.events == []


def test_the_same_name_on_two_functions_is_one_exercise(
    tracking: Tracking, session: Session, announced: Announced
) -> None:
    run(tracking.tracked_test("exercise_1")(failing_test))
    run(tracking.tracked_test("exercise_1")(plain_passes))

    assert [properties["try"] for _, properties in announced.events] == [1, 2]
    assert (session.passed, session.failed) == (1, 0)


def test_without_a_name_the_functions_own_is_taken(
    tracking: Tracking, announced: Announced
) -> None:
    run(tracking.tracked_test(plain_passes))
    run(tracking.tracked_test(functools.partial(print, end="")))

    assert [properties["ex"] for _, properties in announced.events] == ["plain_passes", "test"]


def test_a_name_that_is_a_number_will_do(tracking: Tracking, announced: Announced) -> None:
    run(tracking.tracked_test(7)(plain_passes))  # type: ignore[call-overload]

    assert announced.last()["ex"] == "7"


def test_a_test_within_a_test_is_an_exercise_of_its_own(
    tracking: Tracking, announced: Announced
) -> None:
    inner = tracking.tracked_test("inner")(failing_test)
    outer = tracking.tracked_test("outer")(inner)

    run(outer)

    assert [(p["ex"], p["ok"]) for _, p in announced.events] == [("inner", False), ("outer", False)]


def test_a_method_can_be_tracked(tracking: Tracking, announced: Announced) -> None:
    class Moon:
        @tracking.tracked_test("exercise_1")
        def test_distance(self, km: int) -> int:
            assert isinstance(self, Moon)
            return km

    assert Moon().test_distance(384_400) == 384_400
    assert announced.last()["ok"] is True


def test_it_takes_its_time(tracking: Tracking, announced: Announced) -> None:
    run(tracking.tracked_test("exercise_1")(lambda: threading.Event().wait(0.05)))

    assert 50 <= announced.last()["ms"] < 5000


# tracked_test: what it leaves alone


def test_arguments_and_result_pass_through(tracking: Tracking) -> None:
    @tracking.tracked_test("exercise_1")
    def test(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    assert test(1, [2], three=3) == ((1, [2]), {"three": 3})


def test_arguments_and_result_of_a_coroutine_pass_through(tracking: Tracking) -> None:
    @tracking.tracked_test("exercise_1")
    async def test(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    assert run_to_end(test(1, [2], three=3)) == ((1, [2]), {"three": 3})


@pytest.mark.parametrize("test", [plain_passes, coroutine_passes, generator_passes])
def test_a_tracked_test_looks_like_the_test(test: Callable[[], object], tracking: Tracking) -> None:
    tracked = tracking.tracked_test("exercise_1")(test)

    assert tracked.__name__ == test.__name__
    assert tracked.__wrapped__ is test  # type: ignore[attr-defined]
    assert inspect.signature(tracked) == inspect.signature(test)
    assert inspect.iscoroutinefunction(tracked) == inspect.iscoroutinefunction(test)
    assert inspect.isgeneratorfunction(tracked) == inspect.isgeneratorfunction(test)


@pytest.mark.parametrize("kind", ["plain", "coroutine", "generator"])
def test_an_exception_comes_out_as_the_same_object(kind: str, tracking: Tracking) -> None:
    outcome = ValueError("no")

    async def coroutine() -> None:
        raise outcome

    def generator() -> Iterator[int]:
        yield 1
        raise outcome

    test = {"plain": raising(outcome), "coroutine": coroutine, "generator": generator}[kind]

    assert run(tracking.tracked_test("exercise_1")(test)) is outcome
    assert outcome.__context__ is None
    assert outcome.__cause__ is None
    assert outcome.__suppress_context__ is False


def test_an_exception_keeps_its_cause(tracking: Tracking) -> None:
    first, second = KeyError("first"), ValueError("second")

    @tracking.tracked_test("exercise_1")
    def test() -> None:
        try:
            raise first
        except KeyError:
            raise second from first

    assert run(test) is second
    assert (second.__cause__, second.__context__) == (first, first)
    assert second.__suppress_context__ is True


def test_an_exception_keeps_its_context(tracking: Tracking) -> None:
    first, second = KeyError("first"), ValueError("second")

    @tracking.tracked_test("exercise_1")
    def test() -> None:
        try:
            raise first
        except KeyError:
            raise second  # noqa: B904  # without a cause: the point of this test

    assert run(test) is second
    assert (second.__cause__, second.__context__) == (None, first)
    assert second.__suppress_context__ is False


def frames(outcome: BaseException) -> list[str]:
    """The functions of a traceback that a student can see."""
    walked = traceback.walk_tb(outcome.__traceback__)
    return [
        frame.f_code.co_name for frame, _ in walked if "__tracebackhide__" not in frame.f_locals
    ]


@pytest.mark.parametrize("test", [failing_test, coroutine_fails, generator_fails])
def test_a_traceback_shows_the_tests_own_frames(
    test: Callable[[], object], tracking: Tracking
) -> None:
    tracked = run(tracking.tracked_test("exercise_1")(test))
    untracked = run(test)

    assert tracked is not None
    assert untracked is not None
    assert frames(tracked) == frames(untracked)
    assert frames(tracked)[-1] == "failing_test"


if sys.version_info >= (3, 11):  # before, they are there, and hidden as the test above has it

    @pytest.mark.parametrize("test", [failing_test, coroutine_fails, generator_fails])
    def test_a_traceback_has_no_frame_of_ours(
        test: Callable[[], object], tracking: Tracking
    ) -> None:
        outcome = run(tracking.tracked_test("exercise_1")(test))

        assert outcome is not None
        files = {entry.filename for entry in traceback.extract_tb(outcome.__traceback__)}
        assert files
        assert inspect.getfile(Tracking) not in files


def test_a_failure_of_ours_is_not_the_students(
    tracking: Tracking, session: Session, telemetry_log: list[logging.LogRecord]
) -> None:
    session.exercises = {"exercise_1": object()}  # what no result can be added to

    outcome = run(tracking.tracked_test("exercise_1")(failing_test))

    assert isinstance(outcome, AssertionError)
    assert run(tracking.tracked_test("exercise_1")(plain_passes)) is None
    assert [record.levelname for record in telemetry_log] == ["ERROR", "ERROR"]


# The session


def test_it_tells_whichever_session_is_current(
    tracking: Tracking, session: Session, announced: Announced
) -> None:
    later = Session("D3_Datetimes")
    of_the_later = Announced(later)
    test = tracking.tracked_test("exercise_1")(plain_passes)

    tracking.follow(later)
    tracking.cell("exercise_1")
    test()

    assert announced.events == []
    assert of_the_later.names == ["cell", "test"]


def test_a_test_can_be_run_before_there_is_a_name(tracking: Tracking, session: Session) -> None:
    run(tracking.tracked_test("exercise_1")(plain_passes))

    assert (session.student, session.passed) == ("", 1)


def test_while_paused_a_test_still_runs(
    tracking: Tracking, session: Session, announced: Announced
) -> None:
    session.pause()

    assert isinstance(run(tracking.tracked_test("exercise_1")(failing_test)), AssertionError)
    assert announced.names == ["pause"]
    assert session.exercises == {}


# IPython's hooks: what no kernel can be made to do at will; the rest is in test_kernel.py


@pytest.fixture
def shell() -> Any:
    """Of a shell, what is hooked into: IPython's own manager of events."""
    return SimpleNamespace(events=EventManager(None, available_events))


def a_cell(source: str = "1 + 1", *, store_history: bool = True) -> Any:
    return SimpleNamespace(raw_cell=source, store_history=store_history)


def begin(shell: Any, cell: Any) -> None:
    shell.events.trigger("pre_run_cell", cell)


def end(shell: Any, cell: Any, outcome: BaseException | None = None) -> None:
    result = SimpleNamespace(info=cell, error_before_exec=None, error_in_exec=outcome)
    shell.events.trigger("post_run_cell", result)


def test_a_cell_whose_result_ipykernel_has_lost_was_interrupted(
    tracking: Tracking, session: Session, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    end(shell, a_cell())
    begin(shell, a_cell())
    tracking.cell("exercise_1")
    shell.events.trigger("post_run_cell", None)

    assert announced.names == ["cell", "cell_end"]
    assert (announced.last()["ok"], announced.last()["err"]) == (False, "KeyboardInterrupt")
    assert session.busy is False


def test_the_cell_that_sets_up_has_an_end_though_nobody_saw_it_begin(
    tracking: Tracking, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    tracking.cell("setup")
    end(shell, a_cell())

    assert announced.names == ["cell", "cell_end"]


def test_a_cell_that_sets_up_behind_the_scenes_has_ended_too(
    tracking: Tracking, session: Session, shell: Any
) -> None:
    tracking.hook_into(shell)
    end(shell, a_cell(store_history=False))

    assert session.busy is False


def test_two_cells_in_two_threads_end_each_as_its_own(
    tracking: Tracking, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    end(shell, a_cell())
    mine, others = a_cell(), a_cell()
    begin(shell, mine)

    def in_a_subshell() -> None:
        begin(shell, others)
        tracking.cell("theirs")

    thread = threading.Thread(target=in_a_subshell)
    thread.start()
    thread.join()
    tracking.cell("mine")
    end(shell, mine)
    end(shell, others)

    ends = [properties["cell_id"] for event, properties in announced.events if event == "cell_end"]
    assert ends == ["mine", "theirs"]


def test_it_is_busy_as_long_as_a_cell_runs(
    tracking: Tracking, session: Session, shell: Any
) -> None:
    tracking.hook_into(shell)
    end(shell, a_cell())
    before = session.busy
    cell = a_cell()
    begin(shell, cell)
    while_it_runs = session.busy
    end(shell, cell)

    assert (before, while_it_runs, session.busy) == (False, True, False)


def test_a_session_that_begins_within_a_cell_is_busy(tracking: Tracking, shell: Any) -> None:
    tracking.hook_into(shell)
    later = Session("D3_Datetimes")

    tracking.follow(later)

    assert later.busy is True


def test_the_end_of_a_cell_is_told_once_it_is_over(session: Session, shell: Any) -> None:
    told: list[bool] = []
    tracking = Tracking(session, cell_ended=lambda: told.append(session.busy))
    tracking.hook_into(shell)
    nested = a_cell(store_history=False)
    begin(shell, nested)
    end(shell, nested)
    within = list(told)
    end(shell, a_cell())

    assert (within, told) == ([], [False])


def test_unhooked_it_follows_no_cell(tracking: Tracking, announced: Announced, shell: Any) -> None:
    tracking.hook_into(shell)
    tracking.unhook()

    assert shell.events.callbacks["pre_run_cell"] == []
    assert shell.events.callbacks["post_run_cell"] == []


def test_it_can_be_unhooked_after_somebody_else_has_done_so(tracking: Tracking, shell: Any) -> None:
    tracking.hook_into(shell)
    shell.events.callbacks["pre_run_cell"].clear()
    shell.events.callbacks["post_run_cell"].clear()

    tracking.unhook()
    tracking.unhook()


# Cells that are tests as a whole


MARKED = "# ipynb-telemetry: test exercise_1\nassert answer == 42"


def run_marked(shell: Any, outcome: BaseException | None, source: str = MARKED) -> None:
    cell = a_cell(source)
    begin(shell, cell)
    end(shell, cell, outcome)


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (None, {"ok": True, "try": 1, "err": None, "skipped": False}),
        (
            AssertionError("not 42"),
            {"ok": False, "try": 1, "err": "AssertionError: not 42", "skipped": False},
        ),
        (
            SyntaxError("invalid"),
            {"ok": False, "try": 1, "err": "SyntaxError: invalid", "skipped": False},
        ),
        (
            unittest.SkipTest("tomorrow"),
            {"ok": None, "try": 0, "err": "SkipTest: tomorrow", "skipped": True},
        ),
    ],
    ids=["passed", "asserted in vain", "no Python", "skipped"],
)
def test_a_marked_cell_is_a_test_of_its_exercise(
    outcome: BaseException | None,
    event: dict[str, object],
    tracking: Tracking,
    announced: Announced,
    shell: Any,
) -> None:
    tracking.hook_into(shell)
    run_marked(shell, outcome)

    assert announced.names == ["test"]
    del announced.last()["ms"]
    assert announced.last() == {"ex": "exercise_1", **event}


@pytest.mark.parametrize(
    "outcome",
    [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()],
    ids=lambda outcome: type(outcome).__name__,
)
def test_what_ends_more_than_a_marked_cell_says_nothing_of_the_exercise(
    outcome: BaseException, tracking: Tracking, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    run_marked(shell, outcome)
    run_marked(shell, None, MARKED.replace("exercise_1", "a sign that the hook is there"))

    assert [properties["ex"] for _, properties in announced.events] == [
        "a sign that the hook is there"
    ]


def test_a_marked_cell_whose_result_ipykernel_has_lost_says_nothing(
    tracking: Tracking, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    end(shell, a_cell())
    begin(shell, a_cell(MARKED))
    shell.events.trigger("post_run_cell", None)
    run_marked(shell, None)

    assert [properties["try"] for _, properties in announced.events] == [1]


def test_a_marked_cell_that_is_not_the_students_says_nothing(
    tracking: Tracking, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    behind_the_scenes = a_cell(MARKED, store_history=False)
    begin(shell, behind_the_scenes)
    end(shell, behind_the_scenes)
    run_marked(shell, None)

    assert [properties["try"] for _, properties in announced.events] == [1]


def test_a_test_of_the_same_exercise_in_a_marked_cell_counts_once(
    tracking: Tracking, session: Session, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    cell = a_cell(MARKED)
    begin(shell, cell)
    run(tracking.tracked_test("exercise_1")(failing_test))
    run(tracking.tracked_test("another")(plain_passes))
    end(shell, cell, AssertionError("no"))

    assert [(p["ex"], p["ok"]) for _, p in announced.events] == [
        ("exercise_1", False),
        ("another", True),
    ]


def test_a_marked_cell_with_a_test_of_another_exercise_counts_too(
    tracking: Tracking, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    cell = a_cell(MARKED)
    begin(shell, cell)
    run(tracking.tracked_test("another")(plain_passes))
    end(shell, cell)

    assert [properties["ex"] for _, properties in announced.events] == ["another", "exercise_1"]


def test_while_paused_a_marked_cell_says_nothing(
    tracking: Tracking, session: Session, announced: Announced, shell: Any
) -> None:
    tracking.hook_into(shell)
    session.pause()
    run_marked(shell, None)

    assert announced.names == ["pause"]
    assert session.exercises == {}
