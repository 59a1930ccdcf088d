"""A simulated class: any number of students work through a lesson, each in a way of their own.

Their events are those of real students, made by the same `events.py`, so that a view can be
seen alive by one person and a collector can be put under the load of a class.
"""

from __future__ import annotations

import heapq
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import count, islice, product
from random import Random
from typing import Any, NamedTuple

from ipynb_telemetry.classroom.imagined import Lesson, Student
from ipynb_telemetry.events import Record, message, new_record, version
from ipynb_telemetry.names import normalize_student_name

MAX_BATCH_EVENTS = 250
_TRY_AGAIN_S = 1.0

_FIRST_NAMES = """Ada Ahmed Aisha Alan Amina Anna Ben Carla Chidi Clara Daniel Deniz Elif Emma
Fatima Faisal Grace Hana Hassan Ines Ivan Jamal Jun Kai Khalid Lea Lina Luca
Maha Maria Mei Mia Mohammed Nadia Noah Nora Omar Paul Priya Rania Ravi Reem
Rosa Sam Sara Sofia Tariq Tom Uma Wei Yara Yusuf Zeynep Zoe Jürgen Chloé
Søren Łukasz Ольга محمد""".split()  # noqa: SIM905  # words, not strings
_LAST_NAMES = """Abbas Adeyemi Al-Harbi Ali Andersen Bauer Brown Chen Costa Demir Diaz Dubois
Eze Farah Fischer Garcia Gupta Haddad Hopper Ibrahim Ito Ivanova Jansen
Johnson Kaya Khan Kim Kowalski Lee Liu Lovelace Mansour Mbeki Müller Nasser
Nguyen Novak O'Brien Okafor Osman Park Patel Perez Qureshi Rossi Said Sato
Schmidt Silva Singh Smith Suzuki Tanaka Turing Usman Virtanen Wang Yilmaz
Zhang Noether""".split()  # noqa: SIM905


class Moment(NamedTuple):
    """Something that happens in the class."""

    at_s: float
    """Seconds since the lesson began."""
    record: Record


def a_class(
    students: int,
    lesson: Lesson | None = None,
    *,
    began: datetime | None = None,
    cohorts: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[Moment]:
    """All that happens in the lesson of a class, in the order in which it happens.

    Some students are stuck, some of these raise a hand. The second corrects a typo in the
    name; the last has the name of the first, at another computer (from three students on).

    Args:
        students: How many.
        lesson: What they work on; None: the example lesson.
        began: When the first student began, aware; None: now.
        cohorts: The classes among which students are dealt out; none: no cohort.
        seed: The same seed is the same lesson; with the same `began` also the same uuids.
    """
    lesson = lesson or Lesson()
    began = began or datetime.now(tz=timezone.utc)
    names = [*islice(_names(seed), students)]
    if students > 2:  # noqa: PLR2004  # with two, the second is who corrects a typo
        names[-1] = names[0]
    return heapq.merge(
        *(
            _records(
                Student(
                    Random(f"{seed} {number}"),  # noqa: S311  # no secret, in all of this module
                    name,
                    lesson,
                    mistyped=_mistyped(name) if number == 1 else "",
                ),
                # Played again, the lesson is another one: its events must not look like resends.
                Random(f"{seed} {number} {began.isoformat()}"),  # noqa: S311
                began=began,
                cohort=cohorts[number % len(cohorts)] if cohorts else "",
            )
            for number, name in enumerate(names)
        ),
        key=lambda moment: moment.at_s,
    )


def play(
    moments: Iterable[Moment],
    post: Callable[[list[dict[str, Any]]], bool],
    *,
    stop: threading.Event,
    already_s: float = 0.0,
    fast: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Send each event when its time has come, and again until the server has taken it.

    Args:
        moments: What happens, in order.
        post: Sends messages as PostHog gets them; says whether the server has taken them.
        stop: Set by whoever wants it to end before the lesson does.
        already_s: How much of the lesson has gone by: that part is sent at once.
        fast: Send everything at once, without waiting for its time.
        clock: Seconds that only grow.

    Returns:
        How many events the server has taken.
    """
    began_s = clock() - already_s
    taken = 0
    batch: list[dict[str, Any]] = []
    for at_s, record in moments:
        wait_s = 0.0 if fast else at_s - (clock() - began_s)
        if wait_s > 0 or len(batch) == MAX_BATCH_EVENTS:
            taken += _post_until_taken(batch, post, stop)
            batch = []
            wait_s = min(wait_s, at_s - (clock() - began_s))  # sending took its time
        if stop.wait(max(0.0, wait_s)):
            return taken
        batch.append(message(record, ""))
    return taken + _post_until_taken(batch, post, stop)


def _post_until_taken(
    batch: list[dict[str, Any]],
    post: Callable[[list[dict[str, Any]]], bool],
    stop: threading.Event,
) -> int:
    while batch and not post(batch):
        if stop.wait(_TRY_AGAIN_S):
            return 0
    return len(batch)


def _names(seed: int) -> Iterator[str]:
    """Each name once, and then all of them again with a number."""
    pairs = [*product(_FIRST_NAMES, _LAST_NAMES)]
    Random(seed).shuffle(pairs)  # noqa: S311
    for again in count(1):
        number = "" if again == 1 else f" {again}"
        yield from (normalize_student_name(f"{first} {last}{number}") for first, last in pairs)


def _mistyped(name: str) -> str:
    """Without the last letter but one."""
    return name[:-2] + name[-1]


def _records(student: Student, ids: Random, *, began: datetime, cohort: str) -> Iterator[Moment]:
    """The student's happenings as the capture layer records them, with ids of their own."""
    base = {
        "nb": student.lesson.notebook_id,
        "sess": f"{ids.getrandbits(32):08x}",
        "v": version(),
        **({"cohort": cohort} if cohort else {}),
    }
    for seq, happening in enumerate(student.happenings()):
        at_s, event, own, name = happening
        properties = {**own, **base, "student": name, "seq": seq}
        record = new_record(event, properties, host=None, api_key=None, student=name)
        record["uuid"] = str(uuid.UUID(int=ids.getrandbits(128), version=4))
        record["timestamp"] = (began + timedelta(seconds=at_s)).isoformat()
        yield Moment(at_s, record)
