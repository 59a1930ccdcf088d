"""The commands and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipynb_telemetry import events
from ipynb_telemetry.settings import why_bad_host

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


_INSTRUMENT_HELP = """
Put telemetry into notebooks: the setup cell, and a line for each cell and test.

Lines are added to the text of the file, and no other byte changes. What a notebook has already \
stays as it is: to give it other settings or ids, take all out with --remove first.

Exit status 0: all is well.

Exit status 1: --check found a notebook that is not instrumented, ids that clash, or an exercise \
without a test.

Exit status 2: a file could not be read or written, or was refused by name; all others are done.
"""


@app.command(help=_INSTRUMENT_HELP)
def instrument(  # noqa: PLR0917  # typer's way to say what a command takes
    paths: Annotated[
        list[Path], typer.Argument(help="Notebooks, jupytext's .py and .md, and folders of them.")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; list what is not instrumented.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take out again what was added, byte for byte.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Change nothing; show what would change.")
    ] = False,
    notebook_id: Annotated[
        str, typer.Option(help="The notebook id, of {stem}, {parent} and {path}.")
    ] = "{stem}",
    host: Annotated[str | None, typer.Option(help="Where the events go.")] = None,
    api_key: Annotated[str | None, typer.Option(help="The key for that host.")] = None,
    roster: Annotated[str | None, typer.Option(help="A file with the students' names.")] = None,
    cohort: Annotated[str | None, typer.Option(help="Which class this is.")] = None,
    send_code: Annotated[
        bool | None,
        typer.Option("--send-code/--no-send-code", help="Whether events carry code previews."),
    ] = None,
) -> None:
    from ipynb_telemetry.cli.instrument import (  # noqa: PLC0415  # as above
        Wish,
        run_instrument,
        why_bad_template,
    )

    if check and remove:
        msg = "it does not go with --remove"
        raise typer.BadParameter(msg, param_hint="--check")
    if wrong := why_bad_template(notebook_id):
        raise typer.BadParameter(wrong, param_hint="--notebook-id")
    if host is not None and (wrong := why_bad_host(host)):
        raise typer.BadParameter(wrong, param_hint="--host")
    settings = {
        "host": host,
        "api_key": api_key,
        "roster": roster,
        "cohort": cohort,
        "send_code": send_code,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    wish = Wish(check, remove, diff, notebook_id, given)
    raise typer.Exit(run_instrument(paths, wish))
