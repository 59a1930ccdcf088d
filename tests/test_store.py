"""What the store says is there is on disk, once, and stays."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from stored_events import a_stored_event
from waiting import wait_until

from ipynb_telemetry.classroom import migrations
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.reading import Reader
from ipynb_telemetry.classroom.store import FigureRow, Store, StoreError


class Applied:
    """What the writer has said to be new."""

    def __init__(self) -> None:
        self.events: list[tuple[int, StoredEvent]] = []

    def __call__(self, events: Sequence[tuple[int, StoredEvent]]) -> None:
        self.events.extend(events)

    @property
    def ids(self) -> list[int]:
        return [event_id for event_id, _ in self.events]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "class.sqlite"


@pytest.fixture
def applied() -> Applied:
    return Applied()


@pytest.fixture
def store(path: Path, applied: Applied) -> Iterator[Store]:
    store = Store(path, applied=applied)
    yield store
    store.close()


def uuids(store: Store) -> list[str]:
    return [event.uuid for _, event in store.events()]


def test_what_was_written_is_read_back_as_it_was(store: Store) -> None:
    sent = [a_stored_event(seq=None), a_stored_event(distinct_id="محمد-علي", nb="", cohort="B")]

    assert store.submit(sent).result() == 2
    assert [*store.events()] == [(1, sent[0]), (2, sent[1])]


@pytest.mark.parametrize("number", [1, 7, 8, 64, 600, 2_500])
def test_any_number_of_events_is_written_in_order(store: Store, number: int) -> None:
    sent = [a_stored_event() for _ in range(number)]

    store.submit(sent).result()

    assert uuids(store) == [event.uuid for event in sent]


def test_a_resend_changes_nothing(store: Store, applied: Applied) -> None:
    first = a_stored_event()
    store.submit([first]).result()

    again = store.submit([first._replace(event="other"), a_stored_event(seq=1)]).result()

    assert again == 1
    assert [(event.event, event.seq) for _, event in store.events()] == [("cell", 0), ("cell", 1)]
    wait_until(lambda: [event.seq for _, event in applied.events] == [0, 1])


def test_an_event_twice_in_one_request_is_stored_once(store: Store) -> None:
    event = a_stored_event()

    assert store.submit([event, event, a_stored_event()]).result() == 2
    assert store.count() == 2


def test_many_who_write_at_once_are_each_told_their_own_number(
    store: Store, applied: Applied
) -> None:
    known = a_stored_event()
    store.submit([known]).result()
    waiting: list[Future[int]] = []
    for _ in range(100):
        waiting += [store.submit([a_stored_event(), known]), store.submit([known])]

    assert [done.result() for done in waiting] == [1, 0] * 100
    wait_until(lambda: len(applied.events) == 101)
    assert applied.ids == sorted(set(applied.ids))


def test_what_the_views_are_told_has_the_ids_that_it_is_stored_under(
    store: Store, applied: Applied
) -> None:
    known = a_stored_event()
    store.submit([known, a_stored_event()]).result()
    store.submit([a_stored_event(), known, a_stored_event()]).result()

    wait_until(lambda: len(applied.events) == 4)
    assert applied.events == [*store.events()]


def test_one_that_cannot_be_written_does_not_take_the_others_with_it(store: Store) -> None:
    held = threading.Event()
    blocked = threading.Thread(target=_hold_the_writer, args=(store, held))
    blocked.start()
    good = store.submit([a_stored_event()])
    bad = store.submit([a_stored_event(), a_stored_event(seq=2**63)])
    also_good = store.submit([a_stored_event()])
    held.set()
    blocked.join()

    assert (good.result(), also_good.result()) == (1, 1)
    with pytest.raises(OverflowError):
        bad.result()
    assert store.count() == 2


def _hold_the_writer(store: Store, until: threading.Event) -> None:
    """Let what is submitted meanwhile come into one group."""

    class Slow(list[FigureRow]):
        def __iter__(self) -> Iterator[FigureRow]:
            until.wait(10)
            return super().__iter__()

    store.write_figures(Slow(), 0).result()


def test_a_full_disk_is_said_and_the_store_goes_on(path: Path, store: Store) -> None:
    store._connection.execute(f"PRAGMA max_page_count = {_pages(path) + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.submit([a_stored_event(properties="x" * 100_000)]).result()

    store._connection.execute("PRAGMA max_page_count = 1000000")

    assert store.submit([a_stored_event()]).result() == 1
    assert store.count() == 1


def _pages(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    return pages


def test_views_that_fail_cost_no_event(path: Path, telemetry_log: list[object]) -> None:
    def fail(_events: object) -> None:
        raise ZeroDivisionError

    store = Store(path, applied=fail)
    store.submit([a_stored_event()]).result()
    store.submit([a_stored_event()]).result()
    store.close()

    assert len(telemetry_log) == 2
    assert Reader(path).count() == 2


def test_key_and_token_are_made_once(path: Path) -> None:
    first = Store(path)
    first.close()
    again = Store(path)
    again.close()

    assert (again.api_key, again.token) == (first.api_key, first.token)
    assert first.api_key.startswith("phc_")
    assert len(first.token) >= 32


def test_a_key_that_was_given_is_kept(path: Path) -> None:
    made_up = Store(path)
    made_up.close()
    Store(path, api_key="phc_ours").close()
    again = Store(path)
    again.close()

    assert again.api_key == "phc_ours"
    assert again.token == made_up.token


def test_nobody_else_on_this_computer_can_read_it(path: Path, store: Store) -> None:
    store.submit([a_stored_event()]).result()

    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("class.*")} == {0o600}


def test_events_are_found_by_what_they_are_about(store: Store) -> None:
    a = a_stored_event(nb="A", student="ALI", sess="1", cohort="x", timestamp="2026-01-01T00:00")
    b = a_stored_event(nb="B", student="BEA", sess="2", cohort="y", timestamp="2026-01-02T00:00")
    store.submit([a, b]).result()

    assert [*store.events(notebook="A")] == [(1, a)]
    assert [*store.events(student="BEA")] == [(2, b)]
    assert [*store.events(sess="1")] == [(1, a)]
    assert [*store.events(cohort="y")] == [(2, b)]
    assert [*store.events(since="2026-01-02")] == [(2, b)]
    assert [*store.events(until="2026-01-02")] == [(1, a)]
    assert [*store.events(after=1)] == [(2, b)]
    assert [*store.events(upto=1)] == [(1, a)]
    assert [*store.events(limit=1)] == [(1, a)]
    assert [*store.events(notebook="A", student="BEA")] == []


def test_figures_are_kept_with_the_event_they_go_up_to(path: Path, store: Store) -> None:
    old = FigureRow("s1", "A", "ALI", "", "2026-01-01", b"old")
    new = old._replace(last="2026-01-02", figures=b"new")
    other = FigureRow("s2", "B", "BEA", "", "2026-01-03", b"other")
    store.write_figures([old, other], 5)
    store.write_figures([new], 7).result()

    assert [*store.read_figures()] == [other, new]
    assert [*store.read_figures(notebook="A")] == [new]
    assert [*store.read_figures(since="2026-01-03")] == [other]
    assert store.figures_of({"s1", "not there"}) == [new]
    assert {each.sess for each in store.figures_of(["s1", "s2"])} == {"s1", "s2"}
    assert store.figures_upto() == 7


def test_forgetting_a_student_takes_whole_sessions(store: Store) -> None:
    typo = a_stored_event(student="SRA", distinct_id="SRA", sess="1")
    renamed = a_stored_event(student="SARA", event="rename", sess="1")
    anonymous = a_stored_event(student="", distinct_id="SARA", sess="")
    other = a_stored_event(student="OMAR", distinct_id="OMAR", sess="2")
    store.submit([typo, renamed, anonymous, other]).result()
    store.write_figures([FigureRow("1", "D3", "SARA", "", "", b"")], 4).result()

    assert store.forget("SARA") == 3
    assert [event.uuid for _, event in store.events()] == [other.uuid]
    assert [*store.read_figures()] == []


def test_what_is_forgotten_is_gone_from_the_files(path: Path, store: Store) -> None:
    store.submit([a_stored_event(student="SARA", properties="a secret of hers")]).result()
    omars = a_stored_event(student="OMAR", distinct_id="OMAR", sess="2", properties="{}")
    store.submit([omars]).result()

    store.forget("SARA")

    files = b"".join(file.read_bytes() for file in path.parent.glob("class.*"))
    assert b"OMAR" in files
    assert b"a secret of hers" not in files
    assert b"SARA" not in files


def test_an_id_is_never_given_again(path: Path, store: Store, applied: Applied) -> None:
    store.submit([a_stored_event(), a_stored_event(student="LAST", sess="9")]).result()
    store.forget("LAST")
    store.close()

    again = Store(path, applied=applied)
    again.submit([a_stored_event()]).result()
    again.close()

    assert applied.ids == [1, 2, 3]
    assert again.last_id() == 3


def test_two_collectors_with_one_database_lose_nothing(path: Path, store: Store) -> None:
    other = Store(path)
    waiting = [each.submit([a_stored_event()]) for each in (store, other) * 50]

    assert sum(done.result() for done in waiting) == 100
    other.close()
    assert store.count() == 100


def test_a_database_of_a_newer_version_is_refused_untouched(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match=r"newer.*--upgrade"):
        Store(path)

    assert path.read_bytes() == before


def test_the_database_of_another_program_is_refused_untouched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="another program's"):
        Store(path)

    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.write_bytes(b"a letter to my grandmother" * 100)

    with pytest.raises(StoreError, match="not a database"):
        Store(path)

    assert path.read_bytes() == b"a letter to my grandmother" * 100


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        Store(tmp_path / "nowhere" / "class.sqlite")


def test_a_database_that_is_only_read_is_not_made(path: Path) -> None:
    with pytest.raises(StoreError, match="no database"):
        Store(path, create=False)

    assert not path.exists()


def test_a_migration_keeps_the_data(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Store(path)
    old.submit([a_stored_event()]).result()
    old.close()

    def add_a_column(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE figures ADD COLUMN more TEXT")

    newer = (*migrations.MIGRATIONS, add_a_column)
    monkeypatch.setattr(migrations, "MIGRATIONS", newer)
    monkeypatch.setattr("ipynb_telemetry.classroom.database.MIGRATIONS", newer)
    new = Store(path)
    new.close()

    assert new.count() == 1
    assert (new.api_key, new.token) == (old.api_key, old.token)
    assert _version(path) == len(newer)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(path).close()

    def fail_half_way(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE events")
        connection.execute("SELECT nonsense")

    newer = (*migrations.MIGRATIONS, fail_half_way)
    monkeypatch.setattr(migrations, "MIGRATIONS", newer)
    monkeypatch.setattr("ipynb_telemetry.classroom.database.MIGRATIONS", newer)
    with pytest.raises(StoreError, match="nonsense"):
        Store(path)
    monkeypatch.undo()

    assert Reader(path).count() == 0


def _version(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        version = migrations.schema_version(connection)
    connection.close()
    return version


def test_what_was_submitted_before_the_end_is_written(path: Path) -> None:
    store = Store(path)
    waiting = [store.submit([a_stored_event()]) for _ in range(50)]
    store.close()

    assert all(done.done() for done in waiting)
    assert Reader(path).count() == 50


def test_what_comes_after_the_end_is_refused(path: Path) -> None:
    store = Store(path)
    store.close()

    with pytest.raises(StoreError, match="closed"):
        store.submit([a_stored_event()]).result(1)
