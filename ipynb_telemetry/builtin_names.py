"""The four names that every cell has: they live in `builtins`, for imported modules as well."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any


def inject(names: Mapping[str, object]) -> None:
    """Make `names` exist for every cell and every imported module."""
    for name, value in names.items():
        setattr(builtins, name, value)


def are_injected() -> bool:
    """Whether there are any, be they of telemetry that is off."""
    return hasattr(builtins, "_cell")


def _tracked_test(name: Any) -> Any:
    return name if callable(name) else lambda test: test


def _nothing(*_args: object, **_kwargs: object) -> None:
    """Do nothing that leaves the process or touches the disk."""


NAMES_WHEN_OFF: dict[str, object] = {
    "STUDENT_NAME": "",
    "_cell": _nothing,
    "tracked_test": _tracked_test,
    "_telemetry_capture": _nothing,
}
