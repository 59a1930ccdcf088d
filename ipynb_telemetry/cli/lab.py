"""The example lesson in a JupyterLab of its own, which writes nothing outside its folder."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

LESSON = "D3_Datetimes.ipynb"
_START_TIMEOUT_S = 60
_STOP_TIMEOUT_S = 10


class LabError(Exception):
    """JupyterLab did not start; the message is what it said."""


class Lab:
    """JupyterLab with the lesson, from when it is made until `stop`.

    Args:
        folder: Where it keeps everything; made by whoever removes it.
        port: Its port; 0: any free one.
        host: Where the lesson's telemetry goes.
        api_key: The key there.
    """

    def __init__(self, folder: Path, *, port: int, host: str, api_key: str) -> None:
        _lay_out(folder)
        token, port = secrets.token_hex(16), port or _free_port()
        self._base = f"http://127.0.0.1:{port}"
        self.lesson_url = f"{self._base}/lab/tree/{LESSON}?token={token}"
        self._log_path = folder / "jupyterlab.log"
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter
                _command(folder, token, port),
                env=_environment(folder, host, api_key),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we end it ourselves
            )

    def wait_until_up(self) -> None:
        """Return when it answers.

        Raises:
            LabError: It does not.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self._base}/api", timeout=2):  # noqa: S310  # ours
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise LabError(self._log_path.read_text("utf-8", "replace"))

    def has_ended_within(self, seconds: float) -> bool:
        """Wait so long for it to end by itself."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End it, and with it its kernels."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


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


def _environment(folder: Path, host: str, api_key: str) -> dict[str, str]:
    """The caller's, with everything that the demo writes in its own folder."""
    return {
        **os.environ,
        "TELEMETRY_HOST": host,
        "TELEMETRY_API_KEY": api_key,
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
