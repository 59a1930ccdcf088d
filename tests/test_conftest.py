"""The rules of the suite bite: each is broken by a test in a suite of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def run_suite(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run one test module in its own pytest, under the `conftest.py` of this suite."""
    (folder / "test_it.py").write_text(textwrap.dedent(source), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ["PYTHONPATH"]]),
        "IPT_TEST_ERRORS": "",  # what goes wrong in there is not this test's error
    }
    # Warnings of libraries that it imports are for the pyproject.toml of the real suite.
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:warnings"]
    return subprocess.run(
        [*command, *options, str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


A_SKIPPED_TEST = """
    import pytest

    def test_it():
        pytest.skip("some day")
"""


def test_a_skipped_test_fails_the_run(tmp_path: Path) -> None:
    done = run_suite(tmp_path, A_SKIPPED_TEST)

    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "skipped, so this run fails" in done.stdout
    assert "1 skipped" in done.stdout


def test_a_skipped_test_can_be_allowed(tmp_path: Path) -> None:
    done = run_suite(tmp_path, A_SKIPPED_TEST, "--allow-skips")

    assert done.returncode == pytest.ExitCode.OK


@pytest.mark.parametrize(
    "source",
    [
        """
        import logging

        def test_it():
            logging.getLogger("ipynb_telemetry").error("the cell was lost")
        """,
        """
        import subprocess
        import sys

        def test_it():
            code = "import logging; logging.getLogger('ipynb_telemetry').error('the cell was lost')"
            subprocess.run([sys.executable, "-c", code], check=True)
        """,
    ],
    ids=["in this process", "in a child process"],
)
def test_an_error_in_the_log_fails_the_test_that_left_it(tmp_path: Path, source: str) -> None:
    done = run_suite(tmp_path, source)

    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "the cell was lost" in done.stdout
    assert "1 passed, 1 error" in done.stdout


def test_an_error_in_the_log_may_be_what_a_test_is_about(tmp_path: Path) -> None:
    done = run_suite(
        tmp_path,
        """
        import logging

        def test_it(telemetry_log):
            logging.getLogger("ipynb_telemetry").error("the cell was lost")

            assert [record.getMessage() for record in telemetry_log] == ["the cell was lost"]
        """,
    )

    assert done.returncode == pytest.ExitCode.OK


def test_settings_of_whoever_runs_the_tests_stay_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("TELEMETRY_HOST", "https://elsewhere.invalid")

    done = run_suite(
        tmp_path,
        """
        import os

        def test_it(tmp_path):
            ours = {k: v for k, v in os.environ.items() if k.startswith(("TELEM", "DO_NOT"))}
            assert ours == {"TELEMETRY_STATE_DIR": str(tmp_path / "state")}
        """,
    )

    assert done.returncode == pytest.ExitCode.OK
