"""The cells that an author gets: run for real, in fresh environments, without a network."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipynb_telemetry import notebook_cells
from ipynb_telemetry.notebook_cells import (
    SETTINGS,
    get_cell_tracking_line,
    get_telemetry_setup_cell,
    get_tracked_test_cell,
)

EVERYTHING = st.text(st.characters())  # lone surrogates and all
NOT_BLANK = EVERYTHING.filter(str.strip)
PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | EVERYTHING,
    lambda values: st.lists(values) | st.dictionaries(EVERYTHING, values),
    max_leaves=5,
)

# What stands in a wheel in place of our package: says how it was called.
BOOTSTRAP = """
import builtins, json

def setup_telemetry(notebook_id, **settings):
    if settings.get("host", "http://").startswith("ftp:"):
        raise ValueError("host must start with http:// or https://")
    builtins.STUDENT_NAME = "JOHN-DOE"
    print("set up", json.dumps([notebook_id, settings]))
"""
SET_UP = 'set up ["D3_Datetimes", {}]'
LESSON = """
@tracked_test("exercise_1")
def test_exercise_1():
    return "the test ran"

@tracked_test
def test_exercise_2():
    return 2

assert test_exercise_2() == 2
_cell("exercise_1", "# preview")
_telemetry_capture("custom", {"a": 1})
print(repr(STUDENT_NAME), test_exercise_1())
"""
WITHOUT_TELEMETRY = "'' the test ran"
WITH_TELEMETRY = "'JOHN-DOE' the test ran"


def a_wheel(
    folder: Path, name: str, version: str, *requires: str, modules: dict[str, str] | None = None
) -> Path:
    """A wheel made by hand: no build tool, no network."""
    wheel = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    files = dict(modules or {})
    files[f"{info}/METADATA"] = "\n".join([*metadata, *(f"Requires-Dist: {r}" for r in requires)])
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def a_telemetry_wheel(folder: Path, version: str = "0.2.0", *requires: str) -> Path:
    modules = {"ipynb_telemetry/__init__.py": "", "ipynb_telemetry/bootstrap.py": BOOTSTRAP}
    return a_wheel(folder, "ipynb-telemetry", version, *requires, modules=modules)


class Environment:
    """A virtual environment, and scripts run in it."""

    def __init__(
        self, folder: Path, *, pip_from: Path | None = None, uv: Path | None = None
    ) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=os.name != "nt")
        self.python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        self._site_packages = next((folder / "venv").rglob("site-packages"))
        if pip_from is not None:  # a path, not a copy: pip has 600 files
            (self._site_packages / "pip.pth").write_text(f"{pip_from}\n", encoding="utf-8")
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PIP_", "UV_", "TELEMETRY_", "VIRTUAL_ENV"))
        }
        self.environ = inherited | {
            "PATH": os.pathsep.join([*([str(uv.parent)] if uv else []), os.environ["PATH"]]),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "UV_NO_CONFIG": "1",
            "UV_OFFLINE": "1",
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(self.wheels),
            "UV_CACHE_DIR": str(folder / "uv-cache"),
            # As ipykernel has it.
            "FORCE_COLOR": "1",
            "CLICOLOR": "1",
            "CLICOLOR_FORCE": "1",
            "PYTHON_COLORS": "0",  # tracebacks of Python 3.13
        }

    def have(self, wheel: Path) -> None:
        """Unpack a wheel, which is what installing comes to."""
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self._site_packages)

    def run(self, *sources: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script in the environment, bounded as no cell should need."""
        script = self.folder / "lesson.py"
        script.write_text("\n\n".join(sources), encoding="utf-8")
        return subprocess.run(
            [self.python, script],
            cwd=self.folder,
            input="an answer\n",
            env=self.environ | environ,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def version_of(self, package: str) -> str:
        ask = f"from importlib.metadata import version; print(version({package!r}))"
        command = [str(self.python), "-c", ask]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def pip_from(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pip in it: a copy of ours, which is there in no time, else a new one."""
    folder = tmp_path_factory.mktemp("with-pip")
    ours = importlib.util.find_spec("pip")
    if ours is not None and ours.origin is not None:
        shutil.copytree(Path(ours.origin).parent, folder / "pip")
        return folder
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return next(folder.rglob("pip/__main__.py")).parents[1]


@pytest.fixture(scope="module")
def uv() -> Path:
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    found = shutil.which("uv", path=here)
    assert found, "these tests need uv: python -m pip install uv"
    return Path(found)


@pytest.fixture
def with_pip(tmp_path: Path, pip_from: Path) -> Environment:
    return Environment(tmp_path, pip_from=pip_from)


@pytest.fixture
def with_uv(tmp_path: Path, uv: Path) -> Environment:
    """As `uv venv` makes it: no pip in it, and a uv on the PATH."""
    return Environment(tmp_path, uv=uv)


@pytest.fixture(params=["with_pip", "with_uv"])
def environment(request: pytest.FixtureRequest) -> Environment:
    """Each kind of environment in turn."""
    found: Environment = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def with_neither(tmp_path: Path) -> Environment:
    environment = Environment(tmp_path)
    environment.environ["PATH"] = str(tmp_path / "nothing")
    return environment


@pytest.fixture
def with_a_pip_that(tmp_path: Path) -> Callable[[str], Environment]:
    """An environment whose pip does what the test says."""

    def make(code: str) -> Environment:
        environment = Environment(tmp_path)
        pip = a_wheel(
            tmp_path, "pip", "99", modules={"pip/__init__.py": "", "pip/__main__.py": code}
        )
        environment.have(pip)
        return environment

    return make


SETUP_CELL = get_telemetry_setup_cell("D3_Datetimes")
# Put before a cell: says when it starts a process.
WATCH_PROCESSES = """
import sys
sys.addaudithook(lambda event, _: event == "subprocess.Popen" and print("started a process"))
"""
HANG = "import threading; threading.Event().wait()"


# The setup cell where all is well


def test_a_missing_package_is_installed(environment: Environment) -> None:
    wheel = a_telemetry_wheel(environment.folder)

    ran = environment.run(SETUP_CELL, LESSON, TELEMETRY_PACKAGE_SPEC=str(wheel))

    assert ran.stdout.splitlines() == [SET_UP, WITH_TELEMETRY]
    assert ran.stderr == ""


def test_a_package_that_is_there_starts_no_process(with_pip: Environment) -> None:
    with_pip.have(a_telemetry_wheel(with_pip.folder))

    ran = with_pip.run(WATCH_PROCESSES, SETUP_CELL, LESSON)

    assert ran.stdout.splitlines() == [SET_UP, WITH_TELEMETRY]
    assert ran.stderr == ""


def test_a_newer_package_than_the_cell_needs_is_left_alone(with_pip: Environment) -> None:
    with_pip.have(a_telemetry_wheel(with_pip.folder, "10.0rc1"))

    ran = with_pip.run(WATCH_PROCESSES, SETUP_CELL)

    assert ran.stdout.splitlines() == [SET_UP]


def test_versions_are_compared_as_numbers(
    with_pip: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook_cells, "CONTRACT_SINCE", (0, 9))
    with_pip.have(a_telemetry_wheel(with_pip.folder, "0.10.0"))

    ran = with_pip.run(WATCH_PROCESSES, get_telemetry_setup_cell("D3_Datetimes"))

    assert ran.stdout.splitlines() == [SET_UP]


def test_this_version_of_the_package_is_new_enough_for_its_cells() -> None:
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    found = re.search(
        r'^version = "(\d+)\.(\d+)', pyproject.read_text(encoding="utf-8"), re.MULTILINE
    )

    assert found
    assert tuple(map(int, found.groups())) >= notebook_cells.CONTRACT_SINCE


def test_a_checkout_without_metadata_is_left_alone(with_pip: Environment) -> None:
    with_pip.have(a_telemetry_wheel(with_pip.folder))
    for info in Path(with_pip.folder).rglob("*.dist-info"):
        shutil.rmtree(info)

    ran = with_pip.run(WATCH_PROCESSES, SETUP_CELL)

    assert ran.stdout.splitlines() == [SET_UP]


def test_an_older_package_is_replaced_by_the_one_at_an_address(environment: Environment) -> None:
    environment.have(a_telemetry_wheel(environment.folder, "0.0.9"))
    wheel = a_telemetry_wheel(environment.folder, "0.2.0")

    ran = environment.run(SETUP_CELL, TELEMETRY_PACKAGE_SPEC=str(wheel))

    assert ran.stdout.splitlines() == [SET_UP]
    assert environment.version_of("ipynb-telemetry") == "0.2.0"


def test_an_older_package_is_replaced_by_one_of_that_name(environment: Environment) -> None:
    environment.have(a_telemetry_wheel(environment.folder, "0.0.9"))
    a_telemetry_wheel(environment.wheels, "0.2.0")

    ran = environment.run(SETUP_CELL, TELEMETRY_PACKAGE_SPEC="ipynb-telemetry")

    assert ran.stdout.splitlines() == [SET_UP]
    assert environment.version_of("ipynb-telemetry") == "0.2.0"


def test_a_fork_is_known_by_its_own_name(with_pip: Environment) -> None:
    modules = {"ipynb_telemetry/__init__.py": "", "ipynb_telemetry/bootstrap.py": BOOTSTRAP}
    with_pip.have(a_telemetry_wheel(with_pip.folder, "0.0.9"))
    with_pip.have(a_wheel(with_pip.folder, "our-fork", "3", modules=modules))

    ran = with_pip.run(WATCH_PROCESSES, SETUP_CELL, TELEMETRY_PACKAGE_NAME="our-fork")

    assert ran.stdout.splitlines() == [SET_UP]


def test_a_version_that_the_platform_pins_does_not_move(environment: Environment) -> None:
    environment.have(a_wheel(environment.folder, "requests", "2.32.0"))
    a_wheel(environment.wheels, "requests", "2.99.0")
    a_wheel(environment.wheels, "a-dependency", "1.0", "requests")
    a_wheel(environment.wheels, "a-dependency", "2.0", "requests>=2.99")
    a_telemetry_wheel(environment.wheels, "0.2.0", "a-dependency")

    ran = environment.run(SETUP_CELL, TELEMETRY_PACKAGE_SPEC="ipynb-telemetry")

    assert ran.stdout.splitlines() == [SET_UP]
    assert environment.version_of("requests") == "2.32.0"
    assert environment.version_of("a-dependency") == "1.0"


def test_a_pip_that_has_to_make_the_users_site_packages_is_enough(
    with_a_pip_that: Callable[[str], Environment],
) -> None:
    unpack = "import site, zipfile; zipfile.ZipFile('the.whl').extractall(site.USER_SITE)"
    environment = with_a_pip_that(unpack)
    a_telemetry_wheel(environment.folder).rename(environment.folder / "the.whl")
    as_outside_a_venv = "import site; site.ENABLE_USER_SITE = True"

    ran = environment.run(
        as_outside_a_venv, SETUP_CELL, PYTHONUSERBASE=str(environment.folder / "user")
    )

    assert ran.stdout.splitlines() == [SET_UP]


def test_in_a_venv_the_users_site_packages_stay_out(
    with_a_pip_that: Callable[[str], Environment],
) -> None:
    environment = with_a_pip_that("")
    user = environment.folder / "user"
    look = f"import sys; print([entry for entry in sys.path if entry.startswith({str(user)!r})])"

    ran = environment.run(SETUP_CELL, look, PYTHONUSERBASE=str(user))

    assert ran.stdout.splitlines()[1:] == ["[]"]


def test_an_installation_faster_than_the_clock_of_the_disk_is_seen(
    with_a_pip_that: Callable[[str], Environment],
) -> None:
    """Python looks into a folder again only when its time has changed."""
    environment = with_a_pip_that(
        "import os, pip, zipfile\n"
        "folder = os.path.dirname(os.path.dirname(pip.__file__))\n"
        "before = os.stat(folder).st_mtime_ns\n"
        "zipfile.ZipFile('the.whl').extractall(folder)\n"
        "os.utime(folder, ns=(before, before))\n"
    )
    a_telemetry_wheel(environment.folder).rename(environment.folder / "the.whl")

    ran = environment.run(SETUP_CELL)

    assert ran.stdout.splitlines() == [SET_UP]


def test_it_runs_again(with_pip: Environment) -> None:
    with_pip.have(a_telemetry_wheel(with_pip.folder))

    ran = with_pip.run(SETUP_CELL, SETUP_CELL, LESSON)

    assert ran.stdout.splitlines() == [SET_UP, SET_UP, WITH_TELEMETRY]


# The setup cell where something is wrong: the lesson goes on, and one line says why


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("no-such-package", "ERROR: Could not find a version that satisfies"),
        (
            "git+file:///no/such/repository",
            "fatal: '/no/such/repository' does not appear to be a git repo",
        ),
    ],
)
def test_a_refusal_of_pip_is_told_in_pips_own_words(
    with_pip: Environment, spec: str, reason: str
) -> None:
    ran = with_pip.run(SETUP_CELL, LESSON, TELEMETRY_PACKAGE_SPEC=spec)

    told, lesson = ran.stdout.splitlines()
    assert told.startswith(f"The lesson goes on without telemetry: {reason}")
    assert lesson == WITHOUT_TELEMETRY
    assert ran.stderr == ""


def test_a_build_that_fails_is_told_by_its_own_error(with_pip: Environment) -> None:
    project = with_pip.folder / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[build-system]\nrequires = ["no-such-backend"]\n')

    ran = with_pip.run(SETUP_CELL, TELEMETRY_PACKAGE_SPEC=str(project))

    reason = "ERROR: Could not find a version that satisfies the requirement no-such-backend"
    assert ran.stdout.startswith(f"The lesson goes on without telemetry: {reason}")


def test_a_refusal_of_uv_is_told_in_uvs_own_words(with_uv: Environment) -> None:
    ran = with_uv.run(SETUP_CELL, LESSON, TELEMETRY_PACKAGE_SPEC="no-such-package")

    told, lesson = ran.stdout.splitlines()
    assert told.startswith("The lesson goes on without telemetry: ")
    assert "no-such-package was not found" in told
    assert lesson == WITHOUT_TELEMETRY
    assert ran.stderr == ""


def test_what_could_only_be_installed_by_moving_a_pinned_version_is_not(
    environment: Environment,
) -> None:
    environment.have(a_wheel(environment.folder, "ipywidgets", "7.7.1"))
    a_wheel(environment.wheels, "ipywidgets", "8.1.9")
    a_telemetry_wheel(environment.wheels, "0.2.0", "ipywidgets>=8")

    ran = environment.run(SETUP_CELL, LESSON, TELEMETRY_PACKAGE_SPEC="ipynb-telemetry")

    told, lesson = ran.stdout.splitlines()
    assert "ipywidgets" in told
    assert lesson == WITHOUT_TELEMETRY
    assert environment.version_of("ipywidgets") == "7.7.1"


def test_the_reason_has_no_colour_codes(with_uv: Environment) -> None:
    ran = with_uv.run(SETUP_CELL, TELEMETRY_PACKAGE_SPEC="no-such-package")

    assert "\x1b" not in ran.stdout


def test_an_installation_that_hangs_is_ended(with_a_pip_that: Callable[[str], Environment]) -> None:
    pid_file = "import os, pathlib; pathlib.Path('pid').write_text(str(os.getpid()))\n"
    environment = with_a_pip_that(pid_file + HANG)
    impatient = SETUP_CELL.replace("wait_s=60", "wait_s=1")

    ran = environment.run(impatient, LESSON)

    told = "The lesson goes on without telemetry: timed out after 1 seconds"
    assert ran.stdout.splitlines() == [told, WITHOUT_TELEMETRY]
    with pytest.raises(ProcessLookupError):
        os.kill(int((environment.folder / "pid").read_text()), 0)


def test_an_installation_may_take_a_minute_in_all() -> None:
    assert re.findall(r"wait_s ?= ?\w+|timeout=\w+", SETUP_CELL) == ["wait_s=60", "timeout=wait_s"]


def test_an_installation_cannot_ask_for_anything(
    with_a_pip_that: Callable[[str], Environment],
) -> None:
    asks = "raise SystemExit('error: ' + input())"
    environment = with_a_pip_that(f"try:\n    {asks}\nexcept EOFError:\n    exit('error: nobody')")

    ran = environment.run(SETUP_CELL)

    assert ran.stdout == "The lesson goes on without telemetry: error: nobody\n"


def test_git_cannot_ask_for_a_password(with_a_pip_that: Callable[[str], Environment]) -> None:
    environment = with_a_pip_that("import os; exit('error: ' + os.environ['GIT_TERMINAL_PROMPT'])")

    ran = environment.run(SETUP_CELL)

    assert ran.stdout == "The lesson goes on without telemetry: error: 0\n"


def test_a_student_who_interrupts_the_installation_can_go_on(
    with_a_pip_that: Callable[[str], Environment],
) -> None:
    interrupt = "import os, signal; os.kill(os.getppid(), signal.SIGINT)\n"
    environment = with_a_pip_that(interrupt + HANG)
    # As in a kernel; a test run in the background may hand on that interrupts are ignored.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    cell = f"try:\n    exec({SETUP_CELL!r})\nexcept KeyboardInterrupt:\n    print('interrupted')"

    ran = environment.run(listen, cell, LESSON)

    assert ran.stdout.splitlines() == ["interrupted", WITHOUT_TELEMETRY]


def test_an_installer_that_dies_without_a_word_is_told_by_its_exit_status(
    with_a_pip_that: Callable[[str], Environment],
) -> None:
    environment = with_a_pip_that("raise SystemExit(7)")

    ran = environment.run(SETUP_CELL)

    assert ran.stdout == "The lesson goes on without telemetry: exit status 7\n"


def test_a_python_with_neither_pip_nor_uv_goes_on(with_neither: Environment) -> None:
    ran = with_neither.run(SETUP_CELL, LESSON)

    told, lesson = ran.stdout.splitlines()
    assert told.startswith("The lesson goes on without telemetry: ")
    assert "uv" in told
    assert lesson == WITHOUT_TELEMETRY


def test_a_package_that_cannot_be_imported_goes_on(with_pip: Environment) -> None:
    broken = {"ipynb_telemetry/__init__.py": "raise OSError('the disk is gone')"}
    with_pip.have(a_wheel(with_pip.folder, "ipynb-telemetry", "1", modules=broken))

    ran = with_pip.run(SETUP_CELL, LESSON)

    told = "The lesson goes on without telemetry: the disk is gone"
    assert ran.stdout.splitlines() == [told, WITHOUT_TELEMETRY]


def test_names_that_exist_are_kept(with_neither: Environment) -> None:
    earlier = "import builtins; builtins.STUDENT_NAME = 'SARA-AL-HARBI'"

    ran = with_neither.run(earlier, SETUP_CELL, LESSON)

    assert ran.stdout.splitlines()[1:] == ["'SARA-AL-HARBI' the test ran"]


# The setup cell where telemetry is off


@pytest.mark.parametrize("switch", ["TELEMETRY_DISABLED", "DO_NOT_TRACK"])
def test_turned_off_nothing_is_installed(with_pip: Environment, switch: str) -> None:
    ran = with_pip.run(WATCH_PROCESSES, SETUP_CELL, LESSON, **{switch: "1"})

    told = f"The lesson goes on without telemetry: it is off, because {switch} is set"
    assert ran.stdout.splitlines() == [told, WITHOUT_TELEMETRY]


def test_turned_off_by_the_line_in_the_cell_nothing_is_installed(with_pip: Environment) -> None:
    turned_off = SETUP_CELL.replace("# import os;", "import os;")

    ran = with_pip.run(WATCH_PROCESSES, turned_off, LESSON)

    told = "The lesson goes on without telemetry: it is off, because DO_NOT_TRACK is set"
    assert ran.stdout.splitlines() == [told, WITHOUT_TELEMETRY]


def test_turned_off_an_installed_package_says_so_itself(with_pip: Environment) -> None:
    with_pip.have(a_telemetry_wheel(with_pip.folder))

    ran = with_pip.run(SETUP_CELL, DO_NOT_TRACK="1")

    assert ran.stdout.splitlines() == [SET_UP]


def test_turned_off_an_older_package_is_not_asked(with_pip: Environment) -> None:
    with_pip.have(a_telemetry_wheel(with_pip.folder, "0.0.9"))

    ran = with_pip.run(SETUP_CELL, DO_NOT_TRACK="1")

    told = "The lesson goes on without telemetry: it is off, because DO_NOT_TRACK is set"
    assert ran.stdout.splitlines() == [told]


@pytest.mark.parametrize("value", ["", "0", "false", "No", " off "])
def test_a_switch_that_is_not_on_turns_nothing_off(with_neither: Environment, value: str) -> None:
    ran = with_neither.run(SETUP_CELL, DO_NOT_TRACK=value)

    assert "DO_NOT_TRACK" not in ran.stdout


# The setup cell as a text


def test_an_authors_mistake_comes_out_of_the_cell(with_pip: Environment) -> None:
    with_pip.have(a_telemetry_wheel(with_pip.folder))

    ran = with_pip.run(get_telemetry_setup_cell("D3_Datetimes", host="ftp://127.0.0.1"))

    assert ran.returncode == 1
    assert ran.stderr.endswith("ValueError: host must start with http:// or https://\n")


def test_settings_reach_the_package(with_pip: Environment) -> None:
    with_pip.have(a_telemetry_wheel(with_pip.folder))
    settings = {"host": "http://127.0.0.1:8642", "roster": ["Sara", "محمد علي"], "enabled": True}

    ran = with_pip.run(get_telemetry_setup_cell("D3_Datetimes", **settings))

    assert json.loads(ran.stdout.removeprefix("set up ")) == ["D3_Datetimes", settings]


def test_it_begins_with_a_title_for_colab() -> None:
    assert SETUP_CELL.startswith("#@title ")


def test_it_says_how_to_turn_it_off() -> None:
    assert 'os.environ["DO_NOT_TRACK"] = "1"' in "\n".join(SETUP_CELL.splitlines()[:5])


def test_it_ends_with_the_call() -> None:
    assert SETUP_CELL.splitlines()[-1] == 'setup_telemetry("D3_Datetimes")'


def test_it_is_no_longer_than_a_student_can_take_in() -> None:
    lines = SETUP_CELL.splitlines()

    assert len(lines) <= 54
    assert max(map(len, lines)) <= 104


def test_it_compiles_on_python_that_is_too_old_for_the_package() -> None:
    ast.parse(SETUP_CELL, feature_version=(3, 8))


def test_many_settings_have_a_line_each() -> None:
    cell = get_telemetry_setup_cell(
        "D3_Datetimes", host="http://127.0.0.1:8642", exercises=["exercise_1", "exercise_2"]
    )

    assert cell.endswith(
        "setup_telemetry(\n"
        '    "D3_Datetimes",\n'
        '    host="http://127.0.0.1:8642",\n'
        '    exercises=["exercise_1", "exercise_2"],\n'
        ")"
    )


def test_an_authors_fork_is_written_into_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_PACKAGE_NAME", "our-fork")
    monkeypatch.setenv("TELEMETRY_PACKAGE_SPEC", "git+https://example.org/our-fork.git")

    cell = get_telemetry_setup_cell("D3_Datetimes")

    assert 'env("TELEMETRY_PACKAGE_NAME") or "our-fork"' in cell
    assert 'env("TELEMETRY_PACKAGE_SPEC") or "git+https://example.org/our-fork.git"' in cell


def arguments_of(source: str) -> tuple[list[Any], dict[str, Any]]:
    """What the call that `source` ends with is given."""
    statement = ast.parse(source).body[-1]
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    call = statement.value
    given_by_name = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    return [ast.literal_eval(argument) for argument in call.args], given_by_name


@given(notebook_id=NOT_BLANK, settings=st.dictionaries(st.sampled_from(SETTINGS), PLAIN_VALUES))
@example(notebook_id="\"'\\", settings={"cohort": "\\'\\\"'''\"\"\"\\"})
@example(notebook_id="{x} $spec ${spec} %s \r\n\0\t\f\x85\u2028", settings={})
@example(notebook_id="مرحبا 🚀 \ud83d \u202e", settings={"roster": ["'", '"']})
def test_any_notebook_id_and_setting_comes_back(notebook_id: str, settings: dict[str, Any]) -> None:
    cell = get_telemetry_setup_cell(notebook_id, **settings)

    compile(cell.encode(), "cell", "exec")
    assert arguments_of(cell) == ([notebook_id], settings)


@pytest.mark.parametrize("notebook_id", [None, 3, b"D3", ["D3"]], ids=repr)
def test_a_notebook_id_of_the_wrong_kind_is_refused(notebook_id: Any) -> None:
    with pytest.raises(TypeError, match=r'must be a string.*Example: .*\("D3_Datetimes"\)'):
        get_telemetry_setup_cell(notebook_id)


@pytest.mark.parametrize("notebook_id", ["", "  \n"], ids=repr)
def test_an_empty_notebook_id_is_refused(notebook_id: str) -> None:
    with pytest.raises(ValueError, match=r'must not be empty.*Example: .*\("D3_Datetimes"\)'):
        get_telemetry_setup_cell(notebook_id)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match=r"no setting 'hots'. The settings are: host, api_key"):
        get_telemetry_setup_cell("D3_Datetimes", hots="http://127.0.0.1")


class Odd:
    """Its `repr` is Python, but another value."""

    def __repr__(self) -> str:
        return "'odd'"


NESTED: list[Any] = []
NESTED.append(NESTED)


@pytest.mark.parametrize(
    "value", [object(), Path("names.csv"), Odd(), float("nan"), {"a": [object()]}, NESTED], ids=repr
)
def test_a_setting_that_cannot_be_written_down_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"roster is written into the cell.*str\(path\)"):
        get_telemetry_setup_cell("D3_Datetimes", roster=value)


# The tracking line


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("# Exercise 1: the Moon\nx = 1", '_cell("e1", "# Exercise 1: the Moon")'),
        ("\n\n  x = 1\n", '_cell("e1", "x = 1")'),
        ("%%time\nx = 1", '_cell("e1", "x = 1")'),
        ("# --------\n# Plot\n", '_cell("e1", "# Plot")'),
        ('_cell("old")\nx = 1', '_cell("e1", "x = 1")'),
        ('print("it\'s")', '_cell("e1", "print(\\"it\'s\\")")'),
        ("x" * 61, f'_cell("e1", "{"x" * 59}…")'),
        ("x" * 60, f'_cell("e1", "{"x" * 60}")'),
        ("", '_cell("e1")'),
    ],
    ids=[
        "a comment",
        "blank lines",
        "a magic",
        "a rule",
        "tracked before",
        "quotes",
        "too long",
        "just fits",
        "empty",
    ],
)
def test_the_preview_is_the_first_line_that_says_something(source: str, line: str) -> None:
    assert get_cell_tracking_line("e1", source) == line


@given(cell_id=NOT_BLANK, source=EVERYTHING)
def test_any_cell_gives_one_line_of_python(cell_id: str, source: str) -> None:
    line = get_cell_tracking_line(cell_id, source)

    assert line.splitlines() == [line]
    compile(line.encode(), "cell", "exec")
    assert arguments_of(line)[0][0] == cell_id
    assert all(len(preview) <= 60 for preview in arguments_of(line)[0][1:])


def test_a_cell_without_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match=r'cell_id must not be empty.*"exercise_1"'):
        get_cell_tracking_line("", "x = 1")


def test_a_cell_whose_source_is_a_list_is_refused() -> None:
    with pytest.raises(TypeError, match="source must be the cell's text, not list"):
        get_cell_tracking_line("e1", ["x = 1"])  # type: ignore[arg-type] # the mistake


# The test cell


def run_test_cell(cell: str) -> tuple[dict[str, Any], list[str]]:
    """The names that the cell leaves, and the exercises that it tested."""
    tested: list[str] = []

    def tracked_test(name: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
        tested.append(name)
        return lambda test: test

    names: dict[str, Any] = {"tracked_test": tracked_test, "seen": []}
    exec(cell, names)  # noqa: S102 - what the test is about
    return names, tested


def test_a_test_cell_reads_as_written_by_hand() -> None:
    cell = get_tracked_test_cell("exercise_1", "answer = double(2)\n\nassert answer == 4\n")

    assert cell == (
        '@tracked_test("exercise_1")\n'
        "def test_exercise_1():\n"
        "    answer = double(2)\n"
        "\n"
        "    assert answer == 4\n"
        "\n"
        "\n"
        "test_exercise_1()"
    )


def test_a_body_is_taken_as_it_is_indented() -> None:
    body = """
        if double(2) != 4:
            raise AssertionError
    """

    cell = get_tracked_test_cell("exercise_1", body)

    assert "\n    if double(2) != 4:\n        raise AssertionError\n" in cell


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("exercise_1", "test_exercise_1"),
        ("test_double", "test_double"),
        ("Exercise 1: days!", "test_Exercise_1_days"),
        ("3²", "test_3"),
        ("تمرين 1", "test_تمرين_1"),
        ("?!", "test_exercise"),
    ],
)
def test_the_function_is_named_after_the_exercise(name: str, function: str) -> None:
    assert get_tracked_test_cell(name, "pass").endswith(f"\n{function}()")


@given(name=NOT_BLANK)
def test_any_exercise_can_be_tested(name: str) -> None:
    cell = get_tracked_test_cell(name, "seen.append('ran')")

    names, tested = run_test_cell(cell)

    assert tested == [name]
    assert names["seen"] == ["ran"]


BODIES = {
    "a string of several lines": 'seen.append("""a\n  b\n\n    c\n""")',
    "lines in an f-string": 'x = 1\nseen.append(f"""{x}\n  b {\nx\n} c\n""")',
    "a string in an f-string": "seen.append(f'''{'''\n a'''} b'''  'c')"
    if sys.version_info >= (3, 12)
    else "seen.append(f'''\n{'a'} b'''  'c')",
    "a string that goes on after a backslash": "seen.append('a\\\n  b')",
    "a string in a block": 'if True:\n    seen.append("""a\n  b\n""")\n    seen.append(2)',
    "a string without indentation in an indented body": '    seen.append("""a\n b""")\n    x = 1',
    "brackets over several lines": "seen.append([\n1,\n      2,\n])",
    "a line that goes on after a backslash": "seen.append(1 + \\\n2)",
    "a comment at the end": "seen.append(1)  # one\n# two",
    "tabs": "if True:\n\tseen.append(1)",
    "Windows line ends": 'seen.append("""a\r\n b""")\r\nseen.append(2)\r\n',
    "old Mac line ends": 'seen.append("""a\r b""")\rseen.append(2)',
    "other line ends in a string": "seen.append('a\u2028b\x85c')",
    "a backslash that Python warns of": "seen.append('\\d')",
}


@pytest.mark.filterwarnings("ignore:.*invalid escape sequence")  # one of the bodies has it
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_does_in_the_test_what_it_does_outside(body: str) -> None:
    outside: dict[str, Any] = {"seen": []}
    exec(f"if True:\n{body}" if body.startswith(" ") else body, outside)  # noqa: S102

    names, _ = run_test_cell(get_tracked_test_cell("exercise_1", body))

    assert outside["seen"]
    assert names["seen"] == outside["seen"]


def test_what_python_warns_of_is_left_to_the_students_python() -> None:
    cell = get_tracked_test_cell("exercise_1", "assert double('\\d')")  # no warning, so no error

    assert "\n    assert double('\\d')\n" in cell


@given(
    text=st.text(st.characters(exclude_characters='"\\\r\0', exclude_categories=["Cs"])),
    indent=st.sampled_from(["", "  ", "    ", "\t"]),
    prefix=st.sampled_from(["", "r", "f"]),
)
def test_any_string_of_several_lines_keeps_its_value(text: str, indent: str, prefix: str) -> None:
    as_written = text.replace("{", "{{").replace("}", "}}") if prefix == "f" else text
    body = f'{indent}if True:\n{indent}  seen.append({prefix}"""{as_written}""")\n{indent}# end'

    names, _ = run_test_cell(get_tracked_test_cell("exercise_1", body))

    assert names["seen"] == [text]


@pytest.mark.parametrize(
    "body",
    [
        "assert double(2) ==",
        "%timeit double(2)",
        "from math import *",
        "from __future__ import annotations",
        "await double(2)",
        "# nothing but a comment",
        '"""never closed',
        "if x:\n        y\n    z",
        "x = '\ud83d'",
        "x = 1\0",
    ],
)
def test_a_body_that_cannot_be_a_functions_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"body must be Python statements that can .+: .+Example"):
        get_tracked_test_cell("exercise_1", body)


@pytest.mark.parametrize(("name", "body"), [("", "pass"), ("exercise_1", " \n")])
def test_a_test_without_a_name_or_a_body_is_refused(name: str, body: str) -> None:
    with pytest.raises(ValueError, match=r"must not be empty. Example: get_tracked_test_cell"):
        get_tracked_test_cell(name, body)


def test_a_body_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match=r"body must be a string, not function"):
        get_tracked_test_cell("exercise_1", test_it_ends_with_the_call)  # type: ignore[arg-type]
