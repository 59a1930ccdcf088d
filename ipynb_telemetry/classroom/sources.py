"""Where a class is read from: a collector that runs, or its database."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit, urlunsplit

import requests

from ipynb_telemetry.classroom.data_routes import EVENTS, FIGURES, FORGET, forget_student
from ipynb_telemetry.classroom.database import InUseError, claimed, open_database
from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.reading import Reader
from ipynb_telemetry.classroom.store import Store
from ipynb_telemetry.classroom.wanted import Wanted, events_of, figures_of

_TIMEOUT_S = 30.0


class SourceError(Exception):
    """A collector that cannot be read; the message says what to do."""


class Source(Protocol):
    """A class that can be read, and in which a student can be forgotten."""

    def events(self, wanted: Wanted) -> Iterator[StoredEvent]:
        """In the order in which they were stored."""

    def figures(self, wanted: Wanted) -> Iterator[SessionFigures]:
        """Of each session."""

    def forget(self, student: str) -> int:
        """Delete everything about a student, for good; how many events there were."""


@contextmanager
def open_source(place: str | Path, token: str = "") -> Iterator[Source]:
    """The class at `place`.

    Args:
        place: The path of a database, or the address of a collector, which may have the
            token at its end as `ipynb-telemetry serve` prints it.
        token: The collector's; not needed for a database.

    Raises:
        SourceError: The collector does not answer, or does not take the token.
        StoreError: There is no database, or it is not ours.
    """
    if isinstance(place, str) and place.strip().lower().startswith(("http://", "https://")):
        with requests.Session() as session:
            yield _Collector(session, place.strip(), token)
        return
    yield _Database(Path(place))


class _Database:
    """Also while a collector runs on it: reading does not hold it up."""

    def __init__(self, path: Path) -> None:
        open_database(path, create=False).close()  # of our version from now on, or refused
        self._reader = Reader(path)

    def events(self, wanted: Wanted) -> Iterator[StoredEvent]:
        return events_of(self._reader, wanted)

    def figures(self, wanted: Wanted) -> Iterator[SessionFigures]:
        return figures_of(self._reader, wanted)

    def forget(self, student: str) -> int:
        store = Store(self._reader.path, create=False)
        try:
            with claimed(store.path):
                return forget_student(store, student, lambda _name: None)
        except InUseError:
            # It has the student in memory as well, and would write it down again.
            with requests.Session() as session:
                return _Collector(session, store.address(), store.token).forget(student)
        finally:
            store.close()


class _Collector:
    def __init__(self, session: requests.Session, address: str, token: str) -> None:
        parts = urlsplit(address)
        token = token or next(iter(parse_qs(parts.query).get("token", [])), "")
        self._base = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
        self._session = session
        session.trust_env = False  # no proxy, and no password of somebody's .netrc
        session.max_redirects = 0
        session.headers["Authorization"] = f"Bearer {token}"

    def events(self, wanted: Wanted) -> Iterator[StoredEvent]:
        for value in self._lines(EVENTS, wanted):
            yield StoredEvent(*value)

    def figures(self, wanted: Wanted) -> Iterator[SessionFigures]:
        for value in self._lines(FIGURES, wanted):
            try:
                yield SessionFigures.from_bytes(b64decode(value))
            except (ValueError, TypeError):
                msg = f"{self._base} is of another version. Use the same ipynb-telemetry here."
                raise SourceError(msg) from None

    def forget(self, student: str) -> int:
        with self._asked("POST", FORGET, {"student": student}) as answer:
            number: int = answer.json()["events"]
        return number

    def _lines(self, path: str, wanted: Wanted) -> Iterator[Any]:
        asked = {name: value for name, value in wanted._asdict().items() if value is not None}
        with self._asked("GET", path, asked) as answer:
            for line in answer.iter_lines(chunk_size=64 * 1024):
                yield json.loads(line)

    @contextmanager
    def _asked(self, method: str, path: str, asked: dict[str, str]) -> Iterator[requests.Response]:
        try:
            with self._session.request(
                method, self._base + path, params=asked, stream=True, timeout=_TIMEOUT_S
            ) as answer:
                self._check(answer)
                yield answer
        except requests.ConnectionError as failure:
            msg = f"nothing answers at {self._base}. Is `ipynb-telemetry serve` running there?"
            raise SourceError(msg) from failure
        except (requests.RequestException, json.JSONDecodeError) as failure:
            msg = f"the collector at {self._base} does not answer as it should: {failure}"
            raise SourceError(msg) from failure

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code == requests.codes.unauthorized:
            msg = (
                f"the collector at {self._base} does not take the token. "
                "It stands in the address that `ipynb-telemetry serve` has printed."
            )
            raise SourceError(msg)
        if answer.status_code != requests.codes.ok:
            msg = f"{self._base} answers {answer.status_code}: is it a collector of ours?"
            raise SourceError(msg)
