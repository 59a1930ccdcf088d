"""Which cell gets which line, and where; what is left alone, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from instrumenting import cleaned, instrumented, reasons, with_line
from lessons import PYTHON_3, a_code_cell, a_markdown_cell, a_notebook

from ipynb_telemetry.instrument.additions import additions
from ipynb_telemetry.instrument.cells import Cell
from ipynb_telemetry.instrument.faults import faults
from ipynb_telemetry.instrument.json_text import NotReadableError
from ipynb_telemetry.instrument.languages import why_not_python_3
from ipynb_telemetry.instrument.notebook import read_notebook
from ipynb_telemetry.instrument.plan import plan_instrument

NAME = Path("lesson.ipynb")


TRACKED = '+_cell("moon"'


@pytest.mark.parametrize(
    "source",
    [
        "<here>km = 1",
        "<here># The Moon\nkm = 1",
        "\n\n<here>km = 1",
        "%%time\n<here>km",
        "\n%%capture out\n%%time\n<here>x",
        "<here>    x = 1\n    y = 2",
        "from __future__ import annotations\n<here>x = 1",
        '"""Doc."""\nfrom __future__ import (\n    annotations,\n)\n\n<here>x = 1',
        "#@title Speed\n<here>x = 1",
        "#| echo: false\n#| label: x\n<here>x",
    ],
)
def test_a_line_goes_where_it_changes_nothing(source: str) -> None:
    before, _, after = source.partition("<here>")
    indent = after[: len(after) - len(after.lstrip(" "))]

    made = with_line(before + after)

    assert made.startswith(f'{before}+{indent}_cell("moon", "')
    assert made.endswith(f'")  # ipynb-telemetry\n{after}')


@pytest.mark.parametrize(
    "source",
    [
        "x = ...  # your answer",
        "x = 2 *",
        "print 'hello'",
        "math.sqrt?",
        "!ls",
        "%matplotlib inline",
        "x;",
        "await later()",
        "ls = 1",
        "ls\npwd = 1",
        "pwd.upper()",
        ">>> x = 1",
        '"""A text\n_cell("in it")\n"""',
    ],
)
def test_a_cell_that_is_no_plain_python_is_tracked_as_well(source: str) -> None:
    assert with_line(source).startswith(TRACKED)
    assert with_line(source).endswith(f"\n{source}")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "\n\n",
        "# only a comment\n\n  # and another",
        "%%bash\nls",
        "%%timeit\nx = 1",
        "%%writefile a.py\nx = 1",
        "%%px\nx = 1",
        "%%cython\nx = 1",
        "%%time?",
        "%%time",
        "%%time\n# nothing",
        " %%time\nx = 1",
        "pwd",
        "cd /tmp",
        "pip install pandas",
        "exit",
        "from __future__ import annotations",
        '_cell("mine")\nx = 1',
        "# ipynb-telemetry: test mine\nassert x",
    ],
)
def test_a_cell_in_which_a_line_is_of_no_use_or_no_good_stays_as_it_is(source: str) -> None:
    assert with_line(source) == source


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"nbgrader": {"locked": True}}, "nbgrader has locked it"),
        ({"nbgrader": {"grade": True, "checksum": "0"}}, "nbgrader's checksum covers its source"),
        ({"tags": ["injected-parameters"]}, "papermill writes it anew in each run"),
        ({"tags": ["raises-exception"]}, "it fails on purpose"),
        ({"vscode": {"languageId": "sql"}}, None),
    ],
)  # fmt: skip
def test_a_cell_whose_source_is_looked_at_elsewhere_is_left_alone(
    metadata: dict[str, Any], reason: str | None
) -> None:
    missing = additions([Cell("code", "x = 1", metadata)])

    assert list(missing.lines) == []
    reasons = [each.reason.partition(",")[0] for each in missing.left_alone]
    assert reasons == ([] if reason is None else [reason])


@pytest.mark.parametrize("magic", ["ipytest", "timeit", "px", "prun -s time"])
def test_a_cell_below_another_magic_is_left_alone_with_a_word(magic: str) -> None:
    cell = Cell("code", f"\n%%{magic}\ndef test_sum(): assert x")

    name = magic.split(maxsplit=1)[0]
    assert reasons(cell) == [(0, f"below %%{name} it may run later, elsewhere or more than once")]


@pytest.mark.parametrize("first", ["bash", "html", "writefile a.py", "R", "time?", "timeit?"])
def test_a_cell_of_no_python_needs_no_word(first: str) -> None:
    assert reasons(Cell("code", f"%%{first}\nx = 1")) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "assert x",
        "def test_sum(): assert x",
        "%%ipytest\nx",
        "test_x = *\ndef test_y(): 1",
    ],
)
def test_a_cell_tagged_no_telemetry_gets_nothing_and_nothing_is_missing(source: str) -> None:
    cells = [
        Cell("code", "setup_telemetry('D1')"),
        Cell("code", source, {"tags": ["no-telemetry"]}),
    ]

    missing = additions(cells)

    assert missing.are_none
    assert list(missing.left_alone) == []
    assert faults(cells, missing) == []


def test_an_answer_that_nbgrader_has_a_checksum_of_is_tracked() -> None:
    nbgrader = {
        "grade": False,
        "solution": True,
        "locked": False,
        "checksum": "0",
        "grade_id": "q1",
    }

    assert with_line("x = 1", nbgrader=nbgrader).startswith('+_cell("q1"')


@pytest.mark.parametrize(
    "source",
    [
        "assert x == 1",
        "assert x == 1, 'no'\nassert y",
        "import math\nassert math.pi > 3\nprint('Passed!')",
        "from nose.tools import assert_equal\nassert_equal(x, 1)",
        "np.testing.assert_allclose(x, 1)",
        "'''A test'''\nassert x",
    ],
)
def test_a_cell_that_is_all_assertions_is_a_test(source: str) -> None:
    assert with_line(source) == f"+# ipynb-telemetry: test moon  # ipynb-telemetry\n{source}"


@pytest.mark.parametrize(
    "source", ["x = 1\nassert x", "print('Passed!')", "import math", "for x in y:\n    assert x"]
)
def test_a_cell_that_does_more_or_less_than_assert_is_none(source: str) -> None:
    assert with_line(source).startswith(TRACKED)


@pytest.mark.parametrize(
    "metadata",
    [{"tags": ["test"]}, {"nbgrader": {"grade": True, "solution": False, "grade_id": "moon"}}],
)
def test_a_cell_that_is_said_to_be_a_test_is_one(metadata: dict[str, Any]) -> None:
    line = "# ipynb-telemetry: test moon  # ipynb-telemetry"

    assert with_line("check(x)", **metadata) == f"+{line}\ncheck(x)"
    assert with_line("%%time\ncheck(x)", **metadata) == f"%%time\n+{line}\ncheck(x)"


@pytest.mark.parametrize(
    ("kinds", "before"),
    [
        ("code", 0),
        ("markdown:# The Moon, code", 1),
        ("markdown:The Moon\n===, code", 1),
        ("raw:---, markdown:# The Moon, markdown:text, code", 2),
        ("raw:---, code", 1),
        ("markdown:no heading, code", 0),
        ("markdown:a badge, markdown:# The Moon, code", 2),
        ("heading:The Moon, code", 1),
        ("code, markdown:# The Moon", 0),
        ("markdown:# The Moon", None),
    ],
)
def test_the_setup_cell_is_first_but_after_a_title_and_a_header(
    kinds: str, before: int | None
) -> None:
    cells = [Cell(*each.partition(":")[::2]) for each in kinds.split(", ")]

    assert additions(cells).setup_before == before


def ids_of(*cells: Cell) -> list[str]:
    return [line.line.split('"')[1] for line in additions(cells).lines]


@pytest.mark.parametrize(
    ("cell", "cell_id"),
    [
        (Cell("code", "x = 1", id="3f2a9c1b"), "3f2a9c1b"),
        (Cell("code", "x = 1", {"id": "Xy0Zk3m9aQ_1"}), "Xy0Zk3m9aQ_1"),
        (Cell("code", "x = 1", {"name": "speed"}, id="3f2a9c1b"), "speed"),
        (Cell("code", "x = 1", {"tags": ["hide", "exercise-1"]}, id="3f2a9c1b"), "exercise-1"),
        (Cell("code", "x = 1", {"tags": ["id:speed"]}), "speed"),
    ],
)  # fmt: skip
def test_a_cells_own_name_is_its_id(cell: Cell, cell_id: str) -> None:
    assert ids_of(cell) == [cell_id]


@pytest.mark.parametrize(
    ("heading", "slug"),
    [
        ("## Exercise 1: *light* and [sound](x.html)", "exercise-1-light-and-sound"),
        ("<h2 id='a'>Exercise 1</h2>", "exercise-1"),
        ("## تمرين ٣", "تمرين-٣"),
        ("# A\n\n```\n# code\n```\n\n## B", "b"),
        ("## " + "very long words " * 9, "very-long-words-very-long-words-very"),
        ("## ***", "cell"),
        ("#hashtag", "hashtag"),
    ],
)
def test_a_cell_without_a_name_is_called_after_its_heading_and_content(
    heading: str, slug: str
) -> None:
    (cell_id,) = ids_of(Cell("markdown", heading), Cell("code", "x = 1"))

    name, _, digits = cell_id.rpartition("-")
    assert (name, len(digits)) == (slug, 6)


def test_a_cell_that_is_inserted_renames_no_other() -> None:
    heading, new = Cell("markdown", "# The Moon"), Cell("code", "new = 1")
    cells = [heading, Cell("code", "x = 1"), Cell("code", "y = 1")]

    assert ids_of(heading, new, *cells[1:])[1:] == ids_of(*cells)


def test_an_id_is_given_once() -> None:
    cells = [Cell("code", "df.head()"), Cell("code", "df.head()")]

    first, second = ids_of(*cells)

    assert second == f"{first}-2"


def test_an_exercise_is_named_so_that_people_can_read_it() -> None:
    cells = [Cell("markdown", "## Exercise 1"), Cell("code", "assert x", id="3f2a9c1b")]

    (line,) = additions(cells).lines
    assert line.line == "# ipynb-telemetry: test exercise-1-3f2a9c1b  # ipynb-telemetry"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        PYTHON_3,
        {"kernelspec": {"name": "python3"}},
        {"language_info": {"name": "python", "version": "3.12.1"}},
        {"language_info": {"name": "ipython", "version": "3.12.1"}},
        *({"kernelspec": {"name": name}} for name in ("conda-base-py", ".venvnokernel", "36")),
        *({"kernelspec": {"name": name}} for name in ("Python [Root]", "otter-grader", "datahub")),
        {"kernelspec": "python3", "language_info": []},
    ],
)
def test_what_may_be_python_3_is(metadata: dict[str, Any]) -> None:
    assert why_not_python_3(metadata, [Cell("code", "print('x')")]) is None


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"kernelspec": {"name": "julia-1.10", "language": "julia"}}, "julia"),
        ({"language_info": {"name": "R"}}, "R"),
        *(
            ({"kernelspec": {"name": name}}, name)
            for name in ("ir", "bash", "deno", ".net-csharp", "julia-1.0", "xcpp17", "rust")
        ),
        ({"kernelspec": {"name": "python2", "language": "python"}}, "Python 2"),
        ({"language_info": {"name": "python", "version": "2.7.18"}}, "Python 2"),
        ({"kernelspec": {"name": "x", "display_name": "Julia 1.0"}}, "x"),
    ],
)
def test_what_is_another_language_is_said_so(metadata: dict[str, Any], words: str) -> None:
    assert words in (why_not_python_3(metadata, [Cell("code", "x = 1")]) or "")


def test_cells_tell_what_a_notebook_does_not() -> None:
    python_2 = [Cell("code", "print 'hello'"), Cell("code", "x = 1")]
    on_purpose = [Cell("code", "print 'hello'"), Cell("code", "print('x')")]
    of_nobody = [Cell("code", "puts [1].map { |x| x }"), Cell("code", "class A; end")]

    assert "Python 2" in (why_not_python_3({}, python_2) or "")
    assert why_not_python_3({}, on_purpose) is None
    assert "not Python" in (why_not_python_3({"kernelspec": {"name": "own"}}, of_nobody) or "")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not an object"),
        (b"[]", "not an object"),
        (b'{"nbformat": 4}', "no list of cells"),
        (b'{"cells": {}}', "no list of cells"),
        (b'{"cells": [1]}', "a cell is not an object"),
        (b'{"cells": [], "nbformat": 5}', "nbformat 5"),
        (b'{"cells": []} x', "Extra data in line 1"),
        (b'{"cells": [],\n}', "line 2"),
        (b'{"cells": []\n"x": 1}', "line 2"),
        (b'{"cells": [], "x": "\n"}', "Invalid control character"),
        (b'{"cells": [], "x": ' + b"[" * 100_000, "line 1"),
        (b"<<<<<<< HEAD\n{}", "line 1"),
        (a_notebook().replace(b"Python 3", b"\xff"), "not UTF-8"),
    ],
)
def test_what_is_no_notebook_is_said_with_the_reason(data: bytes, words: str) -> None:
    with pytest.raises(NotReadableError, match=words):
        read_notebook(io.BytesIO(data))


@pytest.mark.parametrize(
    "metadata", ['"text"', "[]", "null", '{"tags": "split", "nbgrader": 1, "name": 2, "id": []}']
)
def test_metadata_of_any_kind_is_read(metadata: str) -> None:
    cell = '{"cell_type": "code", "source": ["x = 1"], "metadata": ' + metadata + "}"
    data = f'{{"cells": [{cell}], "metadata": {metadata}}}'.encode()

    made = instrumented(data, NAME)

    assert b"_cell(" in made
    assert cleaned(made, NAME) == data


def test_a_source_that_is_no_text_is_left_alone() -> None:
    data = b'{"cells": [{"cell_type": "code", "source": 1, "metadata": {}}]}'

    assert plan_instrument(io.BytesIO(data), "D1", {}).lines == 0


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    cell = '{"cell_type": "code", "source": "old = 1", "metadata": {}, "source": "new = 1"}'
    data = f'{{"cells": [], "cells": [{cell}]}}'.encode()

    made = json.loads(instrumented(data, NAME))

    assert made["cells"][1]["source"].endswith("new = 1")
    assert made["cells"][1]["source"].startswith("_cell(")


def test_added_lines_that_a_formatter_has_broken_are_taken_out() -> None:
    broken = '_cell(\n    "moon", "a long line of code that is cut"\n)  # ipynb-telemetry\nx = 1'

    data = cleaned(a_notebook(a_code_cell(broken)), NAME)

    assert data == a_notebook(a_code_cell("x = 1"))


def test_a_cell_of_which_only_the_added_line_is_left_is_empty_again() -> None:
    only = '_cell("moon")  # ipynb-telemetry'

    assert cleaned(a_notebook(a_code_cell(only)), NAME) == a_notebook(a_code_cell(""))


@pytest.mark.parametrize(
    "source",
    [
        'text = """\n_cell("moon")  # ipynb-telemetry\n"""',
        'text = """\n@tracked_test("moon")  # ipynb-telemetry\n"""',
        "text = '''\n# ipynb-telemetry: test moon  # ipynb-telemetry\n'''\nx = *",
        '%pwd\ntext = f"""{x}\n_cell(\n "moon"\n)  # ipynb-telemetry\n"""',
        "# ipynb-telemetry: test moon\nassert x",
        "    # ipynb-telemetry: test moon # ipynb-telemetry\n    assert x",
    ],
)
@pytest.mark.parametrize("name", ["lesson.ipynb", "lesson.py", "lesson.md"])
def test_what_an_author_wrote_is_not_taken_out(source: str, name: str) -> None:
    data = {
        "lesson.ipynb": a_notebook(a_code_cell(source)),
        "lesson.py": f"# %%\n{source}\n".replace("\n%", "\n# %").encode(),
        "lesson.md": f"---\njupyter:\n  jupytext:\n---\n\n```python\n{source}\n```\n".encode(),
    }[name]

    assert cleaned(data, Path(name)) == data
    assert cleaned(instrumented(data, Path(name)), Path(name)) == data


def test_an_id_in_a_string_is_no_id() -> None:
    cells = [
        Cell("code", 'text = """\n_cell("moon")\n@tracked_test("moon")\n"""'),
        Cell("code", '_cell("moon")\nx = 1'),
    ]

    assert faults(cells, additions(cells)) == []


def test_markdown_that_shows_an_added_line_is_left_alone() -> None:
    data = a_notebook(a_markdown_cell('_cell("moon")  # ipynb-telemetry'))

    assert cleaned(data, NAME) == data


TEST = Cell("code", "assert light")
CODE = Cell("code", "light = ...")


@pytest.mark.parametrize(
    ("cells", "without_test"),
    [
        ([Cell("markdown", "## Exercise 1"), CODE, TEST], []),
        ([Cell("markdown", "## Exercise 1"), CODE, Cell("markdown", "### Check"), TEST], []),
        (
            [Cell("markdown", "## Exercise 1"), CODE, Cell("markdown", "## Exercise 2"), TEST],
            ["Exercise 1"],
        ),
        ([Cell("markdown", "## Exercise 1"), CODE, Cell("code", 'grader.check("q1")')], []),
        ([Cell("markdown", "## Exercise 1"), Cell("code", "x", {"nbgrader": {"grade": True}})], []),
        ([Cell("markdown", "## Exercise 1", {"tags": ["no-test"]}), CODE], []),
        ([Cell("markdown", "## Exercise 1: think"), Cell("markdown", "## Next"), CODE], []),
        ([Cell("markdown", "## Exercises"), CODE], []),
        ([Cell("heading", "Exercise 1"), CODE], ["Exercise 1"]),
    ],
)
def test_an_exercise_has_a_test_below_its_heading(
    cells: list[Cell], without_test: list[str]
) -> None:
    found = [fault.partition(" has no test; ") for fault in faults(cells, additions(cells))]

    assert [heading for heading, _, _ in found] == list(map(repr, without_test))
