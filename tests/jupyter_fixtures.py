"""Fixtures for tests in a real front end: `front_end`, and the server and browser behind it."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import browser
import pytest
from browser import SharedBrowser
from capture_server import CaptureServer
from live_jupyter import JupyterServer
from notebook_page import ARTEFACTS, PAGES, FrontEnd

BROWSER = pytest.StashKey[Path]()
FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "front_ends(*names): of those installed, the ones that this test is for"
    )
    config.addinivalue_line("markers", "browser: needs a browser; set by itself")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "front_end" in metafunc.fixturenames:
        metafunc.parametrize("front_end", PAGES, indirect=True)


@pytest.hookimpl(tryfirst=True)  # before `-m` asks for markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a browser; leave out, rather than skip, what no installed one can show."""
    for item in items:
        if _needs_a_browser(item):
            item.add_marker("browser")
    wanted = [item for item in items if _is_for_its_front_end(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


def _is_for_its_front_end(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("front_ends")
    return marker is None or _front_end_of(item) in marker.args


def _needs_a_browser(item: pytest.Item) -> bool:
    return "shared_browser" in getattr(item, "fixturenames", ())


def _front_end_of(item: pytest.Item) -> object:
    assert isinstance(item, pytest.Function)
    return item.callspec.params["front_end"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """See to a browser before the first test: installing one may outlast a test's time limit."""
    needed = any(map(_needs_a_browser, session.items))
    if needed and not session.config.option.collectonly:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        try:
            with capture.global_and_fixture_disabled():
                session.config.stash[BROWSER] = browser.find_or_install(_say)
        except browser.NoBrowserError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


def _say(line: str) -> None:
    print(f"\n{line}", flush=True)  # noqa: T201 - someone is waiting in front of it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """The Jupyter server of the run."""
    server = JupyterServer(tmp_path_factory.mktemp("jupyter"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def shared_browser(pytestconfig: pytest.Config) -> Iterator[SharedBrowser]:
    """The browser of the run."""
    with browser.launched(pytestconfig.stash[BROWSER]) as shared:
        yield shared


@pytest.fixture
def kernel_environment(
    server: CaptureServer, clean_environment: None, state_dir: Path
) -> dict[str, str]:
    """What a kernel of this test has in its environment: this test's server and folders."""
    return {
        "TELEMETRY_HOST": server.url,
        "TELEMETRY_STATE_DIR": str(state_dir),
        "IPT_TEST_ERRORS": os.environ["IPT_TEST_ERRORS"],
    }


@pytest.fixture
def front_end(
    request: pytest.FixtureRequest,
    jupyter: JupyterServer,
    shared_browser: SharedBrowser,
    kernel_environment: dict[str, str],
) -> Iterator[FrontEnd]:
    """Each installed front end in turn, its kernels sending to this test's server."""
    with shared_browser.in_use() as running, running.new_context() as context:
        front_end = FrontEnd(request.param, jupyter, context, kernel_environment)
        try:
            yield front_end
            if request.node.stash.get(FAILED, False):
                _keep_what_can_be_seen(front_end, jupyter, request.node.name)
        finally:
            front_end.close()
    strangers = [address for page in front_end.pages for address in page.strangers]
    assert not strangers, f"a page asked for what is not on this computer: {strangers}"


def _keep_what_can_be_seen(front_end: FrontEnd, jupyter: JupyterServer, test: str) -> None:
    """After a failed test: a picture of each page, what failed in it, and Jupyter's log."""
    name = "failed-" + re.sub(r"[^\w-]+", "-", test).strip("-")
    for number, page in enumerate(front_end.pages):
        if not page.page.is_closed():
            page.screenshot(f"{name}-{number}")
    folder = ARTEFACTS / front_end.name
    folder.mkdir(parents=True, exist_ok=True)
    errors = [error for page in front_end.pages for error in page.errors]
    text = "\n".join([*errors, jupyter.log()])
    (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    print(f"pictures and logs: {folder}/{name}*")  # noqa: T201 - pytest shows it with the failure
