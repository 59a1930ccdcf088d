"""The command line: help for each command, words in the README, codes for scripts."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer
from classes import keep_a_class
from commands import run_command

from ipynb_telemetry.cli.app import app

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group


def commands_in_the_readme() -> list[list[str]]:
    """What is typed behind `ipynb-telemetry`, in code blocks and in the text."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(ipynb-telemetry [^`]+)`", README)
    typed = [re.split(r"ipynb[-_]telemetry (?=[a-z])", line)[1:] for line in lines]
    return [shlex.split(rest[-1], comments=True) for rest in typed if rest]


def options_of(command: str) -> set[str]:
    return {
        name
        for parameter in COMMANDS[command].params
        for name in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help"}


def test_the_commands_are_those_that_are_promised() -> None:
    assert [*COMMANDS] == ["demo", "serve", "export", "forget", "doctor", "instrument"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_in_the_readme(command: str) -> None:
    assert command in [words[0] for words in commands_in_the_readme()]


@pytest.mark.parametrize("words", commands_in_the_readme(), ids=shlex.join)
def test_what_the_readme_has_typed_exists(words: list[str]) -> None:
    command, *arguments = words

    options = [each.partition("=")[0] for each in arguments if each.startswith("-")]
    assert command in COMMANDS
    assert {*options} <= options_of(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_help_that_a_person_can_use(command: str) -> None:
    about = COMMANDS[command]

    assert about.help
    assert len(about.get_short_help_str(200)) < 65  # whole in the list of commands
    for parameter in about.params:
        assert parameter.help, parameter.name
    shown = run_command(command, "--help")
    assert shown.returncode == 0
    assert shown.stderr == ""
    assert "Exit codes:" in shown.stdout
    assert all(option in shown.stdout for option in options_of(command))


def test_help_lists_each_command() -> None:
    shown = run_command("--help")

    assert shown.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w.*[^.]\.$", shown.stdout, re.MULTILINE)


def test_without_a_command_the_help_is_shown() -> None:
    assert "Commands:" in run_command().stdout + run_command().stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["export", "--nonsense"], ["forget"]])
def test_what_is_not_understood_is_said_without_a_traceback(arguments: list[str]) -> None:
    ran = run_command(*arguments)

    assert ran.returncode == 2
    assert "Error" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_version_is_the_packages() -> None:
    assert run_command("--version").stdout.strip() == metadata.version("ipynb-telemetry")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    keep_a_class(tmp_path / "class.sqlite", 3)
    return tmp_path / "class.sqlite"


def test_a_progress_bar_is_shown_on_a_terminal(database: Path) -> None:
    shown = exported_on_a_terminal(database)

    assert "Exporting" in shown
    assert "\x1b[" in shown


def test_no_bar_is_drawn_over_what_is_exported_to_the_terminal(database: Path) -> None:
    shown = exported_on_a_terminal(database, with_its_output=True)

    exported = run_command("export", "--db", str(database)).stdout
    assert shown.replace("\r", "") == exported.replace("\r", "")


def test_elsewhere_there_is_plain_text(database: Path) -> None:
    ran = run_command("export", "--db", str(database), "-o", str(database.parent / "out.csv"))

    assert ran.stderr.startswith("9 results in ")
    assert "\x1b" not in ran.stderr + ran.stdout


def exported_on_a_terminal(database: Path, *, with_its_output: bool = False) -> str:
    """What a person sees on stderr, and on stdout where that is asked for."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ipynb_telemetry", "export", "--db", str(database)]
    with subprocess.Popen(
        command,
        env={**os.environ, "TERM": "xterm-256color"},
        stdout=theirs if with_its_output else subprocess.DEVNULL,
        stderr=theirs,
    ):
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # its other side was closed
        return b""


def test_a_reader_that_has_seen_enough_is_no_error(database: Path) -> None:
    script = (
        f"{shlex.quote(sys.executable)} -m ipynb_telemetry export --events --db "
        f"{shlex.quote(str(database))} | head -c 10"
    )

    ran = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr
