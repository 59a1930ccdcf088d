"""`ipynb-telemetry instrument`: what it does with each file, and what it says of it."""

from __future__ import annotations

import string
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import typer

from ipynb_telemetry.instrument.diff import unified_diff
from ipynb_telemetry.instrument.files import (
    done,
    instrumenting,
    is_notebook,
    notebooks_in,
    planned_for,
    removing,
)
from ipynb_telemetry.instrument.json_text import NotReadableError
from ipynb_telemetry.instrument.plan import Plan

ALL_WELL, NOT_INSTRUMENTED, REFUSED = 0, 1, 2


class _File(NamedTuple):
    path: Path
    name: str
    """As the person would say it: below the folder that was given."""


@dataclass(frozen=True)
class Wish:
    """What the command was asked for."""

    check: bool = False
    remove: bool = False
    diff: bool = False
    notebooks_only: bool = False
    notebook_id: str = "{stem}"
    settings: Mapping[str, object] = field(default_factory=dict)


def run_instrument(paths: Sequence[Path], wish: Wish) -> int:
    """Do it to each file, and say on the terminal what was done.

    Returns:
        The exit code: 0 all is well; 1 `check` found something to do; 2 a file could not be
        read or written, or was refused. The other files are done all the same.
    """
    work = _Work(wish)
    files = list(work.files_of(paths))
    if sys.stderr.isatty() and len(files) > 1:
        work.say_later()
        with typer.progressbar(files, label="Notebooks", file=sys.stderr) as bar:
            for file in bar:
                work.do(file)
    else:
        for file in files:
            work.do(file)
    return work.end()


def why_bad_template(template: str) -> str | None:
    """What is wrong with a template of notebook ids; None where nothing is."""
    try:
        fields = [name for _text, name, *_format in string.Formatter().parse(template)]
        usable = {*fields} <= {None, "stem", "parent", "path"} and bool(template.strip())
    except ValueError:
        usable = False
    return None if usable else f"it is made of {{stem}}, {{parent}} and {{path}}, not {template!r}"


def notebook_id_of(template: str, path: Path, name: str) -> str:
    """The notebook id that a template gives: `{parent}-{stem}` -> `week1-lesson`."""
    fields = {
        "stem": path.stem,
        "parent": path.resolve().parent.name,
        "path": Path(name).with_suffix("").as_posix(),
    }
    return template.format_map(fields)


class _Work:
    """All files of one command, and what there is to say about them."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._counts: Counter[str] = Counter()
        self._files_with_id: defaultdict[str, dict[Path, str]] = defaultdict(dict)
        self._later: list[tuple[str | bytes, bool]] = []
        self._is_later = False

    def say_later(self) -> None:
        """Say nothing before the end: a progress bar has the terminal."""
        self._is_later = True

    def files_of(self, paths: Sequence[Path]) -> Iterator[_File]:
        """The files that the paths stand for, each once."""
        seen: set[Path] = set()
        for path in paths:
            if path.is_dir():
                found = self._files_in(path)
            elif self._wish.notebooks_only and not is_notebook(path):
                found = []
            else:
                found = [_File(path, str(path))]
            for file in found:
                if file.path.absolute() not in seen:
                    seen.add(file.path.absolute())
                    yield file

    def _files_in(self, folder: Path) -> list[_File]:
        refused = self._counts["refused"]
        found = [_File(each, str(each)) for each in notebooks_in(folder, self._refuse_folder)]
        if not found and self._counts["refused"] == refused:
            self._refuse(str(folder), "there is no notebook in this folder")
        return found

    def _refuse_folder(self, failed: OSError) -> None:
        self._refuse(str(failed.filename), failed.strerror or str(failed))

    def do(self, file: _File) -> None:
        try:
            plan = self._planned(file)
        except NotReadableError as refused:
            self._refuse(file.name, str(refused))
        except OSError as failed:
            self._refuse(file.name, failed.strerror or str(failed))
        except RecursionError:
            self._refuse(file.name, "the code of a cell is nested too deep")
        else:
            self._tell(file, plan)

    def end(self) -> int:
        """Say what is left to say; the exit code."""
        for notebook_id, files in self._files_with_id.items():
            if len(files) > 1:
                self._counts["faulty"] += 1
                first, second, *others = files.values()
                more = f" and {len(others)} more" if others else ""
                self._say(
                    f"{first}, {second}{more} have the same notebook id, {notebook_id!r}; "
                    "--remove and then --notebook-id '{parent}-{stem}' may tell them apart"
                )
        if not self._wish.diff:
            self._say(self._summary())
        self._is_later = False
        for words, is_error in self._later:
            self._say(words, is_error=is_error)
        if self._counts["refused"]:
            return REFUSED
        found = self._counts["changed"] or self._counts["faulty"]
        return NOT_INSTRUMENTED if self._wish.check and found else ALL_WELL

    def _planned(self, file: _File) -> Plan:
        wish = self._wish
        if wish.remove:
            planned = removing(file.path)
        else:
            notebook_id = notebook_id_of(wish.notebook_id, file.path, file.name)
            planned = instrumenting(file.path, notebook_id, wish.settings)
        if not (wish.check or wish.diff):
            return done(file.path, planned)
        plan = planned_for(file.path, planned)
        if wish.diff:
            data = file.path.read_bytes()
            self._say(unified_diff(data, plan.edits, file.path.as_posix()))
        return plan

    def _tell(self, file: _File, plan: Plan) -> None:
        self._counts["changed" if plan.edits else "as they were"] += 1
        self._counts["faulty"] += bool(plan.faults)
        if plan.notebook_id:
            where = file.path.absolute().with_suffix("")  # a pair of jupytext's is one notebook
            self._files_with_id[plan.notebook_id].setdefault(where, file.name)
        if self._wish.diff and not self._wish.check:
            return
        if plan.edits:
            self._say(f"{file.name}: {self._outcome(plan)}")
        # As they are counted now: the setup cell goes above all other code.
        first = 2 if plan.setup_cell and not self._wish.check else 1
        for left in plan.left_alone if plan.edits or self._wish.check else ():
            which = f"cell {left.cell + first} ({left.begins})"
            self._say(f"{file.name}: {which} is left alone: {left.reason}")
        for fault in plan.faults:
            self._say(f"{file.name}: {fault}")

    def _outcome(self, plan: Plan) -> str:
        parts = ["the setup cell"] if plan.setup_cell else []
        if plan.lines:
            parts.append(f"{plan.lines} line{'s' if plan.lines > 1 else ''}")
        what = " and ".join(parts)
        if self._wish.check:
            return f"not instrumented, without {what}"
        return f"{what} {'taken out' if self._wish.remove else 'added'}"

    def _summary(self) -> str:
        changed = "not instrumented" if self._wish.check else "changed"
        kept = "instrumented" if self._wish.check else "as before"
        counts = self._counts
        total = counts["changed"] + counts["as they were"] + counts["refused"]
        return (
            f"{total} notebook{'' if total == 1 else 's'}: {counts['changed']} {changed}, "
            f"{counts['as they were']} {kept}, {counts['refused']} refused"
        )

    def _refuse(self, name: str, reason: str) -> None:
        self._counts["refused"] += 1
        self._say(f"{name}: refused: {reason}", is_error=True)

    def _say(self, words: str | bytes, *, is_error: bool = False) -> None:
        if self._is_later:
            self._later.append((words, is_error))
        elif words:
            typer.echo(words, nl=isinstance(words, str), err=is_error)
