"""Makes `tests/notebooks` with the tools that people make notebooks with.

    pip install nbgrader && python tests/make_notebooks.py
    python tests/make_notebooks.py --expected

Run again it gives the same lessons, but for what those tools make anew each time: times, ids
and versions. With `--expected` it writes what `instrument` makes of them into the file beside
each, and nothing else: read the diff before you commit it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import nbformat.v3
from instrumenting import instrumented
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

HERE = Path(__file__).parent / "notebooks"
PYTHON = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
ASSERTS = 'assert round(light_seconds(384_400), 2) == 1.28, "Light needs 1.28 s to the Moon."'
SOLUTION = "def light_seconds(km):\n    return km / 300_000"
ROCKET = """
def hours(km, km_per_hour):
    return km / km_per_hour

def test_hours():
    assert hours(384_400, 38_440) == 10

test_hours()
""".strip()
LESSON = (
    "# The Moon\n\nHow far is it, and how long does light take?",
    ">km = 384_400  # on average\nkm",
    "## Exercise 1: light",
    f">{SOLUTION}",
    f">{ASSERTS}\nassert light_seconds(0) == 0",
    "## Exercise 2: a rocket",
    f">{ROCKET}",
)
COLAB_FORM = ">#@title How fast is it?\nspeed = 10 #@param {type: 'number'}"
ODD = (
    "# Odd cells",
    ">from __future__ import annotations\nimport math",
    ">",
    ">\n\n",
    "># only a comment",
    ">%%time\ntotal = sum(range(1000))",
    ">%%capture shown\nprint('not seen')",
    ">%%bash\necho hello",
    ">%%writefile moon.txt\nkm = 384400",
    ">    indented = 1\n    indented += 1",
    ">math.sqrt?",
    ">!echo hello",
    ">%timeit -n1 -r1 1 + 1",
    ">math.sqrt(4);",
    ">radius = ...  # your answer",
    ">circumference = 2 * math.pi *",
    ">print 'hello'",
    '>"""A text\n_cell("in the text")\n"""',
    ">\n\nlate = 'after two empty lines'",
    ">text = 'é ü 月 مرحبا 🚀 \\u00e9'",
    ">@property\ndef distance(self):\n    return 1",
)


def cells(lesson: Iterable[str]) -> list[Any]:
    """Markdown cells, and code cells from what begins with `>`; their ids are their numbers."""
    made = [
        new_code_cell(text[1:]) if text.startswith(">") else new_markdown_cell(text)
        for text in lesson
    ]
    for number, cell in enumerate(made):
        cell["id"] = f"cell-{number}"
    return made


def notebook(lesson: Iterable[str], *, minor: int = 5, kernel: Any = PYTHON) -> Any:
    metadata = {"kernelspec": kernel} if kernel else {}
    made = new_notebook(cells=cells(lesson), metadata=metadata)
    made.nbformat_minor = minor
    if minor < 5:
        without_ids(made)
    return made


def without_ids(made: Any) -> None:
    """Before nbformat 4.5 cells have none."""
    for cell in made.cells:
        cell.pop("id", None)


def write(name: str, text: str) -> None:
    (HERE / name).parent.mkdir(parents=True, exist_ok=True)
    (HERE / name).write_bytes(text.encode())


def jupyter() -> None:
    """As Jupyter writes it, with outputs of a real kernel, and older minors without ids."""
    made = notebook(LESSON)
    NotebookClient(made).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)
    write("jupyter.ipynb", nbformat.writes(made) + "\n")
    write("jupyter_4_4.ipynb", nbformat.writes(notebook(LESSON, minor=4)) + "\n")
    write("odd_cells.ipynb", nbformat.writes(notebook(ODD, minor=4)) + "\n")
    write("no_cells.ipynb", nbformat.writes(notebook((), minor=4)) + "\n")
    write("no_language.ipynb", nbformat.writes(notebook(LESSON[:4], minor=0, kernel={})) + "\n")
    tagged = notebook(LESSON[:4], minor=4)
    tagged.cells[1].metadata["tags"] = ["parameters"]
    tagged.cells[3].metadata["tags"] = ["test"]
    write("tagged.ipynb", nbformat.writes(tagged) + "\n")


def colab() -> None:
    """Colab: two spaces, its own order of keys, no newline at the end."""
    made = [
        {
            "cell_type": cell.cell_type,
            "source": cell.source.splitlines(keepends=True),
            "metadata": {"id": f"Xy{number}Zk3m9aQb4"},
            **({"execution_count": None, "outputs": []} if cell.cell_type == "code" else {}),
        }
        for number, cell in enumerate(cells((*LESSON[:2], COLAB_FORM, *LESSON[2:])))
    ]
    document = {
        "nbformat": 4,
        "nbformat_minor": 0,
        "metadata": {
            "colab": {"provenance": [], "toc_visible": True},
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        },
        "cells": made,
    }
    write("colab.ipynb", json.dumps(document, indent=2, ensure_ascii=False))


def vscode() -> None:
    """VS Code: keys in alphabetical order, one space or what the file had before."""
    made = notebook(LESSON, kernel={"display_name": ".venv", "name": "python3"})
    made.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    document = json.loads(nbformat.writes(made))
    text = json.dumps(document, indent=4, sort_keys=True, ensure_ascii=False)
    write("vscode_indent_4.ipynb", text + "\n")
    for cell in document["cells"]:
        cell["metadata"] = {"vscode": {"languageId": "python"}} if "outputs" in cell else {}
    write("vscode.ipynb", json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def layouts() -> None:
    """What no serializer of today gives back."""
    document = json.loads(nbformat.writes(notebook(LESSON, minor=4)))
    write("one_line.ipynb", json.dumps(document, separators=(",", ":"), ensure_ascii=False))
    crlf = json.dumps(document, indent=1, ensure_ascii=False) + "\n\n"
    write("crlf.ipynb", crlf.replace("\n", "\r\n"))
    escaped = json.loads(nbformat.writes(notebook(ODD[-2:], minor=4)))
    write("escapes.ipynb", json.dumps(escaped, indent=1) + "\n")
    for cell in document["cells"]:
        cell["source"] = "".join(cell["source"])
    write("source_as_text.ipynb", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    text = (HERE / "jupyter_4_4.ipynb").read_text("utf-8")
    null = '   "execution_count": null,\n'
    twice = text.replace(null, f'{null}\n   "collapsed": false, "collapsed": true,\n')
    write("keys_twice.ipynb", "\ufeff" + twice)


def nbformat_3() -> None:
    """IPython 1 to 3."""
    made = nbformat.convert(notebook(LESSON, minor=4), 3)
    write("nbformat_3.ipynb", nbformat.v3.writes_json(made) + "\n")


def nbgrader() -> None:
    """A teacher's assignment, and what `nbgrader generate_assignment` makes for students."""
    made = notebook(LESSON[:5])
    head, body = SOLUTION.splitlines()
    made.cells[3].source = f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
    made.cells += [new_code_cell("assert light_seconds(300_000) == 1", id="cell-5")]
    nbgrader_cell(made.cells[3], "light", solution=True)
    nbgrader_cell(made.cells[4], "test-light", grade=True, locked=True, points=2)
    nbgrader_cell(made.cells[5], "test-open", grade=True, solution=False, points=1)
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder)
        (course / "source" / "ps1").mkdir(parents=True)
        (course / "source" / "ps1" / "moon.ipynb").write_text(nbformat.writes(made) + "\n", "utf-8")
        run("nbgrader", "generate_assignment", "ps1", "--IncludeHeaderFooter.header=", cwd=course)
        write("nbgrader_source.ipynb", (course / "source/ps1/moon.ipynb").read_text("utf-8"))
        write("nbgrader_release.ipynb", (course / "release/ps1/moon.ipynb").read_text("utf-8"))


def nbgrader_cell(cell: Any, grade_id: str, **settings: Any) -> None:
    usual = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = {**usual, "grade_id": grade_id, **settings}


def papermill() -> None:
    made = notebook(LESSON[:2])
    made.cells[1].metadata["tags"] = ["parameters"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in.ipynb").write_text(nbformat.writes(made), "utf-8")
        run("papermill", "in.ipynb", "out.ipynb", "-p", "km", "400000", cwd=Path(folder))
        write("papermill.ipynb", (Path(folder) / "out.ipynb").read_text("utf-8"))


def otter() -> None:
    """An otter assignment: its settings are a raw cell that stays first."""
    made = notebook(LESSON[:4], minor=4)
    made.cells.insert(0, new_raw_cell("# ASSIGNMENT CONFIG\ninit_cell: false"))
    made.cells.insert(2, new_code_cell('import otter\ngrader = otter.Notebook("moon.ipynb")'))
    made.cells.append(new_code_cell('grader.check("q1")'))
    made.cells[5].metadata["tags"] = ["otter_answer_cell"]
    without_ids(made)
    write("otter.ipynb", nbformat.writes(made) + "\n")


def jupytext() -> None:
    """Pairs of a notebook and a text, and texts alone."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "jupytext.ipynb"
        source.write_text(nbformat.writes(notebook((*LESSON, *ODD[4:8]))) + "\n", "utf-8")
        formats = "ipynb,py:percent,md"
        run("jupytext", "--set-formats", formats, "--sync", source.name, cwd=Path(folder))
        for ending in "ipynb", "py", "md":
            made = source.with_suffix(f".{ending}").read_text("utf-8")
            write(f"jupytext.{ending}", made)
    text = (HERE / "jupytext.py").read_text("utf-8")
    write("jupytext_no_header.py", re.sub(r"\A# ---\n.*?\n# ---\n\n", "", text, flags=re.DOTALL))


def refused() -> None:
    """Of other languages, and no notebooks at all."""
    julia = {"name": "julia-1.10", "display_name": "Julia 1.10", "language": "julia"}
    python2 = {"name": "python2", "display_name": "Python 2", "language": "python"}
    for name, kernel in (("julia", julia), ("python2", python2)):
        made = notebook((">print 'hello'",), minor=4, kernel=kernel)
        write(f"refused/{name}.ipynb", nbformat.writes(made) + "\n")
    text = (HERE / "jupyter_4_4.ipynb").read_text("utf-8")
    write("refused/half.ipynb", text[: len(text) // 2])
    latin = text.replace("The Moon", "Der Mond, schön").encode("latin-1")
    (HERE / "refused" / "latin_1.ipynb").write_bytes(latin)
    write("refused/a_list.ipynb", "[1, 2]\n")
    write("refused/a_script.py", "km = 384_400\n")
    write("refused/a_page.md", "# The Moon\n\n```python\nkm = 384_400\n```\n")
    for name, form in (("light.py", "py:light"), ("myst.md", "md:myst")):
        run("jupytext", "--to", form, "jupyter.ipynb", "-o", f"refused/{name}", cwd=HERE)


def expected() -> None:
    for path in HERE.iterdir():
        if path.suffix in (".ipynb", ".md", ".py"):
            write(f"{path.name}.expected", instrumented(path.read_bytes(), path).decode())


def run(*command: str, cwd: Path) -> None:
    program = Path(sys.executable).with_name(command[0])
    subprocess.run([str(program), *command[1:]], cwd=cwd, check=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--expected"]:
        expected()
    else:
        for make in (jupyter, colab, vscode, layouts, nbformat_3, nbgrader, papermill, otter):
            make()
        jupytext()
        refused()
