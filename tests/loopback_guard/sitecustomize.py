"""Whoever has this folder in `PYTHONPATH` reaches this computer alone.

Python imports `sitecustomize` when it starts, so the guard also holds in the kernels and
servers that tests start, and in whatever those start. Look-ups fail as they do where there is
no DNS, connections as they do where nobody listens. What does not go through Python's
`socket` module (a browser, ZeroMQ) is not seen here; Chromium has its own rule (`browser.py`).
"""

from __future__ import annotations

import errno
import importlib.machinery
import importlib.util
import ipaddress
import logging
import os
import socket
import sys
from pathlib import Path

HERE = Path(__file__).parent

LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname"}
CONNECTIONS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def is_this_computer(host: object) -> bool:
    """Whether `host` is a loopback address, `localhost`, or the unspecified address."""
    name = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)
    name = name.lower().rstrip(".")
    if name in {"", "localhost"} or name.endswith(".localhost"):
        return True
    address = _as_address(name)
    # Unspecified: what a server binds to, and for a client another word for loopback.
    return address is not None and (address.is_loopback or address.is_unspecified)


def _as_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def guard(event: str, args: tuple[object, ...]) -> None:
    """Refuse what would leave this computer; called by Python for everything it does."""
    if event in LOOK_UPS:
        host = args[0]
        # A plain address is not looked up anywhere, and neither is `None`.
        if host is None or is_this_computer(host) or _as_address(str(host)) is not None:
            return
        raise socket.gaierror(socket.EAI_NONAME, f"the tests have no DNS for {host!r}")
    if event in CONNECTIONS:
        address = args[1]
        # A path is a Unix socket, a netlink address has no host; `None` is sent where the
        # socket is connected, and that was looked at when it connected.
        if not isinstance(address, tuple) or not isinstance(address[0], (str, bytes)):
            return
        if not is_this_computer(address[0]):
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"the tests reach this computer alone, not {address!r}"
            )


def keep_errors_for_the_test() -> None:
    """Write the errors in the `ipynb_telemetry` log of this process to the test's file.

    Our boundary swallows what fails in a student's cell. In the test's own process a fixture
    sees it; in a kernel that the test started, this file is the only trace.
    """
    path = os.environ.get("IPT_TEST_ERRORS")
    if path:
        handler = logging.FileHandler(path, delay=True, encoding="utf-8")
        handler.setLevel(logging.ERROR)
        logging.getLogger("ipynb_telemetry").addHandler(handler)


def import_the_next() -> None:
    """Run the `sitecustomize` that would have been imported, had this not been in its way."""
    others = [path for path in sys.path if Path(path).resolve() != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


sys.addaudithook(guard)
if __name__ == "sitecustomize":  # in pytest's own process `conftest.py` runs this file
    keep_errors_for_the_test()
    import_the_next()
