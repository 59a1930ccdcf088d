"""A class's results, or its events, as a file for another program."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import typer

from ipynb_telemetry.classroom.database import StoreError
from ipynb_telemetry.classroom.exporting import FORMATS, export
from ipynb_telemetry.classroom.sources import SourceError, open_source
from ipynb_telemetry.classroom.tables import TableError
from ipynb_telemetry.classroom.wanted import Wanted, utc_text
from ipynb_telemetry.cli.progress_bar import progress_bar

_NO_TEXT = {"parquet", "xlsx"}


def run_export(
    *,
    place: str | Path,
    token: str,
    file_format: str | None,
    output: Path | None,
    events: bool,
    wanted: Wanted,
) -> int:
    """Write what is wanted to `output`, or to the standard output.

    Returns:
        The exit code: 0, or 1 where it cannot be read or written.

    Raises:
        BadParameter: The options do not go together.
    """
    file_format = _format(file_format, output)
    try:
        if wanted.since is not None:
            wanted = wanted._replace(since=utc_text(wanted.since))
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    try:
        with (
            open_source(place, token) as source,
            _opened(output) as file,
            # On a terminal it would be drawn over what is exported.
            progress_bar("Exporting", hidden=output is None and sys.stdout.isatty()) as written,
        ):
            number = export(
                source, wanted, file, file_format=file_format, events=events, written=written
            )
    except (SourceError, StoreError, TableError, OSError) as failure:
        if isinstance(failure, BrokenPipeError):  # who reads it has seen enough
            raise
        typer.echo(str(failure), err=True)
        return 1
    what = "events" if events else "results"
    if not number:
        typer.echo(f"There are no such {what}.", err=True)
    elif output is not None:
        typer.echo(f"{number} {what} in {output}.", err=True)
    return 0


def _format(file_format: str | None, output: Path | None) -> str:
    if file_format is None:
        suffix = output.suffix.lstrip(".").lower() if output is not None else "csv"
        if suffix not in FORMATS:
            msg = f"say the --format of {output}: one of {', '.join(FORMATS)}"
            raise typer.BadParameter(msg)
        return suffix
    if file_format in _NO_TEXT and output is None:
        msg = f"{file_format} is no text: add --output results.{file_format}"
        raise typer.BadParameter(msg)
    return file_format


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    """The file, which appears whole or not at all."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    output = output.resolve()  # what a link points to is written, the link stays
    if output.exists() and not output.is_file():  # a pipe, a device: nothing to put in its place
        with output.open("wb") as file:
            yield file
        return
    if not output.parent.is_dir():
        msg = f"{output} cannot be written: there is no folder {output.parent}"
        raise FileNotFoundError(msg)
    neighbour = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with neighbour.open("xb") as file:
            yield file
        neighbour.replace(output)
    finally:
        neighbour.unlink(missing_ok=True)
