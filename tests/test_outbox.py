"""What is appended to an outbox is kept, numbered, in order, and gone when it is delivered."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from kept_events import kept_events
from outboxes import SESS, Clock, deliver_all, die, folder_of, numbers, only_file, size_bytes, uuids
from records import a_record

from ipynb_telemetry import outbox
from ipynb_telemetry.adoption import adopt_leftovers
from ipynb_telemetry.events import Record
from ipynb_telemetry.outbox import Outbox

MIB = 1024 * 1024
ARABIC_PREVIEW = ("اكتب دالة تحسب عدد الأيام بين تاريخين " * 20)[:500]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(state_dir: Path, clock: Clock) -> Iterator[Outbox]:
    box = Outbox(state_dir, SESS, appended=lambda: None, clock=clock)
    yield box
    box.close()


def settle(box: Outbox, clock: Clock) -> bool:
    """Let the outbox bring the disk up to date, a second later."""
    clock.now_s += 1
    return box.settle()


# Kept before `append` returns


def test_an_event_is_in_the_file_when_append_returns(box: Outbox, state_dir: Path) -> None:
    record = a_record({"own": 1})
    box.append(record)

    (kept,) = kept_events(state_dir)
    assert (kept["uuid"], kept["timestamp"]) == (record["uuid"], record["timestamp"])
    assert kept["properties"]["own"] == 1


def test_append_returns_the_line_that_is_kept(box: Outbox, state_dir: Path) -> None:
    line = box.append(a_record())

    assert only_file(state_dir).read_bytes() == line


def test_it_says_that_an_event_was_appended_when_it_is_kept(state_dir: Path) -> None:
    kept_when_told: list[int] = []
    box = Outbox(
        state_dir, SESS, appended=lambda: kept_when_told.append(len(kept_events(state_dir)))
    )
    box.append(a_record())
    box.append(a_record())
    box.close()

    assert kept_when_told == [1, 2]


def test_events_outlive_a_process_that_is_killed(state_dir: Path) -> None:
    lesson = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from records import a_record\n"
        "from ipynb_telemetry.outbox import Outbox\n"
        f"box = Outbox(Path(sys.argv[2]), {SESS!r}, appended=lambda: None)\n"
        "for _ in range(5): box.append(a_record())\n"
        "os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", lesson, str(Path(__file__).parent), str(state_dir)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL

    (left,) = adopt_leftovers(state_dir)

    assert numbers(deliver_all(left)) == [0, 1, 2, 3, 4]


def test_before_the_first_event_there_is_nothing_on_disk(box: Outbox, state_dir: Path) -> None:
    box.give_name("SARA")

    assert not state_dir.exists()


def test_events_are_numbered_without_gaps(box: Outbox, state_dir: Path) -> None:
    for _ in range(3):
        box.append(a_record())

    assert numbers(kept_events(state_dir)) == [0, 1, 2]
    assert box.recorded == 3


def test_a_number_of_somebodys_own_is_replaced(box: Outbox, state_dir: Path) -> None:
    line = box.append(a_record({"seq": 99}))

    assert line.count(b'"seq":') == 1
    assert numbers(kept_events(state_dir)) == [0]


def test_an_object_can_record_events_while_it_is_written_down(box: Outbox, state_dir: Path) -> None:
    class Chatty:
        def __str__(self) -> str:
            box.append(a_record())
            return "chatty"

    box.append(a_record({"value": Chatty()}))

    assert numbers(kept_events(state_dir)) == [0, 1]


def test_only_their_owner_can_read_the_files(box: Outbox, state_dir: Path) -> None:
    before = os.umask(0)
    box.append(a_record())
    box.give_name("SARA")
    batch = box.next_batch()
    assert batch is not None
    box.set_aside(batch.records[0], "400")
    box.acknowledge(batch)
    os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state_dir.rglob("*")}
    files = {"00000001.jsonl", "student", "acknowledged", f"{SESS}.jsonl"}
    folders = {"outbox", "set-aside", folder_of(state_dir).name}
    assert modes == dict.fromkeys(files, 0o600) | dict.fromkeys(folders, 0o700)
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700


# Delivered in order, and once


def test_events_are_delivered_in_order(box: Outbox) -> None:
    for _ in range(7):
        box.append(a_record())

    assert numbers(deliver_all(box, max_events=3)) == [0, 1, 2, 3, 4, 5, 6]


def test_a_batch_has_at_most_as_many_events_as_are_asked_for(box: Outbox) -> None:
    for _ in range(4):
        box.append(a_record())

    batch = box.next_batch(3)

    assert batch is not None
    assert numbers(batch.records) == [0, 1, 2]


def test_a_batch_is_small_enough_for_a_slow_line(box: Outbox) -> None:
    for _ in range(5):
        box.append(a_record({"output": "x" * 800_000}))

    batch = box.next_batch()

    assert batch is not None
    assert numbers(batch.records) == [0, 1]


def test_a_batch_comes_again_until_it_is_acknowledged(box: Outbox) -> None:
    box.append(a_record())

    assert box.next_batch() == box.next_batch() is not None


def test_what_is_acknowledged_does_not_come_again(box: Outbox) -> None:
    box.append(a_record())
    deliver_all(box)

    assert box.next_batch() is None


def test_an_event_that_is_appended_meanwhile_is_not_acknowledged(box: Outbox) -> None:
    box.append(a_record())
    batch = box.next_batch()
    assert batch is not None
    box.append(a_record())
    box.acknowledge(batch)

    assert numbers(deliver_all(box)) == [1]


@pytest.mark.parametrize(
    "other", [{"host": "http://127.0.0.1:2"}, {"api_key": "phc_other"}, {"host": None}]
)
def test_two_destinations_are_never_in_one_batch(other: dict[str, str | None], box: Outbox) -> None:
    box.append(a_record())
    box.append(a_record(**other))  # type: ignore[arg-type]
    box.append(a_record())

    assert [numbers(batch) for batch in batches_of(box)] == [[0], [1], [2]]


def batches_of(box: Outbox) -> list[tuple[Record, ...]]:
    batches = []
    while (batch := box.next_batch()) is not None:
        batches.append(batch.records)
        box.acknowledge(batch)
    return batches


# The name


def test_the_name_is_kept_with_the_events(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    box.give_name("SARA")

    assert (folder_of(state_dir) / "student").read_text() == "SARA"


def test_a_name_that_was_there_before_the_first_event_is_kept(box: Outbox, state_dir: Path) -> None:
    box.give_name("SARA")
    box.append(a_record())

    assert (folder_of(state_dir) / "student").read_text() == "SARA"


def test_what_waited_keeps_the_first_name(box: Outbox, state_dir: Path) -> None:
    """It may have been sent already: sent once more it must be the same."""
    box.append(a_record())
    box.give_name("SARAH")
    box.give_name("SARA")

    assert box.student == "SARAH"
    assert (folder_of(state_dir) / "student").read_text() == "SARAH"


def test_a_name_wakes_the_delivery(state_dir: Path) -> None:
    told: list[str] = []
    box = Outbox(state_dir, SESS, appended=lambda: told.append("told"))
    box.give_name("SARA")

    assert told == ["told"]


# Bounded space


def test_a_full_file_is_followed_by_another(box: Outbox, state_dir: Path) -> None:
    for _ in range(5):
        box.append(a_record({"output": "x" * 700_000}))

    files = sorted(path.name for path in folder_of(state_dir).glob("*.jsonl"))
    assert files == ["00000001.jsonl", "00000002.jsonl", "00000003.jsonl"]
    assert numbers(deliver_all(box)) == [0, 1, 2, 3, 4]


def test_a_file_that_is_delivered_is_deleted(box: Outbox, state_dir: Path) -> None:
    for _ in range(3):
        box.append(a_record({"output": "x" * 700_000}))
    assert len(list(folder_of(state_dir).glob("*.jsonl"))) == 2

    deliver_all(box)

    assert only_file(state_dir).name == "00000002.jsonl"


def test_what_is_noted_is_not_written_again(box: Outbox, state_dir: Path, clock: Clock) -> None:
    box.append(a_record())
    deliver_all(box)
    noted = folder_of(state_dir) / "acknowledged"
    os.utime(noted, (0, 0))

    settle(box, clock)

    assert noted.stat().st_mtime == 0


def test_the_current_file_is_left_when_all_of_it_is_delivered(
    box: Outbox, state_dir: Path, clock: Clock
) -> None:
    box.append(a_record({"output": "x" * 100_000}))
    deliver_all(box)

    settle(box, clock)

    assert only_file(state_dir).stat().st_size == 0


def test_the_current_file_is_not_left_while_something_in_it_waits(
    box: Outbox, state_dir: Path, clock: Clock
) -> None:
    box.append(a_record({"output": "x" * 100_000}))
    deliver_all(box)
    box.append(a_record())

    settle(box, clock)

    assert numbers(deliver_all(box)) == [1]
    assert only_file(state_dir).name == "00000001.jsonl"


def test_a_day_of_lessons_does_not_leave_a_day_of_files(
    box: Outbox, state_dir: Path, clock: Clock
) -> None:
    largest = delivered = 0
    for _ in range(80):
        for _ in range(50):
            box.append(a_record({"code": ARABIC_PREVIEW}))
        largest = max(largest, size_bytes(state_dir))
        delivered += len(deliver_all(box))
        settle(box, clock)

    assert delivered == 4_000
    assert largest < MIB // 4
    assert size_bytes(state_dir) <= 64 * 1024


@pytest.mark.parametrize("code", ["x = 1  # ASCII\n" * 36, ARABIC_PREVIEW], ids=["ASCII", "Arabic"])
def test_ten_thousand_events_offline_are_under_twenty_megabytes(
    code: str, box: Outbox, state_dir: Path
) -> None:
    for i in range(5_000):  # a `cell` is followed by a `cell_end`
        box.append(a_record({"cell_id": "exercise_1", "cell_num": i, "code": code[:500]}))
        box.append(a_record({"cell_id": "exercise_1", "cell_num": i, "ok": True, "ms": 5}))

    assert size_bytes(state_dir) < 20_000_000
    assert numbers(deliver_all(box)) == list(range(10_000))


def test_ten_thousand_previews_in_arabic_are_under_twenty_megabytes(
    box: Outbox, state_dir: Path
) -> None:
    for _ in range(1_000):
        box.append(a_record({"cell_id": "exercise_1", "cell_num": 1, "code": ARABIC_PREVIEW}))

    assert size_bytes(state_dir) * 10 < 20_000_000


# Synced to the disk


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Inode and size of each file that was brought from the system's memory to the disk."""
    synced: list[tuple[int, int]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((status.st_ino, status.st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return synced


def inode_and_size(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_size


def test_appending_does_not_wait_for_the_disk(box: Outbox, synced: list[tuple[int, int]]) -> None:
    box.append(a_record())

    assert synced == []


def test_what_was_appended_is_synced_when_it_settles(
    box: Outbox, state_dir: Path, clock: Clock, synced: list[tuple[int, int]]
) -> None:
    box.append(a_record())
    settle(box, clock)

    assert synced == [inode_and_size(only_file(state_dir))]


def test_it_is_synced_once_in_a_second(
    box: Outbox, clock: Clock, synced: list[tuple[int, int]]
) -> None:
    for _ in range(10):
        box.append(a_record())
        clock.now_s += 0.25
        box.settle()

    assert len(synced) == 3


def test_nothing_is_synced_while_nothing_happens(
    box: Outbox, clock: Clock, synced: list[tuple[int, int]]
) -> None:
    box.append(a_record())
    for _ in range(3):
        settle(box, clock)

    assert len(synced) == 1


def test_the_end_of_a_full_file_is_synced_too(
    box: Outbox, state_dir: Path, clock: Clock, synced: list[tuple[int, int]]
) -> None:
    for _ in range(3):
        box.append(a_record({"output": "x" * 700_000}))
    settle(box, clock)

    files = sorted(folder_of(state_dir).glob("*.jsonl"))
    assert len(files) == 2
    assert sorted(synced) == sorted(map(inode_and_size, files))


def test_what_was_appended_last_is_synced_at_the_end(
    box: Outbox, state_dir: Path, clock: Clock, synced: list[tuple[int, int]]
) -> None:
    box.append(a_record())
    settle(box, clock)
    box.append(a_record())
    box.close()

    assert synced[1:] == [inode_and_size(only_file(state_dir))]


def test_it_says_whether_something_is_left_to_be_synced(box: Outbox, clock: Clock) -> None:
    box.append(a_record())
    settle(box, clock)
    box.append(a_record())

    assert box.settle()  # the second is not over
    assert not settle(box, clock)


# The end


def test_nothing_is_left_behind(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    box.give_name("SARA")
    deliver_all(box)

    assert box.remove()
    assert list((state_dir / "outbox").iterdir()) == []


def test_an_outbox_that_was_never_used_can_be_removed(
    box: Outbox, state_dir: Path, telemetry_log: list[logging.LogRecord]
) -> None:
    assert box.remove()
    assert not state_dir.exists()
    assert telemetry_log == []


def test_an_event_that_came_late_is_not_removed(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    deliver_all(box)
    box.append(a_record())

    assert not box.remove()
    assert numbers(deliver_all(box)) == [1]


def test_an_event_after_the_end_begins_anew(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    deliver_all(box)
    box.remove()
    box.append(a_record())

    assert numbers(deliver_all(box)) == [1]


def test_an_event_after_the_end_is_left_for_the_next_session(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    deliver_all(box)
    box.remove()
    box.append(a_record())
    box.close()
    die(state_dir)

    (left,) = adopt_leftovers(state_dir)
    assert numbers(deliver_all(left)) == [1]


def test_a_file_of_somebody_else_stays(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    deliver_all(box)
    note = folder_of(state_dir) / "note.txt"
    note.write_text("not ours")

    assert box.remove()
    assert list(note.parent.iterdir()) == [note]


def test_files_that_are_let_go_of_stay(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    box.close()

    assert len(kept_events(state_dir)) == 1


def open_files() -> set[Path]:
    return {path.resolve() for path in Path("/proc/self/fd").iterdir()}


def test_no_file_stays_open(state_dir: Path, clock: Clock) -> None:
    before = open_files()
    box = Outbox(state_dir, SESS, appended=lambda: None, clock=clock)
    for _ in range(5):
        box.append(a_record({"output": "x" * 700_000}))
        settle(box, clock)
    deliver_all(box)
    settle(box, clock)
    box.remove()

    assert open_files() == before


# Many threads


def test_ten_threads_leave_no_gap(box: Outbox, state_dir: Path) -> None:
    def run() -> None:
        for _ in range(1_000):
            box.append(a_record())

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert numbers(kept_events(state_dir)) == list(range(10_000))


def test_what_ten_threads_append_is_delivered_once_meanwhile(
    box: Outbox, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(outbox, "MAX_SEGMENT_BYTES", 10_000)
    monkeypatch.setattr(outbox, "_MAX_DONE_BYTES", 1_000)

    def run() -> None:
        for _ in range(200):
            box.append(a_record())

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    delivered: list[Record] = []
    while any(thread.is_alive() for thread in threads):
        delivered += deliver_all(box, max_events=20)
        settle(box, clock)
    delivered += deliver_all(box)

    assert numbers(delivered) == list(range(2_000))


# An interrupt


class Interrupt(BaseException):
    """What Ctrl-C raises, told apart from somebody's real Ctrl-C."""


class Alarm:
    """Interrupts what is done, wherever it is by then."""

    def __init__(self) -> None:
        self._armed = False
        self._chance = random.Random(4)  # noqa: S311 - no secret
        self._before = signal.signal(signal.SIGALRM, self._interrupt)

    def append_interrupted(
        self, box: Outbox, times: int, longest_s: float
    ) -> tuple[list[str], int]:
        """Append events, each interrupted at another moment.

        Returns:
            The uuids of those whose append returned, and how many did not.
        """
        returned: list[str] = []
        for _ in range(times):
            record = a_record()
            try:
                try:
                    self._armed = True
                    signal.setitimer(signal.ITIMER_REAL, self._chance.uniform(1e-6, longest_s))
                    box.append(record)
                    returned.append(record["uuid"])
                finally:
                    self._armed = False
            except Interrupt:
                pass
        return returned, times - len(returned)

    def close(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self._armed:
            raise Interrupt


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    gc.disable()  # what is interrupted in a collector's callback is interrupted without effect
    alarm = Alarm()
    yield alarm
    alarm.close()
    gc.enable()


# pytest-timeout's own way of interrupting would get in between.
by_thread = pytest.mark.timeout(60, method="thread")


def assert_nothing_is_lost_or_doubled(
    delivered: list[Record], returned: list[str], recorded: int
) -> None:
    assert numbers(delivered) == list(range(recorded))
    assert len(set(uuids(delivered))) == recorded
    assert set(returned) <= set(uuids(delivered))


@by_thread
@pytest.mark.parametrize("segment_bytes", [1, 2_000, MIB])
def test_an_interrupt_at_any_moment_leaves_no_gap(
    segment_bytes: int, box: Outbox, alarm: Alarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_SEGMENT_BYTES", segment_bytes)

    returned, interrupted = alarm.append_interrupted(box, 600, 3e-4 if segment_bytes == 1 else 1e-4)
    box.append(a_record())

    assert interrupted > 50
    assert_nothing_is_lost_or_doubled(deliver_all(box), returned, box.recorded)


def append_interrupted_at_line(box: Outbox, number: int) -> Record | None:
    """Append an event, interrupted before the line that is executed as the `number`-th.

    Returns:
        The event if it was not interrupted: there are not so many lines.
    """
    record = a_record()
    left = number

    def trace(frame: FrameType, what: str, _arg: object) -> Any:
        nonlocal left
        if what == "line" and frame.f_globals.get("__name__", "").startswith("ipynb_telemetry."):
            left -= 1
            if left == 0:
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        box.append(record)
    except Interrupt:
        return None
    finally:
        sys.settrace(before)
    return record


@by_thread
@pytest.mark.parametrize("more", [0, 1])
def test_an_interrupt_at_each_line_hides_no_event(
    more: int, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 1_000):
        box = Outbox(state_dir, f"{number:08}", appended=lambda: None)
        monkeypatch.setattr(outbox, "MAX_SEGMENT_BYTES", 1)
        box.append(a_record())
        whole = append_interrupted_at_line(box, number)  # begins a new file
        monkeypatch.setattr(outbox, "MAX_SEGMENT_BYTES", MIB)
        for _ in range(more):
            box.append(a_record())

        assert numbers(deliver_all(box)) == list(range(box.recorded))
        assert box.remove()
        if whole:
            break
    assert 20 < number < 1_000


@by_thread
def test_an_interrupt_leaves_no_gap_while_events_wait_in_memory(
    box: Outbox, alarm: Alarm, state_dir: Path
) -> None:
    state_dir.write_text("a file where the folder should be")
    box.append(a_record())

    returned, interrupted = alarm.append_interrupted(box, 600, 6e-5)
    box.append(a_record())

    assert interrupted > 50
    assert_nothing_is_lost_or_doubled(deliver_all(box), returned, box.recorded)


def interrupt_before_the_number_is_used_up(box: Outbox) -> None:
    """Leave the latest event as an interrupt between two lines of `append` leaves it."""
    box._tail = box._tail._replace(seq=box._tail.seq - 1)
    box._in_doubt = 1


def test_an_event_from_memory_is_delivered_before_its_interrupt_is_looked_into(
    box: Outbox, state_dir: Path
) -> None:
    state_dir.write_text("a file where the folder should be")
    box.append(a_record())
    interrupt_before_the_number_is_used_up(box)

    assert numbers(deliver_all(box)) == [0]
    box.append(a_record())
    assert numbers(deliver_all(box)) == [1]


def test_a_file_is_left_before_the_interrupt_of_its_last_event_is_looked_into(
    box: Outbox, state_dir: Path, clock: Clock
) -> None:
    box.append(a_record({"output": "x" * 100_000}))
    line = box.append(a_record())
    deliver_all(box)
    box._tail = box._tail._replace(size_bytes=box._tail.size_bytes - len(line), seq=1)
    box._in_doubt = len(line)

    settle(box, clock)

    box.append(a_record())
    assert numbers(deliver_all(box)) == [2]


@by_thread
def test_an_interrupt_leaves_no_gap_while_events_are_delivered(
    box: Outbox, alarm: Alarm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_SEGMENT_BYTES", 2_000)
    monkeypatch.setattr(outbox, "_MAX_DONE_BYTES", 500)
    delivered: list[Record] = []
    done = threading.Event()

    def deliver() -> None:
        while not done.wait(0.001):
            delivered.extend(deliver_all(box, max_events=3))
            settle(box, clock)

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    returned, interrupted = alarm.append_interrupted(box, 600, 2e-4)
    done.set()
    thread.join()
    box.append(a_record())
    delivered += deliver_all(box)

    assert interrupted > 50
    assert_nothing_is_lost_or_doubled(delivered, returned, box.recorded)


# A fork

FORKS = """
import json, os, sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from records import a_record
from ipynb_telemetry.outbox import Outbox

state_dir = Path(sys.argv[2])
parent = Outbox(state_dir, "aaaaaaaa", appended=lambda: None)
parent.append(a_record())
stopped = threading.Event()

def run():
    while not stopped.is_set():
        parent.append(a_record())

thread = threading.Thread(target=run)  # holds the lock at some of the forks
thread.start()
children = []
for i in range(10):
    child = os.fork()
    if child == 0:
        parent.close_in_child()
        box = Outbox(state_dir, f"bbbbbbb{i}", appended=lambda: None)
        for _ in range(3):
            box.append(a_record())
        os._exit(0)
    children.append(child)
statuses = [os.waitpid(child, 0)[1] for child in children]
stopped.set()
thread.join()
parent.append(a_record())
print(json.dumps([statuses, parent.recorded]))
"""


def test_a_forked_child_leaves_its_own_events_and_none_of_its_parents(state_dir: Path) -> None:
    command = [
        sys.executable, "-W", "ignore", "-c", FORKS, str(Path(__file__).parent), str(state_dir),
    ]  # fmt: skip
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    statuses, recorded = eval(answer.stdout)  # noqa: S307 - our own script's

    left = {content.sess: numbers(deliver_all(content)) for content in adopt_leftovers(state_dir)}

    assert statuses == [0] * 10
    assert left == {"aaaaaaaa": list(range(recorded))} | {
        f"bbbbbbb{i}": [0, 1, 2] for i in range(10)
    }


def test_a_child_does_not_wait_for_what_a_thread_of_its_parent_held(box: Outbox) -> None:
    box.append(a_record())

    with box._lock:
        box.close_in_child()
