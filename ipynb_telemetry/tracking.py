"""What happens in the kernel: `_cell`, `tracked_test` and IPython's hooks tell the session."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar, overload

from ipynb_telemetry import frontend
from ipynb_telemetry.boundary import log, never_into_the_cell, report_failure
from ipynb_telemetry.events import MAX_ERROR_CHARS
from ipynb_telemetry.marker import marked_exercise
from ipynb_telemetry.session import Session

Test = TypeVar("Test", bound=Callable[..., Any])
# Named by module and class, and never imported: who has not imported it cannot have raised it.
_SKIPS = (("unittest.case", "SkipTest"), ("_pytest.outcomes", "Skipped"))
_FAILURES = (("_pytest.outcomes", "Failed"),)  # no Exception, as all others are


@dataclass(eq=False)
class _RunningCell:
    """A cell that runs now, and the tracked cell in it, if there is one."""

    info: Any
    """IPython's, the same object at its beginning and its end; None: the cell that set up."""
    thread: int
    began_s: float
    request: str
    """The message that runs it; empty where there is none."""
    tracked: tuple[Session, str, int] | None = None
    tested: set[str] = field(default_factory=set)
    """The exercises of which a `tracked_test` has ended in it."""
    shown: BaseException | None = None
    """The exception that IPython had shown last when it began."""

    @property
    def is_the_students(self) -> bool:
        """Front ends, and code that calls `run_cell`, run cells that are in no history."""
        return self.info is None or bool(self.info.store_history)

    @property
    def exercise(self) -> str | None:
        """The exercise that the whole cell is the test of, unless its own tests have told."""
        if self.info is None or not self.is_the_students:
            return None
        exercise = marked_exercise(self.info.raw_cell)
        return None if exercise in self.tested else exercise


class Tracking:
    """The names that notebooks use, for whichever session is current.

    Args:
        session: The current session, until `follow`.
        cell_ended: Called after each cell, on the kernel's main thread.
    """

    def __init__(self, session: Session, *, cell_ended: Callable[[], None]) -> None:
        self.session = session
        self._cell_ended = cell_ended
        self._running: list[_RunningCell] = []
        self._shell: Any = None

    def follow(self, session: Session) -> None:
        """Tell `session` from now on."""
        self.session, session.busy = session, bool(self._running)

    @never_into_the_cell
    def cell(self, cell_id: str, code_preview: str = "") -> None:
        """Track one run of a cell: `_cell("exercise_1", "# preview")` as its first line."""
        session, cell_id = self.session, _as_text(cell_id)
        number = session.run_cell(cell_id, _as_text(code_preview))
        running = self._running_here()
        if number is not None and running is not None:
            running.tracked = (session, cell_id, number)

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

        The test's arguments, result and exception pass through unchanged. A test that is a
        generator or a coroutine has ended when that has.
        """
        if callable(name):
            return self._tracked(name, getattr(name, "__name__", "test"))
        return lambda test: self._tracked(test, _as_text(name))

    def _tracked(self, test: Callable[..., Any], exercise: str) -> Callable[..., Any]:
        attempt = functools.partial(_Attempt, functools.partial(self._test_ended, exercise))
        # `__tracebackhide__`: before Python 3.11 our frames cannot be taken out of a
        # traceback, but IPython and pytest leave out those that have it.

        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def tracked_coroutine(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                with attempt():
                    return await test(*args, **kwargs)

            return tracked_coroutine

        if inspect.isgeneratorfunction(test):

            @functools.wraps(test)
            def tracked_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                __tracebackhide__ = True
                with attempt():
                    return (yield from test(*args, **kwargs))

            return tracked_generator

        @functools.wraps(test)
        def tracked(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with attempt():
                return test(*args, **kwargs)

        return tracked

    @never_into_the_cell
    def _test_ended(self, exercise: str, ms: int, outcome: BaseException | None) -> None:
        if (running := self._running_here()) is not None:
            running.tested.add(exercise)
        if outcome is None:
            self.session.end_test(exercise, ok=True, ms=ms, err=None)
        elif isinstance(outcome, _imported(_SKIPS)):
            self.session.end_test(exercise, ok=None, ms=ms, err=_error_text(outcome))
        elif isinstance(outcome, (Exception, *_imported(_FAILURES))):
            self.session.end_test(exercise, ok=False, ms=ms, err=_error_text(outcome))
        # An interrupt, an exit and a cancelled task say nothing about the exercise.

    def hook_into(self, shell: Any) -> None:
        """Follow the cells of an IPython shell; call it inside the cell that sets up."""
        self._shell = shell
        self._begin(None)  # its own pre_run_cell is over
        # Not pre_execute and post_execute: those fire for the messages of widgets as well.
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)

    def unhook(self) -> None:
        if self._shell is None:
            return
        with contextlib.suppress(ValueError):  # somebody has cleared IPython's hooks
            self._shell.events.unregister("pre_run_cell", self._before)
            self._shell.events.unregister("post_run_cell", self._after)
        self._shell, self._running = None, []  # nobody will tell when they end

    @never_into_the_cell
    def _before(self, info: Any) -> None:
        # Nothing of an earlier request still runs in this thread: what set us up in a start-up
        # file has no end, and an interrupt in IPython's own hooks can keep one from us.
        here, request = threading.get_ident(), frontend.request_id()
        self._running = [
            cell for cell in self._running if cell.thread != here or cell.request == request
        ]
        self._begin(info)

    @never_into_the_cell
    def _after(self, result: Any) -> None:
        cell = self._take_ended(result)
        if cell is not None and (exercise := cell.exercise) is not None:
            self._test_ended(exercise, _ms_since(cell.began_s), _outcome(result, cell.shown))
        if cell is not None and cell.tracked is not None:
            session, cell_id, number = cell.tracked
            err = _error_in(result)
            ms = _ms_since(cell.began_s)
            session.end_cell(cell_id, number, ok=err is None, ms=ms, err=err)
        self.session.busy = bool(self._running)
        if not self._running:
            self._cell_ended()

    def _begin(self, info: Any) -> None:
        self._running.append(
            _RunningCell(
                info,
                threading.get_ident(),
                time.perf_counter(),
                frontend.request_id(),
                shown=_last_shown(),
            )
        )
        self.session.busy = True

    def _running_here(self) -> _RunningCell | None:
        """The student's cell that calls us: not one that another thread runs."""
        here = threading.get_ident()
        for cell in reversed(self._running):
            if cell.thread == here and cell.is_the_students:
                return cell
        return None

    def _take_ended(self, result: Any) -> _RunningCell | None:
        """The cell of which `result` is, running no more; None if we have not seen it begin."""
        for cell in reversed(self._running):
            if result is None or cell.info is None or cell.info is result.info:
                self._running.remove(cell)
                return cell
        return None


class _Attempt:
    """One run of a test: says how it ended, and hands its exception on as it is.

    Args:
        ended: Called with the milliseconds it took, and with the exception if there was one.
    """

    def __init__(self, ended: Callable[[int, BaseException | None], None]) -> None:
        self._ended = ended

    def __enter__(self) -> None:
        self._began_s = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        outcome: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ms = _ms_since(self._began_s)
        if outcome is not None and traceback is not None:
            outcome.__traceback__ = traceback.tb_next  # without the first frame, which is ours
        self._ended(ms, outcome)


def _as_text(value: object) -> str:
    """An id that an author wrote as a number is as good as one written as text."""
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except Exception as failure:  # noqa: BLE001  # somebody's __str__
        report_failure("the text of an id", failure)
        return type(value).__name__


def _properties(props: object) -> dict[Any, Any]:
    if props is None:
        return {}
    try:
        return dict(props) if isinstance(props, Mapping) else {"value": props}
    except Exception:  # noqa: BLE001  # somebody's mapping, which cannot be read
        return {"value": f"<{type(props).__name__}>"}


def _imported(names: tuple[tuple[str, str], ...]) -> tuple[type[BaseException], ...]:
    """Those of the exceptions that this process can have raised."""
    known = ((sys.modules.get(module), name) for module, name in names)
    return tuple(getattr(module, name) for module, name in known if module is not None)


def _error_in(result: Any) -> str | None:
    """What was wrong with a cell, on the border of what an event may carry; None: nothing."""
    error = _raised(result)
    return None if error is None else _error_text(error)


def _raised(result: Any) -> BaseException | None:
    if result is None:  # ipykernel has none where it cancelled an `await` for an interrupt
        return KeyboardInterrupt()
    error: BaseException | None = result.error_before_exec or result.error_in_exec
    return error


def _outcome(result: Any, shown_before: BaseException | None) -> BaseException | None:
    """What ended a cell; `%%time` and `%%capture` may show their body's exception and go on."""
    shown = _last_shown()
    return _raised(result) or (None if shown is shown_before else shown)


def _last_shown() -> BaseException | None:
    """The exception of which IPython has shown a traceback last, in whichever cell."""
    return getattr(sys, "last_value", None)


def _error_text(error: BaseException) -> str:
    """Type and message, on the border of what an event may carry."""
    kind = type(error).__name__
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  # the student's own __str__ may do anything
        message = ""
    return (f"{kind}: {message}" if message else kind)[:MAX_ERROR_CHARS]


def _ms_since(began_s: float) -> int:
    return round((time.perf_counter() - began_s) * 1000)
