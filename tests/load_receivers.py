"""What the collector is measured beside: the bare database, and a plain receiver in Flask."""

from __future__ import annotations

import gzip
import json
import logging
import multiprocessing
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from collectors import free_port, listens
from load_senders import a_post

from ipynb_telemetry.classroom.database import connect, open_database
from ipynb_telemetry.classroom.protocol import read_v0
from ipynb_telemetry.classroom.store import Store

_COMMIT_EVERY = 1_000
_FLASK_THREADS = 8


def bare_executemany(folder: Path, messages: Sequence[dict[str, Any]]) -> float:
    """The limit: the same rows into the same tables by one `executemany`, nothing else.

    Args:
        folder: A new one.
        messages: The events.

    Returns:
        Events a second; with a commit, on the disk, every thousand events.
    """
    folder.mkdir()
    path = folder / "bare.sqlite"
    Store(path).close()  # the same schema
    now = datetime.now(tz=timezone.utc)
    events = [
        event
        for start in range(0, len(messages), _COMMIT_EVERY)
        for event in read_v0(
            a_post(messages[start : start + _COMMIT_EVERY], "key").wire.partition(b"\r\n\r\n")[2],
            api_key="key",
            received=now,
        )
    ]
    rows = [
        (number, bytes.fromhex(event.uuid.replace("-", "")), *event[1:])
        for number, event in enumerate(events)
    ]
    # As the collector's own: each commit on the disk.
    with closing(open_database(path, create=False)) as connection:
        began = time.perf_counter()
        for start in range(0, len(rows), _COMMIT_EVERY):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                f"INSERT OR IGNORE INTO events VALUES ({','.join('?' * 12)})",  # noqa: S608  # question marks
                rows[start : start + _COMMIT_EVERY],
            )
            connection.execute("COMMIT")
        return len(rows) / (time.perf_counter() - began)


@contextmanager
def flask_receiver(folder: Path) -> Iterator[int]:
    """A plain receiver: Flask behind waitress, some threads, one database, a commit a request.

    It is asked for less than the collector: what it has said 200 to may go in a power cut.

    Returns:
        Its port.
    """
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve_flask, args=(port, folder / "flask.sqlite"), daemon=True
    )
    process.start()
    try:
        deadline = time.monotonic() + 30
        while not listens(port):
            if time.monotonic() > deadline:
                msg = "Flask does not listen"
                raise RuntimeError(msg)
            process.join(0.05)
        yield port
    finally:
        process.kill()
        process.join()


def _serve_flask(port: int, path: Path) -> None:
    from flask import Flask, request  # noqa: PLC0415  # in its own process alone
    from waitress import serve  # noqa: PLC0415

    app = Flask("receiver")
    connection = connect(path)  # with the collector's own settings, where it gains by them
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE events (uuid TEXT PRIMARY KEY, event, distinct_id, timestamp, properties)"
    )
    lock = threading.Lock()

    @app.post("/batch/")
    def batch() -> dict[str, int]:
        rows = [
            (e["uuid"], e["event"], e["distinct_id"], e["timestamp"], json.dumps(e["properties"]))
            for e in json.loads(gzip.decompress(request.get_data()))["batch"]
        ]
        with lock:
            connection.execute("BEGIN")
            connection.executemany("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?)", rows)
            connection.execute("COMMIT")
        return {"status": 1}

    logging.getLogger("waitress").setLevel(logging.ERROR)  # it tells of each that waits
    # Not Flask's own server, which takes one request a connection.
    serve(app, host="127.0.0.1", port=port, threads=_FLASK_THREADS, connection_limit=1000)
