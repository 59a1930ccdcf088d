"""What a dead session left is taken over by exactly one process, under its own identity."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outboxes import SESS, deliver_all, die, folder_of, numbers, only_file
from records import a_record
from waiting import wait_until

from ipynb_telemetry.adoption import adopt_leftovers
from ipynb_telemetry.backlog import Backlog
from ipynb_telemetry.outbox import Outbox
from ipynb_telemetry.ownership import Owner

HOUR_S = 3600


def leave(
    state_dir: Path, events: int = 2, *, sess: str = SESS, name: str = "", machine: str = ""
) -> Path:
    """The folder of a session that has died."""
    box = Outbox(state_dir, sess, appended=lambda: None)
    for _ in range(events):
        box.append(a_record())
    if name:
        box.give_name(name)
    box.close()
    return die(state_dir, sess, machine=machine)


@pytest.fixture
def living(state_dir: Path) -> Iterator[Outbox]:
    """The outbox of this process's own session, with one event."""
    box = Outbox(state_dir, "11111111", appended=lambda: None)
    box.append(a_record())
    yield box
    box.close()


def adopt(state_dir: Path) -> Backlog:
    (left,) = adopt_leftovers(state_dir)
    return left


def test_what_a_dead_session_left_is_adopted(state_dir: Path) -> None:
    leave(state_dir)

    left = adopt(state_dir)

    assert (left.sess, numbers(deliver_all(left))) == (SESS, [0, 1])


def test_where_nothing_was_left_there_is_nothing_to_adopt(state_dir: Path) -> None:
    assert adopt_leftovers(state_dir) == []


def test_it_is_adopted_once(state_dir: Path) -> None:
    leave(state_dir)
    adopt(state_dir)

    assert adopt_leftovers(state_dir) == []


def test_a_session_of_this_process_is_not_adopted(state_dir: Path, living: Outbox) -> None:
    assert adopt_leftovers(state_dir) == []


def test_it_is_counted_before_it_is_sent(state_dir: Path) -> None:
    leave(state_dir, 5)

    assert adopt(state_dir).waiting() == 5


def test_what_was_delivered_before_is_not_sent_again(state_dir: Path) -> None:
    box = Outbox(state_dir, SESS, appended=lambda: None)
    for _ in range(5):
        box.append(a_record())
    batch = box.next_batch(2)
    assert batch is not None
    box.acknowledge(batch)
    box.close()
    die(state_dir)

    left = adopt(state_dir)

    assert left.waiting() == 3
    assert numbers(deliver_all(left)) == [2, 3, 4]


def test_where_all_was_delivered_before_nothing_is_sent(state_dir: Path) -> None:
    box = Outbox(state_dir, SESS, appended=lambda: None)
    box.append(a_record())
    deliver_all(box)
    box.close()
    die(state_dir)

    assert adopt(state_dir).next_batch() is None


def test_what_is_adopted_from_whoever_adopted_it_is_not_sent_again(state_dir: Path) -> None:
    leave(state_dir, 3)
    first = adopt(state_dir)
    batch = first.next_batch(1)
    assert batch is not None
    first.acknowledge(batch)
    first.close()
    die(state_dir)

    assert numbers(deliver_all(adopt(state_dir))) == [1, 2]


def test_when_all_is_delivered_nothing_is_left(state_dir: Path) -> None:
    leave(state_dir, name="SARA")
    left = adopt(state_dir)
    deliver_all(left)

    assert left.remove()
    assert list((state_dir / "outbox").iterdir()) == []


def test_what_still_waits_is_not_removed(state_dir: Path) -> None:
    leave(state_dir)
    left = adopt(state_dir)

    assert not left.remove()
    assert numbers(deliver_all(left)) == [0, 1]


def test_an_empty_folder_is_removed(state_dir: Path) -> None:
    leave(state_dir, 1)
    left = adopt(state_dir)
    only_file(state_dir).unlink()

    assert left.next_batch() is None
    assert left.remove()
    assert list((state_dir / "outbox").iterdir()) == []


# Under its own identity


def test_it_goes_out_under_its_own_name(state_dir: Path) -> None:
    leave(state_dir, name="SARA")

    assert adopt(state_dir).student == "SARA"


def test_what_never_had_a_name_goes_out_as_anonymous(state_dir: Path, living: Outbox) -> None:
    living.give_name("LENA")
    leave(state_dir)

    assert adopt(state_dir).student == "ANONYMOUS-ABCDEF01"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_name_that_cannot_be_read_is_no_name(content: bytes, state_dir: Path) -> None:
    (leave(state_dir, name="SARA") / "student").write_bytes(content)

    assert adopt(state_dir).student == "ANONYMOUS-ABCDEF01"


def test_it_goes_where_it_was_captured_for(state_dir: Path) -> None:
    leave(state_dir)

    left = adopt(state_dir)

    assert left.destination is None
    assert {record["host"] for record in deliver_all(left)} == {"http://127.0.0.1:1"}


# Another computer that shares the folder


@pytest.mark.parametrize(("hours", "count"), [(0, 0), (23, 0), (25, 1)])
def test_another_computer_has_a_day_to_be_heard_of(hours: int, count: int, state_dir: Path) -> None:
    folder = leave(state_dir, machine="0123456789ab")
    os.utime(folder, (0, time.time() - hours * HOUR_S))

    assert len(adopt_leftovers(state_dir)) == count


def test_the_folders_of_this_process_look_alive_to_other_computers(
    state_dir: Path, living: Outbox
) -> None:
    leave(state_dir)
    adopt(state_dir)
    folders = list((state_dir / "outbox").iterdir())
    assert len(folders) == 2
    for folder in folders:
        os.utime(folder, (0, 0))

    adopt_leftovers(state_dir)

    assert all(time.time() - folder.stat().st_mtime < HOUR_S for folder in folders)


def test_what_was_silent_for_days_looks_alive_once_it_is_adopted(state_dir: Path) -> None:
    os.utime(leave(state_dir), (0, 0))

    adopt(state_dir)

    assert time.time() - folder_of(state_dir).stat().st_mtime < HOUR_S


def test_what_another_computer_has_taken_over_meanwhile_is_let_go(state_dir: Path) -> None:
    leave(state_dir, 3)
    left = adopt(state_dir)

    die(state_dir, machine="0123456789ab")

    assert left.next_batch() is None
    assert left.remove()
    assert len(list((state_dir / "outbox").iterdir())) == 1


# Several at once

RACES = """
import json, sys
from pathlib import Path
from ipynb_telemetry.adoption import adopt_leftovers
from ipynb_telemetry.ownership import Owner
Owner.this_process()
print("ready", flush=True)
sys.stdin.read(1)
adopted = {}
for left in adopt_leftovers(Path(sys.argv[1])):
    adopted[left.sess] = [r["properties"]["seq"] for r in left.next_batch().records]
print(json.dumps(adopted), flush=True)
sys.stdin.read()
"""


def test_of_several_processes_exactly_one_adopts(state_dir: Path) -> None:
    sessions = [f"{i:08x}" for i in range(30)]
    for sess in sessions:
        leave(state_dir, sess=sess)
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", RACES, str(state_dir)]
    racers = [subprocess.Popen(command, stdin=pipe, stdout=pipe) for _ in range(4)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == b"ready\n"

    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"x")
        racer.stdin.flush()
    adopted = [json.loads(racer.stdout.readline()) for racer in racers if racer.stdout]
    for racer in racers:
        racer.communicate()

    assert sorted(sess for each in adopted for sess in each) == sessions
    assert all(seqs == [0, 1] for each in adopted for seqs in each.values())


def test_a_session_of_another_process_that_lives_is_not_adopted(state_dir: Path) -> None:
    lesson = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from records import a_record\n"
        "from ipynb_telemetry.outbox import Outbox\n"
        "Outbox(Path(sys.argv[2]), 'abcdef01', appended=lambda: None).append(a_record())\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", lesson, str(Path(__file__).parent), str(state_dir)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    wait_until(lambda: list(state_dir.glob("outbox/*/*.jsonl")))
    while_it_lives = adopt_leftovers(state_dir)
    process.kill()
    process.communicate()

    assert while_it_lives == []
    assert len(adopt_leftovers(state_dir)) == 1


# What is not as it should be


@pytest.mark.parametrize(
    "name", ["x", "abcdef01", "abcdef01.", ".", "abcdef01.a-b-c", "abcdef01.a-b-c-d-e", ".DS_Store"]
)
def test_what_is_no_folder_of_a_session_is_left_alone(name: str, state_dir: Path) -> None:
    leave(state_dir)
    other = state_dir / "outbox" / name
    other.mkdir(exist_ok=True)

    adopt(state_dir)

    assert other.is_dir()


def test_a_file_in_the_place_of_a_folder_keeps_nobody_from_adopting(state_dir: Path) -> None:
    name = leave(state_dir).name.replace(SESS, "00000000")
    (state_dir / "outbox" / name).write_text("not a folder")

    left = {content.sess: numbers(deliver_all(content)) for content in adopt_leftovers(state_dir)}

    assert left[SESS] == [0, 1]


def test_a_copy_that_a_cloud_drive_made_is_passed_over(state_dir: Path) -> None:
    folder = leave(state_dir)
    content = (folder / "00000001.jsonl").read_bytes()
    (folder / "00000001 (conflicted copy).jsonl").write_bytes(content)

    assert numbers(deliver_all(adopt(state_dir))) == [0, 1]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to(path.name)])
def test_a_file_that_cannot_be_read_now_is_not_passed_over(
    make: Callable[[Path], None], state_dir: Path
) -> None:
    folder = leave(state_dir)
    (folder / "00000001.jsonl").rename(folder / "00000002.jsonl")
    make(folder / "00000001.jsonl")

    left = adopt(state_dir)

    assert (left.waiting(), left.next_batch(), left.remove()) == (2, None, False)
    assert len(list(folder_of(state_dir).glob("*.jsonl"))) == 2


def test_a_file_that_has_gone_does_not_hold_up_the_next(state_dir: Path) -> None:
    folder = leave(state_dir)
    (folder / "00000002.jsonl").write_bytes((folder / "00000001.jsonl").read_bytes())
    left = adopt(state_dir)
    (folder_of(state_dir) / "00000001.jsonl").unlink()

    assert numbers(deliver_all(left)) == [0, 1]
    assert left.remove()


MANY = 5


def a_place(folder: Path) -> int:
    """A byte in the middle of the session's third event."""
    lines = (folder / "00000001.jsonl").read_bytes().splitlines(keepends=True)
    return len(lines[0]) + len(lines[1]) + 20


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda _: b"", id="nothing"),
        pytest.param(lambda _: b"1 1", id="torn"),
        pytest.param(lambda _: b"1 100000".ljust(31) + b"\n", id="after the end"),
        pytest.param(lambda _: b"1 -5".ljust(31) + b"\n", id="before the beginning"),
        pytest.param(lambda _: b"7 10".ljust(31) + b"\n", id="in a file that never was"),
        pytest.param(lambda _: b"9999999999999999 5".ljust(31) + b"\n", id="far away"),
        pytest.param(lambda _: b"one two".ljust(31) + b"\n", id="words"),
        pytest.param(lambda _: b"\xff" * 32, id="garbage"),
        pytest.param(lambda _: bytes(32), id="what a power cut leaves"),
        pytest.param(lambda _: b"1 2 3".ljust(31) + b"\n", id="too much"),
        pytest.param(
            lambda folder: b"1 %d".ljust(31) % a_place(folder) + b"\n", id="inside an event"
        ),
    ],
)
def test_a_damaged_place_costs_no_event(content: object, state_dir: Path) -> None:
    folder = leave(state_dir, MANY)
    assert callable(content)
    (folder / "acknowledged").write_bytes(content(folder))

    assert numbers(deliver_all(adopt(state_dir))) == list(range(MANY))


def test_a_place_inside_an_event_is_taken_back(state_dir: Path) -> None:
    folder = leave(state_dir, MANY)
    place = f"1 {a_place(folder)}".ljust(31) + "\n"
    (folder / "acknowledged").write_text(place)

    assert numbers(deliver_all(adopt(state_dir))) == list(range(MANY))


def test_a_delivered_file_that_was_not_deleted_in_time_is_not_sent_again(state_dir: Path) -> None:
    folder = leave(state_dir, 2)
    content = (folder / "00000001.jsonl").read_bytes()
    (folder / "00000002.jsonl").write_bytes(content)
    first_line = content.index(b"\n") + 1
    (folder / "acknowledged").write_text(f"2 {first_line}".ljust(31) + "\n")

    left = adopt(state_dir)

    assert left.waiting() == 1
    assert numbers(deliver_all(left)) == [1]
    assert left.remove()
    assert list((state_dir / "outbox").iterdir()) == []


def test_the_owner_is_this_process(state_dir: Path) -> None:
    leave(state_dir)
    adopt(state_dir)

    assert folder_of(state_dir).name == f"{SESS}.{Owner.this_process()}"
