"""The process behind `nursery.py`: imports what a kernel imports, then forks one a line of stdin.

The child goes on as `python -m ipykernel_launcher -f FILE` would. Without pytest or anything
else of the tests in it: what is imported here is in every one of these kernels.
"""

from __future__ import annotations

import os
import signal
import sys

# As a kernel would by and by: the panel imports the widgets, the delivery the SDK.
import ipywidgets  # noqa: F401
from ipykernel.kernelapp import IPKernelApp

import ipynb_telemetry.bootstrap
import ipynb_telemetry.transport  # noqa: F401


def be_a_kernel(connection_file: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    IPKernelApp.launch_instance(["-f", connection_file])


signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: the dead are gone at once
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        be_a_kernel(line.strip())
        sys.exit()
    print(pid, flush=True)  # noqa: T201 - who asked reads it
os.killpg(0, signal.SIGKILL)  # whoever had us started is gone
