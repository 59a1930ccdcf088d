"""What a broken file, a deleted folder and a full disk cost: as little as can be."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import KINDS, UNWRITABLE, Disk, unwritable
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_events import kept_events
from outboxes import (
    SESS,
    Clock,
    deliver_all,
    die,
    folder_of,
    numbers,
    only_file,
    overwrite,
    uuids,
)
from records import a_record, strict_json

from ipynb_telemetry.adoption import adopt_leftovers
from ipynb_telemetry.backlog import Backlog
from ipynb_telemetry.events import encode, numbered
from ipynb_telemetry.outbox import Outbox

LARGE = {"output": "x" * 6_000}  # more than a page of the file system


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(state_dir: Path, clock: Clock) -> Iterator[Outbox]:
    box = Outbox(state_dir, SESS, appended=lambda: None, clock=clock)
    yield box
    box.close()


def append(box: Outbox, times: int) -> None:
    for _ in range(times):
        box.append(a_record())


def settle(box: Outbox, clock: Clock) -> bool:
    clock.now_s += 1
    return box.settle()


def adopted(state_dir: Path, box: Outbox) -> Backlog:
    """What the next session finds when this one has died."""
    box.close()
    die(state_dir)
    (left,) = adopt_leftovers(state_dir)
    return left


# A file that is damaged


def test_a_torn_last_line_costs_that_line_alone(box: Outbox, state_dir: Path) -> None:
    append(box, 2)
    with only_file(state_dir).open("ab") as file:
        file.write(encode(a_record())[:100])

    assert numbers(deliver_all(adopted(state_dir, box))) == [0, 1]


def test_a_torn_last_line_does_not_come_again(box: Outbox, state_dir: Path) -> None:
    append(box, 2)
    with only_file(state_dir).open("ab") as file:
        file.write(encode(a_record())[:100])
    left = adopted(state_dir, box)
    deliver_all(left)

    assert left.remove()
    assert list((state_dir / "outbox").iterdir()) == []


def test_a_whole_event_without_the_end_of_its_line_is_sent(box: Outbox, state_dir: Path) -> None:
    append(box, 2)
    with only_file(state_dir).open("ab") as file:
        file.write(numbered(encode(a_record()), 2)[:-1])

    assert numbers(deliver_all(adopted(state_dir, box))) == [0, 1, 2]


@pytest.mark.parametrize(
    "damage",
    [b"\xff", b"\0\0\0\0", b"\n", b"}\n{", b'"', b"\xed\xa0\x80", b"stuXent"],
    ids=repr,
)
def test_a_damaged_line_costs_itself_alone(damage: bytes, box: Outbox, state_dir: Path) -> None:
    append(box, 1)
    start = only_file(state_dir).stat().st_size
    append(box, 2)
    place = only_file(state_dir).read_bytes().index(b"student", start)
    overwrite(only_file(state_dir), place, damage)

    assert numbers(deliver_all(adopted(state_dir, box))) == [0, 2]


def test_a_damaged_line_costs_itself_alone_while_the_session_lives(
    box: Outbox, state_dir: Path
) -> None:
    append(box, 3)
    overwrite(only_file(state_dir), 10, b"\xff\xff")

    assert numbers(deliver_all(box)) == [1, 2]


def test_what_a_power_cut_leaves_is_passed_over(box: Outbox, state_dir: Path) -> None:
    append(box, 2)
    with only_file(state_dir).open("ab") as file:
        file.write(bytes(4_096))

    assert numbers(deliver_all(adopted(state_dir, box))) == [0, 1]


def test_a_file_of_damaged_lines_alone_is_done_with(box: Outbox, state_dir: Path) -> None:
    append(box, 2)
    only_file(state_dir).write_bytes(random.Random(4).randbytes(10_000))  # noqa: S311
    left = adopted(state_dir, box)

    assert deliver_all(left) == []
    assert left.remove()


def test_a_line_before_which_the_end_of_another_was_damaged_is_sent(
    box: Outbox, state_dir: Path
) -> None:
    append(box, 3)
    file = only_file(state_dir)
    end_of_first = file.read_bytes().index(b"\n")

    overwrite(file, end_of_first - 5, bytes(6))

    assert numbers(deliver_all(adopted(state_dir, box))) == [1, 2]


@pytest.mark.parametrize("props", [{"a": 1}, {"db": {"host": "pg"}}, {"host": {"host": 1}}])
def test_what_an_event_says_does_not_hide_it_behind_a_damaged_one(
    box: Outbox, state_dir: Path, props: dict[str, object]
) -> None:
    append(box, 1)
    record = a_record()
    record["properties"]["props"] = props
    box.append(record)
    file = only_file(state_dir)

    overwrite(file, file.read_bytes().index(b"\n") - 5, bytes(6))

    assert numbers(deliver_all(adopted(state_dir, box))) == [1]


@settings(max_examples=40)
@given(damages=st.lists(st.tuples(st.integers(0, 3_000), st.binary(max_size=60)), max_size=4))
def test_lines_that_are_not_damaged_are_all_sent(
    damages: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    state_dir = tmp_path_factory.mktemp("state")
    box = Outbox(state_dir, SESS, appended=lambda: None)
    lines = [box.append(a_record()) for _ in range(8)]
    file = only_file(state_dir)
    for offset, damage in damages:
        overwrite(file, min(offset, file.stat().st_size - len(damage)), damage)
    whole = [line for line in lines if line in file.read_bytes()]

    sent = uuids(deliver_all(adopted(state_dir, box)))

    shutil.rmtree(state_dir)
    assert [strict_json(line)["uuid"] for line in whole if strict_json(line)["uuid"] in sent] == [
        strict_json(line)["uuid"] for line in whole
    ]


# A file that others change while the session runs


@pytest.mark.parametrize("size", [0, 1, 200])
def test_a_file_that_is_cut_short_costs_what_was_cut(
    size: int, box: Outbox, state_dir: Path
) -> None:
    append(box, 3)
    with only_file(state_dir).open("r+b") as file:
        file.truncate(size)
    append(box, 2)

    assert numbers(deliver_all(box)) == [3, 4]


def test_a_file_that_is_cut_after_it_was_delivered_costs_nothing(
    box: Outbox, state_dir: Path
) -> None:
    append(box, 3)
    deliver_all(box)
    with only_file(state_dir).open("r+b") as file:
        file.truncate(0)
    append(box, 2)

    assert numbers(deliver_all(box)) == [3, 4]


def test_what_somebody_else_appends_costs_nothing(box: Outbox, state_dir: Path) -> None:
    append(box, 1)
    with only_file(state_dir).open("ab") as file:
        file.write(b"somebody was here")
    append(box, 1)

    assert numbers(deliver_all(box)) == [0, 1]


def test_half_a_line_that_was_taken_back_is_not_remembered(box: Outbox, state_dir: Path) -> None:
    """Half of it did not fit on the disk; what follows stands in its place."""
    append(box, 1)
    file = only_file(state_dir)
    size = file.stat().st_size
    with file.open("ab") as appending:
        appending.write(b'{"half": "' + b"x" * 200)
    batch = box.next_batch()
    assert batch is not None
    box.acknowledge(batch)
    assert box.next_batch() is None
    with file.open("r+b") as cutting:
        cutting.truncate(size)

    append(box, 1)

    assert numbers(deliver_all(box)) == [1]


def test_a_descriptor_that_somebody_closed_costs_nothing(
    box: Outbox, state_dir: Path, clock: Clock
) -> None:
    append(box, 1)
    os.close(box._tail.descriptor)
    append(box, 1)
    settle(box, clock)

    assert numbers(kept_events(state_dir)) == [0, 1]
    assert box.storage_problem == ""


# A folder that is deleted while the session runs


@pytest.mark.parametrize("deleted", ["state", "outbox", "session"])
def test_what_was_in_a_deleted_folder_is_still_sent(
    deleted: str, box: Outbox, state_dir: Path
) -> None:
    append(box, 3)
    folders = {"state": state_dir, "outbox": state_dir / "outbox", "session": folder_of(state_dir)}

    shutil.rmtree(folders[deleted])

    assert numbers(deliver_all(box)) == [0, 1, 2]


@pytest.mark.parametrize("deleted", ["state", "outbox", "session"])
def test_what_follows_a_deleted_folder_is_kept_in_a_new_one(
    deleted: str, box: Outbox, state_dir: Path
) -> None:
    append(box, 3)
    folders = {"state": state_dir, "outbox": state_dir / "outbox", "session": folder_of(state_dir)}
    shutil.rmtree(folders[deleted])

    append(box, 2)

    assert numbers(kept_events(state_dir)) == [3, 4]
    assert numbers(deliver_all(box)) == [0, 1, 2, 3, 4]


def test_a_deleted_file_is_still_sent(box: Outbox, state_dir: Path) -> None:
    append(box, 3)
    only_file(state_dir).unlink()
    append(box, 2)

    assert numbers(deliver_all(box)) == [0, 1, 2, 3, 4]


def test_the_name_is_in_the_new_folder_as_well(box: Outbox, state_dir: Path) -> None:
    append(box, 1)
    box.give_name("SARA")
    shutil.rmtree(state_dir)
    append(box, 1)

    assert adopted(state_dir, box).student == "SARA"


def test_a_name_is_kept_where_the_folder_has_gone(box: Outbox, state_dir: Path) -> None:
    append(box, 1)
    shutil.rmtree(state_dir)
    box.give_name("SARA")

    assert box.storage_problem == ""
    assert (folder_of(state_dir) / "student").read_text() == "SARA"


def test_what_was_delivered_does_not_hide_what_is_in_the_new_folder(
    box: Outbox, state_dir: Path
) -> None:
    append(box, 3)
    deliver_all(box)
    shutil.rmtree(state_dir)
    append(box, 2)

    assert numbers(deliver_all(adopted(state_dir, box))) == [3, 4]


def test_what_is_delivered_from_the_new_folder_is_noted_there(box: Outbox, state_dir: Path) -> None:
    append(box, 1)
    deliver_all(box)
    shutil.rmtree(state_dir)
    append(box, 2)
    deliver_all(box, max_events=1)
    append(box, 1)

    assert numbers(deliver_all(adopted(state_dir, box))) == [3]


def test_a_deleted_folder_is_removed_without_a_word(box: Outbox, state_dir: Path) -> None:
    append(box, 1)
    deliver_all(box)
    shutil.rmtree(state_dir)

    assert box.remove()


def test_settling_goes_on_without_the_folder(box: Outbox, state_dir: Path, clock: Clock) -> None:
    append(box, 1)
    deliver_all(box)
    shutil.rmtree(state_dir)
    settle(box, clock)
    append(box, 1)
    settle(box, clock)

    assert numbers(kept_events(state_dir)) == [1]


# A full disk


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    disk: Disk = request.param(tmp_path / "disk")
    yield disk
    disk.close()


@pytest.fixture
def small(disk: Disk, clock: Clock) -> Iterator[Outbox]:
    """An outbox on that disk."""
    box = Outbox(disk.folder, SESS, appended=lambda: None, clock=clock)
    yield box
    box.close()


def append_large(box: Outbox, times: int) -> None:
    for _ in range(times):
        box.append(a_record(LARGE))


def test_what_the_disk_has_no_room_for_is_sent_all_the_same(disk: Disk, small: Outbox) -> None:
    append_large(small, 2)
    disk.fill()
    append_large(small, 3)
    disk.free()

    assert numbers(deliver_all(small)) == [0, 1, 2, 3, 4]


def test_a_full_disk_is_said_to_be_a_problem(disk: Disk, small: Outbox) -> None:
    append_large(small, 1)
    disk.fill()
    append_large(small, 1)
    disk.free()

    assert small.storage_problem.startswith(str(disk.folder / "outbox"))


def test_there_is_no_problem_while_there_is_room(disk: Disk, small: Outbox) -> None:
    append_large(small, 2)

    assert small.storage_problem == ""


@pytest.mark.parametrize("events_before", [0, 1])
def test_a_full_disk_stays_a_problem_until_there_is_room(
    events_before: int, disk: Disk, small: Outbox, clock: Clock
) -> None:
    append_large(small, events_before)
    disk.fill()
    append_large(small, 2)
    is_unsettled = settle(small, clock)
    problem = small.storage_problem
    disk.free()

    assert is_unsettled
    assert problem != ""


@pytest.mark.parametrize("events_before", [0, 1])
def test_what_waited_in_memory_goes_to_the_disk_in_order(
    events_before: int, disk: Disk, small: Outbox, clock: Clock
) -> None:
    append_large(small, events_before)
    disk.fill()
    append_large(small, 3)
    disk.free()
    append_large(small, 2)  # these must not overtake

    settle(small, clock)

    assert numbers(kept_events(disk.folder)) == list(range(events_before + 5))
    assert small.storage_problem == ""


def test_what_waited_in_memory_is_not_sent_twice(disk: Disk, small: Outbox, clock: Clock) -> None:
    disk.fill()
    append_large(small, 3)
    sent = deliver_all(small, max_events=2)
    disk.free()
    settle(small, clock)
    append_large(small, 1)

    assert numbers(sent + deliver_all(small)) == [0, 1, 2, 3]


def test_the_problem_is_over_with_the_next_event_that_is_kept(disk: Disk, small: Outbox) -> None:
    disk.fill()
    append_large(small, 1)
    deliver_all(small)
    disk.free()
    append_large(small, 1)

    assert small.storage_problem == ""
    assert numbers(kept_events(disk.folder)) == [1]


def test_half_a_line_is_never_left(disk: Disk, small: Outbox) -> None:
    append_large(small, 1)
    disk.fill(left_bytes=50)
    append_large(small, 1)
    disk.free()

    assert numbers(kept_events(disk.folder)) == [0]
    assert only_file(disk.folder).read_bytes().endswith(b"}\n")


def test_a_name_is_noted_as_soon_as_it_can_be(state_dir: Path, box: Outbox, clock: Clock) -> None:
    append(box, 1)
    in_the_way = folder_of(state_dir) / ".student"
    in_the_way.mkdir()
    box.give_name("SARA")
    problem = box.storage_problem
    in_the_way.rmdir()

    settle(box, clock)

    assert problem != ""
    assert box.storage_problem == ""
    assert adopted(state_dir, box).student == "SARA"


def test_a_name_that_is_not_kept_stays_a_problem(
    state_dir: Path, box: Outbox, clock: Clock
) -> None:
    append(box, 1)
    (folder_of(state_dir) / ".student").mkdir()
    box.give_name("SARA")
    append(box, 1)

    assert settle(box, clock)
    assert box.storage_problem != ""


def test_what_is_delivered_on_a_full_disk_does_not_come_again(
    disk: Disk, small: Outbox, clock: Clock
) -> None:
    append_large(small, 2)
    deliver_all(small, max_events=1)
    disk.fill()
    append_large(small, 1)
    sent = deliver_all(small)
    disk.free()

    assert numbers(sent) == [2]
    assert small.next_batch() is None


# A folder that cannot be written


@pytest.mark.parametrize("kind", UNWRITABLE)
def test_events_are_sent_from_memory_where_no_folder_can_be_made(
    kind: str, box: Outbox, state_dir: Path
) -> None:
    with unwritable(kind, state_dir):
        append(box, 3)

        assert numbers(deliver_all(box)) == [0, 1, 2]


@pytest.mark.parametrize("kind", UNWRITABLE)
def test_a_folder_that_cannot_be_made_is_said_to_be_a_problem(
    kind: str, box: Outbox, state_dir: Path, clock: Clock
) -> None:
    with unwritable(kind, state_dir):
        append(box, 1)
        box.give_name("SARA")
        settle(box, clock)

        assert box.storage_problem.startswith(str(state_dir / "outbox"))


def test_events_go_to_the_folder_as_soon_as_it_can_be_made(
    box: Outbox, state_dir: Path, clock: Clock
) -> None:
    state_dir.write_text("not a folder")
    append(box, 3)
    box.give_name("SARA")
    state_dir.unlink()
    settle(box, clock)

    assert box.storage_problem == ""
    left = adopted(state_dir, box)
    assert (left.student, numbers(deliver_all(left))) == ("SARA", [0, 1, 2])


def test_two_destinations_are_never_in_one_batch_from_memory(box: Outbox, state_dir: Path) -> None:
    state_dir.write_text("not a folder")
    for host, api_key in [("a", "1"), ("b", "1"), ("a", "1"), ("a", "2"), ("a", "2")]:
        box.append(a_record(host=host, api_key=api_key))

    batches = []
    while (batch := box.next_batch()) is not None:
        batches.append(numbers(batch.records))
        box.acknowledge(batch)

    assert batches == [[0], [1], [2], [3, 4]]


def test_a_batch_from_memory_is_small_enough_for_a_slow_line(box: Outbox, state_dir: Path) -> None:
    state_dir.write_text("not a folder")
    for _ in range(5):
        box.append(a_record({"output": "x" * 800_000}))

    batch = box.next_batch()

    assert batch is not None
    assert numbers(batch.records) == [0, 1]


def test_in_memory_an_event_is_as_it_was_and_can_be_sent(box: Outbox, state_dir: Path) -> None:
    state_dir.write_text("not a folder")
    answers: list[object] = [float("nan")]
    box.append(a_record({"answers": answers}))
    answers.append("later")

    (record,) = deliver_all(box)

    assert record["properties"]["answers"] == ["nan"]


def test_what_waits_in_memory_is_not_removed(box: Outbox, state_dir: Path) -> None:
    state_dir.write_text("not a folder")
    append(box, 1)

    assert not box.remove()
    assert numbers(deliver_all(box)) == [0]
