"""Whoever sends slowly, or nothing, holds nobody up and is hung up on in the end."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from waiting import wait_until

from ipynb_telemetry.classroom.ingest import Ingest
from ipynb_telemetry.classroom.server import Collector, PatientHttp, listen

IDLE = 2_000
_FILES = 2 * IDLE + 500  # both ends of each connection are files of this process


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A collector that loses its patience after half a second."""
    monkeypatch.setattr(PatientHttp, "headers_within_s", 0.5)
    monkeypatch.setattr(Ingest, "body_within_s", 0.5)
    collector = Collector(tmp_path / "class.sqlite", api_key="phc_test")
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=collector.run, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        collector.stop()
        thread.join()
    collector.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def send_an_event(port: int) -> int:
    body = {"api_key": "phc_test", "event": "cell", "distinct_id": "SARA"}
    return requests.post(f"http://127.0.0.1:{port}/e/", json=body, timeout=10).status_code


@pytest.mark.parametrize(
    "beginning",
    [b"", b"POST /batch/ HT", b"POST /batch/ HTTP/1.1\r\nHost: x\r\n"],
    ids=["nothing", "half a line", "half the headers"],
)
def test_who_does_not_get_to_the_end_of_the_headers_is_hung_up_on(
    port: int, beginning: bytes
) -> None:
    with connect(port) as connection:
        connection.sendall(beginning)

        assert connection.recv(1000) == b""


def test_a_body_that_nobody_waits_for_holds_no_connection(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST /flags/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200")

        wait_until(lambda: _is_hung_up_on(connection))


def _is_hung_up_on(connection: socket.socket) -> bool:
    try:
        connection.sendall(b" ")
    except OSError:
        return True
    return False


def test_a_second_request_has_to_come_to_its_end_too(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /flags HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(5000).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /flags HTTP/1.1\r\nHo")

        assert connection.recv(1000) == b""


def test_who_announces_a_body_that_never_begins_is_hung_up_on(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")

        assert connection.recv(1000) == b""


def test_who_sends_half_a_body_is_told(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")

        answer = connection.recv(1000)

        assert answer.startswith(b"HTTP/1.1 408")
        assert answer.endswith(b"the request took too long to arrive")


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_thousands_of_idle_connections_hold_nobody_up(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientHttp, "headers_within_s", 3.0)  # all of them at the same time
    idle = [connect(port) for _ in range(IDLE)]
    try:
        for connection in idle[::2]:
            connection.sendall(b"POST /batch/ HTTP/1.1\r\n")

        assert send_an_event(port) == 200
        assert {connection.recv(10) for connection in idle} == {b""}
    finally:
        for connection in idle:
            connection.close()
    assert send_an_event(port) == 200
