"""A cell, whatever kind of file it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cell:
    """What decides about a cell."""

    kind: str
    """`code`, `markdown`, `raw`, or `heading` in nbformat 3."""
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    """Its own, of nbformat 4.5; empty where it has none."""
    language: str = ""
    """Of this cell alone, where it says so."""

    @property
    def tags(self) -> list[str]:
        tags = self.metadata.get("tags")
        return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []

    @property
    def nbgrader(self) -> Mapping[str, Any]:
        return self.part("nbgrader")

    def part(self, name: str) -> Mapping[str, Any]:
        """An object in its metadata; empty where there is none."""
        found = self.metadata.get(name)
        return found if isinstance(found, dict) else {}
