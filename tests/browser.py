"""The browser that the tests drive: an installed Chromium or Chrome, else one is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "~/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "%ProgramFiles%/Google/Chrome/Application/chrome.exe",
    "%ProgramFiles(x86)%/Google/Chrome/Application/chrome.exe",
    "%LocalAppData%/Google/Chrome/Application/chrome.exe",
    "%LocalAppData%/Chromium/Application/chrome.exe",
)
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # The loopback guard for what is not Python.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
INSTALL_TIMEOUT_S = 900
WHAT_TO_DO = """No browser for the tests, and none could be installed:
{tried}
Install Chromium or Google Chrome, or set CHROME_PATH to the program of one that is installed."""


class NoBrowserError(Exception):
    """There is none and none could be installed; the message says what to do."""


def find_or_install(say: Callable[[str], None]) -> Path:
    """A browser that starts: the first of these that does.

    `$CHROME_PATH`, an installed Chromium or Chrome, one that Playwright downloaded earlier,
    Playwright's download, and the package `chromium` as root on Debian or Ubuntu.

    Args:
        say: Is told in one line what is being installed: it can take minutes.

    Raises:
        NoBrowserError: None of these; says what was tried and what to do.
    """
    if chosen := os.environ.get("CHROME_PATH"):
        if works(Path(chosen)):
            return Path(chosen)
        raise NoBrowserError(WHAT_TO_DO.format(tried=f"CHROME_PATH={chosen} does not start"))
    if (found := installed()) is not None:
        return found
    tried: list[str] = []
    for install in (_download_with_playwright, _install_with_apt):
        failure = install(say)
        if not failure and (found := installed()) is not None:
            return found
        what = install.__name__.strip("_").replace("_", " ")
        tried.append(failure or f"{what}: done, but it does not start")
    raise NoBrowserError(WHAT_TO_DO.format(tried="\n".join(tried)))


def installed() -> Path | None:
    """The first installed browser that starts."""
    on_the_path = (shutil.which(name) for name in NAMES)
    for place in (*filter(None, on_the_path), *map(os.path.expandvars, PLACES)):
        if works(candidate := Path(place).expanduser()):
            return candidate
    with sync_playwright() as playwright:
        downloaded = Path(playwright.chromium.executable_path)
    return downloaded if works(downloaded) else None


def works(program: Path) -> bool:
    """Whether `program` is there and starts; one whose libraries are missing does not."""
    if not program.is_file():
        return False
    if sys.platform == "win32":  # there it opens a window instead of telling its version
        return True
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, check=False, timeout=60)
    except OSError:
        return False
    return asked.returncode == 0


def _download_with_playwright(say: Callable[[str], None]) -> str:
    say("No Chromium or Chrome found: downloading Playwright's own, which can take minutes ...")
    playwright = (sys.executable, "-m", "playwright")
    failure = _run(*playwright, "install", "chromium")
    if not failure and installed() is None and _is_root_with_apt():
        say("Installing the libraries that it needs ...")
        failure = _run(*playwright, "install-deps", "chromium")
    return failure


def _is_root_with_apt() -> bool:
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def _install_with_apt(say: Callable[[str], None]) -> str:
    if not _is_root_with_apt():
        return "apt-get install chromium: only as root on Debian or Ubuntu"
    say("Installing Debian's package chromium, which can take minutes ...")
    return _run("apt-get", "update") or _run("apt-get", "install", "--yes", "chromium")


def _run(*command: str) -> str:
    """Run an installer; why it failed, or nothing."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    environment.pop("PYTHONPATH", None)  # the loopback guard is in it; this may go out
    name = " ".join(Path(part).name for part in command)
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{name}: {error}"
    if done.returncode == 0:
        return ""
    last_words = (done.stderr or done.stdout).strip().splitlines()[-3:]
    return f"{name}: " + " / ".join(last_words)


class SharedBrowser:
    """One headless browser for the whole run.

    Playwright's synchronous API leaves an event loop marked as running in the thread that
    started it. Any later test that runs one of its own (a notebook client does) would fail,
    so the mark is there only inside `in_use`.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)

    @contextmanager
    def in_use(self) -> Iterator[Browser]:
        """The browser, while everything is done with it that a test does."""
        asyncio._set_running_loop(self._loop)
        try:
            yield self._browser
        finally:
            asyncio._set_running_loop(None)


@contextmanager
def launched(program: Path) -> Iterator[SharedBrowser]:
    """Start `program` under Playwright, and end it afterwards."""
    as_root = ["--no-sandbox"] if sys.platform == "linux" and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, *as_root])
        shared = SharedBrowser(browser)
        yield shared
        with shared.in_use():
            browser.close()
        asyncio._set_running_loop(shared._loop)  # Playwright ends with it, and takes it along
