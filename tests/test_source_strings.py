"""Lines inside strings are told from code, in Python, with magics and in what nobody finished."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notebook_strategies import sources

from ipynb_telemetry.source_strings import lines_inside_strings, without_strings


@pytest.mark.parametrize(
    ("source", "inside"),
    [
        ("x = 1\ny = 2", set()),
        ('x = """a\nb\n"""\ny', {1, 2}),
        ("x = '''a\n\n'''", {1, 2}),
        ("x = 'a\\\nb'\ny", {1}),
        ("x = 1 + \\\n2", set()),
        ("x = ('a'\n'b')", set()),
        ('x = f"""a\n{b}\nc"""', {1, 2}),
        ("# don't '''\ny = '''a\nb'''", {2}),
        ("x = \"'''\"\ny", set()),
        ('x = ("%s"\n     % """a\nb""")', {2}),
        ("    x = '''a\n    b'''", {1}),
    ],
)
def test_in_python(source: str, inside: set[int]) -> None:
    assert lines_inside_strings(source) == inside


@pytest.mark.parametrize(
    ("source", "inside"),
    [
        ("%matplotlib inline\nx = '''a\nb'''", {2}),
        ("!echo don't '''\nx = 1\n'''a\nb'''", {3}),
        ("%%time\nx = '''a\nb'''\nsqrt?", {2}),
        ("x = ...\n'''a\nb'''\ny = 2 *", {2}),
        ("x = '''never ended\ny = 1", set()),
        ("it's\nx = '''a\nb'''", {2}),
        ("x = 'a\\\nb'\ny = (", {1}),
        ("\\'''\nx = 1\n'''", set()),
    ],
)
def test_in_what_is_no_python(source: str, inside: set[int]) -> None:
    assert lines_inside_strings(source) == inside


@given(st.one_of(sources, st.text()))
def test_what_hides_strings_moves_nothing(source: str) -> None:
    shown = without_strings(source)

    assert [len(line) for line in shown.split("\n")] == [len(each) for each in source.split("\n")]
