"""Notebooks for tests about one thing each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PYTHON_3 = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def a_code_cell(source: str, *, cell_id: str = "", **metadata: Any) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": metadata,
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }
    return {**cell, "id": cell_id} if cell_id else cell


def a_markdown_cell(source: str, **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": metadata, "source": [source]}


def a_notebook(
    *cells: dict[str, Any], metadata: Mapping[str, Any] = PYTHON_3, minor: int = 4
) -> bytes:
    """As Jupyter writes it."""
    notebook = {"cells": cells, "metadata": dict(metadata), "nbformat": 4, "nbformat_minor": minor}
    return json.dumps(notebook, indent=1).encode() + b"\n"
