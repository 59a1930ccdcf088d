"""Which functions are tests, and where their decorator goes."""

from __future__ import annotations

import re

import pytest
from instrumenting import with_line

from ipynb_telemetry.instrument.additions import additions
from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.faults import faults


def test_a_test_function_is_decorated_above_its_decorators() -> None:
    source = "import x\n\n@x.retry\n@x.fast\ndef test_sum():\n    pass\nasync def test_late(): pass"

    lines = with_line(source).split("\n")

    assert lines[0].startswith('+_cell("moon"')
    assert lines[3:6] == ['+@tracked_test("sum")  # ipynb-telemetry', "@x.retry", "@x.fast"]
    assert lines[8] == '+@tracked_test("late")  # ipynb-telemetry'


@pytest.mark.parametrize(
    "source",
    [
        "@tracked_test('mine')\ndef test_sum(): pass",
        "class A:\n    def test_sum(self): pass",
        "def test_model(model, data):\n    return model.score(data)",
        "def test_model(*, data): pass",
        "def make():\n    def test_sum(): pass",
        "def testing(): pass",
        "text = '''\ndef test_sum(): pass\n'''",
    ],
)
def test_no_other_function_is_decorated(source: str) -> None:
    assert "+@tracked_test" not in with_line(source)


def test_the_exercise_of_a_function_has_its_name() -> None:
    source = "def test_light(): pass\ndef test_1(): pass\ndef test_(): pass"

    made = re.findall(r'tracked_test\("(.*?)"\)', with_line(source))

    assert made == ["light", "test_1", "test_"]


def test_a_test_function_below_a_cell_magic_is_decorated() -> None:
    assert with_line("%%time\ndef test_sum(): pass").split("\n")[2:] == [
        '+@tracked_test("sum")  # ipynb-telemetry',
        "def test_sum(): pass",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\n\n<here>def test_sum():\n    assert x",
        "!ls\nx?\n<here>def test_sum(): pass",
        "%run a.py \\\n    b\n<here>async def test_sum(): pass",
        "    x = 1\n\n    <here>def test_sum():\n        assert x",
        "if x:\n    <here>def test_sum():\n        assert x",
        "try:\n    pass\nfinally:\n\t<here>def test_sum(): pass",
        "%pwd\n<here>@x.retry(\n    3\n)\n@x.fast\ndef test_sum():\n    pass",
        "text = '''\ndef test_sum():\n'''\n<here>def test_sum(): pass",
        "<here>def test_sum(data):\n    assert data",
        "<here>def test_sum(data):\n    with pytest.raises(ValueError): run(data)",
        "<here>def test_sum(data):\n    if not data: raise ValueError",
        "<here>def test_sum(data, expected):\n    np.testing.assert_equal(data, expected)",
        "<here>def test_sum(data=None, *more, **rest): check(data)",
        "class A: pass\n\n\n<here>def test_sum(): pass",
    ],
)
def test_a_test_function_is_decorated_wherever_it_stands(source: str) -> None:
    before, _, after = source.partition("<here>")
    indent = before[len(before.rstrip(" \t")) :]
    wanted = f'{before.rstrip(" ").rstrip(chr(9))}+{indent}@tracked_test("sum")  # ipynb-telemetry'

    made = with_line(before + after)

    assert f"{wanted}\n{indent}{after}" in made
    assert made.count("@tracked_test") == 1


@pytest.mark.parametrize(
    "source",
    [
        "x = 2 *\ndef test_sum():\n    assert x",
        ">>> def test_sum(): pass",
        "x = 1\r@retry\rdef test_sum(): pass",
    ],
)
def test_a_test_function_that_cannot_be_decorated_is_said(source: str) -> None:
    cells = [Cell("code", 'setup_telemetry("D1")'), Cell("code", source)]

    (fault,) = faults(cells, additions(cells))

    assert fault.startswith("test_sum gets no @tracked_test")


@pytest.mark.parametrize(
    "source",
    [
        "x = 2 *\n@tracked_test('mine')\ndef test_sum(): pass",
        "x = 2 *\ntext = '''\ndef test_sum(): pass\n'''",
        "x = 2 *\nclass A:\n    def test_sum(self): pass",
        "class A(unittest.TestCase):\n    def test_sum(self):\n        self.assertEqual(1, 1)",
    ],
)
def test_what_is_decorated_or_no_test_function_is_not_said(source: str) -> None:
    assert faults([Cell("code", source)], additions([Cell("code", source)])) == []
