"""What happens in the kernel: `_cell`, `tracked_test` and IPython's hooks tell the session."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import time
import unittest
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from ipynb_telemetry.boundary import log, never_into_the_cell, report_failure
from ipynb_telemetry.events import MAX_ERROR_CHARS
from ipynb_telemetry.session import Session

Test = TypeVar("Test", bound=Callable[..., Any])
CELL_END_HOOKS = ("pre_run_cell", "post_run_cell")  # pre_execute fires for widgets' messages too


@dataclass
class _RunningCell:
    """A notebook cell that runs now, and the tracked cell in it, if there is one."""

    thread: int
    began_s: float
    tracked: tuple[Session, str, int] | None = None


class Tracking:
    """The names that notebooks use, for whichever session is current.

    Args:
        session: The current session; a later one takes its place.
        cell_ended: Called on the kernel's main thread after each cell.
    """

    def __init__(self, session: Session, *, cell_ended: Callable[[], None]) -> None:
        self.session = session
        self._cell_ended = cell_ended
        self._running: list[_RunningCell] = []
        self._shell: Any = None

    @never_into_the_cell
    def cell(self, cell_id: str, code_preview: str = "") -> None:
        """Track one run of a cell: `_cell("exercise_1", "# preview")` as its first line."""
        cell_id, code = _as_text(cell_id), _as_text(code_preview)
        number = self.session.run_cell(cell_id, code)
        running = self._running[-1] if self._running else None
        if number is not None and running and running.thread == threading.get_ident():
            running.tracked = (self.session, cell_id, number)

    @never_into_the_cell
    def capture(self, event: str, props: Mapping[str, Any] | None = None) -> None:
        """Send an event of your own: `_telemetry_capture("hint", {"exercise": 2})`."""
        if not isinstance(event, str) or not event.strip():
            log.warning("an event without a name was dropped")
            self.session.note("An event of this notebook was dropped: it has no name.")
            return
        self.session.custom(event.strip(), _properties(props))

    @overload
    def tracked_test(self, name: str) -> Callable[[Test], Test]: ...
    @overload
    def tracked_test(self, name: Test) -> Test: ...
    def tracked_test(self, name: str | Test) -> Any:
        """Track a test of the exercise `name`; without a name, the function's own is taken.

        The test's arguments, result and exception pass through unchanged.
        """
        if callable(name):
            return self._tracked(name, getattr(name, "__name__", "test"))
        return lambda test: self._tracked(test, _as_text(name))

    def _tracked(self, test: Callable[..., Any], exercise: str) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def tracked_async(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True  # IPython and pytest leave this frame out
                began_s = time.perf_counter()
                try:
                    result = await test(*args, **kwargs)
                except BaseException as outcome:  # noqa: BLE001  # whatever ends a test is the student's
                    self._test_ended(exercise, began_s, outcome)
                    raise _from_the_test(outcome)  # noqa: B904  # the same object
                self._test_ended(exercise, began_s, None)
                return result

            return tracked_async

        @functools.wraps(test)
        def tracked(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            began_s = time.perf_counter()
            try:
                result = test(*args, **kwargs)
            except BaseException as outcome:  # noqa: BLE001  # whatever ends a test is the student's
                self._test_ended(exercise, began_s, outcome)
                raise _from_the_test(outcome)  # noqa: B904  # the same object
            self._test_ended(exercise, began_s, None)
            return result

        return tracked

    @never_into_the_cell
    def _test_ended(self, exercise: str, began_s: float, outcome: BaseException | None) -> None:
        ms = _ms_since(began_s)
        if outcome is None:
            self.session.end_test(exercise, ok=True, ms=ms, err=None)
        elif _is_skip(outcome):
            self.session.end_test(exercise, ok=None, ms=ms, err=_error_text(outcome))
        elif _is_failure(outcome):
            self.session.end_test(exercise, ok=False, ms=ms, err=_error_text(outcome))

    def hook_into(self, shell: Any) -> None:
        """Follow the cells of an IPython shell; call it inside the cell that sets up."""
        self._shell = shell
        # The cell that registers gets no pre_run_cell, only the post_run_cell.
        self._running = [_RunningCell(threading.get_ident(), time.perf_counter())]
        self.session.busy = True
        for event, callback in zip(CELL_END_HOOKS, (self._before, self._after), strict=True):
            shell.events.register(event, callback)

    def unhook(self) -> None:
        if self._shell is not None:
            for event, callback in zip(CELL_END_HOOKS, (self._before, self._after), strict=True):
                self._shell.events.unregister(event, callback)
            self._shell = None

    @never_into_the_cell
    def _before(self, info: Any) -> None:
        if info.store_history:
            self._running.append(_RunningCell(threading.get_ident(), time.perf_counter()))
            self.session.busy = True

    @never_into_the_cell
    def _after(self, result: Any) -> None:
        if not (result.info and result.info.store_history and self._running):
            return
        cell = self._running.pop()
        if cell.tracked is not None:
            session, cell_id, number = cell.tracked
            error = result.error_before_exec or result.error_in_exec
            err = None if error is None else _error_text(error)
            ms = _ms_since(cell.began_s)
            session.end_cell(cell_id, number, ok=error is None, ms=ms, err=err)
        self.session.busy = bool(self._running)
        self._cell_ended()


def _as_text(value: object) -> str:
    """An id that an author wrote as a number is as good as one written as text."""
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except Exception as failure:  # noqa: BLE001  # somebody's __str__
        report_failure("the text of an id", failure)
        return type(value).__name__


def _properties(props: object) -> Mapping[str, Any]:
    if props is None:
        return {}
    return props if isinstance(props, Mapping) else {"value": props}


def _from_the_test(outcome: BaseException) -> BaseException:
    """The same exception, its traceback without our own frame, which stands first in it."""
    return outcome.with_traceback(outcome.__traceback__ and outcome.__traceback__.tb_next)


def _is_skip(outcome: BaseException) -> bool:
    return isinstance(outcome, (unittest.SkipTest, *_pytests("Skipped")))


def _is_failure(outcome: BaseException) -> bool:
    """An interrupt, an exit and a cancelled task say nothing about the exercise."""
    return isinstance(outcome, (Exception, *_pytests("Failed")))


def _pytests(name: str) -> tuple[type[BaseException], ...]:
    """The outcome that pytest calls `name`, if the notebook has imported pytest."""
    outcomes = sys.modules.get("_pytest.outcomes")
    return (getattr(outcomes, name),) if outcomes else ()


def _error_text(error: BaseException) -> str:
    """Type and message, on the border of what an event may carry."""
    try:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    except Exception:  # noqa: BLE001  # the student's own __str__ may do anything
        text = type(error).__name__
    return text[:MAX_ERROR_CHARS]


def _ms_since(began_s: float) -> int:
    return round((time.perf_counter() - began_s) * 1000)
