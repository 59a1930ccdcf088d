"""Whatever happens to the outboxes of some sessions, in whatever order: nothing is lost.

Hypothesis makes up the story. A session appends, gets its name, is delivered, dies in the
middle of a line, and is adopted, by a session that may die as well; in between the disk is
full, and somebody deletes a folder. The model on the test's side is a list for each session.
"""

from __future__ import annotations

import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from outboxes import Clock, die, folder_of, numbers
from records import API_KEY, HOST, a_record

from ipynb_telemetry import outbox
from ipynb_telemetry.adoption import adopt_leftovers
from ipynb_telemetry.backlog import Backlog
from ipynb_telemetry.events import Record, message
from ipynb_telemetry.outbox import Outbox

some = st.integers(0, 9)
"""Which of several: counted around."""


@dataclass
class Life:
    """A session, as the test knows it."""

    sess: str
    content: Outbox | Backlog | None
    """Who has it: its own process, one that adopted it, or, while it is None, nobody."""
    name: str = ""
    appended: int = 0
    promised: dict[str, int] = field(default_factory=dict)
    """The number of each event that must arrive, by its uuid."""
    in_memory: set[str] = field(default_factory=set)
    """Those of them that have not reached the disk, so far."""
    deleted: set[str] = field(default_factory=set)
    """Those of them that somebody has deleted from the disk."""
    done: list[str] = field(default_factory=list)
    """What the server has said yes or no to, and we know it."""

    @property
    def is_own(self) -> bool:
        return isinstance(self.content, Outbox)

    @property
    def waiting(self) -> list[str]:
        return [uuid for uuid in self.promised if uuid not in self.done]


@contextmanager
def a_full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Outboxes(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.state_dir = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.lives: list[Life] = []
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(outbox, "MAX_SEGMENT_BYTES", 1_500)  # some four events
        self.patch.setattr(outbox, "_MAX_DONE_BYTES", 600)

    # What a session does

    @initialize()
    def begin_first(self) -> None:
        self.begin()

    @precondition(lambda self: len(self.lives) < 4)
    @rule()
    def begin(self) -> None:
        sess = f"{len(self.lives):08x}"
        content = Outbox(self.state_dir, sess, appended=lambda: None, clock=self.clock)
        self.lives.append(Life(sess, content))

    @rule(which=some, times=st.integers(1, 4), host=st.sampled_from([HOST, HOST, "", None]))
    def append(self, which: int, times: int, host: str | None) -> None:
        if (life := self.pick(which, own=True)) is None:
            return
        for _ in range(times):
            self.append_one(life, host, is_full=False)

    @rule(which=some)
    def append_on_a_full_disk(self, which: int) -> None:
        if (life := self.pick(which, own=True)) is not None:
            self.append_one(life, HOST, is_full=True)

    @rule(which=some, name=st.sampled_from(["SARA", "LENA"]))
    def give_name(self, which: int, name: str) -> None:
        if (life := self.pick(which, own=True)) is not None:
            assert isinstance(life.content, Outbox)
            life.content.give_name(name)
            life.name = life.name or name

    # What the delivery does

    @rule(which=some, at_most=st.integers(1, 5), knows=st.booleans())
    def deliver(self, which: int, at_most: int, knows: bool) -> None:
        """The server takes the next events; whether we learn of it is another matter."""
        life = self.pick(which)
        if life is None or life.content is None or not life.content.student:
            return
        batch = life.content.next_batch(at_most)
        if batch is None:
            assert life.waiting == []
            return
        self.check(life, batch.records)
        if knows:
            life.content.acknowledge(batch)
            life.done += [record["uuid"] for record in batch.records]

    @rule(which=some)
    def refuse(self, which: int) -> None:
        """The server refuses the next event for good."""
        life = self.pick(which)
        if life is None or life.content is None or not life.content.student:
            return
        batch = life.content.next_batch(1)
        if batch is not None:
            self.check(life, batch.records)
            life.content.set_aside(batch.records[0], "400")
            life.content.acknowledge(batch)
            life.done.append(batch.records[0]["uuid"])

    @rule(which=some, is_full=st.booleans())
    def settle(self, which: int, is_full: bool) -> None:
        life = self.pick(which)
        if life is not None and life.content is not None:
            self.clock.now_s += 1
            with a_full_disk() if is_full else nullcontext():
                life.content.settle()
            if not is_full:
                life.in_memory.clear()

    @rule(which=some)
    def remove(self, which: int) -> None:
        """A box that seems to be empty goes; one that is not must stay."""
        life = self.pick(which)
        if life is None or life.content is None or not life.content.student:
            return
        nothing_waits = life.content.next_batch() is None
        assert life.content.remove() == nothing_waits
        assert nothing_waits == (not life.waiting)

    # What happens to them

    @rule(which=some, torn=st.binary(max_size=40).filter(lambda tail: b"\n" not in tail))
    def crash(self, which: int, torn: bytes) -> None:
        """The process dies, maybe in the middle of a line; its memory goes with it."""
        life = self.pick(which)
        if life is None or life.content is None:
            return
        if isinstance(life.content, Outbox):
            life.content.close_in_child()  # it syncs nothing and asks for no lock: as a death
        life.content = None
        for uuid in life.in_memory | life.deleted:
            del life.promised[uuid]
        life.in_memory.clear()
        life.deleted.clear()
        if list((self.state_dir / "outbox").glob(f"{life.sess}.*")):
            die(self.state_dir, life.sess)
            for file in sorted(folder_of(self.state_dir, life.sess).glob("*.jsonl"))[-1:]:
                with file.open("ab") as tail:
                    tail.write(torn)

    @rule()
    def adopt(self) -> None:
        """The delivery of a session looks for what others left, as it does every minute."""
        by_sess = {life.sess: life for life in self.lives}
        adopted = adopt_leftovers(self.state_dir)
        for content in adopted:
            life = by_sess[content.sess]
            assert life.content is None
            life.content = content
            if life.waiting:  # without an event there may be no name on the disk
                assert content.student == (life.name or f"ANONYMOUS-{life.sess.upper()}")
            life.name = content.student or ""
        assert [life.sess for life in self.lives if life.content is None and life.waiting] == []

    @rule()
    def delete_folder(self) -> None:
        """Somebody cleans up; what is gone from the disk is now in its own process alone."""
        shutil.rmtree(self.state_dir / "outbox", ignore_errors=True)
        for life in self.lives:
            on_disk = set(life.waiting) - life.in_memory
            if life.is_own:
                life.deleted |= on_disk
            else:
                for uuid in on_disk:
                    del life.promised[uuid]

    # What must hold

    def teardown(self) -> None:
        """In the end all sessions die, and a last one sends what is left."""
        try:
            for i in range(len(self.lives)):
                self.crash(i, b"torn")
            self.adopt()
            for life in self.lives:
                while life.waiting:
                    assert life.content is not None
                    self.deliver(self.lives.index(life), 3, knows=True)
                assert life.content is None or life.content.next_batch() is None
                assert life.content is None or life.content.remove()
            assert list(self.state_dir.glob("outbox/*")) == []
        finally:
            self.patch.undo()
            for life in self.lives:
                if life.content is not None:
                    life.content.close()
            shutil.rmtree(self.state_dir)

    def check(self, life: Life, records: tuple[Record, ...]) -> None:
        """These are the next events that wait, in order, for one place and one student."""
        assert [record["uuid"] for record in records] == life.waiting[: len(records)]
        assert numbers(records) == [life.promised[record["uuid"]] for record in records]
        assert len({(record["host"], record["api_key"]) for record in records}) == 1
        assert life.content is not None
        sent_as = {message(record, life.content.student or "")["distinct_id"] for record in records}
        assert sent_as == {life.name}

    def append_one(self, life: Life, host: str | None, *, is_full: bool) -> None:
        assert isinstance(life.content, Outbox)
        record = a_record(host=host, api_key=API_KEY)
        if is_full:
            with a_full_disk():
                life.content.append(record)
        else:
            life.content.append(record)
        life.promised[record["uuid"]] = life.appended
        life.appended += 1
        assert life.content.recorded == life.appended
        if is_full or life.in_memory - set(life.done):
            life.in_memory.add(record["uuid"])

    def pick(self, which: int, *, own: bool = False) -> Life | None:
        lives = [life for life in self.lives if life.is_own or not own]
        return lives[which % len(lives)] if lives else None


TestOutboxes = Outboxes.TestCase
TestOutboxes.settings = settings(
    max_examples=80,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow],
)
