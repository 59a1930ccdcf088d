"""Where nobody can be asked: nbclient, papermill and plain scripts."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from capture_server import CaptureServer, Event
from kernel_fixtures import deliver_what_others_left, environment_with
from lesson import shipped_lesson, solved, source_of

# In place of the setup cell: the four names, and nothing behind them.
STAND_INS = """
import builtins
builtins.STUDENT_NAME = ""
builtins._cell = builtins._telemetry_capture = lambda *args: None
builtins.tracked_test = lambda name: lambda test: test
"""
SETUP_CALL = 'setup_telemetry("D3_Datetimes")'

NBCLIENT = """
import sys, nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True).execute()
nbformat.write(notebook, sys.argv[2])
"""
PAPERMILL = ["-m", "papermill", "--kernel", "python3", "--no-progress-bar"]


@dataclass
class Runs:
    """The lesson with telemetry and without, as one program has run it."""

    tracked: dict[str, Any]
    untracked: dict[str, Any]
    events: list[Event]
    said: str
    """What the program that ran the tracked one has written on stderr."""


def with_setup_cell(lesson: dict[str, Any], source: str) -> dict[str, Any]:
    lesson = copy.deepcopy(lesson)
    (setup,) = (cell for cell in lesson["cells"] if cell["id"] == "setup")
    setup["source"] = source
    return lesson


def run_twice(folder: Path, program: list[str], lesson: dict[str, Any], student: str) -> Runs:
    """Run the lesson with its setup cell and with stand-ins for it, both at the same time."""
    (setup,) = (source_of(cell) for cell in lesson["cells"] if cell["id"] == "setup")
    assert setup.count(SETUP_CALL) == 1
    call = f"{SETUP_CALL[:-1]}, student={student!r})" if student else SETUP_CALL
    notebooks = {
        "tracked": with_setup_cell(lesson, setup.replace(SETUP_CALL, call)),
        "untracked": with_setup_cell(lesson, STAND_INS),
    }
    with CaptureServer() as server:
        settings = {
            "TELEMETRY_HOST": server.url,
            "TELEMETRY_STATE_DIR": str(folder / "state"),
            "IPYTHONDIR": str(folder / "ipython"),
            "IPT_TEST_ERRORS": str(folder / "telemetry-errors.log"),
        }
        running = []
        for name, notebook in notebooks.items():
            (folder / f"{name}.ipynb").write_text(json.dumps(notebook), "utf-8")
            command = [sys.executable, *program, f"{name}.ipynb", f"{name}-run.ipynb"]
            with (folder / f"{name}.log").open("wb") as log:
                running.append(
                    subprocess.Popen(
                        command,
                        cwd=folder,
                        env=environment_with(settings),
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL,
                        stderr=log,
                    )
                )
        statuses = [process.wait(timeout=120) for process in running]
        log_of_the_tracked = (folder / "tracked.log").read_text("utf-8", "replace")
        assert statuses == [0, 0], log_of_the_tracked
        errors = folder / "telemetry-errors.log"
        assert not errors.exists(), errors.read_text("utf-8")
        tracked, untracked = (
            json.loads((folder / f"{name}-run.ipynb").read_text("utf-8")) for name in notebooks
        )
        deliver_what_others_left(server, folder / "state")  # what 2 s at the end were too short for
        events = [e for e in server.distinct().values() if e["properties"]["nb"] == "D3_Datetimes"]
        return Runs(tracked, untracked, events, log_of_the_tracked)


@pytest.fixture(scope="module")
def nbclient_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The lesson as it is shipped, where two tests fail, without a name."""
    return run_twice(
        tmp_path_factory.mktemp("nbclient"), ["-c", NBCLIENT], shipped_lesson(), student=""
    )


@pytest.fixture(scope="module")
def papermill_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The solved lesson, since papermill stops at the first error, under a name."""
    return run_twice(
        tmp_path_factory.mktemp("papermill"), PAPERMILL, solved(shipped_lesson()), student="Sara"
    )


@pytest.fixture(params=["nbclient_runs", "papermill_runs"])
def runs(request: pytest.FixtureRequest) -> Runs:
    runs: Runs = request.getfixturevalue(request.param)
    return runs


def outputs(notebook: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What each cell but the setup cell shows, without what is another in each process."""
    text = json.dumps(
        {cell["id"]: cell["outputs"] for cell in notebook["cells"] if "outputs" in cell}
    )
    found: dict[str, list[dict[str, Any]]] = json.loads(re.sub(r"ipykernel_\d+", "ipykernel", text))
    del found["setup"]
    return {cell_id: in_one_piece(outputs) for cell_id, outputs in found.items()}


# Before Python 3.11 our frame cannot be taken out of a traceback: IPython says that it hides it.
HIDES_OURS = "skipping hidden 1 frame" if sys.version_info < (3, 11) else None


def in_one_piece(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`outputs`, with what was printed joined: how it was cut depends on the time of day."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        if "text" in output:
            output["text"] = "".join(output["text"])
        if "traceback" in output and HIDES_OURS:
            output["traceback"] = [each for each in output["traceback"] if HIDES_OURS not in each]
        if joined and output.get("name") == joined[-1].get("name") == "stdout":
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def setup_outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    (outputs,) = (cell["outputs"] for cell in notebook["cells"] if cell["id"] == "setup")
    found: list[dict[str, Any]] = outputs
    return found


def test_each_cell_shows_what_it_shows_without_telemetry(runs: Runs) -> None:
    shown = outputs(runs.tracked)

    assert len(shown) == 6
    assert all(shown.values())
    assert shown == outputs(runs.untracked)


def test_no_cell_says_anything_on_stderr(runs: Runs) -> None:
    every_output = [*outputs(runs.tracked).values(), setup_outputs(runs.tracked)]
    streams = [output.get("name") for cell in every_output for output in cell]

    assert "stdout" in streams
    assert "stderr" not in streams


def test_the_program_that_runs_it_hears_nothing_of_telemetry(runs: Runs) -> None:
    assert "telemetry" not in runs.said.lower()
    assert "Traceback" not in runs.said


def test_the_setup_cell_puts_nothing_out(runs: Runs) -> None:
    assert setup_outputs(runs.tracked) == []


def test_no_widget_is_left_in_the_saved_notebook(runs: Runs) -> None:
    assert "widgets" not in runs.tracked["metadata"]


def test_its_events_arrive_complete(runs: Runs) -> None:
    sessions = {event["properties"]["sess"] for event in runs.events}
    kinds = [event["event"] for event in runs.events]

    assert len(sessions) == 1
    assert kinds[0] == "start"
    assert [kinds.count(kind) for kind in ("start", "cell", "cell_end", "test")] == [1, 6, 6, 3]
    seqs = [event["properties"]["seq"] for event in runs.events]
    assert seqs == list(range(len(kinds)))
    assert runs.events[0]["properties"]["frontend"] == "headless"


def test_without_a_name_it_is_anonymous_from_the_start(nbclient_runs: Runs) -> None:
    (sess,) = {event["properties"]["sess"] for event in nbclient_runs.events}
    students = {event["distinct_id"] for event in nbclient_runs.events}

    assert students == {f"ANONYMOUS-{sess.upper()}"}


def test_with_a_name_in_the_setup_cell_it_is_that_students(papermill_runs: Runs) -> None:
    assert {event["distinct_id"] for event in papermill_runs.events} == {"SARA"}


# A plain script

SCRIPT = """
from ipynb_telemetry.bootstrap import setup_telemetry

setup_telemetry("D3_Datetimes")
_cell("exercise_1", "# preview")

@tracked_test("exercise_1")
def test():
    assert 1 + 1 == 2

test()
_telemetry_capture("hint", {"name": STUDENT_NAME})
"""


@pytest.fixture
def script(server: CaptureServer, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    (tmp_path / "lesson.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, "lesson.py"],
        cwd=tmp_path,
        env={**os.environ, "TELEMETRY_HOST": server.url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_script_shows_nothing(script: subprocess.CompletedProcess[str]) -> None:
    assert (script.stdout, script.stderr, script.returncode) == ("", "", 0)


def test_the_events_of_a_script_arrive(
    script: subprocess.CompletedProcess[str], server: CaptureServer, state_dir: Path
) -> None:
    deliver_what_others_left(server, state_dir)  # what 2 s at its end were too short for

    events = [e for e in server.distinct().values() if e["properties"]["nb"] == "D3_Datetimes"]
    assert [event["event"] for event in events] == ["start", "cell", "test", "hint"]
    (sess,) = {event["properties"]["sess"] for event in events}
    assert {event["distinct_id"] for event in events} == {f"ANONYMOUS-{sess.upper()}"}
    assert events[-1]["properties"]["name"] == f"ANONYMOUS-{sess.upper()}"
