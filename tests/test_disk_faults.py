"""What can happen to the files, the clock and the threads of a lesson, in a real kernel.

Forks are in `test_kernel_life.py`, `%reset -f` and a module that is loaded again in
`test_kernel.py`, kernels that share a folder in `test_kill.py`. Where a test is about what
waits on disk, the server refuses at first, or there is no name yet and nothing is sent.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from capture_server import CaptureServer, Event
from disks import UNWRITABLE, SmallDisk, unwritable
from kernel_fixtures import NewKernel, deliver_what_others_left
from kernels import Kernel, Ran
from shown import felt, panel_of, set_up, wait_for_panel
from waiting import wait_until

NOT_SAVED = "Needs attention SARA Your results cannot be saved on this computer ("


def hint(kernel: Kernel, numbers: range) -> Ran:
    """Have a cell record an event for each of `numbers`."""
    return kernel.run(f"for n in {numbers!r}: _telemetry_capture('hint', {{'number': n}})")


def hints_at(server: CaptureServer) -> list[int]:
    """The numbers of the distinct hints that it has, as they first came."""
    return [event["properties"]["number"] for event in server.named("hint")]


def seqs_of(events: list[Event]) -> list[int]:
    return [event["properties"]["seq"] for event in events]


def of_sara(server: CaptureServer) -> list[Event]:
    """The distinct events of Sara's one session, as they first came."""
    events = [event for event in server.distinct().values() if event["distinct_id"] == "SARA"]
    assert len({event["properties"]["sess"] for event in events}) == 1
    return events


# A disk that is full, or that cannot be written

FillDisk = Callable[[Kernel], Callable[[], None]]
"""Leaves a kernel no room on its disk, and returns how to give it back."""


@contextmanager
def _small_disk(folder: Path) -> Iterator[FillDisk]:
    """A file system of its own with little room."""
    with closing(SmallDisk(folder)) as disk:

        def fill(_kernel: Kernel) -> Callable[[], None]:
            disk.fill()
            return disk.free

        yield fill


@contextmanager
def _limited_process(folder: Path) -> Iterator[FillDisk]:
    """A kernel whose files cannot grow: what can be had without the rights to mount."""
    folder.mkdir()

    def fill(kernel: Kernel) -> Callable[[], None]:
        before = resource.prlimit(kernel.pid, resource.RLIMIT_FSIZE)
        largest = max(path.stat().st_size for path in folder.rglob("*.jsonl"))
        resource.prlimit(kernel.pid, resource.RLIMIT_FSIZE, (largest + 1_000, before[1]))

        def free() -> None:
            resource.prlimit(kernel.pid, resource.RLIMIT_FSIZE, before)

        return free

    yield fill


FULL_DISKS = {"no file can grow": _limited_process}
if os.geteuid() == 0:  # not a skip: without the rights, the other one shows the same
    FULL_DISKS["no room left"] = _small_disk


@pytest.mark.parametrize("full_disk", FULL_DISKS.values(), ids=FULL_DISKS)
def test_what_a_full_disk_cannot_hold_is_on_it_as_soon_as_there_is_room(
    full_disk: Callable[[Path], AbstractContextManager[FillDisk]],
    new_kernel: NewKernel,
    server: CaptureServer,
    tmp_path: Path,
) -> None:
    server.answer = 503
    with full_disk(tmp_path / "disk") as fill:
        kernel = new_kernel(TELEMETRY_STATE_DIR=str(tmp_path / "disk"))
        kernel.run("%config HistoryManager.enabled = False")  # IPython's file grows as well
        cells = [set_up(kernel)]
        free = fill(kernel)
        cells += [hint(kernel, range(100))]
        wait_for_panel(kernel, NOT_SAVED)

        free()
        wait_for_panel(kernel, "Offline SARA 101 events are safe")
        kernel.kill()
        server.answer = 200
        deliver_what_others_left(server, tmp_path / "disk")

        assert hints_at(server) == list(range(100))
        assert seqs_of(of_sara(server)) == list(range(101))
        assert felt(*cells) == []


@pytest.mark.parametrize("kind", UNWRITABLE)
def test_a_folder_that_cannot_be_written_stops_no_event(
    kind: str, new_kernel: NewKernel, server: CaptureServer, tmp_path: Path
) -> None:
    with unwritable(kind, tmp_path / "state") as folder:
        kernel = new_kernel(TELEMETRY_STATE_DIR=str(folder))

        cells = [set_up(kernel), hint(kernel, range(100))]

        wait_until(lambda: len(server.distinct()) == 101, timeout_s=30)
        wait_for_panel(kernel, "all 101 events delivered")
        assert NOT_SAVED in panel_of(kernel)
        assert hints_at(server) == list(range(100))
        assert seqs_of(server.events) == list(range(101))
        assert felt(*cells) == []


# Files that somebody deletes or damages


def test_a_folder_that_is_deleted_meanwhile_costs_no_event(
    new_kernel: NewKernel, server: CaptureServer, state_dir: Path
) -> None:
    kernel = new_kernel()
    cells = [set_up(kernel, student=None), hint(kernel, range(50))]

    shutil.rmtree(state_dir)
    cells += [hint(kernel, range(50, 100)), set_up(kernel)]

    wait_until(lambda: len(server.distinct()) == 102, timeout_s=30)
    assert hints_at(server) == list(range(100))
    assert seqs_of(of_sara(server)) == list(range(102))
    assert felt(*cells) == []


def test_what_comes_after_a_folder_was_deleted_survives_a_kill(
    new_kernel: NewKernel, server: CaptureServer, state_dir: Path
) -> None:
    server.answer = 503
    kernel = new_kernel()
    set_up(kernel)

    shutil.rmtree(state_dir)
    hint(kernel, range(100))
    kernel.kill()
    server.answer = 200
    deliver_what_others_left(server, state_dir)

    assert hints_at(server) == list(range(100))
    assert {event["distinct_id"] for event in server.named("hint")} == {"SARA"}


def _cut_in_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _overwrite_with_random_bytes(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(random.Random(4).randbytes(1_000))  # noqa: S311 - the same in each run


DAMAGES = {"cut in half": _cut_in_half, "overwritten": _overwrite_with_random_bytes}


def hints_left_by(damage: Callable[[Path], None], state_dir: Path) -> list[int]:
    """Damage the one file of the outbox; the numbers of the hints whose lines are still whole."""
    (file,) = state_dir.rglob("*.jsonl")
    start, *hints = file.read_bytes().splitlines()
    damage(file)
    lines = file.read_bytes().split(b"\n")
    assert start in lines
    return [number for number, line in enumerate(hints) if line in lines]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_to_the_file_of_a_lesson_costs_what_it_hit_alone(
    damage: Callable[[Path], None], new_kernel: NewKernel, server: CaptureServer, state_dir: Path
) -> None:
    kernel = new_kernel()
    cells = [set_up(kernel, student=None), hint(kernel, range(100))]

    left = hints_left_by(damage, state_dir)
    cells += [hint(kernel, range(100, 200)), set_up(kernel)]

    wait_until(lambda: 199 in hints_at(server), timeout_s=30)
    assert 40 < len(left) < 99
    assert hints_at(server) == [*left, *range(100, 200)]
    assert felt(*cells) == []


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_to_the_file_of_a_dead_session_costs_what_it_hit_alone(
    damage: Callable[[Path], None], new_kernel: NewKernel, server: CaptureServer, state_dir: Path
) -> None:
    server.answer = 503
    kernel = new_kernel()
    set_up(kernel)
    hint(kernel, range(100))
    kernel.kill()

    left = hints_left_by(damage, state_dir)
    server.answer = 200
    deliver_what_others_left(server, state_dir)

    assert 40 < len(left) < 99
    assert hints_at(server) == left


# The clock

# The clock of the computer is everybody's, so this one stands between Python and it: in all
# that is imported later, and in `time.time()` wherever it is called.
CLOCK = """
import datetime, time
_behind = datetime.timedelta()

class _Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None, _clock=datetime.datetime):
        return _clock.now(tz) - _behind

def _time(_clock=time.time):
    return _clock() - _behind.total_seconds()

datetime.datetime, time.time = _Clock, _time
"""


def test_a_clock_that_is_set_back_a_day_stops_nothing(
    new_kernel: NewKernel, server: CaptureServer
) -> None:
    server.answer = 503
    kernel = new_kernel()
    cells = [kernel.run(CLOCK), set_up(kernel), hint(kernel, range(50))]
    wait_for_panel(kernel, "Offline SARA 51 events are safe")  # now it waits

    cells += [kernel.run("_behind = datetime.timedelta(days=1)"), hint(kernel, range(50, 100))]
    server.answer = 200

    wait_for_panel(kernel, "all 101 events delivered")
    assert hints_at(server) == list(range(100))
    assert seqs_of(of_sara(server)) == list(range(101))
    at = [datetime.fromisoformat(event["timestamp"]) for event in server.named("hint")]
    assert timedelta(hours=23) < at[49] - at[50] < timedelta(hours=25)
    assert felt(*cells) == []


# Threads, tasks and interrupts

MANY_AT_ONCE = """
import asyncio, threading

def run(calls):
    for _ in range(calls):
        _cell("in_a_thread")

async def run_as_task(calls):
    for _ in range(calls):
        _cell("in_a_task")
        await asyncio.sleep(0)

threads = [threading.Thread(target=run, args=[1000]) for _ in range(10)]
for thread in threads:
    thread.start()
await asyncio.gather(*[run_as_task(100) for _ in range(10)])
for thread in threads:
    thread.join()
"""


def test_ten_threads_and_ten_tasks_at_once_leave_no_gap(
    new_kernel: NewKernel, server: CaptureServer
) -> None:
    kernel = new_kernel()

    cells = [set_up(kernel), kernel.run(MANY_AT_ONCE)]

    wait_until(lambda: server.named("cell_end"), timeout_s=60)
    runs = server.named("cell")
    assert sum(event["properties"]["cell_id"] == "in_a_thread" for event in runs) == 10_000
    assert sum(event["properties"]["cell_id"] == "in_a_task" for event in runs) == 1_000
    assert sorted(event["properties"]["cell_num"] for event in runs) == list(range(1, 11_001))
    assert seqs_of(of_sara(server)) == list(range(11_002))
    assert len(server.events) == 11_002
    assert felt(*cells) == []


def _has_grown(file: Path, size_bytes: int) -> bool:
    return file.stat().st_size > size_bytes


INTERRUPTS = 100
NOTES = """
import os
_file = os.open({file!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_number = 0
"""
# Caught, because a traceback that begins at a moment without a line number is more than
# IPython can show on Python 3.11.
ENDLESS_CALLS = """
try:
    for _ in range(500):  # as many as can be sent, however late the interrupt comes
        _number += 1
        _cell("exercise_1", str(_number))
        os.write(_file, b"%d\\n" % _number)  # it has returned
    while True:
        pass
except KeyboardInterrupt:
    print("interrupted")
"""


def test_no_call_that_has_returned_is_lost_or_doubled_by_an_interrupt(
    new_kernel: NewKernel, server: CaptureServer, tmp_path: Path
) -> None:
    notes = tmp_path / "returned"
    kernel = new_kernel()
    set_up(kernel)
    kernel.run(NOTES.format(file=str(notes)))

    for _ in range(INTERRUPTS):
        before = notes.stat().st_size
        cell = kernel.begin(ENDLESS_CALLS)
        wait_until(partial(_has_grown, notes, before), timeout_s=30, every_s=0.001)
        os.kill(kernel.pid, signal.SIGINT)
        assert kernel.finish(cell).stdout == "interrupted\n"
    kernel.run("_telemetry_capture('last')")

    wait_until(lambda: server.named("last"), timeout_s=30)
    returned = notes.read_text("ascii").split()
    arrived = [event["properties"]["code"] for event in server.named("cell")]
    assert len(returned) >= INTERRUPTS
    assert len(set(arrived)) == len(arrived)
    assert set(returned) <= set(arrived)
    assert seqs_of(of_sara(server)) == list(range(len(of_sara(server))))
    assert kernel.printed == INTERRUPTS * "interrupted\n"
