"""The one place where our own exceptions stop, and the logger they go to."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")

log = logging.getLogger("ipynb_telemetry")
# Without a handler of its own, Python prints warnings to stderr: under a student's cell.
log.addHandler(logging.NullHandler())
log.propagate = False

_on_failure: list[Callable[[str], None]] = []


def on_failure(tell: Callable[[str], None]) -> Callable[[], None]:
    """Have `tell` called with one line whenever the boundary caught something.

    Returns:
        A callable that undoes this.
    """
    _on_failure.append(tell)
    return lambda: _on_failure.remove(tell)


def never_into_the_cell(call: Callable[P, None]) -> Callable[P, None]:
    """Keep our own failures out of a student's cell: logged and shown, never raised."""

    @functools.wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            call(*args, **kwargs)
        except Exception as failure:  # noqa: BLE001  # KeyboardInterrupt is the student's and passes through
            report_failure(call.__qualname__, failure)

    return guarded


def report_failure(where: str, failure: BaseException) -> None:
    """Log `failure` and tell those who asked; never raises."""
    log.error("%s failed; the cell goes on", where, exc_info=failure)
    for tell in tuple(_on_failure):
        try:
            tell(f"{where}: {type(failure).__name__}")
        except Exception:  # the last stop: whoever shows failures has failed
            log.exception("showing a failure failed")
