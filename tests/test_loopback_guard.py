"""The guard bites: in this process, in one that a test starts, and in a real kernel."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

# An address of no one (RFC 5737) and a name of no one (RFC 2606): were the guard to fail,
# nobody is called.
OUTSIDE = ("192.0.2.1", 80)
NAME = "example.invalid"

# Prints what became of a look-up and of a connection.
TRY_BOTH = f"""
import socket
for go in (
    lambda: socket.getaddrinfo({NAME!r}, 80),
    lambda: socket.create_connection({OUTSIDE!r}, timeout=5),
):
    try:
        go()
    except OSError as error:
        print(type(error).__name__, error)
    else:
        print("it got out")
"""
NO_DNS = f"gaierror [Errno {int(socket.EAI_NONAME)}] the tests have no DNS for '{NAME}'"
ALONE = f"the tests reach this computer alone, not {OUTSIDE}"
REFUSED_BOTH = [NO_DNS, f"ConnectionRefusedError [Errno {errno.ECONNREFUSED}] {ALONE}"]


def test_no_connection_leaves_this_process() -> None:
    with pytest.raises(ConnectionRefusedError, match="the tests reach this computer alone"):
        socket.create_connection(OUTSIDE, timeout=5)


def test_no_datagram_leaves_this_process() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        pytest.raises(ConnectionRefusedError, match="the tests reach this computer alone"),
    ):
        udp.sendto(b"?", OUTSIDE)


@pytest.mark.parametrize("look_up", [socket.gethostbyname, socket.gethostbyname_ex])
def test_a_look_up_fails_as_one_without_dns_does(look_up: object) -> None:
    with pytest.raises(socket.gaierror, match="the tests have no DNS"):
        look_up(NAME)  # type: ignore[operator]


def test_no_connection_leaves_a_child_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRY_BOTH], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines() == REFUSED_BOTH


def test_no_connection_leaves_a_kernel() -> None:
    manager = KernelManager()
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    printed: list[str] = []
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            TRY_BOTH,
            timeout=60,
            output_hook=lambda message: printed.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    assert "".join(printed).splitlines() == REFUSED_BOTH


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_computer_can_be_reached(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        with socket.create_connection((host, port), timeout=5) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)


def test_a_sitecustomize_that_was_there_before_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.was_run = True\n")
    path = os.pathsep.join([os.environ["PYTHONPATH"], str(tmp_path)])
    program = textwrap.dedent(
        """
        print(was_run)
        """
    )

    done = subprocess.run(
        [sys.executable, "-c", program + TRY_BOTH],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert done.stdout.splitlines() == ["True", *REFUSED_BOTH]


def test_an_error_that_the_boundary_swallowed_in_a_child_reaches_the_test(
    telemetry_log: list[object],
) -> None:
    program = "import logging; logging.getLogger('ipynb_telemetry').error('a cell was lost')"

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

    errors = Path(os.environ["IPT_TEST_ERRORS"]).read_text(encoding="utf-8")
    assert errors == "a cell was lost\n"
