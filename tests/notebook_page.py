"""A notebook in a real front end, driven as a student drives it: with keys and clicks."""

from __future__ import annotations

import json
import secrets
from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from live_jupyter import IS_NOTEBOOK_6, JupyterServer
from playwright.sync_api import BrowserContext, Locator, Page

ARTEFACTS = Path(__file__).parent.parent / "test-artefacts"
WINDOW = (1280, 900)

Cell = str | tuple[str, str]
"""Source of a code cell, or a cell's type and its source."""


class NotebookPage(ABC):
    """One notebook, open in a tab of a front end.

    Cells are counted from 0. Everything that a front end has in its own way is here or in a
    class below; what it shows is asked through Playwright, whose `expect` waits by itself.

    Attributes:
        page: Playwright's, for what has no method here.
        path: The notebook's file.
        errors: What failed in the page's scripts; a front end's own fail now and then.
        strangers: Addresses that the page asked for and that are not this computer's.
    """

    # CSS selectors; cells are always asked within the notebook.
    cell: str
    editor: str
    outputs: str
    prompt: str
    # Scripts, each one expression.
    ready: str
    dirty: str
    all_put_out: str  # takes a cell whose prompt has its number again
    run_all_script: str
    restart_script: str
    save_script: str
    sources_script: str

    def __init__(self, page: Page, path: Path, front_end: str) -> None:
        self.page = page
        self.path = path
        self.front_end = front_end
        self.errors: list[str] = []
        self.strangers: list[str] = []
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._note_stranger(request.url))

    def _note_stranger(self, url: str) -> None:
        if urlsplit(url).hostname not in {None, "127.0.0.1", "localhost"}:
            self.strangers.append(url)

    # What is there

    @property
    def cells(self) -> Locator:
        """Every cell."""
        return self.page.locator(self.cell)

    @property
    def panel(self) -> Locator:
        """The telemetry panel, wherever in the notebook it is shown."""
        return self.cells.locator(".ipt-panel")

    def outputs_of(self, number: int) -> Locator:
        """All that a cell has put out."""
        return self.cells.nth(number).locator(self.outputs)

    def output_text(self, number: int) -> str:
        """The text of a cell's outputs as the page shows it, one output after the other."""
        return "\n".join(self.outputs_of(number).all_inner_texts()).strip()

    def prompt_of(self, number: int) -> str:
        """What stands beside a cell's source: `[ ]`, `[*]` or `[3]`, less the brackets."""
        text = self.cells.nth(number).locator(self.prompt).first.inner_text()
        return text.partition("[")[2].partition("]")[0].strip()

    def sources(self) -> list[str]:
        """The source of every cell, as the front end would save it."""
        found: list[str] = self.page.evaluate(self.sources_script)
        return found

    # What a student does

    def run_cell(self, number: int, *, timeout_s: float = 30) -> None:
        """Run a cell with Shift+Enter and wait until its run has ended."""
        self.run_cell_no_wait(number)
        self.wait_for_cell(number, timeout_s=timeout_s)

    def run_cell_no_wait(self, number: int) -> None:
        """Run a cell with Shift+Enter; it may be running still, or waiting for another."""
        self._watch(number)
        self.click_into(number)
        self.page.keyboard.press("Shift+Enter")

    def wait_for_cell(self, number: int, *, timeout_s: float = 30) -> None:
        """Wait until the run begun by `run_cell_no_wait` has ended."""
        self.page.wait_for_function(
            f"cell => cell.runOfTest.ended && ({self.all_put_out})(cell)",
            arg=self.cells.nth(number).element_handle(),
            timeout=timeout_s * 1000,
        )

    def run_all(self, *, timeout_s: float = 60) -> None:
        """Run every cell, as the menu does, and wait for the end of the last."""
        self.run_all_no_wait()
        self.page.wait_for_function("window.runAllOfTest.ended", timeout=timeout_s * 1000)

    def run_all_no_wait(self) -> None:
        """Run every cell, as the menu does."""
        self.page.evaluate(
            f"""() => {{
                const run = window.runAllOfTest = {{ended: false}};
                ({self.run_all_script})().then(() => {{ run.ended = true; }});
            }}"""
        )

    def click_into(self, number: int) -> None:
        """Put the cursor into a cell's source."""
        self.cells.nth(number).locator(self.editor).first.click()

    def replace_cell_source(self, number: int, source: str) -> None:
        """Select all of a cell's source and type another in its place."""
        self.click_into(number)
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.insert_text(source)
        assert self.sources()[number] == source

    def restart_kernel(self) -> None:
        """Restart the kernel as the front end's own menu does."""
        self.page.evaluate(self.restart_script)
        self.wait_until_ready()

    def save(self) -> None:
        """Save the notebook to its file."""
        self.page.evaluate(self.save_script)
        self.page.wait_for_function(f"!({self.dirty})")

    def reload(self) -> None:
        """Reload the page; the kernel lives on."""
        self.page.reload()
        self.wait_until_ready()

    def close(self) -> None:
        """Close the tab; the kernel lives on until `FrontEnd.shut_down_kernels`."""
        self.page.close()

    # For the test

    def wait_until_ready(self, *, timeout_s: float = 60) -> None:
        """Wait until the notebook is drawn and its kernel idle."""
        self.page.wait_for_function(self.ready, timeout=timeout_s * 1000)

    def screenshot(self, name: str) -> Path:
        """Keep what the window shows as `test-artefacts/<front end>/<name>.png`."""
        path = ARTEFACTS / self.front_end / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled")
        return path

    def _watch(self, number: int) -> None:
        # Numbers cannot tell that a run has ended: after a restart [1] follows [1]. The star
        # in between can, but may be gone before anyone looks: so the page itself takes note.
        self.cells.nth(number).evaluate(
            """(cell, prompt) => {
                const run = cell.runOfTest = {started: false, ended: false};
                const observer = new MutationObserver(() => {
                    const star = cell.querySelector(prompt).textContent.includes("*");
                    run.started ||= star;
                    run.ended = run.started && !star;
                    if (run.ended) observer.disconnect();
                });
                observer.observe(cell, {childList: true, characterData: true, subtree: true});
            }""",
            self.prompt,
        )


class JupyterLabPage(NotebookPage):
    """A notebook in JupyterLab 4."""

    cell = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell"
    editor = ".jp-InputArea-editor .cm-content"
    outputs = ".jp-OutputArea-output"
    prompt = ".jp-InputPrompt"
    # The toolbar says idle before there is a kernel; the session context knows better.
    ready = """(() => {
        const panel = window.jupyterapp?.shell?.currentWidget;
        const session = panel?.sessionContext;
        return Boolean(
            panel?.content?.widgets?.length && panel.context?.isReady && session?.isReady
            && session.session?.kernel?.connectionStatus === "connected"
            && session.session.kernel.status === "idle"
        );
    })()"""
    dirty = "window.jupyterapp.shell.currentWidget.context.model.dirty"
    all_put_out = "cell => true"  # the number comes last here
    run_all_script = "() => window.jupyterapp.commands.execute('notebook:run-all-cells')"
    # Through the server's own interface, typing stuck at the first letter afterwards.
    restart_script = "window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
    save_script = "window.jupyterapp.commands.execute('docmanager:save')"
    sources_script = """window.jupyterapp.shell.currentWidget.content.widgets.map(
        cell => cell.model.sharedModel.getSource()
    )"""


class Notebook7Page(JupyterLabPage):
    """A notebook in Notebook 7, which is built of JupyterLab's parts."""

    cell = ".jp-Notebook .jp-Cell"


class Notebook6Page(NotebookPage):
    """A notebook in the classic Notebook 6, as Colab's versions have it."""

    cell = "#notebook-container .cell"
    editor = ".input_area"
    outputs = ".output_area .output_subarea"
    prompt = ".input_prompt"
    ready = """(() => {
        const notebook = window.Jupyter?.notebook;
        const kernel = notebook?.kernel;
        return Boolean(
            notebook?._fully_loaded && kernel?.is_connected() && kernel.info_reply?.status === "ok"
            && !notebook.kernel_busy
        );
    })()"""
    dirty = "window.Jupyter.notebook.dirty"
    # The number comes with the answer to the request, the outputs on a channel of their own.
    all_put_out = """element => {
        const request = window.jQuery(element).data("cell").last_msg_id;
        return window.Jupyter.notebook.kernel._msg_callbacks[request]?.iopub_done ?? true;
    }"""
    run_all_script = f"""() => new Promise(resolve => {{
        window.Jupyter.notebook.execute_all_cells();
        const ended = cell => !cell.querySelector(".input_prompt").textContent.includes("*")
            && ({all_put_out})(cell);
        const cells = [...document.querySelectorAll("#notebook-container .code_cell")];
        const look = () => cells.every(ended) ? resolve() : setTimeout(look, 20);
        look();
    }})"""
    restart_script = """new Promise(resolve => {
        window.Jupyter.notebook.events.one("kernel_ready.Kernel", () => resolve());
        window.Jupyter.notebook.restart_kernel({confirm: false});
    })"""
    save_script = "window.Jupyter.notebook.save_notebook()"
    sources_script = "window.Jupyter.notebook.get_cells().map(cell => cell.get_text())"


PAGES: dict[str, tuple[type[NotebookPage], str]] = (
    {"notebook6": (Notebook6Page, "notebooks/{path}")}
    if IS_NOTEBOOK_6
    else {
        # A workspace of its own for each tab: JupyterLab opens again what was open in it.
        "lab": (JupyterLabPage, "lab/workspaces/{unique}/tree/{path}"),
        "notebook7": (Notebook7Page, "notebooks/{path}"),
    }
)
"""The installed front ends: by name, their page and where it is."""


class FrontEnd:
    """One front end in one test: opens notebooks, each with a kernel of this test's own.

    Attributes:
        name: `lab`, `notebook7` or `notebook6`.
        pages: Every page that was opened.
    """

    def __init__(
        self,
        name: str,
        jupyter: JupyterServer,
        context: BrowserContext,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.pages: list[NotebookPage] = []
        self._jupyter = jupyter
        self._context = context
        self._environment = dict(environment)
        self._folder = jupyter.notebooks / secrets.token_hex(4)
        self._folder.mkdir()
        self._kernels: list[str] = []

    def open(
        self,
        notebook: Path | Sequence[Cell],
        *,
        env: Mapping[str, str] | None = None,
        dark: bool = False,
        window: tuple[int, int] = WINDOW,
    ) -> NotebookPage:
        """Open a notebook in a tab of its own, and wait until its kernel is idle.

        Args:
            notebook: Its cells; or a file, which is copied first unless it is one that this
                front end has opened before.
            env: More for the kernel's environment, or other values than the test's own
                server and state folder.
            dark: In the dark theme, which Notebook 6 has not.
            window: Its width and height.
        """
        if not isinstance(notebook, Path) or self._folder not in notebook.parents:
            kernel = self._add_kernel(env or {})
            document = (
                json.loads(notebook.read_text(encoding="utf-8"))
                if isinstance(notebook, Path)
                else a_notebook(notebook)
            )
            document["metadata"]["kernelspec"] = {
                "name": kernel,
                "display_name": "Python 3",
                "language": "python",
            }
            name = notebook.name if isinstance(notebook, Path) else "lesson.ipynb"
            notebook = self._folder / f"{len(self.pages)}-{name}"
            notebook.write_text(json.dumps(document), encoding="utf-8")
        if not IS_NOTEBOOK_6:
            self._jupyter.use_dark_theme(dark)
        page_class, place = PAGES[self.name]
        inside = notebook.relative_to(self._jupyter.notebooks).as_posix()
        place = place.format(path=inside, unique=f"test-{secrets.token_hex(4)}")
        page = page_class(self._context.new_page(), notebook, self.name)
        self.pages.append(page)
        page.page.set_viewport_size({"width": window[0], "height": window[1]})
        page.page.goto(f"{self._jupyter.url}{place}?token={self._jupyter.token}")
        page.wait_until_ready()
        return page

    def shut_down_kernels(self) -> None:
        """End the kernels of this test; close their pages first, or they ask for new ones."""
        self._jupyter.shut_down_kernels()

    def close(self) -> None:
        """Close all pages, end their kernels and forget the notebooks."""
        for page in self.pages:
            page.close()
        self.shut_down_kernels()
        while self._kernels:
            self._jupyter.remove_kernel(self._kernels.pop())

    def _add_kernel(self, env: Mapping[str, str]) -> str:
        name = f"test-{secrets.token_hex(4)}"
        self._jupyter.add_kernel(name, {**self._environment, **env})
        self._kernels.append(name)
        return name


def a_notebook(cells: Sequence[Cell]) -> dict[str, Any]:
    """A notebook of version 4.5 that has not been run."""
    pairs = [("code", cell) if isinstance(cell, str) else cell for cell in cells]
    return {
        "cells": [_a_cell(kind, source, number) for number, (kind, source) in enumerate(pairs)],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _a_cell(kind: str, source: str, number: int) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": source}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
