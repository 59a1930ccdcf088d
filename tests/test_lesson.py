"""The lesson that the README opens: what a student finds in it, and that it can be solved."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import nbformat
import pytest
from lesson import EXERCISES, LESSON, SOLUTIONS, shipped_lesson, solved, source_of

from ipynb_telemetry.notebook_cells import get_cell_tracking_line, get_telemetry_setup_cell


@dataclass
class Run:
    """What a run of the lesson did, with stand-ins in place of telemetry."""

    tracked: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """The message, by exercise."""

    def track_cell(self, cell_id: str, code_preview: str) -> None:
        self.tracked.append(cell_id)

    def track_test(self, name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
        def decorate(test: Callable[[], None]) -> Callable[[], None]:
            def tracked() -> None:
                try:
                    test()
                except AssertionError as wrong:
                    self.failed[name] = str(wrong)
                else:
                    self.passed.append(name)

            return tracked

        return decorate


def run(lesson: dict[str, Any]) -> Run:
    run = Run()
    names = {"_cell": run.track_cell, "tracked_test": run.track_test}
    for cell in code_cells(lesson):
        if cell["id"] != "setup":
            exec(source_of(cell), names)  # noqa: S102 - our own notebook
    return run


def code_cells(lesson: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in lesson["cells"] if cell["cell_type"] == "code"]


def test_it_is_a_valid_notebook() -> None:
    nbformat.validate(shipped_lesson())


def test_it_is_laid_out_as_jupyter_lays_it_out() -> None:
    as_jupyter = json.dumps(shipped_lesson(), indent=1, ensure_ascii=False) + "\n"

    assert LESSON.read_text(encoding="utf-8") == as_jupyter


def test_it_is_small() -> None:
    assert 8 <= len(shipped_lesson()["cells"]) <= 10


def test_it_is_shipped_without_outputs() -> None:
    assert [cell["outputs"] for cell in code_cells(shipped_lesson())] == [[]] * 7


def test_its_cells_have_ids_of_their_own() -> None:
    ids = [cell["id"] for cell in shipped_lesson()["cells"]]

    assert len(set(ids)) == len(ids)


def test_its_setup_cell_is_the_generators() -> None:
    first = code_cells(shipped_lesson())[0]

    assert first["id"] == "setup"
    assert source_of(first) == get_telemetry_setup_cell("D3_Datetimes")


@pytest.mark.parametrize("at", range(1, 7))
def test_every_other_code_cell_begins_with_the_generators_tracking_line(at: int) -> None:
    cell = code_cells(shipped_lesson())[at]

    line, _, rest = source_of(cell).partition("\n")

    assert line == get_cell_tracking_line(cell["id"].replace("-", "_"), rest)


def test_as_shipped_the_worked_example_alone_passes() -> None:
    shipped = run(shipped_lesson())

    assert shipped.passed == ["exercise_1"]
    assert list(shipped.failed) == ["exercise_2", "exercise_3"]


def test_as_shipped_a_failing_test_says_that_it_is_the_students_turn() -> None:
    shipped = run(shipped_lesson())

    assert set(shipped.failed.values()) == {"Still to do: write your answer for the ..."}


def test_solved_all_exercises_pass() -> None:
    assert run(solved(shipped_lesson())).passed == EXERCISES


def test_a_test_that_passes_cheers(capsys: pytest.CaptureFixture[str]) -> None:
    run(solved(shipped_lesson()))

    cheers = [line for line in capsys.readouterr().out.splitlines() if line.endswith("!")]
    assert cheers == [
        "The Eagle has landed!",
        "Right for all seven days. Time for cake!",
        "10, 9, 8 ... 3, 2, 1, lift-off!",
    ]


def test_it_prints_the_same_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    run(shipped_lesson())
    first = capsys.readouterr().out
    run(shipped_lesson())

    assert first
    assert capsys.readouterr().out == first


@pytest.mark.parametrize("cell_id", SOLUTIONS)
def test_a_student_completes_one_line(cell_id: str) -> None:
    cell = next(cell for cell in shipped_lesson()["cells"] if cell["id"] == cell_id)
    blanks = [
        node for node in ast.walk(ast.parse(source_of(cell))) if getattr(node, "value", 0) is ...
    ]

    assert len(blanks) == 1
    assert source_of(cell).count(SOLUTIONS[cell_id][0]) == 1


@pytest.mark.parametrize(
    ("cell_id", "wrong", "message"),
    [
        ("exercise-2", "return day.weekday() > 5", "Look again at Saturday."),
        ("exercise-2", "return None", "Look again at Monday."),
        (
            "exercise-3",
            "time_left = now - launch",
            "10 seconds are left, and yours says: T minus -1 day, 23:59:50",
        ),
    ],
)
def test_a_wrong_answer_is_told_what_to_look_at(cell_id: str, wrong: str, message: str) -> None:
    lesson = solved(shipped_lesson())
    cell = next(cell for cell in lesson["cells"] if cell["id"] == cell_id)
    cell["source"] = source_of(cell).replace(SOLUTIONS[cell_id][1], wrong)

    assert run(lesson).failed == {cell_id.replace("-", "_"): message}
