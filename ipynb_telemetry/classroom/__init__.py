"""A class as data frames: `events()`, `progress()` and `stuck()`, for a teacher's notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipynb_telemetry.classroom.frames import events, progress, stuck

__all__ = ["events", "progress", "stuck"]


def __getattr__(name: str) -> Any:
    """The three, brought when they are asked for: pandas is slow to import."""
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from ipynb_telemetry.classroom import frames  # noqa: PLC0415  # pandas is slow

    return getattr(frames, name)
