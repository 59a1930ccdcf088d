"""A file is replaced as a whole, and stays what it was in all but its text."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from disks import LimitedDisk
from lessons import a_code_cell, a_notebook

from ipynb_telemetry.instrument.edits import Edit
from ipynb_telemetry.instrument.files import clean_file, done, instrument_file, notebooks_in
from ipynb_telemetry.instrument.json_text import NotReadableError
from ipynb_telemetry.instrument.plan import Plan
from ipynb_telemetry.instrument.replacing import NotWritableError

PLAIN = a_notebook(a_code_cell("km = 384_400"))
# Whoever may not give a file away has it in another of his groups.
SOMEBODY = (12345, 23456) if os.geteuid() == 0 else (os.geteuid(), os.getgroups()[-1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "moon.ipynb"
    path.write_bytes(PLAIN)
    return path


def changing(path: Path, change: Callable[[], object]) -> Callable[[BinaryIO], Plan]:
    """A plan during which somebody else changes the file."""

    def planned(file: BinaryIO) -> Plan:
        file.read()
        change()
        return Plan([Edit(0, 0, b" ")])

    return planned


def test_a_file_is_instrumented_and_cleaned(path: Path) -> None:
    plan = instrument_file(path, cohort="2027")
    made = path.read_bytes()
    clean_file(path)

    assert (plan.lines, plan.setup_cell) == (1, True)
    assert b'setup_telemetry(\\"moon\\", cohort=\\"2027\\")' in made
    assert path.read_bytes() == PLAIN


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755])
def test_the_mode_is_kept(path: Path, mode: int) -> None:
    path.chmod(mode)

    instrument_file(path)

    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_owner_is_kept(path: Path) -> None:
    os.chown(path, *SOMEBODY)

    instrument_file(path)

    assert (path.stat().st_uid, path.stat().st_gid) == SOMEBODY


def test_a_symbolic_link_stays_one(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "link.ipynb"
    link.symlink_to(path)

    instrument_file(link)

    assert link.is_symlink()
    assert b"_cell(" in path.read_bytes()
    assert list(folder.iterdir()) == [link]


def test_a_file_that_changed_meanwhile_is_left_as_it_is(path: Path) -> None:
    somebody_saves = changing(path, lambda: path.write_bytes(b"{}"))

    with pytest.raises(NotWritableError, match="changed while it was read"):
        done(path, somebody_saves)

    assert path.read_bytes() == b"{}"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_was_replaced_meanwhile_is_left_as_it_is(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(PLAIN)

    with pytest.raises(NotWritableError, match="changed while it was read"):
        done(path, changing(path, lambda: other.replace(path)))

    assert path.read_bytes() == PLAIN


def test_on_a_full_disk_the_file_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    disk = LimitedDisk(tmp_path / "disk")
    path = disk.folder / "moon.ipynb"
    path.write_bytes(PLAIN)
    disk.fill()
    try:
        with pytest.raises(OSError, match="File too large"):
            instrument_file(path)
    finally:
        disk.close()

    assert path.read_bytes() == PLAIN
    assert list(disk.folder.iterdir()) == [path]


def test_a_file_in_which_nothing_changes_is_not_touched(path: Path) -> None:
    instrument_file(path)
    before = path.stat()

    instrument_file(path)

    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_front_end_sees_that_the_file_is_newer(path: Path) -> None:
    os.utime(path, (1, 1))

    instrument_file(path)

    assert path.stat().st_mtime > 1


def test_a_notebook_that_cannot_be_read_stays_as_it_is(path: Path) -> None:
    path.write_bytes(PLAIN[:-5])

    with pytest.raises(NotReadableError):
        instrument_file(path)

    assert path.read_bytes() == PLAIN[:-5]


def test_texts_of_jupytext_are_notebooks_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "pair.ipynb").write_bytes(PLAIN)
    (tmp_path / "pair.py").write_text("# %%\nkm = 1\n")
    (tmp_path / "alone.md").write_text(
        "---\njupyter:\n  jupytext:\n    text_representation:\n---\n"
    )
    (tmp_path / "script.py").write_text("# %%\nkm = 1\n")
    (tmp_path / "README.md").write_text("# A course\n")

    (tmp_path / "jupytext.md").write_text("# How to\n\n    ---\n    jupytext:\n    ---\n")

    found = [path.name for path in notebooks_in(tmp_path, pytest.fail)]

    assert found == ["alone.md", "pair.ipynb", "pair.py"]


def test_a_folder_that_cannot_be_looked_into_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    for name in ("a.ipynb", "gone/b.ipynb", "later/c.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PLAIN)
    told: list[OSError] = []
    found = notebooks_in(tmp_path, told.append)

    names = [next(found).name]
    shutil.rmtree(tmp_path / "gone")
    names += [path.name for path in found]

    assert names == ["a.ipynb", "c.ipynb"]
    assert [(each.filename, type(each)) for each in told] == [
        (str(tmp_path / "gone"), FileNotFoundError)
    ]


def test_all_of_a_file_is_on_the_disk_before_it_has_the_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bytes, bytes]] = []
    really = os.fsync

    def seen(handle: int) -> None:
        (beside,) = (each for each in path.parent.iterdir() if each != path)
        synced.append((beside.read_bytes(), path.read_bytes()))
        really(handle)

    monkeypatch.setattr(os, "fsync", seen)

    instrument_file(path)

    assert synced == [(path.read_bytes(), PLAIN)]
