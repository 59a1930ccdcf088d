"""`kill -9` of a kernel at random moments: nothing whose call has returned is lost.

Every kernel here is a real one, with its hooks, panel and delivery thread, driven through
`jupyter_client`. Those that are killed are forked from a process that has made a kernel's
imports (`nursery.py`): started one by one, 200 would take minutes. What they leave behind is
sent by one that is started as a front end starts it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from capture_server import CaptureServer, Event, Fault
from kernel_fixtures import SETUP, NewKernel, environment_with
from nursery import Newborn, Nursery
from waiting import wait_until

KILLS = 200
AT_ONCE = 6
CELLS = 8
RUNS_PER_CELL = 5
CALLS = 1 + 3 * CELLS * RUNS_PER_CELL

SETUP_CELL = """
import os, time
_file = os.open({returned!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def _returned(*call):
    os.write(_file, (" ".join(map(str, call)) + "\\n").encode())

{setup}
setup_telemetry({notebook_id!r}, host={host!r}, student={student!r})
_returned("start", 0)

_run = 0
@tracked_test("exercise_1")
def _test():
    assert _run % 3, "a multiple of three"
"""
# After each call that has returned it says so. The pauses are a student's work.
TRACKED_CELL = f"""
for _run in range(_run + 1, _run + 1 + {RUNS_PER_CELL}):
    _cell("exercise_1", "# try it")
    _returned("cell", _run)
    _telemetry_capture("hint", {{"number": _run}})
    _returned("hint", _run)
    try:
        _test()
    except AssertionError:
        pass
    _returned("test", _run)
    time.sleep(0.002)
"""
NUMBERED_BY = {"start": "rerun", "cell": "cell_num", "hint": "number", "test": "try"}
# What the flapping server answers, and whether it has accepted the events all the same.
MOODS: tuple[tuple[int | Fault, bool], ...] = (
    (200, False),
    (200, False),
    (503, False),
    (502, True),
    (Fault.RESET, True),
    (Fault.HANG_UP, False),
    (Fault.HANG, True),
)
STUDENTS = ("SARA-AL-HARBI", "JOHN-DOE", "")


@dataclass(frozen=True)
class Life:
    """One kernel's life with one notebook."""

    notebook_id: str
    server: CaptureServer
    student: str
    """Empty: the panel asks, and nobody answers."""
    returned_file: Path
    """What has returned, in the words of the cells: `cell 1`, `hint 1`, `test 1` ..."""
    calls: int = CALLS
    """It is killed when so many calls have returned ..."""
    and_s: float = 0
    """... and so much time has passed since."""

    def begin_in(self, nursery: Nursery) -> Newborn:
        kernel = nursery.fork(self.notebook_id)
        kernel.send(
            SETUP_CELL.format(
                setup=SETUP,
                notebook_id=self.notebook_id,
                host=self.server.url,
                student=self.student or None,
                returned=str(self.returned_file),
            )
        )
        for _ in range(CELLS):
            kernel.send(TRACKED_CELL)
        return kernel

    def end_by_kill(self, nursery: Nursery) -> None:
        kernel = self.begin_in(nursery)
        wait_until(lambda: len(self.returned()) >= self.calls, timeout_s=60, every_s=0.005)
        moment = time.monotonic() + self.and_s
        wait_until(lambda: time.monotonic() >= moment, every_s=0.001)
        kernel.kill()

    def end_by_itself(self, nursery: Nursery) -> None:
        kernel = self.begin_in(nursery)
        wait_until(lambda: len(self.returned()) == CALLS, timeout_s=60)
        kernel.shutdown()

    def returned(self) -> list[str]:
        try:
            return self.returned_file.read_text("ascii").splitlines()
        except FileNotFoundError:  # its first cell has not begun
            return []


@dataclass(frozen=True)
class Arrived:
    """What a server has of each notebook: the distinct events, in the order of arrival."""

    of: dict[str, list[Event]]

    @classmethod
    def at(cls, server: CaptureServer) -> Arrived:
        of: dict[str, list[Event]] = {}
        for event in server.distinct().values():
            of.setdefault(event["properties"]["nb"], []).append(event)
        return cls(of)

    def lacks(self, life: Life) -> list[str]:
        """What has returned in `life`, and has not arrived."""
        events = [e for e in self.of.get(life.notebook_id, []) if e["event"] in NUMBERED_BY]
        calls = {f"{e['event']} {e['properties'][NUMBERED_BY[e['event']]]}" for e in events}
        return [call for call in life.returned() if call not in calls]

    def assert_in_order(self, life: Life) -> None:
        """One session, its `seq` without gaps as it arrived, under one name: its own."""
        events = self.of.get(life.notebook_id, [])
        assert [event["properties"]["seq"] for event in events] == list(range(len(events)))
        sessions = {event["properties"]["sess"] for event in events}
        students = {event["distinct_id"] for event in events}
        assert len(sessions) <= 1
        assert students <= {life.student or f"ANONYMOUS-{''.join(sessions).upper()}"}


@contextmanager
def _flapping(server: CaptureServer, chance: random.Random) -> Iterator[None]:
    """Have `server` answer, fail and be away by turns."""
    stopped = threading.Event()

    def flap() -> None:
        while not stopped.wait(chance.uniform(0.02, 0.3)):
            server.release()
            server.answer, server.accepts_anyway = chance.choice(MOODS)
            if chance.random() < 0.2:
                server.stop()
                stopped.wait(chance.uniform(0.02, 0.3))
                server.start()

    thread = threading.Thread(target=flap)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        server.release()
        server.answer, server.accepts_anyway = 200, False


@pytest.mark.timeout(300)
def test_no_event_whose_call_has_returned_is_lost_when_kernels_are_killed(
    new_kernel: NewKernel, state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(4)  # noqa: S311 - the same lives in each run
    with CaptureServer() as up, CaptureServer() as down, CaptureServer() as flapping:
        down.stop()
        lives = [
            Life(
                notebook_id=f"D{number}",
                server=(up, down, flapping)[number % 3],
                student=chance.choice(STUDENTS),
                returned_file=tmp_path / f"returned-{number}",
                calls=chance.randint(0, CALLS),
                and_s=chance.choice([0.005, 0.3]) * chance.random(),
            )
            for number in range(KILLS)
        ]
        with (
            Nursery(environment_with({}), tmp_path) as nursery,
            _flapping(flapping, chance),
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            list(pool.map(lambda life: life.end_by_kill(nursery), lives))
        down.start()

        heir = new_kernel(TELEMETRY_HOST=up.url)
        heir.run(f"{SETUP}\nsetup_telemetry('the_next_notebook', student='Heir')")
        sessions = state_dir / "outbox"
        wait_until(lambda: len(list(sessions.iterdir())) == 1, timeout_s=60)  # the heir's own

        arrived = {server: Arrived.at(server) for server in (up, down, flapping)}
        lost = [call for life in lives for call in arrived[life.server].lacks(life)]
        returned = sum(len(life.returned()) for life in lives)
        repeats = sum(len(server.events) - len(server.distinct()) for server in arrived)
        with capsys.disabled():
            print(  # noqa: T201 - the figure
                f"\n{KILLS} kills, {returned} events whose call had returned, "
                f"{len(lost)} lost, {repeats} repeats"
            )
        assert lost == []
        for life in lives:
            arrived[life.server].assert_in_order(life)
        for server in (down, flapping):
            assert set(arrived[server].of) <= {x.notebook_id for x in lives if x.server is server}


def test_no_event_is_sent_twice_when_the_server_is_up_and_kernels_end_by_themselves(
    server: CaptureServer, state_dir: Path, tmp_path: Path
) -> None:
    lives = [
        Life(f"D{number}", server, "SARA-AL-HARBI", tmp_path / f"returned-{number}")
        for number in range(AT_ONCE)
    ]
    with Nursery(environment_with({}), tmp_path) as nursery, ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda life: life.end_by_itself(nursery), lives))

    arrived = Arrived.at(server)
    assert len(server.events) == AT_ONCE * (CALLS + CELLS)  # a `cell_end` for each cell
    assert len(server.distinct()) == len(server.events)
    for life in lives:
        assert len(life.returned()) == CALLS
        assert arrived.lacks(life) == []
        arrived.assert_in_order(life)
    assert list((state_dir / "outbox").iterdir()) == []
