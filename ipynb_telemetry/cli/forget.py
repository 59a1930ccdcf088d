"""Deleting everything about one student: the answer to a student who asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from ipynb_telemetry.classroom.database import StoreError
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.sources import Source, SourceError, open_source
from ipynb_telemetry.classroom.wanted import Wanted
from ipynb_telemetry.cli.event_line import printable
from ipynb_telemetry.names import did_you_mean


def run_forget(*, place: str | Path, token: str, student: str, yes: bool) -> int:
    """Show what there is about a student, ask, and delete it.

    Returns:
        The exit code: 0 it is gone, 1 it is not, or there was nothing.
    """
    try:
        with open_source(place, token) as source:
            return _forget(source, student, yes=yes)
    except (SourceError, StoreError) as failure:
        typer.echo(str(failure), err=True)
        return 1


def _forget(source: Source, student: str, *, yes: bool) -> int:
    found = [*source.events(Wanted(student=student))]
    if not found:
        typer.echo(f"Nothing is stored about {student}.{_did_you_mean(source, student)}", err=True)
        return 1
    for line in _summary(found):
        typer.echo(printable(line))
    if not yes:
        typer.confirm("Delete all of this, for good?", abort=True)
    events = source.forget(student)
    typer.echo(f"Deleted: {_count(events, 'event')}.")
    return 0


def _summary(found: Sequence[StoredEvent]) -> Iterator[str]:
    names = dict.fromkeys(event.student or event.distinct_id for event in found)
    yield f"Stored about {', '.join(names)}:"
    for notebook, events in Counter(event.nb for event in found).items():
        of_it = [event for event in found if event.nb == notebook]
        sessions = len({event.sess for event in of_it})
        first, last = min(of_it, key=_when).timestamp[:10], max(of_it, key=_when).timestamp[:10]
        yield (
            f"  {notebook or 'no notebook'}: {_count(events, 'event')} of "
            f"{_count(sessions, 'session')}, {first} to {last}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _when(event: StoredEvent) -> str:
    return event.timestamp


def _did_you_mean(source: Source, student: str) -> str:
    names = {name for figures in source.figures(Wanted()) for name in figures.names}
    near = did_you_mean(student, sorted(names))
    return printable(f" Did you mean {' or '.join(near)}?") if near else ""
