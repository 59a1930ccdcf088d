"""Instrumented notebooks, run by nbclient: each cell shows what it showed before."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from capture_server import CaptureServer, Event
from instrumenting import NOTEBOOKS, instrumented
from kernel_fixtures import deliver_what_others_left, environment_with

RUN = """
import sys, nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True).execute()
nbformat.write(notebook, sys.argv[2])
"""
# What is another in each run: times, the kernel's files, and the numbers of cells, of which the
# setup cell takes one.
VARIES = re.compile(
    r"\((?:\S*/)?\d+\.py, line \d+\)|(?<=\[)\d+(?=\])|\x1b\[[\d;]*m"
    r"|CPU times:.*|Wall time:.*|.*per loop \(.*"
)


@dataclass
class Runs:
    """A notebook before and after, as nbclient has run it, and the events of the latter."""

    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    setup: list[dict[str, Any]]
    """What the setup cell has put out."""
    events: list[Event]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [each["properties"] for each in self.events if each["event"] == event]


def run(name: str, folder: Path) -> Runs:
    old = (NOTEBOOKS / name).read_bytes()
    for each, notebook in (("before", old), ("after", instrumented(old, NOTEBOOKS / name))):
        (folder / each).mkdir()
        (folder / each / "lesson.ipynb").write_bytes(notebook)
    with CaptureServer() as server:
        settings = {
            "TELEMETRY_HOST": server.url,
            "TELEMETRY_STATE_DIR": str(folder / "state"),
            "IPYTHONDIR": str(folder / "ipython"),
            "IPT_TEST_ERRORS": str(folder / "telemetry-errors.log"),
        }
        running = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", RUN, "lesson.ipynb", "run.ipynb"],
                cwd=folder / each,
                env=environment_with(settings),
                stdin=subprocess.DEVNULL,
            )
            for each in ("before", "after")
        ]
        assert [process.wait(timeout=120) for process in running] == [0, 0]
        errors = folder / "telemetry-errors.log"
        assert not errors.exists(), errors.read_text("utf-8")
        deliver_what_others_left(server, folder / "state")
        events = [e for e in server.distinct().values() if e["properties"]["nb"] == "D1_Moon"]
    before, after = (
        json.loads((folder / each / "run.ipynb").read_text("utf-8"))["cells"]
        for each in ("before", "after")
    )
    (setup,) = (cell for cell in after if "ipynb_telemetry" in cell["metadata"])
    after.remove(setup)
    events.sort(key=lambda event: event["properties"]["seq"])
    return Runs(before, after, setup["outputs"], events)


@pytest.fixture(scope="module")
def lesson_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return run("jupyter.ipynb", tmp_path_factory.mktemp("lesson"))


@pytest.fixture(scope="module")
def odd_cells_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return run("odd_cells.ipynb", tmp_path_factory.mktemp("odd_cells"))


@pytest.fixture(params=["lesson_runs", "odd_cells_runs"])
def runs(request: pytest.FixtureRequest) -> Runs:
    runs: Runs = request.getfixturevalue(request.param)
    return runs


def shown(cell: dict[str, Any]) -> str:
    """All of a cell's outputs, what was printed in one piece; an error's source lines apart.

    A traceback shows the lines around the one that failed, and their numbers: of those the
    added line is one. So an error is its name and its message.
    """
    text, rest = {"stdout": "", "stderr": ""}, []
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            text[output["name"]] += "".join(output["text"])
        elif output["output_type"] == "error":
            rest.append({key: output[key] for key in ("ename", "evalue")})
        else:
            rest.append({**output, "execution_count": None})
    return VARIES.sub("", json.dumps([text, rest]))


def test_each_cell_shows_what_it_showed_before(runs: Runs) -> None:
    before, after = list(map(shown, runs.before)), list(map(shown, runs.after))

    assert any(any(cell.get("outputs", [])) for cell in runs.before)
    assert after == before


def test_the_setup_cell_shows_nothing_where_nobody_is_asked(runs: Runs) -> None:
    assert runs.setup == []


def test_each_cell_that_got_a_line_was_tracked(runs: Runs) -> None:
    lines = [
        line
        for cell in runs.after
        for line in "".join(cell["source"]).splitlines()
        if line.strip().startswith("_cell(") and line.endswith("# ipynb-telemetry")
    ]
    tracked = [cell["cell_id"] for cell in runs.of("cell")]

    not_python = ("circumference", "print 'hello'")  # their cells cannot begin
    expected = [line for line in lines if not any(words in line for words in not_python)]
    assert tracked
    assert tracked == [re.findall(r'_cell\("([^"]+)"', line)[0] for line in expected]


def test_tests_of_every_form_leave_the_same_event(lesson_runs: Runs) -> None:
    tests = lesson_runs.of("test")

    assert [(test["ex"], test["ok"], test["try"], test["err"]) for test in tests] == [
        ("cell-4", True, 1, None),
        ("hours", True, 1, None),
    ]
