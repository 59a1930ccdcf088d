"""Load generator: classes of any size against the collector, and what it is measured beside.

    python tests/load_class.py --students 30 300 3000

Sender, collector, page and the receivers it is measured beside share this computer's cores.
The numbers depend on it, so compare those of one run alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from collectors import CollectorProcess
from load_page import Page, Sightings
from load_receivers import bare_executemany, flask_receiver
from load_senders import Post, a_post, send_all

from ipynb_telemetry.classroom.play import a_class
from ipynb_telemetry.events import message

_BATCH = 100
_MAX_COMPARED = 46_000
_SINGLES = 6_000
# Each receiver is asked over as few connections as it has threads, over as many as a school
# class has, and over as many as a lecture has; what it does best is what counts.
_CONNECTIONS = (8, 30, 200)
_TIMES = len(_CONNECTIONS)
_AT_LEAST = 4  # posts over one connection, or it is connecting that is measured
_EVENT_EVERY_S = 5.0  # of each student, in the lesson that is played at a lesson's pace
_MAX_SHOWN_S = 20.0
_MB = 1e6


class Sent(NamedTuple):
    at: float
    sess: str
    number: int
    """Which of the session's events it is: 1, 2 ..."""


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--students", type=int, nargs="+", default=[30, 300, 3000])
    parser.add_argument("--seconds", type=float, default=15, help="of the lesson that is played")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison")
    asked = parser.parse_args()
    _allow_many_connections()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare(folder, asked.rounds)
        _say(
            "\n| students | events | events/s | p50 to page | p99 to page "
            "| memory: start, most, end | all there, once |"
        )
        _say("|---|---|---|---|---|---|---|")
        for students in asked.students:
            _say(play_class(folder / str(students), students, asked.seconds))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def compare(folder: Path, rounds: int) -> None:
    """The limit, Flask and the collector with the same events, by turns."""
    _say(
        "| round | bare executemany | Flask, batches | collector, batches | of the limit "
        "| Flask, single | collector, single | times Flask |"
    )
    _say("|---|---|---|---|---|---|---|---|")
    for number in range(rounds):
        place = folder / f"round{number}"
        place.mkdir()
        messages = _messages(1_800)[:_MAX_COMPARED]
        limit = max(bare_executemany(place / str(turn), messages) for turn in range(_TIMES))
        with flask_receiver(place) as port:
            flask = _rates(port, "key", messages)
        with (
            CollectorProcess(place) as collector,
            Page(collector.url, collector.token),
        ):
            ours = _rates(collector.port, collector.api_key, messages)
        _say(
            f"| {number + 1} | {limit:,.0f}/s | {flask[0]:,.0f}/s | {ours[0]:,.0f}/s "
            f"| {ours[0] / limit:.2f} | {flask[1]:,.0f}/s | {ours[1]:,.0f}/s "
            f"| {ours[1] / flask[1]:.1f} |",
        )


def _rates(port: int, api_key: str, messages: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Events a second in batches, and in single posts."""
    singles = [a_post([each], api_key) for each in messages[:_SINGLES]]
    batches = [a_post(part, api_key) for part in _parts(messages[_SINGLES:], _BATCH)]
    return _best_rate(port, batches), _best_rate(port, singles)


def _best_rate(port: int, posts: Sequence[Post]) -> float:
    """Events a second, over that number of connections at which it takes most."""
    rates = []
    for place, connections in enumerate(_CONNECTIONS):
        part = posts[place :: len(_CONNECTIONS)]
        hands = min(connections, len(part) // _AT_LEAST)
        took_s = asyncio.run(send_all(port, _dealt(part, hands)))
        rates.append(sum(post.events for post in part) / took_s)
    return max(rates)


def _dealt(posts: Sequence[Post], hands: int) -> list[Sequence[Post]]:
    return [posts[start::hands] for start in range(hands)]


def play_class(folder: Path, students: int, seconds: float) -> str:
    """A row of the table: all of a lesson at once, then one at a lesson's pace."""
    folder.mkdir()
    with CollectorProcess(folder) as collector, _memory(collector.pid) as megabytes:
        with Page(collector.url, collector.token) as page:
            at_once = _messages(students)
            took_s = asyncio.run(send_all(collector.port, _by_student(at_once, collector.api_key)))
            paced = _messages(students, seed=1)[: round(seconds * students / _EVENT_EVERY_S)]
            sent = asyncio.run(_send_in_time(collector, paced, students))
            _wait_until_counted(collector, len(at_once) + len(paced))
            latencies = _latencies(sent, page.close())
        stored = Counter(collector.stored_uuids())
    expected = {each["uuid"] for each in (*at_once, *paced)}
    is_right = set(stored) == expected and set(stored.values()) == {1}
    p50, p99 = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
    return (
        f"| {students:,} | {len(expected):,} | {len(at_once) / took_s:,.0f} "
        f"| {p50 * 1000:.0f} ms | {p99 * 1000:.0f} ms "
        f"| {megabytes[0]:.0f}, {max(megabytes):.0f}, {megabytes[-1]:.0f} MB "
        f"| {'yes' if is_right else 'NO'} |"
    )


def _messages(students: int, seed: int = 0) -> list[dict[str, Any]]:
    return [message(moment.record, "") for moment in a_class(students, seed=seed)]


def _parts(messages: Sequence[dict[str, Any]], size: int) -> Iterator[Sequence[dict[str, Any]]]:
    return (messages[start : start + size] for start in range(0, len(messages), size))


def _by_student(messages: Sequence[dict[str, Any]], api_key: str) -> list[list[Post]]:
    """Each student's events in batches of ten, as after a short outage, over a line of its own."""
    by_sess: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in messages:
        by_sess[each["properties"]["sess"]].append(each)
    return [[a_post(part, api_key) for part in _parts(own, 10)] for own in by_sess.values()]


async def _send_in_time(
    collector: CollectorProcess, messages: Sequence[dict[str, Any]], students: int
) -> list[Sent]:
    """One event after the other, each in a request of its own, so many a second."""
    posts = [a_post([each], collector.api_key) for each in messages]
    counts: Counter[str] = Counter()
    sent: list[Sent] = []
    sending: list[asyncio.Task[float]] = []
    began = time.monotonic()
    for number, (each, post) in enumerate(zip(messages, posts, strict=True)):
        await asyncio.sleep(began + number * _EVENT_EVERY_S / students - time.monotonic())
        sess = each["properties"]["sess"]
        counts[sess] += 1
        sent.append(Sent(time.monotonic(), sess, counts[sess]))
        sending.append(asyncio.create_task(send_all(collector.port, [[post]])))
    await asyncio.gather(*sending)
    return sent


def _wait_until_counted(collector: CollectorProcess, events: int) -> None:
    deadline = time.monotonic() + _MAX_SHOWN_S
    while time.monotonic() < deadline:
        students = collector.read("/api/class").json()["students"].values()
        rows = itertools.chain.from_iterable(students)
        if sum(each[1] for row in rows for each in row["sessions"]) >= events:
            time.sleep(1)  # the page gets the last of it
            return
        time.sleep(0.2)


def _latencies(sent: Sequence[Sent], shown: Sightings) -> list[float]:
    """Seconds from each event to the page that shows it; what was never shown counts as long."""
    latencies = []
    for at, sess, number in sent:
        times = (when for received, when in shown.get(sess, ()) if received >= number)
        latencies.append(next(times, at + _MAX_SHOWN_S) - at)
    return latencies


@contextlib.contextmanager
def _memory(pid: int) -> Iterator[list[float]]:
    """What the process has in memory, in megabytes, looked at five times a second."""
    process, ending = psutil.Process(pid), threading.Event()
    seen = [process.memory_info().rss / _MB]

    def look() -> None:
        while not ending.wait(0.2):
            with contextlib.suppress(psutil.NoSuchProcess):
                seen.append(process.memory_info().rss / _MB)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        ending.set()
        looking.join()


def _allow_many_connections() -> None:
    if sys.platform != "win32":
        import resource  # noqa: PLC0415  # not on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
