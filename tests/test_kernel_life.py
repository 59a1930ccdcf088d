"""A kernel's life: its first cell, its forks, its end; and times when nothing can be sent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from capture_server import CaptureServer, Event, Fault
from kept_events import files_in
from kernel_fixtures import SETUP, Lesson, NewKernel, deliver_what_others_left
from kernels import Kernel
from waiting import wait_until

SETUP_CELL = f'{SETUP}\nsetup_telemetry("D3_Datetimes", student="Sara")'
DECORATED = '@tracked_test("exercise_3")\ndef test_three():\n    pass'
PROBLEM = "from ipynb_telemetry import bootstrap\nbootstrap._kernel._lesson.session.problem"


@pytest.fixture
def next_session(server: CaptureServer, state_dir: Path) -> Callable[[], None]:
    """Runs another session on this computer, until nothing of others waits any more."""
    return lambda: deliver_what_others_left(server, state_dir)


def of_notebook(server: CaptureServer, notebook_id: str) -> list[Event]:
    events = server.distinct().values()
    return [event for event in events if event["properties"]["nb"] == notebook_id]


def by_session(events: list[Event]) -> list[list[Event]]:
    sessions: dict[str, list[Event]] = {}
    for event in events:
        sessions.setdefault(event["properties"]["sess"], []).append(event)
    return list(sessions.values())


# Its first cell


def test_the_first_cell_says_where_it_runs_and_is_itself_tracked(
    kernel: Kernel, server: CaptureServer
) -> None:
    ran = kernel.run(f'{SETUP_CELL}\n_cell("setup", "# Run this first")')
    wait_until(lambda: len(server.events) == 3, timeout_s=30)

    assert ran.results == []
    start, begin, end = server.events
    assert [start["event"], begin["event"], end["event"]] == ["start", "cell", "cell_end"]
    assert start["properties"]["python"] == sys.version.split()[0]
    assert start["properties"]["ipython"] == metadata.version("ipython")
    assert start["properties"]["frontend"] == "classic"
    assert start["properties"]["rerun"] == 0
    assert end["properties"]["cell_id"] == "setup"
    assert end["properties"]["ok"] is True


def test_what_runs_right_after_it_is_not_slowed_by_the_import_of_the_sdk(
    kernel: Kernel, server: CaptureServer
) -> None:
    work = "import sys, threading\n_ = threading.Event().wait(0.5)\n'posthog' in sys.modules"
    cells = [kernel.begin(code) for code in (SETUP_CELL, work, work)]  # as 'Run all' does it

    ran = [kernel.finish(cell) for cell in cells]

    assert [cell.results for cell in ran[1:]] == [["False"], ["False"]]
    wait_until(lambda: len(server.events) == 1, timeout_s=30)


def test_set_up_in_a_start_up_file_it_follows_the_cells_from_the_first(
    new_kernel: NewKernel, server: CaptureServer, tmp_path: Path
) -> None:
    folder = tmp_path / "ipython" / "profile_default" / "startup"
    folder.mkdir(parents=True)
    (folder / "telemetry.py").write_text(SETUP_CELL)
    kernel = new_kernel(IPYTHONDIR=str(tmp_path / "ipython"))

    kernel.run('_cell("exercise_1")')

    wait_until(lambda: len(server.events) == 3, timeout_s=30)
    assert [event["event"] for event in server.events] == ["start", "cell", "cell_end"]


# Its forks

FORK = """
import os, warnings
warnings.simplefilter("ignore")  # of forks where there are threads
child = os.fork()
if child == 0:
    try:
        _cell("in the child")
        _cell("in the child")
    finally:
        os._exit(0)
os.waitpid(child, 0)
"""
MULTIPROCESSING = """
import multiprocessing, warnings
warnings.simplefilter("ignore")

def work():
    _cell("in the child")
    _cell("in the child")

process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
"""


@pytest.mark.parametrize("code", [FORK, MULTIPROCESSING], ids=["os.fork", "multiprocessing"])
def test_a_forked_child_sends_nothing_of_its_parents_and_loses_nothing_of_its_own(
    code: str, kernel: Kernel, server: CaptureServer, next_session: Callable[[], None]
) -> None:
    server.answer = 503  # so that the parent has something to send when it forks
    kernel.run(SETUP_CELL)
    kernel.run('_cell("before")')
    wait_until(lambda: server.refused, timeout_s=30)
    kernel.run(code)
    kernel.run('_cell("after")')
    server.answer = 200
    wait_until(lambda: len(server.events) >= 5, timeout_s=30)
    kernel.shutdown()
    next_session()

    wait_until(lambda: len(of_notebook(server, "D3_Datetimes")) == 7, timeout_s=30)
    assert len(server.events) == len(server.distinct())
    parents, childs = by_session(of_notebook(server, "D3_Datetimes"))
    assert [event["event"] for event in parents] == ["start", *["cell", "cell_end"] * 2]
    assert [event["properties"]["seq"] for event in parents] == [0, 1, 2, 3, 4]
    assert [event["properties"].get("cell_id") for event in childs] == ["in the child"] * 2
    assert [event["properties"]["seq"] for event in childs] == [0, 1]
    assert [event["properties"]["cell_num"] for event in childs] == [1, 2]
    assert {event["distinct_id"] for event in childs} == {"SARA"}


# Its end


def test_a_server_that_hangs_does_not_keep_a_kernel_from_ending(
    kernel: Kernel, server: CaptureServer, next_session: Callable[[], None]
) -> None:
    server.answer = Fault.HANG
    kernel.run(SETUP_CELL)
    wait_until(lambda: server.requests, timeout_s=30)
    for _ in range(3):
        kernel.run('_cell("exercise_1")')

    seconds = kernel.shutdown()

    server.answer = 200
    server.release()
    next_session()
    assert seconds < 5, "Jupyter would have killed it"
    events = of_notebook(server, "D3_Datetimes")
    assert [event["event"] for event in events] == ["start", *["cell", "cell_end"] * 3]
    assert {event["distinct_id"] for event in events} == {"SARA"}


def test_a_kernel_that_ends_does_not_wait_for_the_next_try(
    kernel: Kernel, server: CaptureServer
) -> None:
    server.answer = 503
    kernel.run(SETUP_CELL)
    kernel.run('_cell("exercise_1")')
    wait_until(lambda: server.refused == 3, timeout_s=30)  # the next try is seconds away
    server.answer = 200
    kernel.shutdown()

    assert [event["event"] for event in server.events] == ["start", "cell", "cell_end"]


def test_a_kernel_that_is_killed_without_a_name_leaves_it_to_nobody(
    kernel: Kernel, server: CaptureServer, next_session: Callable[[], None]
) -> None:
    kernel.run(f'{SETUP}\nsetup_telemetry("D3_Datetimes")')
    kernel.run('_cell("exercise_1")')
    kernel.kill()
    next_session()

    (events,) = by_session(of_notebook(server, "D3_Datetimes"))
    assert [event["event"] for event in events] == ["start", "cell", "cell_end"]
    anonymous = f"ANONYMOUS-{events[0]['properties']['sess'].upper()}"
    assert {event["distinct_id"] for event in events} == {anonymous}


# Where nothing can be sent


def test_nothing_is_printed_whatever_goes_wrong(kernel: Kernel, server: CaptureServer) -> None:
    kernel.run("import logging; logging.basicConfig(level=logging.DEBUG, force=True)")
    server.answer = 503
    kernel.run(SETUP_CELL)
    wait_until(lambda: server.refused, timeout_s=30)
    server.stop()
    wait_until(lambda: "UNREACHABLE" in str(kernel.run(PROBLEM).results), timeout_s=30, every_s=0.2)
    kernel.run('_cell("exercise_1")\n@tracked_test("exercise_1")\ndef test(): pass\ntest()')
    server.answer = 200
    server.start()
    wait_until(lambda: server.named("cell_end"), timeout_s=30)
    kernel.drain()

    assert kernel.printed == ""
    assert "Traceback" not in kernel.log
    assert "ipynb_telemetry" not in kernel.log


def test_run_again_while_the_server_is_down_it_still_says_so(
    kernel: Kernel, server: CaptureServer
) -> None:
    server.stop()
    kernel.run(SETUP_CELL)
    wait_until(lambda: "UNREACHABLE" in str(kernel.run(PROBLEM).results), timeout_s=30, every_s=0.2)

    ran = kernel.run(f"{SETUP_CELL}\n{PROBLEM}")

    assert "UNREACHABLE" in str(ran.results)


@pytest.fixture
def broken(lesson: Lesson) -> Iterator[Callable[[str, str], None]]:
    """Breaks a setting in the environment of the lesson's kernel, for as long as the test runs."""
    mend: list[str] = []

    def break_it(variable: str, value: str) -> None:
        lesson.run(f"import os\nkept = os.environ.get({variable!r})")
        lesson.run(f"os.environ[{variable!r}] = {value!r}")
        mend.append(
            f"os.environ.pop({variable!r})\nif kept is not None: os.environ[{variable!r}] = kept"
        )

    yield break_it
    for code in mend:
        lesson.run(code)


BREAKS = pytest.mark.parametrize(
    ("variable", "value"), [("TELEMETRY_HOST", "us.i.posthog.com"), ("TELEMETRY_API_KEY", "")]
)


@BREAKS
def test_with_a_broken_environment_nothing_is_sent_and_the_reason_is_said(
    variable: str, value: str, lesson: Lesson, broken: Callable[[str, str], None]
) -> None:
    blocked = f"Blocked_{lesson.notebook_id}"
    broken(variable, value)
    lesson.run(f"setup_telemetry({blocked!r}, student='Sara')")
    lesson.run('_cell("exercise_1")')
    problem = lesson.run(PROBLEM).results
    lesson.set_up(host=lesson.server.url, api_key="phc_test")

    assert lesson.events_of(blocked) == []
    assert lesson.named("start")  # while this session's own came
    assert f"{variable} is " in problem[0]
    assert "BLOCKED" in problem[0]


@BREAKS
def test_when_the_environment_is_mended_what_waited_is_sent(
    variable: str, value: str, lesson: Lesson, broken: Callable[[str, str], None]
) -> None:
    broken(variable, value)
    lesson.set_up()
    lesson.run('_cell("exercise_1")')
    lesson.set_up(host=lesson.server.url, api_key="phc_test")

    sent = [event["event"] for event in lesson.events()]
    assert sent == ["start", "start", "cell", "cell_end", "start"]
    assert lesson.run(PROBLEM).results == []


# Turned off

THE_FOUR_NAMES = """
_cell("exercise_1", "# preview")
_telemetry_capture("hint", {"exercise": 1})

@tracked_test("exercise_1")
def test(number):
    return number + 1

@tracked_test
async def other():
    return 7

assert (STUDENT_NAME, test(6), await other()) == ("", 7, 7)
"""


@pytest.mark.parametrize("variable", ["DO_NOT_TRACK", "TELEMETRY_DISABLED"])
def test_turned_off_it_does_nothing_but_say_so(
    variable: str, new_kernel: NewKernel, server: CaptureServer, state_dir: Path
) -> None:
    kernel = new_kernel(**{variable: "1"})

    setup = kernel.run(f"{SETUP_CELL[:-1]}, enabled=True)")
    lesson = kernel.run(THE_FOUR_NAMES)
    failing = kernel.run('@tracked_test("exercise_1")\ndef test(): assert False, "no"\ntest()')
    kernel.shutdown()

    (shown,) = setup.displays
    assert shown["text/plain"] == f"Telemetry is off: {variable} is set."
    assert f"Telemetry is off: {variable} is set." in shown["text/html"]
    assert lesson.error == ""
    assert failing.error.endswith("AssertionError: no")
    assert files_in(state_dir) == []
    assert server.connections == 0


def test_turned_off_it_leaves_what_waits_where_it_is(
    new_kernel: NewKernel,
    server: CaptureServer,
    state_dir: Path,
    next_session: Callable[[], None],
) -> None:
    first = new_kernel(TELEMETRY_HOST=server.url)
    server.answer = 503
    first.run(SETUP_CELL)
    first.run('_cell("exercise_1")')
    wait_until(lambda: server.refused, timeout_s=30)
    first.kill()
    server.answer = 200
    left = files_in(state_dir)
    asked = len(server.requests)
    off = new_kernel(DO_NOT_TRACK="1")
    off.run(SETUP_CELL)
    off.run(THE_FOUR_NAMES)
    off.shutdown()

    assert left
    assert files_in(state_dir) == left
    assert len(server.requests) == asked
    next_session()
    assert len(of_notebook(server, "D3_Datetimes")) == 3


def test_turned_off_in_the_middle_it_sends_no_more(
    kernel: Kernel, server: CaptureServer, next_session: Callable[[], None]
) -> None:
    server.answer = 503
    kernel.run(SETUP_CELL)
    wait_until(lambda: server.refused == 3, timeout_s=30)  # the next try is seconds away
    server.answer = 200
    kernel.run(f'import os; os.environ["DO_NOT_TRACK"] = "1"\n{SETUP_CELL}')
    lesson = kernel.run(THE_FOUR_NAMES)
    kernel.shutdown()

    assert lesson.error == ""
    assert server.events == []
    next_session()
    assert [event["event"] for event in of_notebook(server, "D3_Datetimes")] == ["start"]


def test_turned_off_and_on_again_it_is_a_new_session_with_hooks_of_its_own(
    kernel: Kernel, server: CaptureServer
) -> None:
    kernel.run(SETUP_CELL)
    kernel.run(f'_cell("exercise_1")\n{DECORATED}')
    wait_until(lambda: len(server.events) == 3, timeout_s=30)
    kernel.run(f"{SETUP_CELL[:-1]}, enabled=False)")
    kernel.run('_cell("exercise_2")\ntest_three()')
    kernel.run(SETUP_CELL)
    kernel.run('_cell("exercise_3")')
    kernel.run("test_three()")
    hooks = kernel.run('"\\n".join(map(str, get_ipython().events.callbacks["post_run_cell"]))')
    kernel.shutdown()

    assert hooks.results[0].count("Tracking._after") == 1
    before, after = by_session(of_notebook(server, "D3_Datetimes"))
    assert after.pop()["event"] == "test"  # it was decorated before
    for events, cell_id in ((before, "exercise_1"), (after, "exercise_3")):
        assert [event["event"] for event in events] == ["start", "cell", "cell_end"]
        assert events[1]["properties"]["cell_id"] == cell_id


def test_what_waited_when_it_was_turned_off_goes_out_when_it_is_on_again(
    kernel: Kernel, server: CaptureServer
) -> None:
    server.answer = 503
    kernel.run(SETUP_CELL)
    kernel.run('_cell("exercise_1")')
    wait_until(lambda: server.requests, timeout_s=30)
    kernel.run(f"{SETUP_CELL[:-1]}, enabled=False)")
    server.answer = 200
    kernel.run(SETUP_CELL)

    wait_until(lambda: len(server.distinct()) == 4, timeout_s=30)
    before, after = by_session(of_notebook(server, "D3_Datetimes"))
    assert {len(before), len(after)} == {3, 1}


def test_a_host_that_was_broken_in_between_does_not_hide_that_another_follows(
    kernel: Kernel, server: CaptureServer
) -> None:
    with CaptureServer() as other:
        kernel.run(SETUP_CELL)
        wait_until(lambda: server.events, timeout_s=30)
        kernel.run(f"import os\nos.environ['TELEMETRY_HOST'] = 'no host'\n{SETUP_CELL}")
        kernel.run(f"os.environ['TELEMETRY_HOST'] = {other.url!r}\n{SETUP_CELL}")
        kernel.run('_cell("exercise_1")')

        wait_until(lambda: other.named("cell_end"), timeout_s=30)
        assert other.named("start")[0]["properties"]["seq"] == 0
        assert other.events[0]["properties"]["sess"] != server.events[0]["properties"]["sess"]


def test_a_pause_stays_where_the_same_student_goes_on_in_another_notebook(kernel: Kernel) -> None:
    kernel.run(SETUP_CELL)
    kernel.run("from ipynb_telemetry import bootstrap\nbootstrap._kernel._lesson.session.pause()")
    kernel.run(f'{SETUP}\nsetup_telemetry("D4_Files", student="Sara")')

    paused = kernel.run("bootstrap._kernel._lesson.session.paused")

    assert paused.results == ["True"]


def test_a_corrected_key_is_a_new_session_that_waits_for_nothing_of_the_old_one(
    kernel: Kernel, server: CaptureServer
) -> None:
    server.api_key = "phc_right"
    kernel.run(f'{SETUP_CELL[:-1]}, api_key="phc_wrong")')
    kernel.run('_cell("exercise_1")')
    wait_until(lambda: server.refused, timeout_s=30)
    kernel.run(f'{SETUP_CELL[:-1]}, api_key="phc_right")')
    kernel.run('_cell("exercise_2")')
    wait_until(lambda: len(server.events) == 3, timeout_s=30)

    start, cell, _ = server.events
    assert [event["properties"]["seq"] for event in server.events] == [0, 1, 2]
    assert start["distinct_id"] == "SARA"
    assert cell["properties"]["cell_id"] == "exercise_2"
    assert len(by_session(server.events)) == 1
