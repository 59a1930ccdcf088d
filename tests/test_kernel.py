"""A student's cells in a real kernel: what arrives, what is shown, and what never is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from capture_server import Event
from kernel_fixtures import Lesson
from kernels import Kernel, Ran
from waiting import wait_until


def cell_runs(events: list[Event]) -> list[tuple[str, str, int]]:
    """What a test usually asks of `cell` and `cell_end`: event, cell and number."""
    return [
        (event["event"], event["properties"]["cell_id"], event["properties"]["cell_num"])
        for event in events
        if event["event"] in {"cell", "cell_end"}
    ]


def sessions(events: list[Event]) -> set[str]:
    return {event["properties"]["sess"] for event in events}


def ended(lesson: Lesson) -> tuple[bool, str | None]:
    """Whether the one cell of this lesson ended well, and its error."""
    (end,) = lesson.named("cell_end")
    return end["properties"]["ok"], end["properties"]["err"]


# The end of a cell


def test_a_tracked_cell_has_a_beginning_and_an_end(lesson: Lesson) -> None:
    lesson.run('_cell("exercise_1", "# preview")\n6 * 7')

    begin, end = lesson.named("cell", "cell_end")
    assert begin["properties"]["code"] == "# preview"
    assert end["properties"]["cell_id"] == "exercise_1"
    assert end["properties"]["cell_num"] == begin["properties"]["cell_num"] == 1
    assert (end["properties"]["ok"], end["properties"]["err"]) == (True, None)
    assert isinstance(end["properties"]["ms"], int)


def test_a_cell_that_raises_ends_with_its_error(lesson: Lesson) -> None:
    ran = lesson.run('_cell("exercise_1")\n1 / 0')

    assert "ZeroDivisionError" in ran.error
    assert ended(lesson) == (False, "ZeroDivisionError: division by zero")


def test_a_cell_that_is_no_python_leaves_the_cells_after_it_as_they_are(lesson: Lesson) -> None:
    assert "SyntaxError" in lesson.run('_cell("never run")\nx = = 1').error
    lesson.run('_cell("exercise_1")')

    assert cell_runs(lesson.events()) == [("cell", "exercise_1", 1), ("cell_end", "exercise_1", 1)]


# ipykernel notices the interrupt of an `await` when something else happens in its loop.
AWAIT = "import asyncio\nfor _ in range(6000): await asyncio.sleep(0.01)"


def interrupted(kernel: Kernel, code: str) -> Ran:
    """Run a cell that never ends, and interrupt it once it has printed "begun"."""
    running = kernel.begin(code)
    wait_until(lambda: kernel.has_printed("begun"), timeout_s=30)
    kernel.interrupt()
    return kernel.finish(running)


@pytest.mark.parametrize(
    ("wait", "err"),
    [("while True: pass", "KeyboardInterrupt"), (AWAIT, "CancelledError")],
    ids=["loop", "await"],
)
def test_a_cell_that_is_interrupted_ends_with_that(lesson: Lesson, wait: str, err: str) -> None:
    interrupted(lesson.kernel, f'_cell("exercise_1")\nprint("begun", flush=True)\n{wait}')

    assert ended(lesson) == (False, err)


def test_after_an_interrupt_the_next_cells_end_as_ever(lesson: Lesson) -> None:
    interrupted(lesson.kernel, f'print("begun", flush=True)\n{AWAIT}')
    lesson.run("1 + 1")
    lesson.run('_cell("exercise_2")')

    assert cell_runs(lesson.events()) == [("cell", "exercise_2", 1), ("cell_end", "exercise_2", 1)]


def test_an_end_that_was_never_seen_leaves_nothing_running(lesson: Lesson) -> None:
    lesson.run("from ipynb_telemetry import bootstrap\ntracking = bootstrap._kernel._tracking")
    lesson.run("events = get_ipython().events; events.unregister('post_run_cell', tracking._after)")
    lesson.run("events.register('post_run_cell', tracking._after)")
    lesson.run(
        "busy = []\ntracking.session.observe(lambda change: busy.append(change.new), names='busy')"
    )

    assert lesson.run("busy").results == ["[False, True]"]


@pytest.mark.parametrize(
    "code",
    ['%%time\n_cell("exercise_1")', 'import asyncio\n_cell("exercise_1")\nawait asyncio.sleep(0)'],
    ids=["%%time", "await"],
)
def test_a_cell_ends_however_it_is_run(lesson: Lesson, code: str) -> None:
    lesson.run(code)

    assert ended(lesson) == (True, None)


def test_a_cell_that_is_tracked_several_times_ends_once_as_the_last(lesson: Lesson) -> None:
    lesson.run('_cell("one")\n_cell("two")\n_cell("three")')

    assert cell_runs(lesson.events()) == [
        ("cell", "one", 1),
        ("cell", "two", 2),
        ("cell", "three", 3),
        ("cell_end", "three", 3),
    ]


def test_a_cell_without_a_tracked_call_leaves_nothing(lesson: Lesson) -> None:
    lesson.run('_cell("exercise_1")')
    lesson.run("1 + 1")
    lesson.run("   ")

    assert cell_runs(lesson.events()) == [("cell", "exercise_1", 1), ("cell_end", "exercise_1", 1)]


def test_code_that_a_cell_runs_belongs_to_that_cell(lesson: Lesson) -> None:
    lesson.run('_cell("outer")\nget_ipython().run_cell("_cell(\'inner\')\\n1 + 1")\n1 / 0')

    assert cell_runs(lesson.events()) == [
        ("cell", "outer", 1),
        ("cell", "inner", 2),
        ("cell_end", "inner", 2),
    ]
    assert ended(lesson) == (False, "ZeroDivisionError: division by zero")


def test_a_cell_that_a_cell_runs_as_the_student_has_an_end_of_its_own(lesson: Lesson) -> None:
    lesson.run(
        '_cell("outer")\nget_ipython().run_cell("_cell(\'inner\')", store_history=True)\n'
        'get_ipython().run_cell("", store_history=True)'
    )

    assert cell_runs(lesson.events()) == [
        ("cell", "outer", 1),
        ("cell", "inner", 2),
        ("cell_end", "inner", 2),
        ("cell_end", "outer", 1),
    ]


@pytest.mark.parametrize("request_", [{"store_history": False}, {"silent": True}])
def test_what_a_front_end_runs_behind_the_scenes_has_no_end(
    lesson: Lesson, request_: dict[str, bool]
) -> None:
    lesson.run('_cell("behind the scenes")', **request_)
    lesson.run('_cell("exercise_1")')

    assert cell_runs(lesson.events()) == [
        ("cell", "behind the scenes", 1),
        ("cell", "exercise_1", 2),
        ("cell_end", "exercise_1", 2),
    ]


def test_a_thread_of_an_earlier_cell_does_not_become_the_cell_that_runs(lesson: Lesson) -> None:
    lesson.run(
        "import threading\n"
        "now, done = threading.Event(), threading.Event()\n"
        "def later():\n"
        "    now.wait()\n"
        '    _cell("from a thread")\n'
        "    done.set()\n"
        "threading.Thread(target=later).start()"
    )
    lesson.run('_cell("exercise_1")\nnow.set()\ndone.wait()')

    assert cell_runs(lesson.events()) == [
        ("cell", "exercise_1", 1),
        ("cell", "from a thread", 2),
        ("cell_end", "exercise_1", 1),
    ]


def test_a_pause_in_the_middle_of_a_cell_leaves_it_without_an_end(lesson: Lesson) -> None:
    lesson.run(
        "from ipynb_telemetry import bootstrap\n"
        '_cell("exercise_1")\nbootstrap._kernel._lesson.session.pause()'
    )
    lesson.run("bootstrap._kernel._lesson.session.resume()")

    assert cell_runs(lesson.events()) == [("cell", "exercise_1", 1)]


# What a student sees of it

FAILING_TEST = """
def double(number):
    return number

@decorate
def test_double():
    assert double(2) == 4, "double(2) is 4"

test_double()
"""
FAILING_COROUTINE = FAILING_TEST.replace("def test", "async def test").replace(
    "\ntest_double()", "\nawait test_double()"
)


@pytest.mark.parametrize("code", [FAILING_TEST, FAILING_COROUTINE], ids=["plain", "coroutine"])
def test_a_failed_test_shows_what_it_shows_untracked(lesson: Lesson, code: str) -> None:
    lesson.run("decorate = lambda test: test")
    untracked = lesson.run(code).error
    lesson.run('decorate = tracked_test("exercise_1")')
    tracked = lesson.run(code).error

    assert "double(2) is 4" in tracked
    assert without_numbers(tracked) == without_numbers(untracked)


# Before Python 3.11 our frame cannot be taken out of a traceback: IPython leaves it out, and
# says so in a line.
LEFT_OUT = r" *\[\.\.\. skipping hidden 1 frame\]\n\n" if sys.version_info < (3, 11) else "(?!)"


def without_numbers(error: str) -> str:
    return re.sub(LEFT_OUT, "", re.sub(r"In ?\[\d+\]", "In[]", error))


def test_a_test_is_what_it_was_in_the_notebook(lesson: Lesson) -> None:
    lesson.run('@tracked_test("exercise_1")\ndef test(number):\n    return number + 1')

    assert lesson.run("test(6)").results == ["7"]
    (test,) = lesson.named("test")
    assert (test["properties"]["ex"], test["properties"]["ok"]) == ("exercise_1", True)


def test_an_interrupted_test_leaves_no_event(lesson: Lesson) -> None:
    lesson.run(
        '@tracked_test("exercise_1")\ndef test():\n    print("begun", flush=True)\n'
        "    while True: pass"
    )

    assert "KeyboardInterrupt" in interrupted(lesson.kernel, "test()").error
    assert lesson.named("test") == []


# Cells that are tests as a whole

MARKED = "# ipynb-telemetry: test exercise_1\nassert 1 + 1 == number, f'not {number}'"


def outcomes(lesson: Lesson) -> list[tuple[str, bool | None, int, str | None]]:
    """Exercise, passed or not, attempt and error of each test of this lesson."""
    tests = [test["properties"] for test in lesson.named("test")]
    return [(test["ex"], test["ok"], test["try"], test["err"]) for test in tests]


def test_the_outcome_of_a_marked_cell_is_that_of_its_exercise(lesson: Lesson) -> None:
    lesson.run("number = 3")
    lesson.run(MARKED)
    lesson.run("number = 2")
    lesson.run(MARKED)

    assert outcomes(lesson) == [
        ("exercise_1", False, 1, "AssertionError: not 3"),
        ("exercise_1", True, 2, None),
    ]


def test_a_marked_cell_shows_what_it_shows_unmarked(lesson: Lesson) -> None:
    lesson.run("number = 3")
    unmarked = lesson.run(MARKED.replace("ipynb-telemetry: test", "Exercise")).error
    marked = lesson.run(MARKED).error

    assert "AssertionError: not 3" in marked
    assert without_files(marked).replace("ipynb-telemetry: test", "Exercise") == (
        without_files(unmarked)
    )


def without_files(error: str) -> str:
    """Colab's IPython names a file after the text of the cell."""
    return without_numbers(re.sub(r"/\S*/ipykernel\S+\.py", "file.py", error))


@pytest.mark.parametrize(
    ("source", "err"),
    [
        ("# ipynb-telemetry: test ex\nassert 1 = 1", "SyntaxError"),
        ("# ipynb-telemetry: test ex\n\tassert 1\n  assert 2", "IndentationError"),
        ("# ipynb-telemetry: test ex\nassert anwser_1 == 1", "NameError"),
        ("%%time\n# ipynb-telemetry: test ex\nassert 1 == 2, 'no'", "AssertionError: no"),
        ("%%capture\n# ipynb-telemetry: test ex\nassert 1 == 2, 'no'", "AssertionError: no"),
        (
            "# ipynb-telemetry: test ex\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0",
            "ZeroDivisionError",
        ),
    ],
    ids=["no Python", "its indentation", "a misspelled name", "%%time", "%%capture", "await"],
)
def test_whatever_ends_a_marked_cell_is_a_failure(lesson: Lesson, source: str, err: str) -> None:
    lesson.run(source)

    ((exercise, ok, attempt, message),) = outcomes(lesson)
    assert (exercise, ok, attempt) == ("ex", False, 1)
    assert message is not None
    assert message.startswith(err)


@pytest.mark.parametrize(
    "source",
    [
        "%%time\n# ipynb-telemetry: test ex\nassert 1 == 1",
        "%%capture\n# ipynb-telemetry: test ex\nassert 1 == 1",
        "# ipynb-telemetry: test ex\nimport asyncio\nawait asyncio.sleep(0)",
        "# ipynb-telemetry: test ex",
    ],
    ids=["%%time", "%%capture", "await", "nothing but the marker"],
)
def test_a_marked_cell_that_ends_has_passed(lesson: Lesson, source: str) -> None:
    lesson.run("1 / 0")  # what an earlier cell has shown is not this one's
    lesson.run(source)

    assert outcomes(lesson) == [("ex", True, 1, None)]


def test_an_interrupted_marked_cell_leaves_no_event(lesson: Lesson) -> None:
    for wait in ("while True: pass", AWAIT):
        source = f'# ipynb-telemetry: test ex\nprint("begun", flush=True)\n{wait}'
        assert interrupted(lesson.kernel, source).error
    lesson.run("# ipynb-telemetry: test ex\nexit_code = 0\nraise SystemExit(exit_code)")

    assert outcomes(lesson) == []


@pytest.mark.parametrize("request_", [{"store_history": False}, {"silent": True}])
def test_a_marked_cell_behind_the_scenes_leaves_no_event(
    lesson: Lesson, request_: dict[str, bool]
) -> None:
    lesson.run("number = 2")
    lesson.run(MARKED, **request_)
    lesson.run(f"get_ipython().run_cell({MARKED!r})")

    assert outcomes(lesson) == []


def test_tests_within_a_marked_cell_count_once_each(lesson: Lesson) -> None:
    lesson.run(
        "# ipynb-telemetry: test whole\n"
        '@tracked_test("part")\ndef test_part(): assert 1\n'
        '@tracked_test("whole")\ndef test_whole(): assert 0, "no"\n'
        "test_part(); test_whole()"
    )

    assert outcomes(lesson) == [
        ("part", True, 1, None),
        ("whole", False, 1, "AssertionError: no"),
    ]


# The four names


def test_the_names_exist_in_imported_modules_too(lesson: Lesson, tmp_path: Path) -> None:
    (tmp_path / f"helpers_of_{lesson.notebook_id}.py").write_text(
        'def help(): _cell("helped"); _telemetry_capture("hint", {"for": STUDENT_NAME})\n'
        "@tracked_test\ndef test_helped(): pass\n"
    )

    ran = lesson.run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"from helpers_of_{lesson.notebook_id} import help, test_helped\n"
        "help(); test_helped()"
    )

    assert ran.error == ""
    _, cell, hint, test, _ = lesson.events()
    assert cell["properties"]["cell_id"] == "helped"
    assert hint["properties"]["for"] == "SARA"
    assert test["properties"]["ex"] == "test_helped"


def test_the_students_name_follows_the_session(lesson: Lesson) -> None:
    assert lesson.run("STUDENT_NAME").results == ["'SARA'"]
    lesson.run(
        "from ipynb_telemetry import bootstrap\n"
        'bootstrap._kernel._lesson.session.rename("Sara Ali")'
    )

    assert lesson.run("STUDENT_NAME").results == ["'SARA-ALI'"]


def test_resetting_the_namespace_takes_nothing_away(lesson: Lesson) -> None:
    lesson.run("%reset -f")
    ran = lesson.run('_cell("exercise_1")')

    assert ran.error == ""
    assert cell_runs(lesson.events()) == [("cell", "exercise_1", 1), ("cell_end", "exercise_1", 1)]


# The setup cell, again


def test_run_again_the_setup_cell_goes_on_with_the_session(lesson: Lesson) -> None:
    lesson.run('_cell("exercise_1")')
    lesson.set_up()
    lesson.set_up()
    lesson.run('_cell("exercise_2")')

    assert len(sessions(lesson.events())) == 1
    assert cell_runs(lesson.events()) == [
        ("cell", "exercise_1", 1),
        ("cell_end", "exercise_1", 1),
        ("cell", "exercise_2", 2),
        ("cell_end", "exercise_2", 2),
    ]
    reruns = [start["properties"]["rerun"] for start in lesson.named("start")]
    assert reruns == [reruns[0], reruns[0] + 1, reruns[0] + 2]


def test_another_notebook_id_is_another_session(lesson: Lesson) -> None:
    another = f"Another_{lesson.notebook_id}"
    lesson.run('_cell("exercise_1")')
    lesson.run(f"setup_telemetry({another!r}, student='Sara')")
    lesson.run('_cell("exercise_1")')

    once = [("cell", "exercise_1", 1), ("cell_end", "exercise_1", 1)]
    assert cell_runs(lesson.events()) == once
    assert cell_runs(lesson.events_of(another)) == once
    assert sessions(lesson.events()) != sessions(lesson.events_of(another))


def test_a_session_that_never_had_a_name_ends_without_the_next_students(
    lesson: Lesson,
) -> None:
    nameless = f"Nameless_{lesson.notebook_id}"
    lesson.run(f"setup_telemetry({nameless!r})")
    lesson.run('_cell("exercise_1")')
    lesson.set_up(student="Lena")
    lesson.run('_cell("exercise_2")')

    events = lesson.events_of(nameless)
    assert [event["event"] for event in events] == ["start", "cell", "cell_end"]
    (sess,) = sessions(events)
    assert {event["distinct_id"] for event in events} == {f"ANONYMOUS-{sess.upper()}"}
    assert {event["properties"]["student"] for event in events} == {f"ANONYMOUS-{sess.upper()}"}
    assert [event["distinct_id"] for event in lesson.named("cell")] == ["LENA"]


def test_another_student_in_the_setup_cell_begins_anew(lesson: Lesson) -> None:
    lesson.run('_cell("exercise_1")')
    lesson.set_up(student="Lena")
    lesson.run('_cell("exercise_1")')

    runs = lesson.named("cell")
    assert [event["distinct_id"] for event in runs] == ["SARA", "LENA"]
    assert [event["properties"]["cell_num"] for event in runs] == [1, 1]
    assert len(sessions(runs)) == 2
    assert lesson.run("STUDENT_NAME").results == ["'LENA'"]


def test_a_name_in_the_setup_cell_that_is_run_again_names_what_waited(lesson: Lesson) -> None:
    nameless = f"Nameless_{lesson.notebook_id}"
    lesson.run(f"setup_telemetry({nameless!r})")
    lesson.run('_cell("exercise_1")')
    lesson.run(f"setup_telemetry({nameless!r}, student='Lena')")

    events = lesson.events_of(nameless)
    assert [event["event"] for event in events] == ["start", "cell", "cell_end", "start"]
    assert {event["distinct_id"] for event in events} == {"LENA"}
    assert len(sessions(events)) == 1


def test_a_module_that_is_loaded_again_doubles_nothing(lesson: Lesson) -> None:
    lesson.run("import importlib, ipynb_telemetry.bootstrap as b; importlib.reload(b)")
    lesson.set_up()
    lesson.run('_cell("exercise_1")')

    assert len(sessions(lesson.events())) == 1
    assert cell_runs(lesson.events()) == [("cell", "exercise_1", 1), ("cell_end", "exercise_1", 1)]


def test_seq_has_no_gap_whatever_happened(lesson: Lesson) -> None:
    lesson.run('_cell("exercise_1")\n1 / 0')
    lesson.set_up()
    lesson.run('@tracked_test("exercise_1")\ndef test(): assert False\ntest()')
    lesson.run('_telemetry_capture("hint", {"seq": 99})')

    events = lesson.events()
    assert len(sessions(events)) == 1
    # The markers of `events` come after these.
    assert [event["properties"]["seq"] for event in events] == list(range(len(events)))


def test_an_interrupt_in_the_middle_of_a_call_loses_no_call_that_returned(lesson: Lesson) -> None:
    returned = 0
    for _ in range(10):
        ran = interrupted(
            lesson.kernel,
            "returned = 0\n"
            "try:\n"
            '    print("begun", flush=True)\n'
            "    while True:\n"
            '        _cell("exercise_1")\n'
            "        returned += 1\n"
            "except KeyboardInterrupt:\n"
            "    print(returned)\n",
        )
        returned += int(ran.stdout.split()[-1])

    events = lesson.events()
    assert returned > 0
    assert len(lesson.named("cell")) >= returned
    (sess,) = sessions(events)
    seqs = [event["properties"]["seq"] for event in lesson.server.events_of(sess)]
    assert seqs == list(range(len(seqs)))
