"""The collector on the command line: where students send to, and where their teacher looks."""

from __future__ import annotations

import contextlib
import errno
import gc
import ipaddress
import json
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import typer

from ipynb_telemetry.classroom.server import Collector, listen
from ipynb_telemetry.classroom.store import MADE_UP, StoreError
from ipynb_telemetry.settings import why_bad_host

_ANY = {"0.0.0.0", "::", ""}  # noqa: S104  # to know them, not to bind to them
_MAX_FILES = 65_536  # each student has a connection, and that is a file
# A class's figures are hundreds of thousands of objects that live on, and no rings among them:
# to look through them after every 700 new ones was a third of all work under load.
_GARBAGE_AFTER = (100_000, 20, 100)


def run_serve(
    *,
    host: str,
    port: int,
    database: Path,
    api_key: str | None,
    forward: str | None,
    allowed_hosts: Sequence[str],
) -> int:
    """Serve until Ctrl-C.

    Returns:
        The exit code: 0 after Ctrl-C, 1 when it could not start.

    Raises:
        BadParameter: An option is wrong.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    if forward is not None and (wrong := why_bad_host(forward)) is not None:
        raise typer.BadParameter(wrong, param_hint="--forward")
    if api_key is not None and not ((api_key := api_key.strip()) and api_key.isprintable()):
        msg = "nobody could send with such a key. Leave it out, and one is made."
        raise typer.BadParameter(msg, param_hint="--api-key")
    try:
        listener = listen(host, port)
    except (OSError, OverflowError) as failure:
        typer.echo(_why_not_listening(host, port, failure), err=True)
        return 1
    with listener:
        try:
            collector = Collector(
                database, api_key=api_key, hosts=allowed_hosts, forward=_no_slash(forward)
            )
        except StoreError as failure:
            typer.echo(str(failure), err=True)
            return 1
        try:
            return _serve(collector, listener, host, forward, is_key_given=api_key is not None)
        finally:
            collector.close()


def _serve(
    collector: Collector,
    listener: socket.socket,
    host: str,
    forward: str | None,
    *,
    is_key_given: bool,
) -> int:
    store = collector.store
    # Who gives one of ours has another collector in mind, which does know it.
    if forward is not None and not is_key_given and store.api_key.startswith(MADE_UP):
        typer.echo(
            f"--forward passes events on under the class's key, and {forward} has never heard of "
            "this one. Give your project's: --api-key phc_...",
            err=True,
        )
        return 1
    _allow_many_connections()
    gc.set_threshold(*_GARBAGE_AFTER)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as with Ctrl-C
    for line in greeting(host, listener.getsockname()[1], store.api_key, store.token, store.path):
        typer.echo(line)
    if forward is not None:
        typer.echo(f"Everything is passed on to {forward}.")
    with contextlib.suppress(KeyboardInterrupt):
        collector.run(listener)
    typer.echo(f"\nGoodbye. Events in {store.path}: {store.count():,}.")
    return 0


def greeting(host: str, port: int, api_key: str, token: str, database: Path) -> list[str]:
    """What a teacher needs to know, a line each.

    Args:
        host: What the collector listens on.
        port: Its port there.
        api_key: What students send with.
        token: What the teacher reads with.
        database: Where events go.
    """
    addresses = lan_addresses() if host in _ANY else [host]
    first, *others = [_url(address, port) for address in addresses] or [_url("127.0.0.1", port)]
    own = _url("127.0.0.1" if host in _ANY else host, port)
    lines = [
        "Paste this into the notebook's setup cell:",
        f'    setup_telemetry("YOUR_NOTEBOOK", host="{first}", api_key={json.dumps(api_key)})',
    ]
    if others:
        lines.append(f"    (this computer is also {', '.join(others)})")
    if _is_loopback(host):
        lines.append("    (from this computer only; for a class: --host 0.0.0.0)")
    lines += ["Dashboard, for you alone:", f"    {own}/?token={token}"]
    if host in _ANY and first != own:
        lines.append(f"    {first}/?token={token}   (from your phone)")
    return [*lines, f"Events go to {database}. Ctrl-C ends."]


def lan_addresses() -> list[str]:
    """This computer's addresses of IPv4 that others may reach, private networks' first."""
    up = {name for name, status in psutil.net_if_stats().items() if status.isup}
    addresses = [
        address.address
        for name, all_of_it in psutil.net_if_addrs().items()
        if name in up and not name.startswith(("docker", "veth", "br-", "virbr"))
        for address in all_of_it
        if address.family == socket.AF_INET
    ]
    useful = [each for each in addresses if not ipaddress.ip_address(each).is_loopback]
    return sorted(
        useful,
        key=lambda each: (
            ipaddress.ip_address(each).is_link_local,
            not ipaddress.ip_address(each).is_private,
        ),
    )


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_slash(address: str | None) -> str | None:
    return None if address is None else address.rstrip("/")


def _why_not_listening(host: str, port: int, failure: Exception) -> str:
    what_to_do = (
        "Is a collector running already? Choose another port with --port, or --port 0 for any."
        if isinstance(failure, OSError) and failure.errno == errno.EADDRINUSE
        else "Give an address of this computer with --host, such as 127.0.0.1 or 0.0.0.0."
    )
    return f"Cannot listen on {host}, port {port}: {failure}. {what_to_do}"


def _allow_many_connections() -> None:
    """As many files as we may have: a class of thousands is more than the usual 1,024."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(ValueError, OSError):  # then it is as it was
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
