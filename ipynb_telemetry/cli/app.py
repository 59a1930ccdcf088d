"""The commands and their help."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ipynb_telemetry import events
from ipynb_telemetry.settings import why_bad_host

# The \b keeps the lines of what follows it as they are.
_INSTRUMENTS_EXIT_CODES = """\b
Exit codes:
  0  all is well
  1  --check: something is not instrumented, ids clash, or an exercise has no test
  2  a file could not be read or written, or was refused by name; all others are done
"""

_DOCTORS_EXIT_CODES = """\b
Exit codes:
  0  all is well
  1  something is missing, or the server does not answer or does not take the key
  2  the command was not understood
  3  events wait that no running notebook sends, or some were set aside
"""

_EXIT_CODES = """\b
Exit codes:
  0  done
  1  it could not be done; the reason is on stderr
  2  the command was not understood
"""


class Format(str, Enum):
    """What other programs read."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"
    JSONL = "jsonl"
    XAPI = "xapi"


def _address(value: str | None) -> str | None:
    if value is not None and not value.strip().lower().startswith(("http://", "https://")):
        msg = f"an address begins with http://, as `ipynb-telemetry serve` prints it: {value}"
        raise typer.BadParameter(msg)
    return value


Database = Annotated[Path, typer.Option("--db", help="The class's database.")]
Address = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="The address of a collector that runs, in place of --db.",
        callback=_address,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        envvar="TELEMETRY_TOKEN", help="The collector's token, where the address has none."
    ),
]
DATABASE = Path("class.sqlite")

app = typer.Typer(
    name="ipynb-telemetry",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text reads the same on a terminal, in a pipe and aloud
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


@app.command(epilog=_EXIT_CODES)
def demo(
    students: Annotated[
        int,
        typer.Option(
            "--class",
            min=0,
            max=1000,
            help="How many imagined students work on the lesson as well, for the live view.",
        ),
    ] = 0,
    browser: Annotated[
        bool, typer.Option(help="Open the lesson and the live view, where there is a browser.")
    ] = True,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="JupyterLab's port; 0: any free one.")
    ] = 0,
) -> None:
    """Try it: the example lesson, and the teacher's live view.

    The lesson opens in JupyterLab. All of it is on this computer, and nothing leaves it.
    Ctrl-C ends it and leaves nothing behind.
    """
    from ipynb_telemetry.cli.demo import run_demo  # noqa: PLC0415  # each command on its own

    raise typer.Exit(run_demo(open_browser=browser, port=port, students=students))


@app.command(epilog=_EXIT_CODES)
def serve(
    *,
    host: Annotated[
        str, typer.Option(help="What to listen on; 0.0.0.0: everything, so that a class gets here.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8642,
    db: Annotated[Path, typer.Option(help="Where events go.")] = Path("class.sqlite"),
    api_key: Annotated[
        str | None, typer.Option(help="Set the key that notebooks send with, from now on.")
    ] = None,
    forward: Annotated[
        str | None, typer.Option(help="Pass everything on to this PostHog as well.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name by which readers may call this computer.")
    ] = None,
) -> None:
    """Collect a class's events and show the class live.

    Prints the line for the notebook's setup cell and the dashboard's address. Key and token
    are made once for a database and stay the same. Ctrl-C ends it.
    """
    from ipynb_telemetry.cli.serve import run_serve  # noqa: PLC0415  # each command on its own

    raise typer.Exit(
        run_serve(
            host=host,
            port=port,
            database=db,
            api_key=api_key,
            forward=forward,
            allowed_hosts=allow_host or (),
        )
    )


@app.command(epilog=_EXIT_CODES)
def export(
    file_format: Annotated[
        Format | None,
        typer.Option("--format", help="By default what --output ends in, else csv."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write. By default the terminal."),
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="The events, each with its uuid, and no results.")
    ] = False,
    notebook: Annotated[str | None, typer.Option(help="Of this notebook alone.")] = None,
    student: Annotated[str | None, typer.Option(help="Of this student alone.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Of that day or time and later, such as 2027-07-17 or 2027-07-17T10:30."),
    ] = None,
    db: Database = DATABASE,
    address: Address = None,
    token: Token = "",
) -> None:
    """Write results for a gradebook: each student, each exercise.

    A row says whether it is passed, after how many attempts, whether at the first try, and
    after how many minutes.
    """
    from ipynb_telemetry.classroom.wanted import Wanted  # noqa: PLC0415
    from ipynb_telemetry.cli.export import run_export  # noqa: PLC0415

    code = run_export(
        place=address or db,
        token=token,
        file_format=file_format and file_format.value,
        output=output,
        events=events,
        wanted=Wanted(notebook, student, since),
    )
    raise typer.Exit(code)


@app.command(epilog=_EXIT_CODES)
def forget(
    student: Annotated[str, typer.Option(help="The name, as it is recorded or written.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    db: Database = DATABASE,
    address: Address = None,
    token: Token = "",
) -> None:
    """Delete everything about one student, for good.

    Shows what there is and asks first. `export --events --student NAME` shows all of it.
    """
    from ipynb_telemetry.cli.forget import run_forget  # noqa: PLC0415

    raise typer.Exit(run_forget(place=address or db, token=token, student=student, yes=yes))


@app.command(epilog=_DOCTORS_EXIT_CODES)
def doctor(
    host: Annotated[
        str | None,
        typer.Option(help="The server to ask. By default the one that notebooks here use."),
    ] = None,
    api_key: Annotated[str | None, typer.Option(help="The key to ask it with.")] = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send what notebooks that have ended left behind.")
    ] = False,
) -> None:
    """Check this computer: what is installed, what waits, and why.

    Says as well whether the server answers and takes the key, and which events were set aside.

    Events of a notebook that runs are never touched, and to ask the server no event is sent.
    """
    from ipynb_telemetry.cli.doctor import run_doctor  # noqa: PLC0415  # each command on its own

    raise typer.Exit(run_doctor(host=host, api_key=api_key, send=send))


@app.command(epilog=_INSTRUMENTS_EXIT_CODES)
def instrument(
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
    notebooks_only: Annotated[
        bool,
        typer.Option(
            "--notebooks-only", help="Pass over .py and .md that are no notebooks, as in folders."
        ),
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
    """Put telemetry into notebooks, or take it out again.

    The setup cell is added, and a line for each cell and test, to the text of the file: no
    other byte changes. What a notebook has already stays as it is: to give it other settings
    or ids, take all out with --remove first.
    """
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
    wish = Wish(check, remove, diff, notebooks_only, notebook_id, given)
    raise typer.Exit(run_instrument(paths, wish))
