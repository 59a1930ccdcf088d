"""`ipynb-telemetry instrument` as an author runs it: its words and its exit status."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lessons import a_code_cell, a_markdown_cell, a_notebook
from typer.testing import CliRunner, Result

from ipynb_telemetry.cli.app import app

PLAIN = a_notebook(a_markdown_cell("# The Moon"), a_code_cell("km = 384_400"))
ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "ipynb_telemetry", "instrument"]


def instrument(*arguments: str, cwd: Path) -> Result:
    """The command in this process: starting forty of them would take a minute."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        return CliRunner().invoke(app, ["instrument", *arguments], catch_exceptions=False)
    finally:
        os.chdir(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "lessons"
    folder.mkdir()
    (folder / "moon.ipynb").write_bytes(PLAIN)
    return folder


def test_a_folder_is_instrumented_with_all_folders_in_it(folder: Path) -> None:
    (folder / "week1").mkdir()
    (folder / "week1" / "mars.ipynb").write_bytes(PLAIN)

    ran = instrument(".", cwd=folder)

    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "moon.ipynb: the setup cell and 1 line added",
        "week1/mars.ipynb: the setup cell and 1 line added",
        "2 notebooks: 2 changed, 0 as before, 0 refused",
    ]
    assert ran.stderr == ""
    made = json.loads((folder / "week1" / "mars.ipynb").read_text())["cells"]
    assert made[1]["source"][-1] == 'setup_telemetry("mars")'
    assert made[2]["source"][0].startswith("_cell(")


def test_checkpoints_and_what_is_hidden_are_no_notebooks_of_a_folder(folder: Path) -> None:
    for hidden in (".ipynb_checkpoints/a.ipynb", ".git/b.ipynb", ".c.ipynb"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_bytes(PLAIN)

    ran = instrument(".", cwd=folder)

    assert ran.stdout.splitlines()[-1].startswith("1 notebook:")
    assert (folder / ".c.ipynb").read_bytes() == PLAIN


def test_a_second_run_touches_nothing(folder: Path) -> None:
    instrument(".", cwd=folder)
    before = (folder / "moon.ipynb").stat()

    ran = instrument(".", cwd=folder)

    assert ran.exit_code == 0
    assert ran.stdout == "1 notebook: 0 changed, 1 as before, 0 refused\n"
    after = (folder / "moon.ipynb").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_remove_gives_the_files_back(folder: Path) -> None:
    instrument(".", cwd=folder)

    ran = instrument(".", "--remove", cwd=folder)

    assert ran.exit_code == 0
    assert "moon.ipynb: the setup cell and 1 line taken out" in ran.stdout
    assert (folder / "moon.ipynb").read_bytes() == PLAIN


def test_check_lists_what_is_not_instrumented(folder: Path) -> None:
    ran = instrument(".", "--check", cwd=folder)

    assert ran.exit_code == 1
    assert "moon.ipynb: not instrumented, without the setup cell and 1 line" in ran.stdout
    assert (folder / "moon.ipynb").read_bytes() == PLAIN


def test_check_is_content_with_what_instrument_has_made(folder: Path) -> None:
    instrument(".", cwd=folder)

    ran = instrument(".", "--check", cwd=folder)

    assert ran.exit_code == 0
    assert ran.stdout == "1 notebook: 0 not instrumented, 1 instrumented, 0 refused\n"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            [a_code_cell('_cell("moon")\nx = 1'), a_code_cell('_cell("moon")\ny = 1')],
            "2 cells have the id 'moon'",
        ),
        (
            [a_markdown_cell("## Exercise 1: light"), a_code_cell("speed = ...")],
            "'Exercise 1: light' has no test; a cell tagged no-test says that it needs none",
        ),
        (
            [a_code_cell('setup_telemetry("D1", exercises=["light"])')],
            "the setup cell names the exercise 'light', and it has no test",
        ),
        (
            [
                a_code_cell('_cell("a")\n@tracked_test("light")\ndef test_a():\n    pass'),
                a_code_cell("# ipynb-telemetry: test light\nassert True"),
            ],
            "2 tests are of 'light'",
        ),
    ],
)
def test_check_lists_what_the_author_has_to_mend(
    folder: Path, cells: list[dict[str, object]], words: str
) -> None:
    (folder / "moon.ipynb").write_bytes(a_notebook(*cells))
    instrument(".", cwd=folder)

    ran = instrument(".", "--check", cwd=folder)

    assert ran.exit_code == 1
    assert f"moon.ipynb: {words}" in ran.stdout.splitlines()


def test_check_lists_notebooks_of_the_same_id(folder: Path) -> None:
    (folder / "week1").mkdir()
    (folder / "week1" / "moon.ipynb").write_bytes(PLAIN)
    instrument(".", cwd=folder)

    ran = instrument(".", "--check", cwd=folder)

    assert ran.exit_code == 1
    assert "moon.ipynb, week1/moon.ipynb have the same notebook id, 'moon'" in ran.stdout


def test_diff_is_a_patch_of_what_would_change(folder: Path) -> None:
    ran = instrument("moon.ipynb", "--diff", cwd=folder)
    unchanged = (folder / "moon.ipynb").read_bytes()
    subprocess.run(["git", "apply"], input=ran.stdout, text=True, cwd=folder, check=True)

    assert ran.exit_code == 0
    assert unchanged == PLAIN
    removed = [line for line in ran.stdout.splitlines() if line.startswith("-")]
    assert removed == ["--- a/moon.ipynb"]
    assert instrument(".", "--check", cwd=folder).exit_code == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"cells": [', "it is not JSON"),
        (b"\xff", "it is not UTF-8"),
        (a_notebook(metadata={"kernelspec": {"name": "ir", "language": "R"}}), "language is R"),
        (a_notebook(metadata={"kernelspec": {"name": "python2"}}), "it is Python 2"),
        (None, "No such file"),
    ],
)
def test_what_is_refused_is_named_with_the_reason_and_the_others_go_on(
    folder: Path, data: bytes | None, words: str
) -> None:
    if data is not None:
        (folder / "bad.ipynb").write_bytes(data)

    ran = instrument("bad.ipynb", "moon.ipynb", cwd=folder)

    assert ran.exit_code == 2
    assert ran.stderr.startswith("bad.ipynb: refused: ")
    assert words in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert "moon.ipynb: the setup cell and 1 line added" in ran.stdout
    if data is not None:
        assert (folder / "bad.ipynb").read_bytes() == data


def test_what_is_refused_outweighs_what_check_finds(folder: Path) -> None:
    ran = instrument("moon.ipynb", "missing.ipynb", "--check", cwd=folder)

    assert ran.exit_code == 2


def test_a_folder_without_notebooks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    ran = instrument("empty", cwd=tmp_path)

    assert ran.exit_code == 2
    assert "empty: refused: there is no notebook in this folder" in ran.stderr


def test_a_cell_that_is_left_alone_is_named_with_the_reason(folder: Path) -> None:
    locked = a_code_cell("assert km", nbgrader={"locked": True, "grade": True, "checksum": "0"})
    (folder / "moon.ipynb").write_bytes(a_notebook(a_code_cell("km = 1"), locked))

    ran = instrument(".", "--check", cwd=folder)
    done = instrument(".", cwd=folder)

    assert "moon.ipynb: cell 2 (assert km) is left alone: nbgrader has locked it" in ran.stdout
    assert "moon.ipynb: cell 3 (assert km) is left alone: nbgrader has locked it" in done.stdout
    assert done.exit_code == 0


def test_settings_reach_the_setup_cell(folder: Path) -> None:
    options = ["--host", "https://telemetry.example", "--api-key", "phc_1", "--roster", "class.csv"]

    ran = instrument(".", *options, "--cohort", "2027", "--no-send-code", cwd=folder)

    assert ran.exit_code == 0, ran.stderr
    source = "".join(json.loads((folder / "moon.ipynb").read_text())["cells"][1]["source"])
    _, _, call = source.rpartition("\nsetup_telemetry(")
    assert [line.strip() for line in call.splitlines()] == [
        "",
        '"moon",',
        'host="https://telemetry.example",',
        'api_key="phc_1",',
        'roster="class.csv",',
        'cohort="2027",',
        "send_code=False,",
        ")",
    ]


@pytest.mark.parametrize(
    ("template", "notebook_id"),
    [("{parent}-{stem}", "week1-moon"), ("{path}", "lessons/week1/moon"), ("D3 {{x}}", "D3 {x}")],
)
def test_a_notebook_id_is_made_from_a_template(
    folder: Path, template: str, notebook_id: str
) -> None:
    (folder / "week1").mkdir()
    (folder / "moon.ipynb").rename(folder / "week1" / "moon.ipynb")

    instrument("lessons", "--notebook-id", template, cwd=folder.parent)

    made = json.loads((folder / "week1" / "moon.ipynb").read_text())["cells"][1]["source"]
    assert made[-1] == f'setup_telemetry("{notebook_id}")'


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--notebook-id", "{name}"], "--notebook-id"),
        (["--notebook-id", "{"], "--notebook-id"),
        (["--notebook-id", " "], "--notebook-id"),
        (["--host", "telemetry.example"], "--host"),
        (["--check", "--remove"], "--check"),
    ],
)
def test_what_was_asked_wrongly_is_said_before_anything_is_done(
    folder: Path, arguments: list[str], words: str
) -> None:
    ran = instrument(".", *arguments, cwd=folder)

    assert ran.exit_code == 2
    assert words in ran.stderr
    assert (folder / "moon.ipynb").read_bytes() == PLAIN


def test_a_terminal_shows_how_far_it_is(folder: Path) -> None:
    (folder / "mars.ipynb").write_bytes(PLAIN)
    ours, theirs = pty.openpty()

    ran = subprocess.run(
        [*COMMAND, "."], cwd=folder, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True
    )

    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "100%" in shown
    assert "mars.ipynb: the setup cell" in ran.stdout


def test_a_link_that_leads_nowhere_is_refused_by_name_and_the_others_go_on(folder: Path) -> None:
    (folder / "gone.md").symlink_to(folder / "nowhere")
    (folder / "mars.ipynb").write_bytes(PLAIN)

    ran = subprocess.run([*COMMAND, str(folder)], capture_output=True, text=True, check=False)

    assert ran.returncode == 2
    assert "gone.md" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert (folder / "mars.ipynb").read_bytes() != PLAIN


@pytest.fixture
def too_deep(folder: Path) -> None:
    """In it a folder whose path is longer than the system takes: no user can read that."""
    here = Path.cwd()
    try:
        os.chdir(folder)
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
    finally:
        os.chdir(here)


@pytest.mark.usefixtures("too_deep")
def test_a_folder_that_cannot_be_read_is_refused_by_name_and_the_others_go_on(
    folder: Path,
) -> None:
    ran = instrument(".", cwd=folder)

    assert ran.exit_code == 2
    assert re.fullmatch(r"\./d{250}\S+: refused: File name too long\n", ran.stderr)
    assert "moon.ipynb: the setup cell and 1 line added" in ran.stdout


@pytest.mark.usefixtures("too_deep")
def test_a_folder_that_cannot_be_read_is_not_called_empty(folder: Path) -> None:
    (folder / "moon.ipynb").unlink()

    ran = instrument(".", cwd=folder)

    assert "no notebook" not in ran.stderr
    assert ran.exit_code == 2


def test_notebooks_only_passes_over_texts_that_are_none(folder: Path) -> None:
    (folder / "setup.py").write_text("x = 1\n")
    (folder / "README.md").write_text("# A course\n")
    (folder / "mars.py").write_text("# ---\n# jupyter:\n#   jupytext:\n# ---\n\n# %%\nkm = 1\n")
    names = ["setup.py", "README.md", "mars.py", "moon.ipynb"]

    ran = instrument(*names, "--notebooks-only", cwd=folder)

    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "2 notebooks: 2 changed, 0 as before, 0 refused"
    assert instrument(*names, cwd=folder).exit_code == 2


def test_help_says_what_each_exit_status_means() -> None:
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)

    for status in ("0", "1", "2"):
        assert f"\n    {status}  " in shown.stdout


def test_the_readmes_commands_run_one_after_the_other(folder: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"ipynb-telemetry instrument (lessons/[^#\n]*)", readme)

    codes = [instrument(*command.split(), cwd=folder.parent).exit_code for command in commands]

    assert [command.split()[1:] for command in commands] == [
        [], ["--diff"], ["--check"], ["--remove"], ["--check"],
    ]  # fmt: skip
    assert codes == [0, 0, 0, 0, 1]  # in the end, in CI, it is missing again
    assert (folder / "moon.ipynb").read_bytes() == PLAIN


def test_each_hook_for_pre_commit_runs(folder: Path) -> None:
    (folder / "setup.py").write_text("x = 1\n")
    files = [str(folder / "moon.ipynb"), str(folder / "setup.py")]
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
    commands = [entry.split() for entry in re.findall(r"^  entry: (.+)$", hooks, re.MULTILINE)]

    codes = [CliRunner().invoke(app, [*command[1:], *files]).exit_code for command in commands]

    assert {command[0] for command in commands} == {"ipynb-telemetry"}
    assert codes == [0, 0]  # the first puts telemetry in, the second finds it there


def test_each_hook_for_pre_commit_sees_all_notebooks_at_once() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")
    hooks = [hook.splitlines() for hook in text.split("\n- ")[1:]]

    assert len(hooks) == 2
    for hook in hooks:
        assert {"  require_serial: true", "  types_or: [jupyter, python, markdown]"} < {*hook}
