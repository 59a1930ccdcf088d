"""The driver itself, in each installed front end, with a panel of three plain widgets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from browser import SharedBrowser
from capture_server import CaptureServer
from live_jupyter import JupyterServer
from notebook_page import FrontEnd, NotebookPage, a_notebook
from playwright.sync_api import expect

# For what is the same in all of them, the one of each set of versions that opens fastest.
one_front_end = pytest.mark.front_ends("notebook7", "notebook6")

# The name is taken on Enter, which is what `continuous_update=False` makes of it.
PANEL = """\
import ipywidgets as widgets
from IPython.display import display

name = widgets.Text(description="Your name", continuous_update=False)
greeting = widgets.HTML("nobody")
more = widgets.Button(description="Raise hand")
name.observe(lambda change: setattr(greeting, "value", f"<b>Hello {change.new}</b>"), "value")
more.on_click(lambda _: setattr(greeting, "value", f"{greeting.value} up"))
panel = widgets.VBox([name, more, greeting])
panel.add_class("ipt-panel")
display(panel)"""


def give_name(notebook: NotebookPage, name: str) -> None:
    notebook.panel.get_by_label("Your name").click()
    notebook.page.keyboard.type(name)
    notebook.page.keyboard.press("Enter")


def test_a_lesson_with_widgets_can_be_driven(front_end: FrontEnd) -> None:
    notebook = front_end.open([("markdown", "# A lesson"), PANEL, "print(6 * 7)"])
    expect(notebook.page.get_by_role("heading", name="A lesson")).to_be_visible()

    notebook.run_cell(1)
    give_name(notebook, "Sara Al-Harbi")
    expect(notebook.panel).to_contain_text("Hello Sara Al-Harbi")
    notebook.panel.get_by_role("button", name="Raise hand").click()
    expect(notebook.panel).to_contain_text("Hello Sara Al-Harbi up")
    notebook.run_cell(2)

    assert (notebook.prompt_of(2), notebook.output_text(2)) == ("2", "42")
    picture = notebook.screenshot("driver")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_kernel_can_be_restarted_and_a_page_reloaded(front_end: FrontEnd) -> None:
    notebook = front_end.open([PANEL, "'name' in globals()"])
    notebook.run_cell(1)
    assert notebook.output_text(1) == "False"
    notebook.run_cell(0)

    notebook.restart_kernel()
    notebook.run_cell(1)
    assert (notebook.prompt_of(1), notebook.output_text(1)) == ("1", "False")

    notebook.run_cell(0)
    give_name(notebook, "Sara")
    expect(notebook.panel).to_contain_text("Hello Sara")
    notebook.save()
    notebook.reload()
    notebook.run_cell(1)
    assert (notebook.prompt_of(1), notebook.output_text(1)) == ("3", "True")
    expect(notebook.panel).to_contain_text("Hello Sara")
    give_name(notebook, "!")
    expect(notebook.panel).to_contain_text("Hello Sara!")
    notebook.screenshot("driver-reloaded")


def test_cells_can_be_rewritten_and_run_one_after_the_other(front_end: FrontEnd) -> None:
    notebook = front_end.open(["pass", "print('second')", "1 / 0"])
    source = 'def ask(what):\n    if what:\n        return ["(" + what]\n\nprint(ask("half")) # "'

    notebook.replace_cell_source(0, source)
    notebook.run_all()

    assert notebook.sources()[0] == source
    assert [notebook.output_text(number) for number in (0, 1)] == ["['(half']", "second"]
    assert "ZeroDivisionError" in notebook.output_text(2)
    assert [notebook.prompt_of(number) for number in range(3)] == ["1", "2", "3"]


def test_a_page_can_be_used_while_a_cell_runs(front_end: FrontEnd, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)"
    notebook = front_end.open([PANEL, wait, "print('after')"])
    notebook.run_cell(0)

    notebook.run_cell_no_wait(1)
    notebook.run_cell_no_wait(2)
    give_name(notebook, "Lena")
    assert (notebook.prompt_of(1), notebook.prompt_of(2)) == ("*", "*")
    go.touch()
    notebook.wait_for_cell(2)

    assert (notebook.prompt_of(1), notebook.output_text(2)) == ("2", "after")
    expect(notebook.panel).to_contain_text("Hello Lena")


@one_front_end
def test_each_notebook_has_a_kernel_with_the_environment_it_was_given(
    front_end: FrontEnd, server: CaptureServer, state_dir: Path, tmp_path: Path
) -> None:
    ask = "import os\nprint(*map(os.environ.get, ['TELEMETRY_HOST', 'TELEMETRY_STATE_DIR', 'X']))"
    file = tmp_path / "old.ipynb"
    file.write_text(json.dumps(a_notebook([ask])), encoding="utf-8")

    first = front_end.open([ask])
    second = front_end.open(file, env={"TELEMETRY_HOST": "http://127.0.0.1:1", "X": "$x"})
    for notebook in (first, second):
        notebook.run_cell(0)

    assert first.output_text(0) == f"{server.url} {state_dir} None"
    assert second.output_text(0) == f"http://127.0.0.1:1 {state_dir} $x"


@one_front_end
def test_a_saved_notebook_can_be_opened_again_with_a_new_kernel(
    front_end: FrontEnd, jupyter: JupyterServer
) -> None:
    notebook = front_end.open(["x = 1", "print('x' in globals())"])
    notebook.run_all()
    notebook.save()
    notebook.close()
    assert len(jupyter.request("GET", "api/kernels")) == 1
    front_end.shut_down_kernels()
    assert jupyter.request("GET", "api/kernels") == []

    again = front_end.open(notebook.path)

    assert again.output_text(1) == "True"  # as it was saved
    again.run_cell(1)
    assert again.output_text(1) == "False"


@pytest.mark.front_ends("lab", "notebook7")
def test_a_page_can_be_dark_and_narrow(front_end: FrontEnd) -> None:
    notebook = front_end.open([PANEL], dark=True, window=(600, 800))
    notebook.run_cell(0)

    sheet = notebook.page.locator(".jp-Notebook")
    expect(sheet).to_have_css("background-color", "rgb(17, 17, 17)")
    assert notebook.page.viewport_size == {"width": 600, "height": 800}
    notebook.screenshot("driver-dark")


@one_front_end
def test_a_page_that_asks_a_stranger_is_found(front_end: FrontEnd) -> None:
    notebook = front_end.open([])

    notebook.page.evaluate("fetch('http://192.0.2.1/').catch(() => 0)")
    notebook.page.evaluate("fetch('http://example.invalid/').catch(() => 0)")

    assert notebook.strangers == ["http://192.0.2.1/", "http://example.invalid/"]
    notebook.strangers.clear()


def test_an_event_loop_can_be_run_beside_the_browser(shared_browser: SharedBrowser) -> None:
    async def answer() -> int:
        return 42

    assert asyncio.run(answer()) == 42
    with shared_browser.in_use() as browser:
        assert browser.is_connected()
    assert asyncio.run(answer()) == 42
