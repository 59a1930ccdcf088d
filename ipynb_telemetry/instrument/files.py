"""Files: which are meant, what is to be done with each, and that it is done."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ipynb_telemetry.instrument.jupytext_plan import (
    SUFFIXES,
    plan_instrument_text,
    plan_remove_text,
)
from ipynb_telemetry.instrument.jupytext_text import is_jupytext
from ipynb_telemetry.instrument.plan import Plan, plan_instrument, plan_remove
from ipynb_telemetry.instrument.replacing import replace_edited

_HEADER_BYTES = 4096
_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?(?:#.*\n)*?(?:# )?---[ \t\r]*\n")
Planned = Callable[[BinaryIO], Plan]


def notebooks_in(folder: Path, unreadable: Callable[[OSError], object]) -> Iterator[Path]:
    """The notebooks in a folder and the folders in it, without hidden ones and checkpoints.

    Args:
        folder: Where to look.
        unreadable: Told why a folder cannot be looked into; the others are gone through.
    """
    for here, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(here) / name
            if not name.startswith(".") and is_notebook(path):
                yield path


def is_notebook(path: Path) -> bool:
    """Whether a file is meant where nobody has named it: a notebook, or a text of jupytext.

    Such a text has jupytext's header, or stands beside its notebook.
    """
    return path.suffix == ".ipynb" or _is_text_of_jupytext(path)


def instrumenting(path: Path, notebook_id: str, settings: Mapping[str, object]) -> Planned:
    """How to plan what a file lacks."""
    if path.suffix in SUFFIXES:
        return lambda file: plan_instrument_text(file, path, notebook_id, settings)
    return lambda file: plan_instrument(file, notebook_id, settings)


def removing(path: Path) -> Planned:
    """How to plan what is taken out of a file."""
    if path.suffix in SUFFIXES:
        return lambda file: plan_remove_text(file, path)
    return plan_remove


def instrument_file(path: Path, notebook_id: str = "", **settings: object) -> Plan:
    """Put telemetry into one file, and say what was done.

    Args:
        path: A notebook, or jupytext's `.py` or `.md`.
        notebook_id: The file's name without its suffix if this is empty.
        **settings: For the setup cell, as `get_telemetry_setup_cell` takes them.

    Raises:
        NotReadableError: It cannot be read, or is no notebook of Python 3.
        OSError: It cannot be opened or written.
    """
    return done(path, instrumenting(path, notebook_id or path.stem, settings))


def clean_file(path: Path) -> Plan:
    """Take all that `instrument_file` added out of one file; raises as that does."""
    return done(path, removing(path))


def planned_for(path: Path, planned: Planned) -> Plan:
    """Plan, and do nothing."""
    with path.open("rb") as file:
        return planned(file)


def done(path: Path, planned: Planned) -> Plan:
    """Plan, and do it; a file in which nothing changes is not touched."""
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        plan = planned(file)
        if plan.edits:
            replace_edited(path, file, before, plan.edits)
    return plan


def _is_text_of_jupytext(path: Path) -> bool:
    if path.suffix not in SUFFIXES or (path.exists() and not path.is_file()):
        return False
    try:
        with path.open("rb") as file:
            begin = file.read(_HEADER_BYTES)
    except OSError:  # refused by name when its turn comes
        return True
    if _HEADER.match(begin) and b"jupytext:" in begin:
        return True
    is_paired = path.with_suffix(".ipynb").exists()
    return is_paired and is_jupytext(path.read_text("utf-8", "replace"), path.name)
