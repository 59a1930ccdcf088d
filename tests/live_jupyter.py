"""A real Jupyter server for the run: started quietly, in folders of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from waiting import wait_until

IS_NOTEBOOK_6 = int(version("notebook").split(".")[0]) < 7

# What a front end does by itself: news and updates are looked up elsewhere, and cells outside
# the window are not drawn, so that a test would not find them.
QUIET = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
MAX_SOCKET_PATH = 104  # on macOS; Linux has a few more
THEMES = "@jupyterlab/apputils-extension:themes"


class JupyterServer:
    """Serves every installed front end; the folders it uses are all below `folder`.

    Attributes:
        url: With a slash at the end.
        token: What opens it, as `?token=`.
        notebooks: The folder that it shows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notebooks = folder / "notebooks"
        self.token = secrets.token_hex(8)
        self.url = ""
        self._runtime = tempfile.TemporaryDirectory(prefix="ipt-")  # short: see _transport
        self._log = folder / "jupyter.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_file: IO[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            AssertionError: It ended early; with what it printed.
        """
        for name in ("config/labconfig", "data/kernels", "ipython", "notebooks"):
            (self.folder / name).mkdir(parents=True)
        config = self.folder / "config"
        kernels = {"KernelManager": {"transport": _transport(self._runtime.name)}}
        for name, settings in _config(self.token, self.notebooks).items():
            (config / name).write_text(json.dumps(settings | kernels))
        (config / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(QUIET))
        self._log_file = self._log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "notebook" if IS_NOTEBOOK_6 else "jupyter_server"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log_file,
            stderr=subprocess.STDOUT,
        )
        wait_until(self._is_up_or_has_ended, timeout_s=60, every_s=0.05)
        assert self._process.poll() is None, f"Jupyter ended:\n{self.log()}"

    def stop(self) -> None:
        """End it and, with it, its kernels."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._log_file is not None:
            self._log_file.close()
        self._runtime.cleanup()

    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def add_kernel(self, name: str, environment: Mapping[str, str]) -> None:
        """Offer a kernel of this Python, called `name`, with more in its environment."""
        folder = self.folder / "data" / "kernels" / name
        folder.mkdir()
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {
            "argv": command,
            "display_name": "Python 3",
            "language": "python",
            # Jupyter looks for ${NAMES} in values; ours are to arrive as they are.
            "env": {key: value.replace("$", "$$") for key, value in environment.items()},
        }
        (folder / "kernel.json").write_text(json.dumps(spec))

    def remove_kernel(self, name: str) -> None:
        """Offer it no longer."""
        shutil.rmtree(self.folder / "data" / "kernels" / name)

    def shut_down_kernels(self) -> None:
        """End every kernel, as closing a notebook does: each may say its last words."""
        for session in self.request("GET", "api/sessions"):
            self.request("DELETE", f"api/sessions/{session['id']}")
        for kernel in self.request("GET", "api/kernels"):
            self.request("DELETE", f"api/kernels/{kernel['id']}")

    def use_dark_theme(self, dark: bool) -> None:
        """Whether pages opened from now on are dark; JupyterLab and Notebook 7 alone can."""
        settings = {"theme": "JupyterLab Dark"} if dark else {}
        self.request("PUT", f"lab/api/settings/{quote(THEMES)}", {"raw": json.dumps(settings)})

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Ask its REST API; what it answers, or `None`."""
        request = urllib.request.Request(  # noqa: S310 - of this computer
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}"},
        )
        # 30 s: a shutdown gives the kernel some seconds before it is killed.
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else None

    def _is_up_or_has_ended(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            return True
        for path in Path(self._runtime.name).glob("*server-*.json"):
            try:
                self.url = json.loads(path.read_text())["url"]
            except ValueError:  # half written
                return False
        return bool(self.url)

    def _environment(self) -> dict[str, str]:
        """That of this process, with folders of its own and nothing of the running test's."""
        # With pytest's own, ipykernel captures less output than it does at a student's.
        not_kept = ("TELEMETRY_", "IPT_TEST_", "JUPYTER", "PYTEST_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(not_kept)}
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        return {
            **kept,
            **{name: str(self.folder / folder) for name, folder in folders.items()},
            "JUPYTER_RUNTIME_DIR": self._runtime.name,
            "JUPYTER_PLATFORM_DIRS": "1",  # without it, a warning about where folders will move
        }


def _config(token: str, notebooks: Path) -> dict[str, dict[str, dict[str, object]]]:
    server: dict[str, object] = {
        "allow_root": True,
        "ip": "127.0.0.1",
        "open_browser": False,
        "terminals_enabled": False,
    }
    if IS_NOTEBOOK_6:
        return {
            "jupyter_notebook_config.json": {
                "NotebookApp": {
                    **server,
                    "notebook_dir": str(notebooks),
                    "port": _a_free_port(),  # it would take 0 for the number to announce
                    "show_banner": False,
                    "token": token,
                }
            }
        }
    return {
        "jupyter_server_config.json": {
            "ServerApp": {
                **server,
                "jpserver_extensions": {"jupyter_lsp": False, "jupyter_server_terminals": False},
                "port": 0,
                "root_dir": str(notebooks),
                # Whether JupyterLab ought to be built again: two seconds of work for each page.
                "tornado_settings": {
                    "page_config_data": {"buildAvailable": False, "buildCheck": False}
                },
            },
            "IdentityProvider": {"token": token},
            "LabApp": {
                "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
                "expose_app_in_browser": True,
                "extension_manager": "readonly",
                "news_url": None,
            },
            "JupyterNotebookApp": {"expose_app_in_browser": True},
        }
    }


def _transport(runtime: str) -> str:
    """How kernels are spoken to: Unix sockets, where their paths are short enough.

    Jupyter chooses a TCP port seconds before its kernel binds it. On a busy machine another
    program has it by then, now and then, and the kernel never starts (seen once in 60).
    """
    longest = f"{runtime}/kernel-{uuid.uuid4()}-ipc-99"
    return "ipc" if sys.platform != "win32" and len(longest) < MAX_SOCKET_PATH else "tcp"


def _a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
