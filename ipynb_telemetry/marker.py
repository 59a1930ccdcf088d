"""The comment line that makes a whole cell the test of an exercise.

It is for cells that test without a function: bare assertions, nbgrader's and otter's cells.
A comment changes neither what they print nor how they fail, with telemetry and without it.
"""

from __future__ import annotations

from ipynb_telemetry.source_strings import without_strings

MARK = "# ipynb-telemetry"
"""At the end of each line that `ipynb-telemetry instrument` has added."""
TEST_MARKER = f"{MARK}: test "
_AND_MARK = f"  {MARK}"  # an exercise's name has no two spaces
_JOINERS = "\u200c\u200d"  # not printable, and part of words in Persian, Hindi and others


def get_test_marker(exercise: str) -> str:
    """The line that makes a cell the test of `exercise`: `# ipynb-telemetry: test exercise_1`.

    Raises:
        TypeError: `exercise` is no string.
        ValueError: `exercise` is empty.
    """
    if not isinstance(exercise, str):
        msg = f'exercise must be a string such as "exercise_1", not {exercise!r}'
        raise TypeError(msg)
    # A comment ends with its line, and Python takes no null in one.
    name = " ".join(
        "".join(c if c.isprintable() or c in _JOINERS else " " for c in exercise).split()
    )
    if not name:
        msg = 'exercise must not be empty. Example: get_test_marker("exercise_1")'
        raise ValueError(msg)
    return TEST_MARKER + name


def get_added_test_marker(exercise: str) -> str:
    """The same line, told from what an author has written by the mark at its end."""
    return get_test_marker(exercise) + _AND_MARK


def marked_exercise(source: str) -> str | None:
    """The exercise that a cell's source is the test of; None where no line marks it.

    The first line that marks it counts; what stands in a string of several lines does not.
    """
    if TEST_MARKER not in source:  # nearly all cells, and it costs them no more than this
        return None
    for line in without_strings(source).split("\n"):
        marker, found, rest = line.strip().partition(TEST_MARKER)
        exercise = rest.removesuffix(_AND_MARK).strip()
        if found and not marker and exercise:
            return exercise
    return None
