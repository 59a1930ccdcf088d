"""`ipynb-telemetry serve` as a process: what cannot be seen from outside of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import requests
from collectors import free_port, listens
from waiting import wait_until

from ipynb_telemetry.classroom.play import a_class
from ipynb_telemetry.events import message

PROGRAM = """
import gc, sys
from pathlib import Path
from ipynb_telemetry.cli.serve import run_serve

looks = []
gc.callbacks.append(lambda phase, info: looks.append(phase))
run_serve(host="127.0.0.1", port=int(sys.argv[1]), database=Path(sys.argv[2]),
          api_key="key", forward=None, allowed_hosts=())
print("looks:", looks.count("start"))
"""


def test_under_load_it_does_not_look_for_garbage_again_and_again(
    clean_environment: None, tmp_path: Path
) -> None:
    port = free_port()
    arguments = [sys.executable, "-c", PROGRAM, str(port), str(tmp_path / "class.sqlite")]
    events = [message(moment.record, "") for moment in a_class(150)]
    assert len(events) > 3_000
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as serving:
        wait_until(lambda: listens(port), timeout_s=30)

        for start in range(0, len(events), 500):
            body = {"api_key": "key", "batch": events[start : start + 500]}
            requests.post(f"http://127.0.0.1:{port}/batch/", json=body, timeout=30)
        serving.send_signal(signal.SIGINT)
        said, _ = serving.communicate(timeout=60)

    assert f"Events in {tmp_path / 'class.sqlite'}: {len(events):,}." in said
    looks = int(said.rpartition("looks: ")[2])
    assert looks < 5  # with Python's own setting there are dozens
