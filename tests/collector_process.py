"""A collector for each line of stdin, forked from this process, which has imported all of it.

Without pytest or anything else of the tests. A line has the port, the database and the log.
They keep the figures of the views all the time, so that a kill meets them at it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from ipynb_telemetry.classroom import live
from ipynb_telemetry.cli.serve import run_serve


def be_a_collector(port: str, database: str, said: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Path(said).open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    run_serve(
        host="127.0.0.1",
        port=int(port),
        database=Path(database),
        api_key=None,
        forward=None,
        allowed_hosts=(),
    )


live.SAVE_EVERY_S = 0.01
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: the dead are gone at once
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        be_a_collector(*line.strip().split("\t"))
        sys.exit()
    print(pid, flush=True)  # noqa: T201 - who asked reads it
