"""How long each view takes with a year of classes in the store.

    python benchmarks/large_store.py [--events 10000000] [--notebooks 20] [--folder FOLDER]

Fills a new database first: lessons of 1,000 students with 40 exercises, one after the other,
with each of the notebooks by turns.
Ten million events need 5 GB of disk and some minutes. Each view is asked for first when the
collector has just started, and then again; a database that is there already is only read.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # for the collector that the tests have

from collectors import CollectorProcess  # after the line above
from figures import median

from ipynb_telemetry.classroom.database import connect, keep
from ipynb_telemetry.classroom.figures import SessionFigures
from ipynb_telemetry.classroom.kept import as_row
from ipynb_telemetry.classroom.protocol import StoredEvent

_STUDENTS, _EXERCISES, _NOTEBOOKS = 1_000, 40, 20
_EVENTS_EACH = 1 + 3 * _EXERCISES
_LESSON = timedelta(minutes=90)
_BUDGET_MS = 200
_TIMES = 7
_SETTLED_S = 3  # a teacher opens the page some moments after the start
_Row = tuple[Any, ...]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--notebooks", type=int, default=_NOTEBOOKS)
    parser.add_argument("--folder", type=Path, help="keep the database there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        folder.mkdir(exist_ok=True)
        collector = CollectorProcess(folder)
        if not _has_events(collector.database):
            lessons = round(asked.events / _STUDENTS / _EVENTS_EACH)
            fill(collector.database, lessons, asked.notebooks)
        measure(collector)


def _has_events(path: Path) -> bool:
    with closing(connect(path)) as connection:
        return connection.execute("SELECT 1 FROM events").fetchone() is not None


def fill(path: Path, lessons: int, notebooks: int = _NOTEBOOKS) -> None:
    """So many lessons, the last of which has just ended."""
    began_s = time.monotonic()
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -2000000")
        first_id = 1
        for number in range(lessons):
            ended = datetime.now(tz=timezone.utc) - (lessons - 1 - number) * timedelta(days=4)
            events, sessions = _a_lesson(number, f"D{number % notebooks}", ended - _LESSON)
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                ((first_id + place, *event) for place, event in enumerate(events)),
            )
            connection.executemany("INSERT INTO figures VALUES (?,?,?,?,?,?)", sessions)
            first_id += len(events)
            keep(connection, "figures_upto", str(first_id - 1))
            connection.execute("COMMIT")
            print(f"\r{first_id - 1:,} events", end="", file=sys.stderr, flush=True)
        connection.execute("PRAGMA journal_mode = WAL")
    print(
        f"\nFilled in {time.monotonic() - began_s:.0f} s: {first_id - 1:,} events, "
        f"{lessons * _STUDENTS:,} sessions, {path.stat().st_size / 1e9:.1f} GB."
    )


def _a_lesson(number: int, notebook: str, began: datetime) -> tuple[list[_Row], list[_Row]]:
    """Rows of events, in the order in which they happened, and of figures."""
    chance = Random(number)  # noqa: S311  # it makes up students, not secrets
    events: list[_Row] = []
    sessions: list[_Row] = []
    for student in range(_STUDENTS):
        sess = f"{number:04x}{student:04x}"
        figures = SessionFigures(sess)
        for event in _a_student(chance, f"STUDENT-{student:04}", sess, notebook, began):
            figures.apply(event)
            events.append((chance.randbytes(16), *event[1:]))
        sessions.append(as_row(figures))
    events.sort(key=lambda row: row[3])
    return events, sessions


def _a_student(
    chance: Random, name: str, sess: str, notebook: str, began: datetime
) -> Iterator[StoredEvent]:
    base = {"nb": notebook, "sess": sess, "student": name, "v": "0.2.0"}
    step_s = _LESSON.total_seconds() / _EVENTS_EACH * chance.uniform(0.6, 0.99)
    for seq, (event, own) in enumerate(_happenings(chance)):
        at = (began + timedelta(seconds=seq * step_s + chance.random())).isoformat()
        yield StoredEvent(
            uuid="",
            event=event,
            distinct_id=name,
            timestamp=at,
            received=at,
            nb=notebook,
            sess=sess,
            student=name,
            cohort="",
            seq=seq,
            properties=json.dumps({**own, **base, "seq": seq}),
        )


def _happenings(chance: Random) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "start", {"python": "3.13.5", "ipython": "9.6.0", "frontend": "colab", "rerun": 0}
    for exercise in range(1, _EXERCISES + 1):
        cell = {"cell_id": f"exercise_{exercise}", "cell_num": exercise}
        ok = chance.random() < 0.7
        err = None if ok else f"AssertionError: Look again at number {chance.randrange(100)}."
        yield "cell", {**cell, "code": f"# Exercise {exercise}\nanswer = ..."}
        yield (
            "test",
            {"ex": f"exercise_{exercise}", "ok": ok, "try": 1, "ms": 3, "err": err},
        )
        yield "cell_end", {**cell, "ok": ok, "ms": 5, "err": err}


def measure(collector: CollectorProcess) -> None:
    """Print how long each view takes."""
    print("\n| view | of | first | then, median | within 200 ms |\n|---|---|---|---|---|")
    for what, params in _parts(collector.database).items():
        began_s = time.monotonic()
        with collector:
            started_s = time.monotonic() - began_s
            time.sleep(_SETTLED_S)
            for path in ("class", "exercises", "pace", "student"):
                key = {"key": "STUDENT-0500"} if path == "student" else {}
                took_ms = [_ask(collector, path, {**params, **key}) for _ in range(_TIMES)]
                then = median(took_ms[1:])
                print(
                    f"| `/api/{path}` | {what} | {took_ms[0]:,.0f} ms | {then:.0f} ms "
                    f"| {'yes' if max(then, took_ms[0]) <= _BUDGET_MS else 'NO'} |",
                    flush=True,
                )
            memory = psutil.Process(collector.pid).memory_info().rss / 1e6
        print(f"| | it answers {started_s:.1f} s after its start, with {memory:.0f} MB | | | |")


def _parts(path: Path) -> dict[str, dict[str, str]]:
    """What a teacher may look at: today's lesson, an earlier day, all days of one notebook."""
    with closing(connect(path)) as connection:
        lessons = connection.execute("SELECT count(*) FROM figures").fetchone()[0] // _STUDENTS
        earlier = lessons // 2
        notebook, day = connection.execute(
            "SELECT nb, last FROM figures WHERE sess = ?", (f"{earlier:04x}0000",)
        ).fetchone()
    until_ms = round(datetime.fromisoformat(day).timestamp() * 1000) + 3_600_000
    return {
        "the latest lesson": {},
        "an earlier day": {
            "notebook": notebook,
            "since": str(until_ms - 24 * 3_600_000),
            "until": str(until_ms),
        },
        "all days of a notebook": {"notebook": notebook, "since": "0"},
    }


def _ask(collector: CollectorProcess, path: str, params: dict[str, str]) -> float:
    """Milliseconds until all of the answer is there."""
    began_s = time.perf_counter()
    answer = collector.read(f"/api/{path}", **params)
    answer.raise_for_status()
    return (time.perf_counter() - began_s) * 1000


if __name__ == "__main__":
    main()
