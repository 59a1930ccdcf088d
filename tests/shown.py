"""What a student sees of telemetry in a kernel: the panel's words, and nothing under a cell."""

from __future__ import annotations

import ast
import html
import re

from kernel_fixtures import SETUP
from kernels import Kernel, Ran
from waiting import wait_until

SHOWN_TEXT = """
import ipywidgets, sys
_models = vars(sys.modules["ipywidgets.widgets.widget"]).get("_instances")
if _models is None:  # ipywidgets 7
    _models = ipywidgets.Widget.widgets
[
    model.value
    for model in list(_models.values())
    if isinstance(model, ipywidgets.HTML) and model.layout.display != "none"
]
"""


def set_up(kernel: Kernel, notebook_id: str = "D3_Datetimes", student: str | None = "Sara") -> Ran:
    """Run the setup cell; with None as the student the panel asks, and events wait."""
    return kernel.run(f"{SETUP}\nsetup_telemetry({notebook_id!r}, student={student!r})")


def panel_of(kernel: Kernel) -> str:
    """The words on the panel, from where the front end has them: the live widgets.

    Without the marks beside them.
    """
    blocks = ast.literal_eval(kernel.run(SHOWN_TEXT, store_history=False).results[0])
    markup = re.sub(
        r"<style>.*?</style>|<span[^>]*aria-hidden.*?</span>", "", " ".join(blocks), flags=re.DOTALL
    )
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def wait_for_panel(kernel: Kernel, words: str) -> None:
    """Wait until the panel says `words`."""
    wait_until(lambda: words in panel_of(kernel), timeout_s=30, every_s=0.05)


def felt(*cells: Ran) -> list[tuple[str, str, str]]:
    """What cells have shown that they would not show without telemetry."""
    shown = [(ran.stdout, ran.stderr, ran.error) for ran in cells]
    return [each for each in shown if any(each)]
