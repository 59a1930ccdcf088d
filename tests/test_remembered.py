# ruff: noqa: RUF001 -- names in other scripts are the data
"""What is kept from one lesson to the next, and the list of those who may come."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ipynb_telemetry.names import normalize_student_name, why_refused
from ipynb_telemetry.remembered import read_roster, recall, remember

patient = settings(
    deadline=None,  # a busy machine is no failure; timing lives in the benchmarks
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example writes its own file
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ipynb-telemetry"


@pytest.mark.parametrize("student", ["JOHN-DOE", "محمد-علي", "किरण", "A" * 80, "김" * 66 + "AB"])
def test_a_name_is_remembered(folder: Path, student: str) -> None:
    remember(folder, student)

    assert recall(folder) == student


def test_the_last_name_is_the_one_that_is_remembered(folder: Path) -> None:
    remember(folder, "MAXIMILIANA-VON-ABENDROTH")
    remember(folder, "JOHN-DOE")

    assert recall(folder) == "JOHN-DOE"


def test_remembering_leaves_one_file_behind(folder: Path) -> None:
    remember(folder, "JOHN-DOE")
    remember(folder, "SARA-ALI")

    assert [path.name for path in folder.iterdir()] == ["student"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_nobody_else_on_the_computer_can_read_the_name(folder: Path) -> None:
    remember(folder, "JOHN-DOE")

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "student").stat().st_mode) == 0o600


def test_a_reader_never_sees_half_a_name(folder: Path) -> None:
    remember(folder, "JOHN-DOE")
    with (folder / "student").open("rb") as before:
        remember(folder, "SARA-ALI")  # beside the old file, then in its place

        assert before.read() == b"JOHN-DOE\n"


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="file"):
        remember(tmp_path / "file" / "state", "JOHN-DOE")


def test_a_name_that_cannot_be_put_in_its_place_leaves_nothing_behind(folder: Path) -> None:
    (folder / "student").mkdir(parents=True)

    with pytest.raises(OSError, match="student"):
        remember(folder, "JOHN-DOE")

    assert [path.name for path in folder.iterdir()] == ["student"]


def test_nothing_is_remembered_where_there_is_no_folder(folder: Path) -> None:
    assert recall(folder) == ""
    assert not folder.exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n", id="empty line"),
        pytest.param(b"\0" * 9, id="zeros, as after a power cut"),
        pytest.param(b"\xff\xfe\x80SARA", id="not UTF-8"),
        pytest.param(b"A\n", id="one letter"),
        pytest.param(b"GUEST\n", id="reserved"),
        pytest.param(b"ANONYMOUS-0123ABCD\n", id="an unnamed session"),
        pytest.param(b"SARA\nOMAR\n", id="two lines"),
        pytest.param(b"SARA\n" + b"\n" * 10_000, id="too long"),
        pytest.param(b"A" * 1_000_000, id="a megabyte"),
        pytest.param("م".encode() * 500_000, id="a megabyte in Arabic"),
    ],
)
def test_a_file_that_holds_no_name_is_as_good_as_none(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "student").write_bytes(content)

    assert recall(folder) == ""


def test_a_folder_in_the_place_of_the_file_is_as_good_as_none(folder: Path) -> None:
    (folder / "student").mkdir(parents=True)

    assert recall(folder) == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
@pytest.mark.timeout(10)
def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / "student")

    assert recall(folder) == ""


def test_a_folder_that_is_a_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert recall(tmp_path / "file") == ""


def test_a_folder_with_an_impossible_name_is_as_good_as_none(tmp_path: Path) -> None:
    assert recall(tmp_path / ("x" * 5_000)) == ""


@pytest.mark.parametrize("content", [b"John Doe", b"john doe\r\n", b"JOHN-DOE\n"])
def test_a_name_written_by_hand_is_offered_in_its_one_spelling(
    folder: Path, content: bytes
) -> None:
    folder.mkdir(parents=True)
    (folder / "student").write_bytes(content)

    assert recall(folder) == "JOHN-DOE"


@patient
@given(st.binary(max_size=300) | st.text(max_size=150).map(str.encode))
@example(b"A" * 202 + b"\xd9")
def test_whatever_is_in_the_file_what_is_recalled_can_be_used(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "student").write_bytes(content)

    student = recall(tmp_path)

    assert normalize_student_name(student) == student
    assert student == "" or why_refused(student) is None


@patient
@given(st.text().map(normalize_student_name).filter(lambda name: why_refused(name) is None))
def test_every_name_that_can_be_used_is_recalled_as_it_was(tmp_path: Path, student: str) -> None:
    remember(tmp_path, student)

    assert recall(tmp_path) == student


@pytest.fixture
def a_file(tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    def write(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_roster_is_names_as_the_author_writes_them() -> None:
    assert read_roster([" Sara Al-Harbi", "محمد علي\n"]) == ("Sara Al-Harbi", "محمد علي")


def test_a_tuple_is_a_roster_too() -> None:
    assert read_roster(("Sara Ali", "John Doe")) == ("Sara Ali", "John Doe")


def test_a_student_who_is_listed_twice_counts_once() -> None:
    roster = ["Sara Ali", "John Doe", "SARA-ALI", "john doe", "Li Wei"]

    assert read_roster(roster) == ("Sara Ali", "John Doe", "Li Wei")


@pytest.mark.parametrize(
    ("name", "content", "students"),
    [
        pytest.param("class.txt", "Sara Ali\nJohn Doe\n", ("Sara Ali", "John Doe"), id="lines"),
        pytest.param("class", "Sara Ali\nJohn Doe", ("Sara Ali", "John Doe"), id="no suffix"),
        pytest.param(
            "class.txt",
            "# Class 3B\r\n\r\n  Sara Ali  \r\n # moved away: Li Wei\r\nJohn Doe\r\n",
            ("Sara Ali", "John Doe"),
            id="comments and blank lines",
        ),
        pytest.param("class.txt", "Ali, Sara\nDoe, John", ("Ali, Sara", "Doe, John"), id="commas"),
        pytest.param("class.txt", "سارة علي\nJosé", ("سارة علي", "José"), id="Arabic"),
        pytest.param("class.txt", 'Omar "Abu Ali" Saleh', ('Omar "Abu Ali" Saleh',), id="quotes"),
        pytest.param("class.txt", "Name\nSara Ali\n", ("Sara Ali",), id="lines under a header"),
    ],
)
def test_a_text_file_has_one_name_a_line(
    a_file: Callable[[str, bytes | str], Path], name: str, content: str, students: tuple[str, ...]
) -> None:
    assert read_roster(a_file(name, content)) == students


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("name\nSara Ali\nJohn Doe\n", id="one column"),
        pytest.param("id,name,group\n1,Sara Ali,A\n2,John Doe,B\n", id="commas"),
        pytest.param("id;Name;group\n1;Sara Ali;A\n2;John Doe;B\n", id="semicolons"),
        pytest.param("id\tNAME\tgroup\n1\tSara Ali\tA\n2\tJohn Doe\tB\n", id="tabs"),
        pytest.param('id;"name";"a,b,c"\n1;"Sara Ali";\n2;"John Doe"\n', id="quoted header"),
        pytest.param("#,student\n1,Sara Ali\n2,John Doe\n", id="student"),
        pytest.param("id,Student_Name\n1,Sara Ali\n2,John Doe\n", id="student_name"),
        pytest.param("id,full_name\n1,Sara Ali\n2,John Doe\n", id="full_name"),
        pytest.param("Full Name,id\nSara Ali,1\nJohn Doe,2\n", id="full name"),
        pytest.param("الرقم,الاسم\n1,Sara Ali\n2,John Doe\n", id="in Arabic"),
        pytest.param("student,name\ns1,Sara Ali\ns2,John Doe\n", id="student beside name"),
        pytest.param("Last name,First name\nAli,Sara\nDoe,John\n", id="first and last name"),
        pytest.param("First_Name;Surname\nSara;Ali\nJohn;Doe\n", id="first name and surname"),
        pytest.param("id,name\r1,Sara Ali\r2,John Doe\r", id="lines of an old Mac"),
        pytest.param("\r\n\r\nname,id\r\n,\r\nSara Ali,1\r\n\r\nJohn Doe,2", id="blank rows"),
        pytest.param('id,name\n1,"Sara Ali"\n"2\n3",John Doe\n', id="a line end in a cell"),
    ],
)
@pytest.mark.parametrize("name", ["class.csv", "class.CSV", "class.txt", "class"])
def test_a_table_has_names_in_the_column_that_says_so(
    a_file: Callable[[str, bytes | str], Path], name: str, content: str
) -> None:
    assert read_roster(a_file(name, content)) == ("Sara Ali", "John Doe")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("Sara Ali\nJohn Doe\n", id="one column"),
        pytest.param("Sara Ali,3B\nJohn Doe,3B\n", id="commas"),
        pytest.param('"Sara Ali";3B\n"John Doe";3B\n', id="semicolons"),
    ],
)
@pytest.mark.parametrize("name", ["class.csv", "class.CSV"])
def test_a_csv_file_without_a_header_has_names_in_its_first_column(
    a_file: Callable[[str, bytes | str], Path], name: str, content: str
) -> None:
    assert read_roster(a_file(name, content)) == ("Sara Ali", "John Doe")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["class.csv", "class.txt"])
def test_a_roster_can_be_saved_as_excel_saves_it(
    a_file: Callable[[str, bytes | str], Path], name: str, encoding: str
) -> None:
    path = a_file(name, "name\tgroup\r\nسارة علي\t3B\r\nJosé\t3B\r\n".encode(encoding))

    assert read_roster(path) == ("سارة علي", "José")


def test_the_path_of_a_roster_can_be_text(
    a_file: Callable[[str, bytes | str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(a_file("class.txt", "Sara Ali").parent)

    assert read_roster("class.txt") == ("Sara Ali",)


@pytest.mark.parametrize(
    "roster", [None, 3, {"Sara Ali"}, {"Sara Ali": 1}, b"Sara Ali", iter(["Sara"])]
)
def test_a_roster_of_another_kind_is_a_type_error(roster: object) -> None:
    with pytest.raises(TypeError, match=rf"not {type(roster).__name__}\. Give a list of names"):
        read_roster(roster)  # type: ignore[arg-type]  # an author's mistake


@pytest.mark.parametrize("entry", [None, 3, b"Sara", ["Sara", "Ali"]])
def test_an_entry_that_is_not_text_is_named(entry: object) -> None:
    with pytest.raises(TypeError, match="entry 2 of the roster must be a name, not ") as raised:
        read_roster(["Sara Ali", entry])  # type: ignore[list-item]  # an author's mistake

    assert repr(entry) in str(raised.value)


@pytest.mark.parametrize("entry", ["", "A", "12", "guest", "[object Object]", "Anonymous 0123abcd"])
def test_an_entry_that_no_student_could_use_is_named(entry: str) -> None:
    with pytest.raises(
        ValueError, match="entry 2 of the roster cannot be a student's name"
    ) as raised:
        read_roster(["Sara Ali", entry, "John Doe"])

    assert repr(entry) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        pytest.param("class.txt", "# 3B\n\nSara Ali\nguest\n", 4, id="text"),
        pytest.param("class.csv", "name,id\n\nSara Ali,1\nA,2\n", 4, id="CSV"),
        pytest.param("class.csv", "id,name\n1,Sara Ali\n2,\n", 3, id="a row without a name"),
        pytest.param("class.csv", "id,name\n1,Sara Ali\n2\n", 3, id="a row that is too short"),
        pytest.param("class.csv", "1,Sara Ali\n", 1, id="numbers in the first column"),
    ],
)
def test_a_line_that_no_student_could_use_is_named(
    a_file: Callable[[str, bytes | str], Path], name: str, content: str, line: int
) -> None:
    with pytest.raises(ValueError, match=rf"line {line} of the roster '.*{name}' cannot be"):
        read_roster(a_file(name, content))


@pytest.mark.parametrize("content", ["", "\n \n", "# nobody yet\n", "name,id\n"])
def test_a_file_without_names_is_a_value_error(
    a_file: Callable[[str, bytes | str], Path], content: str
) -> None:
    with pytest.raises(ValueError, match=r"class\.txt' has no names in it\. Give a list"):
        read_roster(a_file("class.txt", content))


def test_an_empty_roster_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"the roster has no names in it\. Give a list of names"):
        read_roster([])


@pytest.mark.parametrize("path", ["missing.csv", "Sara Al-Harbi", "Sara\nOmar", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_a_value_error(path: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read: .*(?s:.)* Give a list of names"):
        read_roster(path)


@pytest.mark.parametrize("path", ["", "."])
def test_a_folder_is_no_roster(path: str) -> None:
    with pytest.raises(ValueError, match="is not a file of at most"):
        read_roster(path)


def test_a_file_that_is_larger_than_any_class_is_no_roster(
    a_file: Callable[[str, bytes | str], Path],
) -> None:
    path = a_file("class.txt", b"Sara Ali\n" * 500_000)

    with pytest.raises(ValueError, match="is not a file of at most 4,194,304 bytes"):
        read_roster(path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"PK\x03\x04\x14\x00\x08\x00", id="an Excel workbook"),
        pytest.param("José\nSara Ali\n".encode("latin-1"), id="Latin-1"),
        pytest.param("سارة علي\n".encode("cp1256"), id="Arabic Windows"),
        pytest.param("Sara Ali\n".encode("utf-16-le"), id="UTF-16 without its mark"),
        pytest.param("Sara Ali\n".encode("utf-16")[:-1], id="half a character"),
        pytest.param("Sara Ali\n".encode("utf-32"), id="UTF-32"),
    ],
)
@pytest.mark.parametrize("name", ["class.csv", "class.txt"])
def test_a_file_that_is_not_utf_8_is_a_value_error(
    a_file: Callable[[str, bytes | str], Path], name: str, content: bytes
) -> None:
    with pytest.raises(ValueError, match=rf"{name}' is not text in UTF-8\. In Excel, save it as"):
        read_roster(a_file(name, content))


@pytest.mark.parametrize("content", ['name\n"Sara Ali\nJohn Doe\n', 'name\n"Sara" Ali\n'])
def test_a_csv_file_with_a_stray_quote_is_a_value_error(
    a_file: Callable[[str, bytes | str], Path], content: str
) -> None:
    with pytest.raises(ValueError, match=r"class\.csv' is not well-formed CSV"):
        read_roster(a_file("class.csv", content))


@patient
@given(
    st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.sampled_from(["csv", "txt"])
)
@example(b"x" * 200_000, "csv")
@example(b'"' * 3, "csv")
def test_whatever_is_in_the_file_students_can_use_the_roster_or_the_author_is_told(
    tmp_path: Path, content: bytes, suffix: str
) -> None:
    path = tmp_path / f"class.{suffix}"
    path.write_bytes(content)

    try:
        students = read_roster(path)
    except ValueError as error:
        assert "the roster" in str(error)  # noqa: PT017 -- either answer is right
    else:
        spellings = [*map(normalize_student_name, students)]
        assert len(set(spellings)) == len(students) > 0
        assert [*map(why_refused, spellings)] == [None] * len(students)
