"""`ipynb-telemetry serve` as a process: what cannot be seen from outside of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import requests
from capture_server import CaptureServer
from classes import an_event, keep, stored
from collectors import CollectorProcess, free_port, listens
from commands import run_command
from waiting import wait_until

from ipynb_telemetry.classroom.play import a_class
from ipynb_telemetry.classroom.store import Store
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


def test_a_second_collector_on_a_database_is_refused_until_the_first_is_gone(
    clean_environment: None, tmp_path: Path
) -> None:
    collector = CollectorProcess(tmp_path)
    second = ("serve", "--port", "0", "--db", str(collector.database))
    with collector:
        ran = run_command(*second)

        assert (ran.returncode, ran.stdout) == (1, "")
        assert "a collector runs on" in ran.stderr
        assert "--db" in ran.stderr
        collector.kill()
        collector.start()  # a kill leaves nothing behind that would refuse it


def test_who_has_the_address_of_a_killed_collector_is_not_told_the_token(
    clean_environment: None, tmp_path: Path, server: CaptureServer
) -> None:
    database = tmp_path / "class.sqlite"
    keep(database, [an_event("start", 0, student="SARA")])
    store = Store(database)
    store.note_address(server.url)
    store.close()

    ran = run_command("forget", "--db", str(database), "--student", "SARA", "--yes")

    assert (ran.returncode, stored(database)) == (0, [])
    assert server.requests == []
