"""The class as it is now: figures kept up to date as events come, and who is told of a change.

The store's writer hands over what it has committed; a thread of our own brings the figures up
to date, keeps them in the store every few seconds, and wakes whoever looks at them. Nobody is
sent a change: a reader asks what is different since the version that it has. So a page that
was away gets what it missed, one that is slow gets less often what has changed meanwhile, and
none gets anything twice.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import secrets
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeAlias, TypeVar

from ipynb_telemetry.classroom.figures import SessionFigures, epoch_ms, is_of_a_lesson
from ipynb_telemetry.classroom.kept import apply_all, as_row, figures_from
from ipynb_telemetry.classroom.listeners import Listeners
from ipynb_telemetry.classroom.notebook import Changes, Notebook, Query
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.store import FigureRow, Store, StoreError
from ipynb_telemetry.classroom.students import Student
from ipynb_telemetry.classroom.times import iso

log = logging.getLogger("ipynb_telemetry")

SAVE_EVERY_S = 15.0  # what a kill costs is to apply the events of this time again
MAX_SESSIONS = 3_000  # that are read from the store for one view: those heard of last
LESSON_MS = 12 * 3600 * 1000  # what is called one lesson, where nobody has chosen a date
_OLD_MS = 24 * 3600 * 1000
_GOES_ON_MS = 48 * 3600 * 1000  # a session may, beyond the day that somebody looks at
_CATCH_UP_EVERY_S = 2.0  # where the store cannot be read
_CATCH_UP_EVENTS = 1_000  # at once, so that a view may look in between
_WARM_ROWS = 20  # at once, some milliseconds
_WARM_EVERY_S = 0.05  # while events come: the next may change what was made
_BREATH_S = 0.001
_MAX_AT_ONCE = 5_000  # so that a view may look in between
_MAX_PAUSE_S = 0.1  # no page is told more than five times a second
_UNSEEN_S = 600.0  # after so long without a look, old sessions are dropped from memory

_Figures = TypeVar("_Figures")
_Stored: TypeAlias = tuple[int, StoredEvent]
_Batch: TypeAlias = Sequence[_Stored]


class Live:
    """The figures of all sessions that are of interest now.

    Attributes:
        boot: Unlike that of any other run: versions are only good with the one they came from.
    """

    def __init__(self) -> None:
        self.boot = secrets.token_hex(4)
        self._inbox: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._store: Store
        self._lock = threading.RLock()  # guards all below, held for no I/O but reading figures
        self._version = 1
        self._upto = 0
        self._notebooks: dict[str, Notebook] = {}
        self._unsaved: dict[str, SessionFigures] = {}
        self._listeners = Listeners()
        self._ended = False
        self._is_behind = True  # our thread's alone: not all that was stored has been applied

    def applied(self, events: _Batch) -> None:
        """What the store has committed; called by its writer, so this only puts it down."""
        self._inbox.put(events)

    def start(self, store: Store) -> None:
        """Take the figures from `store` that it has kept, and apply what came after them."""
        self._store = store
        self._upto = store.figures_upto()
        for name, last in store.notebooks():
            self._notebooks[name] = Notebook(name, last_ms=epoch_ms(last))
        self._thread.start()

    def end_streams(self) -> None:
        """Tell all listeners that there will be no more news; may be called from anywhere."""
        self._ended = True
        self._listeners.wake()

    def close(self) -> None:
        """Keep the figures in the store; before that is closed."""
        self.end_streams()
        if self._thread.is_alive():
            self._inbox.put(None)
            self._thread.join()

    # Reading, from any thread

    def up_to_date(self, event_id: int) -> bool:
        """Whether the event with this id is in the figures, and all before it."""
        return self._upto >= event_id

    @property
    def ended(self) -> bool:
        """Whether there will be no more news."""
        return self._ended

    def changes(self, query: Query, after: int = 0) -> Changes:
        """What is different since version `after`; all of it where that is 0."""
        with self._lock:
            notebook = self._notebook_of(query)
            if notebook is None:
                return Changes(self._version, "", {}, [], self._latest_first())
            notebook.looked_at_s = time.monotonic()
            query = self._loaded(notebook, query)
            return Changes(
                self._version,
                notebook.name,
                notebook.rows_since(query, after),
                notebook.exercises(query),
                self._latest_first(),
                query.since_ms or 0,
                notebook.complete_since_ms(query),
            )

    def _latest_first(self) -> list[tuple[str, int]]:
        heard_of = ((each.name, each.last_ms) for each in self._notebooks.values())
        return sorted(heard_of, key=lambda each: (-each[1], each[0]))

    def about(self, query: Query, figures: Callable[[list[Student]], _Figures]) -> _Figures:
        """What `figures` makes of the rows of the class; they stand still meanwhile."""
        with self._lock:
            notebook = self._notebook_of(query)
            return figures(notebook.students(self._loaded(notebook, query)) if notebook else [])

    def listening(self) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever something has changed; for the loop that asks."""
        return self._listeners.listening()

    def _notebook_of(self, query: Query) -> Notebook | None:
        if query.notebook:
            return self._notebooks.get(query.notebook)
        return max(self._notebooks.values(), key=lambda each: each.last_ms, default=None)

    def _loaded(self, notebook: Notebook, query: Query) -> Query:
        """`query` with its beginning, all of whose sessions are in memory from now on."""
        since_ms = query.since_ms
        if since_ms is None:
            # A clock that is ahead must not make tomorrow the latest lesson.
            since_ms = max(0, min(notebook.last_ms, round(time.time() * 1000)) - LESSON_MS)
        if query.until_ms is None:
            if since_ms < notebook.asked_since_ms:
                notebook.loaded_since_ms = self._load(notebook, since_ms)
                notebook.asked_since_ms = since_ms
        elif since_ms < notebook.loaded_since_ms:
            day = since_ms, query.until_ms
            if day not in notebook.loaded_days:
                until_ms = query.until_ms + _GOES_ON_MS
                notebook.loaded_days[day] = self._load(notebook, since_ms, until_ms)
        return query._replace(since_ms=since_ms)

    def _load(self, notebook: Notebook, since_ms: int, until_ms: int | None = None) -> int:
        """Read sessions that were heard of in that time; since when all of them are here."""
        read = partial(self._store.read_figures, notebook=notebook.name, since=iso(since_ms))
        until = None if until_ms is None else iso(until_ms)
        heard_of: list[str] = []
        for row in read(until=until, limit=MAX_SESSIONS):
            heard_of.append(row.last)
            if row.sess not in notebook.sessions:
                notebook.add(figures_from(self._store, row, self._upto))
        if len(heard_of) < MAX_SESSIONS:
            return since_ms
        earliest = min(heard_of)
        has_earlier = bool([*read(until=earliest, limit=1)])
        return epoch_ms(earliest) if has_earlier else since_ms

    def forget(self, student: str) -> None:
        """Drop all sessions in which a name stands; after the store has."""
        with self._lock:
            self._version += 1
            for notebook in self._notebooks.values():
                for sess in notebook.forget(student, self._version):
                    self._unsaved.pop(sess, None)
            self._listeners.wake()

    # The thread of our own

    def _run(self) -> None:
        try:
            self._follow()
            self._save()
        except Exception:
            log.exception("the views no longer follow; events are stored all the same")

    def _follow(self) -> None:
        """Apply what comes in, until the end; in between, do what can wait."""
        save_at_s = time.monotonic() + SAVE_EVERY_S
        catch_up_at_s, warmed_s, warm_at_s, ends = 0.0, 0.0, 0.0, False
        while not ends:
            next_s = min(save_at_s, catch_up_at_s if self._is_behind else warm_at_s)
            try:
                events, ends = self._next_events(max(0.0, next_s - time.monotonic()))
            except queue.Empty:
                events = ()
            if self._is_behind:
                if ends or time.monotonic() >= catch_up_at_s:
                    self._catch_up()
                    catch_up_at_s = time.monotonic() + _CATCH_UP_EVERY_S
            elif events:
                began_s = time.monotonic()
                self._take(events)
                warm_at_s = warmed_s + _WARM_EVERY_S
                if not ends:  # half of the time is for those who send, and more comes meanwhile
                    time.sleep(min(_MAX_PAUSE_S, time.monotonic() - began_s))
            elif time.monotonic() >= warm_at_s:
                more = self._warm()
                warmed_s = time.monotonic()
                warm_at_s = warmed_s + (_BREATH_S if more else SAVE_EVERY_S)
            if time.monotonic() >= save_at_s:
                if self._save():
                    self._drop_what_is_old()
                save_at_s = time.monotonic() + SAVE_EVERY_S

    def _next_events(self, wait_s: float) -> tuple[_Batch, bool]:
        """All that has come in, many commits at once where much comes; and whether it is the end.

        Raises:
            queue.Empty: Nothing came within `wait_s`.
        """
        events: list[tuple[int, StoredEvent]] = []
        batch = self._inbox.get(timeout=wait_s)
        while batch is not None:
            events += batch
            if len(events) >= _MAX_AT_ONCE or self._inbox.empty():
                return events, False
            batch = self._inbox.get()
        return events, True

    def _take(self, batch: _Batch) -> None:
        """Apply what came in; or know that we are behind, where the store cannot be read."""
        try:
            self._apply(batch)
        except sqlite3.Error as failure:
            log.warning("the views wait until the events can be read again: %r", failure)
            self._is_behind = True

    def _catch_up(self) -> None:
        """Apply what was stored after that which has been: all that came in is there."""
        batch: list[tuple[int, StoredEvent]] = []
        try:
            for numbered in self._store.events(after=self._upto):
                batch.append(numbered)
                if len(batch) == _CATCH_UP_EVENTS:
                    self._apply(batch)
                    batch = []
                    if len(self._unsaved) > MAX_SESSIONS and self._save():  # a long way to go
                        self._drop_what_is_old()
            self._apply(batch)
        except sqlite3.Error as failure:
            log.warning("the views are behind, and try again: %r", failure)
        else:
            self._is_behind = False

    def _warm(self) -> bool:
        """Make rows that are likely to be looked at; whether more remain."""
        with self._lock:
            notebook = self._notebook_of(Query())
            if notebook is None:
                return False
            return notebook.warm(self._loaded(notebook, Query()), _WARM_ROWS)

    def _apply(self, batch: _Batch) -> None:
        """Bring the figures up to date: session by session, for they are looked up and told once.

        Raises:
            sqlite3.Error: What the store keeps of a session cannot be read; nothing is applied.
        """
        with self._lock:
            by_session: defaultdict[tuple[str, str], list[_Stored]] = defaultdict(list)
            for event_id, event in batch:
                # What came while we caught up was read then.
                if event_id > self._upto and is_of_a_lesson(event):
                    by_session[event.nb, event.sess].append((event_id, event))
            sessions = self._sessions_of(by_session)
            self._version += 1
            for (notebook, figures), events in zip(sessions, by_session.values(), strict=True):
                if apply_all(figures, events):
                    notebook.has_changed(figures, self._version)
                    self._unsaved[figures.sess] = figures
            self._upto = max(self._upto, batch[-1][0] if batch else 0)
            self._listeners.wake()

    def _sessions_of(
        self, wanted: Collection[tuple[str, str]]
    ) -> list[tuple[Notebook, SessionFigures]]:
        """Notebook and figures of each: from memory, from the store all at once, or new."""
        for name in {name for name, _ in wanted} - self._notebooks.keys():
            self._notebooks[name] = Notebook(name)
        together = [(self._notebooks[name], sess) for name, sess in wanted]
        new = {sess for notebook, sess in together if sess not in notebook.sessions}
        kept = {row.sess: row for row in self._store.figures_of(new)} if new else {}
        return [(notebook, self._session_of(notebook, sess, kept)) for notebook, sess in together]

    def _session_of(
        self, notebook: Notebook, sess: str, kept: Mapping[str, FigureRow]
    ) -> SessionFigures:
        figures = notebook.sessions.get(sess)
        if figures is None:
            row = kept.get(sess)
            known = None if row is None else figures_from(self._store, row, self._upto)
            figures = known or SessionFigures(sess)
            notebook.add(figures)
        return figures

    def _save(self) -> bool:
        """Keep the figures; True when they are, so that they may leave memory."""
        with self._lock:
            if not self._unsaved:
                return True
            rows = [as_row(each) for each in self._unsaved.values()]
            unsaved, self._unsaved = self._unsaved, {}
            saved = self._store.write_figures(rows, self._upto)
        try:
            saved.result()
        except (sqlite3.Error, StoreError) as failure:
            log.warning("the figures were not kept, and wait in memory: %r", failure)
            with self._lock:  # without who was forgotten meanwhile
                here = {sess for each in self._notebooks.values() for sess in each.sessions}
                unsaved = {sess: each for sess, each in unsaved.items() if sess in here}
                self._unsaved = {**unsaved, **self._unsaved}
            return False
        return True

    def _drop_what_is_old(self) -> None:
        """Nobody looks at it: a view that does will read it from the store."""
        unseen_since_s = time.monotonic() - _UNSEEN_S
        with self._lock:
            for notebook in self._notebooks.values():
                if notebook.looked_at_s < unseen_since_s:
                    notebook.drop_before(round(time.time() * 1000) - _OLD_MS)
