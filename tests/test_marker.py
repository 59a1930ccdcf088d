"""The comment line that makes a cell the test of an exercise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipynb_telemetry.marker import get_added_test_marker, get_test_marker, marked_exercise


@pytest.mark.parametrize(
    "source",
    [
        "# ipynb-telemetry: test exercise_1",
        "# ipynb-telemetry: test exercise_1\nassert True",
        "%%time\n# ipynb-telemetry: test exercise_1\nassert True",
        "from __future__ import annotations\n    # ipynb-telemetry: test   exercise_1  \nassert 1",
        "assert True\r\n# ipynb-telemetry: test exercise_1\r\n",
        "# ipynb-telemetry: test exercise_1\n# ipynb-telemetry: test exercise_2",
        "# ipynb-telemetry: test exercise_1  # ipynb-telemetry",
        "    # ipynb-telemetry: test exercise_1  # ipynb-telemetry \r\nassert True",
        "'''\n# ipynb-telemetry: test 2\n'''\n# ipynb-telemetry: test exercise_1",
        "x = '''no end\n# ipynb-telemetry: test exercise_1",
    ],
)
def test_a_line_of_its_own_marks_the_cell(source: str) -> None:
    assert marked_exercise(source) == "exercise_1"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "assert True",
        "# ipynb-telemetry: test",
        "# ipynb-telemetry: test   ",
        "assert True  # ipynb-telemetry: test exercise_1",
        'print("# ipynb-telemetry: test exercise_1")',
        "# ipynb-telemetry: tested exercise_1",
        "## ipynb-telemetry: test exercise_1",
        "# ipynb-telemetry: test   # ipynb-telemetry",
        "text = '''\n# ipynb-telemetry: test exercise_1\n'''",
        "%pwd\ntext = '''\n# ipynb-telemetry: test exercise_1\n'''",
        "text = 'a\\\n# ipynb-telemetry: test exercise_1'",
        "assert x \x0c# ipynb-telemetry: test exercise_1",
    ],
)
def test_nothing_else_does(source: str) -> None:
    assert marked_exercise(source) is None


@pytest.mark.parametrize(
    ("exercise", "line"),
    [
        ("exercise_1", "# ipynb-telemetry: test exercise_1"),
        ("تمرين", "# ipynb-telemetry: test تمرين"),
        (" two\nlines\u2028\0 ", "# ipynb-telemetry: test two lines"),
        ("می\u200cرویم", "# ipynb-telemetry: test می\u200cرویم"),
    ],
    ids=["plain", "Arabic", "line ends", "Persian"],
)
def test_the_line_is_one_line(exercise: str, line: str) -> None:
    assert get_test_marker(exercise) == line


@given(st.text())
def test_what_was_added_marks_the_same_exercise(exercise: str) -> None:
    by_hand, added = get_test_marker(f"1{exercise}"), get_added_test_marker(f"1{exercise}")

    assert added != by_hand
    assert marked_exercise(added) == marked_exercise(by_hand)


@given(st.text())
def test_a_marked_cell_is_the_test_of_what_it_was_marked_with(exercise: str) -> None:
    marker = get_test_marker(f"1{exercise}")
    source = f"x = 1\n{marker}\nassert x"

    compile(source, "cell", "exec")
    assert marked_exercise(source) == marker.removeprefix("# ipynb-telemetry: test ")


@pytest.mark.parametrize("exercise", ["", "  ", "\n\u2028", "\0"])
def test_an_exercise_has_a_name(exercise: str) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        get_test_marker(exercise)


def test_an_exercise_is_a_string() -> None:
    with pytest.raises(TypeError, match="must be a string"):
        get_test_marker(7)  # type: ignore[arg-type]
