"""The whole thing on one computer: collector, live view, and a lesson that sends to it."""

from __future__ import annotations

import signal
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import typer

from ipynb_telemetry.answers import Outcome
from ipynb_telemetry.classroom.play import a_class, play
from ipynb_telemetry.classroom.server import Collector, listen, own_address
from ipynb_telemetry.classroom.store import Store
from ipynb_telemetry.cli.event_line import event_line
from ipynb_telemetry.cli.lab import Lab, LabError

IMAGINED = "imagined"
"""The cohort of the imagined students."""
_LOOK_EVERY_S = 0.3
_ALREADY_S = 15 * 60  # of the class's lesson: some are stuck by then, and most are not done
_SEED = 4  # two of thirty have a hand up by then


def run_demo(*, open_browser: bool, port: int, students: int) -> int:
    """Serve the lesson and the live view until Ctrl-C.

    Collector and class are threads of this process: whatever ends it ends them.

    Args:
        open_browser: Whether to open both, where there is a browser.
        port: JupyterLab's port; 0: any free one.
        students: How many imagined students work on the lesson as well.

    Returns:
        The exit code: 0 after Ctrl-C, 1 when JupyterLab did not start or ended by itself.
    """
    # End as with Ctrl-C; a shell has Ctrl-C ignored in what it starts in the background.
    ends = _ends()
    for number in ends:
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as at_the_end:
        try:
            folder = Path(at_the_end.enter_context(_folder()))
            collector, address = at_the_end.enter_context(_collector(folder / "class.sqlite"))
            store = collector.store
            lab = Lab(folder, port=port, host=address, api_key=store.api_key)
            at_the_end.callback(lab.stop)  # before the collector: kernels send what they have
            typer.echo("Starting JupyterLab ...")
            lab.wait_until_up()
            view_url = f"{address}/?token={store.token}"
            typer.echo(f"Lesson:     {lab.lesson_url}\nLive view:  {view_url}")
            typer.echo("Run the lesson's first cell, type a name, and go on. Nothing leaves here.")
            if students:
                at_the_end.enter_context(_class(students, address, store.api_key))
                typer.echo(f"{students} imagined students are in the live view, at work.")
            typer.echo("Your events follow. Ctrl-C ends the demo.\n")
            if open_browser:
                webbrowser.open(view_url)
                webbrowser.open(lab.lesson_url)
            _print_events(store, lab)
        except KeyboardInterrupt:
            for number in ends:  # asked twice, it ends no faster
                signal.signal(number, signal.SIG_IGN)
            with suppress(OSError):  # the terminal may have gone
                typer.echo("\nGoodbye.")
            return 0
        except LabError as failure:
            typer.echo(f"{failure}\nJupyterLab did not start; what it said is above.", err=True)
            return 1
    typer.echo("JupyterLab has ended.", err=True)
    return 1


def _ends() -> list[signal.Signals]:
    """What ends it as Ctrl-C does: also that the terminal is closed, unless `nohup` says not."""
    ends = [signal.SIGINT, signal.SIGTERM]
    hangup: signal.Signals | None = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_DFL:
        ends.append(hangup)
    return ends


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ipynb-telemetry-", ignore_cleanup_errors=True)


@contextmanager
def _collector(database: Path) -> Iterator[tuple[Collector, str]]:
    """A collector on a free port, and its address."""
    collector = Collector(database)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=collector.run, args=(listener,), name="collector")
        thread.start()
        try:
            yield collector, own_address(listener)
        finally:
            collector.stop()
            thread.join()
            collector.close()


@contextmanager
def _class(students: int, host: str, api_key: str) -> Iterator[None]:
    """A class at work, in the middle of its lesson."""
    from ipynb_telemetry.transport import Transport  # noqa: PLC0415  # slow

    transport, stop = Transport(), threading.Event()

    def post(messages: list[dict[str, Any]]) -> bool:
        return transport.post(host, api_key, messages).outcome is Outcome.ACCEPTED

    began = datetime.now(tz=timezone.utc) - timedelta(seconds=_ALREADY_S)
    moments = a_class(students, began=began, cohorts=[IMAGINED], seed=_SEED)

    thread = threading.Thread(
        target=lambda: play(moments, post, stop=stop, already_s=_ALREADY_S), name="class"
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        transport.close()


def _print_events(store: Store, lab: Lab) -> None:
    """Print what the lesson sends, as it arrives, until JupyterLab ends."""
    seen = 0
    while not lab.has_ended_within(_LOOK_EVERY_S):
        for number, event in store.events(after=seen):
            seen = number
            if event.cohort != IMAGINED:
                typer.echo(event_line(event))
