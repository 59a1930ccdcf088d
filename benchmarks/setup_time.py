"""`setup_telemetry()` from import to panel, beside the same widgets without telemetry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bench_kernel import SETUP, Kernel
from capture_server import CaptureServer
from figures import Row, undisturbed

BUDGET = 1.3
# ipywidgets makes these by itself, one or two for each widget.
_BY_THEMSELVES = ("LayoutModel", "StyleModel")


def measure(*, quick: bool) -> Iterator[Row]:
    turns = 3 if quick else 12
    ours_s: list[float] = []
    bare_s: list[float] = []
    import_s: list[float] = []
    with CaptureServer() as server:
        with Kernel(server.url) as kernel:
            kernel.run(SETUP)
            bare = _bare_panel(kernel.models)
            widgets = kernel.models.total() if hasattr(kernel.models, "total") else 0
        for turn in range(turns):
            todo = [(SETUP, ours_s), (bare, bare_s), ("import ipywidgets", import_s)]
            for code, took_s in todo[:: 1 - 2 * (turn % 2)]:
                with Kernel(server.url) as kernel:
                    took_s.append(kernel.seconds(code))
    ratio = undisturbed(ours_s) / undisturbed(bare_s)
    figures = {
        "setup_ms": undisturbed(ours_s) * 1000,
        "bare_ms": undisturbed(bare_s) * 1000,
        "import_ipywidgets_ms": undisturbed(import_s) * 1000,
        "ratio": ratio,
        "widget_models": float(widgets),
    }
    yield Row(
        what="`setup_telemetry()`, from its import to the panel, new kernel each time",
        budget=f"<= {BUDGET} x importing ipywidgets and a bare panel of the same widgets",
        measured=(
            f"{figures['setup_ms']:.0f} ms / {figures['bare_ms']:.0f} ms "
            f"(of which the import {figures['import_ipywidgets_ms']:.0f})"
        ),
        ratio=f"{ratio:.2f}",
        ok=ratio <= BUDGET,
        figures={name: round(value, 2) for name, value in figures.items()},
    )


def _bare_panel(models: Counter[str]) -> str:
    """A cell that shows as many widgets of each kind as `models` has."""
    kinds = {
        model.removesuffix("Model"): number
        for model, number in models.items()
        if not model.endswith(_BY_THEMSELVES)
    }
    kinds["VBox"] -= 1  # the panel itself
    return (
        "import ipywidgets as widgets\n"
        "from IPython.display import display\n"
        f"kinds = {kinds!r}\n"
        "parts = [getattr(widgets, kind)() for kind in kinds for _ in range(kinds[kind])]\n"
        "display(widgets.VBox(parts))"
    )
