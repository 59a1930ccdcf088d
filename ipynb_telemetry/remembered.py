"""The name last used on this computer account, and the roster: small files."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ipynb_telemetry.names import MAX_BYTES, normalize_student_name, why_refused

_FILE = "student"
_MAX_REMEMBERED_BYTES = MAX_BYTES + len("\r\n")  # with the line end of an editor

_MAX_ROSTER_BYTES = 4 * 1024 * 1024  # 10,000 students with 100 bytes each are 1 MB
_WHAT_WORKS = (
    'Give a list of names, such as roster=["Sara Al-Harbi", "John Doe"], or the path of a text '
    "file with one name a line or of a CSV file with a column called name."
)
# In lower case and with single spaces; the first of them that a header has is taken.
_NAME_COLUMNS = ("full name", "student name", "name", "student", "الاسم", "اسم الطالب")
_COLUMNS_TO_JOIN = ("first name", "last name", "surname")


def remember(folder: Path, student: str) -> None:
    """Keep `student` in `folder` for the next session on this computer account.

    Raises:
        OSError: The folder cannot be made or written to.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, neighbour = tempfile.mkstemp(prefix=f".{_FILE}-", dir=folder)  # with mode 0o600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{student}\n".encode())
        Path(neighbour).replace(folder / _FILE)
    except BaseException:
        Path(neighbour).unlink(missing_ok=True)
        raise


def recall(folder: Path) -> str:
    """The name that was remembered in `folder`, normalized; empty when there is none to offer."""
    path = folder / _FILE
    try:
        if not path.is_file():  # opening a pipe would wait until someone writes into it
            return ""
        with path.open("rb") as file:
            raw = file.read(_MAX_REMEMBERED_BYTES + 1)
        lines = raw.decode().splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    if len(raw) > _MAX_REMEMBERED_BYTES or len(lines) != 1:
        return ""
    name = normalize_student_name(lines[0])
    return "" if why_refused(name) else name


def read_roster(roster: Sequence[str] | str | os.PathLike[str]) -> tuple[str, ...]:
    """The names that students choose from, as written, in their order, each student once.

    Args:
        roster: The names, or the path of a file in UTF-8 (or in UTF-16 with a byte order
            mark, as Excel's "Unicode text"). It is CSV, divided by comma, semicolon or tab,
            when it ends in `.csv` or its first row has a column for names: `name`,
            `student`, `student_name`, `full_name`, or `first name` and `last name`; a CSV
            file without one has them in its first column. Any other file has one name a
            line, and blank lines and those that start with `#` do not count.

    Raises:
        TypeError: Neither names nor a path, or an entry that is not text.
        ValueError: No such file, not text, no names, or a name that would be refused.
    """
    if isinstance(roster, str | os.PathLike):
        path = Path(roster)
        try:
            return _checked(_names_in_file(path), f"the roster {str(path)!r}")
        except csv.Error as error:
            msg = f"the roster {str(path)!r} is not well-formed CSV: {error}. {_WHAT_WORKS}"
            raise ValueError(msg) from error
    if isinstance(roster, Sequence) and not isinstance(roster, bytes | bytearray | memoryview):
        return _checked(((f"entry {n}", name) for n, name in enumerate(roster, 1)), "the roster")
    msg = f"the roster must be names or a path, not {type(roster).__name__}. {_WHAT_WORKS}"
    raise TypeError(msg)


def _checked(names: Iterable[tuple[str, object]], roster: str) -> tuple[str, ...]:
    students: dict[str, str] = {}
    for where, name in names:
        if not isinstance(name, str):
            msg = f"{where} of {roster} must be a name, not {name!r:.80}. {_WHAT_WORKS}"
            raise TypeError(msg)
        spelling = normalize_student_name(name)
        if why_refused(spelling):
            msg = (
                f"{where} of {roster} cannot be a student's name: {name!r:.80}. A name has at "
                "least two letters and is no word such as 'guest'. Correct it or take it out."
            )
            raise ValueError(msg)
        students.setdefault(spelling, name.strip())
    if not students:
        msg = f"{roster} has no names in it. {_WHAT_WORKS}"
        raise ValueError(msg)
    return tuple(students.values())


def _names_in_file(path: Path) -> Iterator[tuple[str, str]]:
    text = _text_of(path)
    lines = text.splitlines()
    first = next(filter(str.strip, lines), "")
    headers = {
        delimiter: next(csv.reader([first], delimiter=delimiter), []) for delimiter in ",;\t"
    }
    delimiter = max(
        headers, key=lambda each: (bool(_name_columns(headers[each])), len(headers[each]))
    )
    if path.suffix.lower() == ".csv" or _name_columns(headers[delimiter]):
        yield from _names_in_csv(text, delimiter)
        return
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"line {number}", line


def _text_of(path: Path) -> str:
    try:
        is_readable = path.stat().st_size <= _MAX_ROSTER_BYTES and path.is_file()
        raw = path.read_bytes() if is_readable else None
    except (OSError, ValueError) as error:  # ValueError: no path at all, such as "a\\0b"
        msg = f"the roster {str(path)!r} cannot be read: {error}. {_WHAT_WORKS}"
        raise ValueError(msg) from error
    if raw is None:
        msg = (
            f"the roster {str(path)!r} is not a file of at most {_MAX_ROSTER_BYTES:,} bytes. "
            f"{_WHAT_WORKS}"
        )
        raise ValueError(msg)
    is_utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = raw.decode("utf-16" if is_utf16 else "utf-8-sig", errors="replace")
    if "\0" in text or "\ufffd" in text:
        msg = f"the roster {str(path)!r} is not text in UTF-8. In Excel, save it as 'CSV UTF-8'."
        raise ValueError(msg)
    return text


def _names_in_csv(text: str, delimiter: str) -> Iterator[tuple[str, str]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: Sequence[int] = ()
    for row in rows:
        if not any(map(str.strip, row)):
            continue
        if not columns:
            columns = _name_columns(row)
            if columns:
                continue
            columns = (0,)  # no header: this row is a student already
        cells = [row[column].strip() for column in columns if column < len(row)]
        yield f"line {rows.line_num}", " ".join(cells)


def _name_columns(header: Sequence[str]) -> Sequence[int]:
    """Where in a row the name is, in one cell or in several; empty if this is no header."""
    titles = [re.sub(r"[\s_-]+", " ", title).strip().lower() for title in header]
    for title in _NAME_COLUMNS:
        if title in titles:
            return (titles.index(title),)
    return [titles.index(title) for title in _COLUMNS_TO_JOIN if title in titles]
