"""What a student installs: little, and nothing that moves what Colab pins."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

COLAB = (Path(__file__).parent / "requirements-colab.txt").read_text("utf-8")
PINS = dict(re.findall(r"^([\w-]+)==(\S+)$", COLAB, re.MULTILINE))


def a_students() -> dict[str, Requirement]:
    """What is installed without an extra, by name."""
    wanted = map(Requirement, metadata.requires("ipynb-telemetry") or [])
    return {each.name: each for each in wanted if each.marker is None}


def test_a_student_installs_little() -> None:
    assert a_students().keys() == {
        "ipywidgets",
        "platformdirs",
        "posthog",
        "psutil",
        "requests",
        "traitlets",
    }


def test_what_colab_pins_is_good_enough() -> None:
    wanted = a_students()

    assert PINS.keys() >= {"ipykernel", "ipython", "ipywidgets", "requests", "traitlets"}
    for name, version in PINS.items():
        assert name not in wanted or wanted[name].specifier.contains(version)


def test_only_the_two_that_change_their_ways_have_bounds() -> None:
    bounds = {name: str(each.specifier) for name, each in a_students().items() if each.specifier}

    assert bounds == {"ipywidgets": "<9,>=7.7", "posthog": "<8,>=7.20"}
