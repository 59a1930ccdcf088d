"""The commands and their help."""

from __future__ import annotations

from typing import Annotated

import typer

from ipynb_telemetry import events

app = typer.Typer(
    name="ipynb-telemetry",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="See, live, where every student is in a notebook.",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(events.version())
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """See, live, where every student is in a notebook."""


@app.command()
def demo(
    browser: Annotated[
        bool, typer.Option(help="Open the lesson in a browser, where there is one.")
    ] = True,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="JupyterLab's port; 0: any free one.")
    ] = 0,
) -> None:
    """Open the example lesson in JupyterLab, and print its events as they arrive.

    They go to a small receiver on this computer; nothing leaves it. Ctrl-C ends both.
    """
    from ipynb_telemetry.cli.demo import run_demo  # noqa: PLC0415  # each command on its own

    raise typer.Exit(run_demo(open_browser=browser, port=port))
