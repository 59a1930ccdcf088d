"""Whose a folder of the outbox is, and whether its owner can still write to it."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from waiting import wait_until

from ipynb_telemetry import ownership
from ipynb_telemetry.ownership import Owner, folder_name, is_dead

HOUR_S = 3600
SAYS_WHO_IT_IS = (
    "import sys; from ipynb_telemetry.ownership import Owner;"
    "print(Owner.this_process(), flush=True); sys.stdin.read()"
)


class Neighbour:
    """A real process that owns something, and waits."""

    def __init__(self, python: str = sys.executable) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([python, "-c", SAYS_WHO_IT_IS], stdin=pipe, stdout=pipe)
        assert self.process.stdout is not None
        self.owner = Owner.parse(self.process.stdout.readline().decode().strip())

    def die(self) -> None:
        """Die on the spot, and wait to be buried."""
        self.process.kill()
        wait_until(lambda: psutil.Process(self.process.pid).status() == psutil.STATUS_ZOMBIE)

    def bury(self) -> None:
        self.process.kill()
        self.process.communicate()


Meet = Callable[..., Neighbour]


@pytest.fixture
def meet() -> Iterator[Meet]:
    met: list[Neighbour] = []

    def meet(*args: str) -> Neighbour:
        met.append(Neighbour(*args))
        return met[-1]

    yield meet
    for neighbour in met:
        neighbour.bury()


def dead(owner: Owner, folder: Path) -> bool:
    return is_dead(owner, folder, now_s=time.time())


def here(machine: str = "", boot: str = "", started: str = "") -> Owner:
    """This process, but for what is said."""
    me = Owner.this_process()
    return replace(
        me,
        machine=machine or me.machine,
        boot=boot or me.boot,
        started=started or me.started,
    )


# On this computer


def test_this_process_is_alive(tmp_path: Path) -> None:
    assert not dead(Owner.this_process(), tmp_path)


def test_another_process_is_alive_while_it_runs(tmp_path: Path, meet: Meet) -> None:
    assert not dead(meet().owner, tmp_path)


def test_a_process_that_is_stopped_is_alive(tmp_path: Path, meet: Meet) -> None:
    neighbour = meet()
    neighbour.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(neighbour.process.pid).status() == psutil.STATUS_STOPPED)

    assert not dead(neighbour.owner, tmp_path)


def test_a_process_is_alive_whatever_its_program_is_called(tmp_path: Path, meet: Meet) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to(sys.executable)
    neighbour = meet(str(program))

    assert psutil.Process(neighbour.process.pid).name() == program.name
    assert not dead(neighbour.owner, tmp_path)


def test_a_process_that_was_killed_is_dead(tmp_path: Path, meet: Meet) -> None:
    neighbour = meet()
    neighbour.bury()

    assert dead(neighbour.owner, tmp_path)


def test_a_zombie_is_dead(tmp_path: Path, meet: Meet) -> None:
    neighbour = meet()
    neighbour.die()

    assert dead(neighbour.owner, tmp_path)


def test_another_process_with_the_same_number_is_another(tmp_path: Path) -> None:
    assert dead(here(started="1"), tmp_path)


def test_whatever_ran_before_the_computer_was_restarted_is_dead(tmp_path: Path) -> None:
    assert dead(here(boot="0123456789abcdef0123456789abcdef"), tmp_path)


def test_a_forked_child_is_another_owner() -> None:
    forks = (
        "import os; from ipynb_telemetry.ownership import Owner; Owner.this_process();"
        "child = os.fork(); child and os.waitpid(child, 0); print(Owner.this_process())"
    )
    of_child, of_parent = map(
        Owner.parse, subprocess.check_output([sys.executable, "-c", forks], text=True).split()
    )

    assert of_child.pid != of_parent.pid
    assert (of_child.machine, of_child.boot) == (of_parent.machine, of_parent.boot)


# Where the system has no /proc


def test_elsewhere_the_same_process_always_started_at_the_same_time(meet: Meet) -> None:
    pid = meet().process.pid

    assert ownership._started_elsewhere(pid) == ownership._started_elsewhere(pid)


def test_elsewhere_a_process_that_was_killed_is_gone(meet: Meet) -> None:
    neighbour = meet()
    neighbour.bury()

    with pytest.raises(ProcessLookupError):
        ownership._started_elsewhere(neighbour.process.pid)


def test_elsewhere_a_zombie_is_one(meet: Meet) -> None:
    neighbour = meet()
    neighbour.die()

    assert ownership._started_elsewhere(neighbour.process.pid)[0] == "Z"


def test_a_process_that_may_not_be_looked_at_is_not_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hidden(pid: int) -> None:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", hidden)

    with pytest.raises(PermissionError):
        ownership._started_elsewhere(os.getpid())


# On another computer that shares the folder


def test_another_computer_that_was_seen_today_is_alive(tmp_path: Path) -> None:
    os.utime(tmp_path, (0, time.time() - 23 * HOUR_S))

    assert not dead(here(machine="0123456789ab"), tmp_path)


def test_another_computer_that_was_silent_for_a_day_is_dead(tmp_path: Path) -> None:
    os.utime(tmp_path, (0, time.time() - 25 * HOUR_S))

    assert dead(here(machine="0123456789ab"), tmp_path)


def test_the_time_is_that_of_the_file_server(tmp_path: Path) -> None:
    """This computer's clock may be a week ahead: that makes nobody dead."""
    servers_now_s = time.time() - 7 * 24 * HOUR_S
    os.utime(tmp_path, (0, servers_now_s - HOUR_S))

    assert not is_dead(here(machine="0123456789ab"), tmp_path, now_s=servers_now_s)


def test_a_process_of_another_computer_is_not_looked_for_here(tmp_path: Path) -> None:
    os.utime(tmp_path, (0, time.time() - HOUR_S))

    assert not dead(here(machine="0123456789ab", boot="0", started="1"), tmp_path)


def test_a_folder_that_has_gone_says_nothing_about_another_computer(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dead(here(machine="0123456789ab"), tmp_path / "gone")


# The name


def test_processes_of_one_computer_know_each_other(meet: Meet) -> None:
    owner = meet().owner

    assert (owner.machine, owner.boot) == (here().machine, here().boot)


def test_an_owner_can_be_read_back_from_its_name() -> None:
    owner = Owner.this_process()

    assert Owner.parse(str(owner)) == owner


def test_a_folder_is_named_after_the_session_and_its_owner() -> None:
    owner = Owner("0123456789ab", "b007", 42, "123")

    assert folder_name("abcdef01", owner) == "abcdef01.0123456789ab-b007-42-123"


def test_a_name_does_not_say_which_computer_it_is() -> None:
    machine = Owner.this_process().machine

    assert re.fullmatch("[0-9a-f]{12}", machine)
    assert machine != platform.node()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0123456789ab",
        "0123456789ab-b007-42",
        "0123456789ab-b007-42-123-4",
        "0123456789ab-b007--42-123",
        "0123456789ab-b007-x-123",
        "0123456789ab-b007-4.2-123",
        "0123456789ab-b007--123",
        "---",
        "\udcff-\udcff-\udcff-\udcff",
    ],
)
def test_what_is_no_owner_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|int\(\)"):
        Owner.parse(text)
