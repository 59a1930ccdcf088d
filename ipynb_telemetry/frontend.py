"""Which front end this is, and whether anyone can be asked for a name."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any


def shell() -> Any:
    """The running IPython shell, or None; IPython is never imported to ask."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def has_kernel() -> bool:
    """Whether there is a kernel behind the shell, so that widgets can be shown."""
    return getattr(shell(), "kernel", None) is not None


def can_ask() -> bool:
    """Whether a student is there to be asked.

    nbclient, papermill and nbconvert send execute requests that do not allow stdin;
    a plain script and a terminal have no kernel. Colab answers `input()` in a way of
    its own, so there the request says nothing.
    """
    if not has_kernel():
        return False
    return _is_colab() or bool(_execute_request().get("content", {}).get("allow_stdin", True))


def draws_on_main_thread_alone() -> bool:
    """Whether what a background thread writes to a widget is not drawn: so it is in Colab."""
    return _is_colab()


def name() -> str:
    """The front end's name as the `start` event carries it."""
    if not can_ask():
        return "headless"
    # Names of variables only: JPY_SESSION_NAME holds the notebook's path, which is private.
    signs = (
        ("lite", sys.platform == "emscripten"),
        ("colab", _is_colab()),
        ("kaggle", "KAGGLE_KERNEL_RUN_TYPE" in os.environ),
        ("vscode", "__vsc_ipynb_file__" in shell().user_ns),
        ("jupyterlab-or-notebook", "JPY_SESSION_NAME" in os.environ),
        # Here, because a Jupyter that was started in VS Code's terminal has it too.
        ("vscode", "VSCODE_PID" in os.environ),
    )
    return next((front_end for front_end, is_it in signs if is_it), "classic")


def describe() -> dict[str, str | None]:
    """What the `start` event says of where it runs; nothing that names a person or path."""
    ipython = sys.modules.get("IPython")
    return {
        "python": platform.python_version(),
        "ipython": getattr(ipython, "__version__", None),
        "frontend": name(),
        "platform": platform.system(),
    }


def request_id() -> str:
    """Tells the message that runs the current cell from others; empty where none does."""
    return str(_execute_request().get("header", {}).get("msg_id", ""))


def _is_colab() -> bool:
    return "google.colab" in sys.modules


def _execute_request() -> dict[str, Any]:
    """The message that runs the current cell; empty where the kernel does not say."""
    kernel = getattr(shell(), "kernel", None)
    get_parent = getattr(kernel, "get_parent", None)
    try:
        return dict(get_parent("shell")) if get_parent else {}
    except (LookupError, TypeError):  # no cell has run in this thread
        return {}
