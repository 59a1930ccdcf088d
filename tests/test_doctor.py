"""`ipynb-telemetry doctor`: what it says is so, and what lives it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from capture_server import CaptureServer, Fault
from collectors import CollectorProcess
from commands import run_command
from deliveries import KEY, a_dead_session
from outboxes import die, folder_of

WELL, BROKEN, USAGE, EVENTS_LEFT = 0, 1, 2, 3


def doctor(
    server: CaptureServer, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return run_command(
        "doctor", "--host", server.url, "--api-key", KEY, *arguments, environment=environment
    )


@pytest.fixture
def a_running_notebook(server: CaptureServer, state_dir: Path) -> Iterator[Path]:
    """A process that has captured three events and lives on; they stay on disk for now."""
    script = f"""if True:
        import pathlib, deliveries, sys
        lesson = deliveries.Lesson(pathlib.Path({str(state_dir)!r}), {server.url!r}, "a1b2c3d4")
        for number in range(3):
            lesson.happens(number)
        print("ready", flush=True)
        sys.stdin.read()
        """
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield folder_of(state_dir, "a1b2c3d4")
    process.communicate(timeout=30)


def test_all_is_well_on_a_new_computer(server: CaptureServer) -> None:
    ran = doctor(server)

    assert ran.returncode == WELL
    assert ran.stderr == ""
    assert f"Python           {sys.version.split()[0]}" in ran.stdout
    assert "it answers" in ran.stdout
    assert ran.stdout.count("Nothing.") == 2


def test_asking_the_server_leaves_no_event_there(server: CaptureServer) -> None:
    doctor(server)

    assert [request.events for request in server.requests] == [(), (), ()]
    assert server.events == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (401, "it does not take the key"),
        (404, "this is no PostHog"),
        (302, "a Wi-Fi login page?"),
        (503, "it has trouble of its own"),
        (Fault.HANG_UP, "it does not answer"),
    ],
    ids=str,
)
def test_a_server_that_does_not_work_is_said_and_told_to_scripts(
    server: CaptureServer, answer: int | Fault, words: str
) -> None:
    server.answer = answer

    ran = doctor(server)

    assert ran.returncode == BROKEN
    assert words in ran.stdout


def test_a_collector_says_whether_it_takes_the_key(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        right = run_command("doctor", "--host", collector.url, "--api-key", collector.api_key)
        wrong = run_command("doctor", "--host", collector.url, "--api-key", "phc_wrong")

        assert collector.stored_uuids() == []
    assert right.returncode == WELL
    assert "it answers, and it takes the key" in right.stdout
    assert wrong.returncode == BROKEN
    assert "it does not take the key (401)" in wrong.stdout


def test_a_host_that_cannot_be_one_is_wrong_usage() -> None:
    ran = run_command("doctor", "--host", "127.0.0.1:8642")

    assert ran.returncode == USAGE
    assert "must start with http:// or https://" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_broken_setting_of_this_computer_is_named() -> None:
    ran = run_command("doctor", environment={"TELEMETRY_HOST": "nowhere"})

    assert ran.returncode == BROKEN
    assert "TELEMETRY_HOST is 'nowhere'" in ran.stdout


def test_what_an_ended_notebook_left_is_shown_with_the_way_out(
    server: CaptureServer, state_dir: Path
) -> None:
    a_dead_session(state_dir, server.url)

    ran = doctor(server)

    assert ran.returncode == EVENTS_LEFT
    assert "3 events of D3, session dead0001 (OMAR), since 20" in ran.stdout
    assert f"for {server.url}" in ran.stdout
    assert "ipynb-telemetry doctor --send" in ran.stdout
    assert server.events == []


def test_the_server_that_events_wait_for_is_asked_as_well(
    server: CaptureServer, state_dir: Path
) -> None:
    a_dead_session(state_dir, "http://127.0.0.1:9")

    ran = doctor(server)

    assert f"http://127.0.0.1:9 with the key {KEY}: it does not answer" in ran.stdout


def test_send_sends_it_under_its_name(server: CaptureServer, state_dir: Path) -> None:
    a_dead_session(state_dir, server.url)

    ran = doctor(server, "--send")

    assert ran.returncode == WELL
    assert "3 events sent." in ran.stdout
    assert [event["distinct_id"] for event in server.events] == ["OMAR"] * 3
    assert [*(state_dir / "outbox").iterdir()] == []


def test_send_gives_up_in_the_end_and_the_events_stay(
    server: CaptureServer, state_dir: Path
) -> None:
    a_dead_session(state_dir, server.url)
    server.answer = 401

    ran = doctor(server, "--send")

    assert ran.returncode == BROKEN
    assert "3 events of session dead0001 not sent: 401" in ran.stdout

    server.answer = 200
    assert "3 events sent." in doctor(server, "--send").stdout
    assert len(server.events) == 3


def test_what_the_server_refuses_is_set_aside_and_shown(
    server: CaptureServer, state_dir: Path
) -> None:
    a_dead_session(state_dir, server.url)
    server.poison = lambda event: event["properties"]["cell_num"] == 1

    ran = doctor(server, "--send")

    assert ran.returncode == EVENTS_LEFT
    assert "2 events sent." in ran.stdout
    assert "1 event of D3: 400: failed to parse request: poisoned" in ran.stdout
    assert str(state_dir / "set-aside") in ran.stdout


def test_a_running_notebook_is_left_alone(
    server: CaptureServer, state_dir: Path, a_running_notebook: Path
) -> None:
    a_dead_session(state_dir, server.url)
    before = {path: path.read_bytes() for path in a_running_notebook.iterdir()}
    assert before

    ran = doctor(server, "--send")

    assert ran.returncode == WELL
    assert "3 events of D3, session a1b2c3d4 (SARA)" in ran.stdout
    assert "The notebook is running" in ran.stdout
    assert {path: path.read_bytes() for path in a_running_notebook.iterdir()} == before
    assert {event["distinct_id"] for event in server.events} == {"OMAR"}


def test_a_notebook_on_another_computer_is_left_alone(
    server: CaptureServer, state_dir: Path
) -> None:
    a_dead_session(state_dir, server.url)
    folder = die(state_dir, "dead0001", machine="0123456789ab")

    ran = doctor(server, "--send")

    assert ran.returncode == EVENTS_LEFT
    assert "A notebook on another computer has them in hand" in ran.stdout
    assert folder.is_dir()
    assert server.events == []


def test_turned_off_nothing_is_asked_or_sent(server: CaptureServer, state_dir: Path) -> None:
    a_dead_session(state_dir, server.url)

    ran = doctor(server, "--send", DO_NOT_TRACK="1")

    assert "DO_NOT_TRACK is set" in ran.stdout
    assert server.requests == []
    assert ran.returncode == EVENTS_LEFT


def test_damaged_lines_are_passed_over(server: CaptureServer, state_dir: Path) -> None:
    a_dead_session(state_dir, server.url)
    (file,) = folder_of(state_dir, "dead0001").glob("*.jsonl")
    lines = file.read_bytes().replace(b'"timestamp":"20', b'"timestamp":"no date 20')
    file.write_bytes(b"\x00\xff{\n" + lines + b'{"event": "torn')
    (state_dir / "set-aside").mkdir()
    (state_dir / "set-aside" / "abcdef01.jsonl").write_bytes(b"\xff\n[]\n")

    ran = doctor(server)

    assert "3 events of D3, session dead0001 (OMAR), since no date 20" in ran.stdout
    assert ran.stderr == ""
