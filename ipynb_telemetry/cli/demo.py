"""The example lesson in JupyterLab, its events on this terminal."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

import typer

from ipynb_telemetry.cli.receiver import Receiver, summary

LESSON = "D3_Datetimes.ipynb"
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 10


def run_demo(*, open_browser: bool, port: int) -> int:
    """Serve the lesson until Ctrl-C.

    Returns:
        The exit code: 0 after Ctrl-C, 1 when JupyterLab did not start or ended by itself.
    """
    with tempfile.TemporaryDirectory(prefix="ipynb-telemetry-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _lay_out(folder)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as with Ctrl-C
        receiver = Receiver(lambda event: typer.echo(summary(event)))
        token, port = secrets.token_hex(16), port or _free_port()
        log_path = folder / "jupyterlab.log"
        with log_path.open("wb") as log:
            server = subprocess.Popen(  # noqa: S603  # our own interpreter
                _command(folder, token, port),
                env=_environment(folder, receiver.url),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we end the server ourselves
            )
        try:
            return _serve(server, receiver.url, port, token, log_path, open_browser=open_browser)
        except KeyboardInterrupt:
            typer.echo("\nGoodbye.")
            return 0
        finally:
            _stop(server)
            receiver.close()


def _serve(
    server: subprocess.Popen[bytes],
    receiver_url: str,
    port: int,
    token: str,
    log_path: Path,
    *,
    open_browser: bool,
) -> int:
    lesson_url = f"http://127.0.0.1:{port}/lab/tree/{LESSON}?token={token}"
    typer.echo("Starting JupyterLab ...")
    if not _wait_until_up(server, f"http://127.0.0.1:{port}/api"):
        typer.echo(log_path.read_text("utf-8", "replace"), err=True)
        typer.echo("JupyterLab did not start; what it said stands above.", err=True)
        return 1
    typer.echo(f"Lesson:    {lesson_url}")
    typer.echo(f"Receiver:  {receiver_url}  (events are printed below; nothing leaves here)")
    typer.echo("Run the first cell, type a name, and go on. Ctrl-C ends the demo.\n")
    if open_browser:
        webbrowser.open(lesson_url)
    server.wait()
    typer.echo("JupyterLab has ended.", err=True)
    return 1


def _lay_out(folder: Path) -> None:
    """The lesson, and a JupyterLab that asks nobody for news: nothing leaves the machine."""
    (folder / "lesson").mkdir()
    shutil.copy(_lesson(), folder / "lesson" / LESSON)
    overrides = folder / "jupyter-config" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    overrides.write_text(
        json.dumps({"@jupyterlab/apputils-extension:notification": quiet}), "utf-8"
    )


def _lesson() -> Path:
    """The lesson: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parents[1]
    candidates = (package / "notebooks" / LESSON, package.parent / "notebooks" / LESSON)
    return next(path for path in candidates if path.exists())


def _command(folder: Path, token: str, port: int) -> list[str]:
    settings = {
        "ServerApp.root_dir": str(folder / "lesson"),
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": str(port),
        "ServerApp.port_retries": "0",
        "ServerApp.open_browser": "False",
        "ServerApp.allow_root": "True",
        "IdentityProvider.token": token,
    }
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    return [sys.executable, "-m", "jupyterlab", *arguments]


def _environment(folder: Path, receiver_url: str) -> dict[str, str]:
    """The caller's, with everything that the demo writes in its own folder."""
    return {
        **os.environ,
        "TELEMETRY_HOST": receiver_url,
        "TELEMETRY_API_KEY": "phc_demo",
        "TELEMETRY_STATE_DIR": str(folder / "state"),
        "JUPYTER_CONFIG_DIR": str(folder / "jupyter-config"),
        "JUPYTER_DATA_DIR": str(folder / "jupyter-data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter-runtime"),
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, not another's
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_up(server: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310  # our own address
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End JupyterLab, and with it its kernels."""
    server.terminate()
    try:
        server.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
