"""What is installed, whether the server answers, what waits on this computer and why."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata
from pathlib import Path

import typer

from ipynb_telemetry import settings
from ipynb_telemetry.cli.progress_bar import progress_bar
from ipynb_telemetry.cli.waiting import Keeper, Waiting, set_aside_in, waiting_in
from ipynb_telemetry.events import version

WELL, BROKEN, EVENTS_LEFT = 0, 1, 3
_MAX_SERVERS = 5  # one that hangs takes seconds to ask
_STUDENTS = ("ipywidgets", "posthog", "requests", "traitlets", "platformdirs", "psutil")
_OTHERS = ("IPython", "ipykernel", "jupyterlab", "notebook", "starlette", "uvicorn", "pandas")


def run_doctor(*, host: str | None, api_key: str | None, send: bool) -> int:
    """Say what is well and what is not, in plain lines.

    Returns:
        The exit code: 0 all is well, 1 something is missing or the server does not work,
        3 events wait that no running notebook sends, or some were set aside.

    Raises:
        BadParameter: `host` or `api_key` cannot be one.
    """
    try:
        chosen = settings.resolve("doctor", host=host, api_key=api_key)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong).partition(" Example")[0]) from None
    typer.echo("Installed")
    works = _show_installed()
    typer.echo("\nServer")
    works = _show_servers(chosen) and works
    typer.echo(f"\nWaiting on this computer ({chosen.state_folder})")
    if send and chosen.off_because:
        typer.echo(f"  Nothing is sent: {chosen.off_because}.")
    elif send:
        _send(chosen.state_folder)
    is_left = _show_waiting(chosen.state_folder)
    typer.echo("\nSet aside")
    is_left = _show_set_aside(chosen.state_folder) or is_left
    if not works:
        return BROKEN
    return EVENTS_LEFT if is_left else WELL


def _show_installed() -> bool:
    """Whether nothing is missing that a student's notebook needs."""
    versions = {"ipynb-telemetry": version(), "Python": platform.python_version()}
    missing = []
    for name in (*_STUDENTS, *_OTHERS):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name in _STUDENTS:
                missing.append(name)
    for name, number in versions.items():
        typer.echo(f"  {name:<17}{number}")
    if missing:
        names = " ".join(missing)
        typer.echo(f"  Missing: {names}. Install with: python -m pip install {names}")
    return not missing


def _show_servers(chosen: settings.Settings) -> bool:
    """Whether the chosen one works; those for which events wait are asked as well."""
    for note in filter(None, (chosen.blocked_because, *chosen.notes)):
        typer.echo(f"  {note}")
    if chosen.off_because:
        typer.echo(f"  Telemetry is off on this computer: {chosen.off_because}. Nothing is asked.")
        return True
    from ipynb_telemetry.cli.probe import probe  # noqa: PLC0415  # slow

    destinations = [(chosen.host, chosen.api_key)]
    destinations += [each for one in waiting_in(chosen.state_folder) for each in one.destinations]
    works = {}
    for host, api_key in [*dict.fromkeys(destinations)][:_MAX_SERVERS]:
        if host and api_key:
            works[host, api_key], words = probe(host, api_key)
            typer.echo(f"  {host} with the key {api_key}: {words}.")
    return works.get((chosen.host or "", chosen.api_key or ""), False)


def _send(state_folder: Path) -> None:
    from ipynb_telemetry.cli.resend import send_waiting  # noqa: PLC0415  # slow

    ended = [each for each in waiting_in(state_folder) if each.keeper is Keeper.ENDED]
    with progress_bar("Sending", sum(each.events for each in ended)) as sent:
        outcomes = send_waiting(state_folder, sent=sent)
    total = sum(each.sent for each in outcomes)
    typer.echo(f"  {_events(total)} sent.")
    for each in outcomes:
        if each.reason:
            typer.echo(f"  {_events(each.waiting)} of session {each.sess} not sent: {each.reason}.")


def _show_waiting(state_folder: Path) -> bool:
    """Whether something waits that no running notebook sends."""
    found = waiting_in(state_folder)
    if not found:
        typer.echo("  Nothing.")
    for waiting in found:
        typer.echo("\n".join(f"  {line}" for line in _lines(waiting)))
    return any(waiting.keeper is not Keeper.RUNNING for waiting in found)


def _lines(waiting: Waiting) -> Iterator[str]:
    who = waiting.student or "no name yet"
    yield (
        f"{_events(waiting.events)} of {waiting.notebook}, session {waiting.sess} ({who}), "
        f"since {_local_time(waiting.since)}"
    )
    for host, _ in waiting.destinations:
        yield f"  for {host or 'no server: none was set that can be used'}"
    yield f"  {_why(waiting)}"


def _local_time(timestamp: str) -> str:
    try:
        return f"{datetime.fromisoformat(timestamp).astimezone():%Y-%m-%d %H:%M}"
    except ValueError:  # from a file that is damaged
        return timestamp


def _why(waiting: Waiting) -> str:
    if waiting.keeper is Keeper.RUNNING:
        does = "sends them" if waiting.student else "asks for a name, then sends them"
        return f"The notebook is running (process {waiting.pid}) and {does}."
    if waiting.keeper is Keeper.ELSEWHERE:
        return "A notebook on another computer has them in hand, or a day after it has ended any."
    return "The notebook has ended: the next one sends them, or: ipynb-telemetry doctor --send"


def _show_set_aside(state_folder: Path) -> bool:
    found = set_aside_in(state_folder)
    if not found:
        typer.echo("  Nothing.")
        return False
    for reason, events, notebooks in found:
        typer.echo(f"  {_events(events)} of {', '.join(notebooks)}: {reason}")
    typer.echo(f"  They are kept in {state_folder / 'set-aside'} and no longer sent.")
    typer.echo("  Who does not need them deletes that folder.")
    return True


def _events(number: int) -> str:
    return f"{number} event" if number == 1 else f"{number} events"
