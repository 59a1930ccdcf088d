"""What a server refuses is kept for a person to read, and out of the way of the rest."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outboxes import SESS, Clock, deliver_all, die, folder_of, numbers
from records import a_record, strict_json

from ipynb_telemetry.adoption import adopt_leftovers
from ipynb_telemetry.backlog import Backlog, Batch
from ipynb_telemetry.outbox import Outbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(state_dir: Path, clock: Clock) -> Iterator[Outbox]:
    box = Outbox(state_dir, SESS, appended=lambda: None, clock=clock)
    yield box
    box.close()


def refuse_first(content: Outbox | Backlog) -> Batch:
    """Set the first event that waits aside, as the delivery does when it is refused."""
    batch = content.next_batch(1)
    assert batch is not None
    content.set_aside(batch.records[0], "400: bad event")
    content.acknowledge(batch)
    return batch


def set_aside(state_dir: Path, sess: str = SESS) -> list[dict[str, Any]]:
    file = state_dir / "set-aside" / f"{sess}.jsonl"
    return [strict_json(line) for line in file.read_bytes().splitlines()]


def adopted(state_dir: Path, box: Outbox) -> Backlog:
    box.close()
    die(state_dir)
    (left,) = adopt_leftovers(state_dir)
    return left


def test_an_event_that_is_set_aside_is_kept_with_the_reason(box: Outbox, state_dir: Path) -> None:
    record = a_record({"own": 1})
    box.append(record)
    refuse_first(box)

    (kept,) = set_aside(state_dir)
    assert (kept["uuid"], kept["timestamp"]) == (record["uuid"], record["timestamp"])
    assert kept["properties"]["own"] == 1
    assert kept["reason"] == "400: bad event"


def test_the_rest_goes_on(box: Outbox) -> None:
    for _ in range(3):
        box.append(a_record())
    refuse_first(box)

    assert numbers(deliver_all(box)) == [1, 2]


def test_what_is_set_aside_stays_when_the_outbox_goes(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    refuse_first(box)

    assert box.remove()
    assert len(set_aside(state_dir)) == 1


def test_an_event_of_a_dead_session_is_set_aside_under_its_own_session(
    box: Outbox, state_dir: Path
) -> None:
    box.append(a_record())
    refuse_first(adopted(state_dir, box))

    assert numbers(set_aside(state_dir, SESS)) == [0]


def test_only_their_owner_can_read_them(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    refuse_first(box)

    folder = state_dir / "set-aside"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_a_reason_can_be_any_text(box: Outbox, state_dir: Path) -> None:
    box.append(a_record())
    batch = box.next_batch()
    assert batch is not None
    box.set_aside(batch.records[0], "no\n\ud800 \x00")

    assert set_aside(state_dir)[0]["reason"] == "no\n\ufffd \x00"


# Where they cannot be kept


@pytest.fixture
def in_the_way(state_dir: Path) -> Path:
    """A file where the folder should be."""
    state_dir.mkdir()
    (state_dir / "set-aside").write_text("not a folder")
    return state_dir / "set-aside"


def test_what_cannot_be_kept_does_not_stop_the_rest(box: Outbox, in_the_way: Path) -> None:
    for _ in range(3):
        box.append(a_record())
    refuse_first(box)

    assert numbers(deliver_all(box)) == [1, 2]


def test_what_cannot_be_kept_is_said_to_be_a_problem(box: Outbox, in_the_way: Path) -> None:
    box.append(a_record())
    refuse_first(box)

    assert box.storage_problem.startswith(str(in_the_way))


def test_what_could_not_be_kept_is_kept_as_soon_as_it_can_be(
    box: Outbox, state_dir: Path, in_the_way: Path, clock: Clock
) -> None:
    for _ in range(3):
        box.append(a_record())
    refuse_first(box)
    refuse_first(box)
    in_the_way.unlink()
    clock.now_s += 1

    assert not box.settle() or not box.storage_problem
    assert numbers(set_aside(state_dir)) == [0, 1]


def test_what_could_not_be_kept_is_not_removed(box: Outbox, in_the_way: Path) -> None:
    box.append(a_record())
    refuse_first(box)

    assert not box.remove()


def test_what_could_not_be_kept_is_asked_for_again_by_the_next_session(
    box: Outbox, state_dir: Path, in_the_way: Path
) -> None:
    box.append(a_record())
    refuse_first(box)

    assert numbers(deliver_all(adopted(state_dir, box))) == [0]


def test_a_dead_sessions_event_that_cannot_be_kept_does_not_stop_the_rest(
    box: Outbox, state_dir: Path, in_the_way: Path
) -> None:
    box.append(a_record())
    box.append(a_record())
    left = adopted(state_dir, box)
    refuse_first(left)

    assert numbers(deliver_all(left)) == [1]
    assert not left.remove()
    assert left.storage_problem != ""


def test_a_dead_sessions_event_is_kept_as_soon_as_it_can_be(
    box: Outbox, state_dir: Path, in_the_way: Path
) -> None:
    box.append(a_record())
    left = adopted(state_dir, box)
    refuse_first(left)
    in_the_way.unlink()

    left.settle()

    assert left.storage_problem == ""
    assert numbers(set_aside(state_dir)) == [0]
    assert left.remove()


def test_an_event_from_memory_can_be_set_aside(box: Outbox, state_dir: Path) -> None:
    (state_dir / "outbox").parent.mkdir()
    (state_dir / "outbox").write_text("not a folder")
    box.append(a_record())
    refuse_first(box)

    assert numbers(set_aside(state_dir)) == [0]
    assert box.next_batch() is None


def test_a_file_stays_until_what_was_in_it_is_kept(
    box: Outbox, state_dir: Path, in_the_way: Path
) -> None:
    for _ in range(4):
        box.append(a_record({"output": "x" * 700_000}))
    for _ in range(3):
        refuse_first(box)

    assert len(list(folder_of(state_dir).glob("*.jsonl"))) == 2
