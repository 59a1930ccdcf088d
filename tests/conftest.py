"""What holds for every test: its own state folder, no network, no error and no skip unseen."""

from __future__ import annotations

import importlib.util
import logging
import os
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("capture_server")
from capture_server import CaptureServer  # noqa: E402 - after the line that concerns it

# The command line needs the extra `teacher`, which Colab's versions do not go with.
_OF_THE_COMMAND_LINE = ["test_demo.py", "test_instrument_command.py"]
collect_ignore = [] if importlib.util.find_spec("typer") else _OF_THE_COMMAND_LINE

pytest_plugins = ["jupyter_fixtures", "kernel_fixtures"]

GUARD = Path(__file__).parent / "loopback_guard"
OURS = ("TELEMETRY_", "POSTHOG_", "DO_NOT_TRACK", "IPT_TEST_")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--allow-skips", action="store_true", help="do not fail the run when a test was skipped"
    )


def pytest_configure(config: pytest.Config) -> None:
    runpy.run_path(str(GUARD / "sitecustomize.py"))
    children = [str(GUARD), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(children)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    config.pluginmanager.register(Skips(allowed=config.getoption("allow_skips")))


class Skips:
    """Makes the run fail when a test was skipped: a skip that is always taken tests nothing."""

    def __init__(self, *, allowed: bool) -> None:
        self._allowed = allowed
        self._skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail") and not self._allowed:
            self._skipped.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._skipped:
            terminalreporter.section("skipped, so this run fails (--allow-skips lets it pass)")
            terminalreporter.write_line("\n".join(self._skipped))


@pytest.fixture(scope="session")
def ipython_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IPython's folder: start-up files and history of whoever runs the tests stay out."""
    return tmp_path_factory.mktemp("ipython")


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """The state folder of this test's sessions; not made yet."""
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def clean_environment(
    state_dir: Path, tmp_path: Path, ipython_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TELEMETRY_STATE_DIR", str(state_dir))
    monkeypatch.setenv("IPYTHONDIR", str(ipython_dir))
    monkeypatch.setenv("IPT_TEST_ERRORS", str(tmp_path / "telemetry-errors.log"))


@pytest.fixture
def server() -> Iterator[CaptureServer]:
    """A PostHog of this test's own."""
    with CaptureServer() as server:
        yield server


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)


@pytest.fixture
def _records() -> Iterator[list[logging.LogRecord]]:
    handler = _Records()
    logger = logging.getLogger("ipynb_telemetry")
    logger.addHandler(handler)
    yield handler.seen
    logger.removeHandler(handler)


@pytest.fixture
def telemetry_log(_records: list[logging.LogRecord]) -> list[logging.LogRecord]:
    """What this process logged; a test that asks for it may leave errors there.

    The errors of other processes that the test started are in the file `$IPT_TEST_ERRORS`.
    """
    return _records


@pytest.fixture(autouse=True)
def no_error_goes_unseen(
    request: pytest.FixtureRequest,
    clean_environment: None,
    _records: list[logging.LogRecord],
    tmp_path: Path,
) -> Iterator[None]:
    """Fail a test that left an error in our log: the boundary swallows what a cell must not see.

    It ends after the fixtures of the test's own, so kernels have had their say.
    """
    yield
    if "telemetry_log" in request.fixturenames:
        return
    as_text = logging.Formatter()
    errors = [as_text.format(record) for record in _records if record.levelno >= logging.ERROR]
    of_children = tmp_path / "telemetry-errors.log"
    if of_children.exists():
        errors.append(of_children.read_text(encoding="utf-8", errors="replace"))
    assert not any(errors), "left in the ipynb_telemetry log:\n" + "\n".join(errors)
