"""What the README says is so."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from ipynb_telemetry import bootstrap, events, settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def rows(header: str) -> list[list[str]]:
    """The cells of each row of the table with that first line."""
    table = README.partition(header)[2].partition("\n\n")[0].splitlines()[2:]
    assert table
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_table_of_events_is_the_schema() -> None:
    table = [
        (names_in(event), when, names_in(own) if own else [])
        for event, when, own in (
            [*row, ""][:3] for row in rows("| event | when | properties of its own |")
        )
    ]

    schema = [
        ([kind.event], kind.when, [each.name for each in kind.properties]) for kind in events.KINDS
    ]
    assert [(event, when.strip("| "), own) for event, when, own in table[:-1]] == schema


def test_the_base_properties_are_named() -> None:
    sentence = README.partition("Every event carries ")[2].partition("\n")[0]

    for each in events.BASE_PROPERTIES:
        assert f"`{each.name}`" in sentence


def test_the_table_of_settings_has_every_argument_and_variable() -> None:
    table = rows("| argument of `setup_telemetry` | environment | default |")

    arguments = [name for row in table for name in names_in(row[0])[:1]]
    assert arguments == [*inspect.signature(bootstrap.setup_telemetry).parameters][1:]
    code = inspect.getsource(settings)
    variables = set(re.findall(r'"(TELEMETRY_[A-Z_]+|DO_NOT_TRACK)"', code))
    assert variables
    for variable in variables:
        assert variable in README


def test_the_limits_are_those_of_the_code() -> None:
    assert f"at most {events.MAX_CODE_CHARS} characters" in README
    assert f"at most {events.MAX_ERROR_CHARS}." in README


def test_the_default_host_is_named() -> None:
    assert f"`{settings.DEFAULT_HOST}`" in README


def test_every_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)

    assert pictures
    for picture in pictures:
        assert (Path(__file__).parents[1] / picture).is_file()


def test_the_before_and_after_is_what_instrument_makes() -> None:
    block = README.partition("```diff\n")[2].partition("```")[0]
    before, after = (
        (ROOT / "tests" / "notebooks" / name).read_text("utf-8")
        for name in ("jupyter_4_4.ipynb", "jupyter_4_4.ipynb.expected")
    )

    hunks = block.split("...\n")
    assert len(hunks) == 3
    for hunk in hunks:
        lines = hunk.splitlines(keepends=True)
        assert "".join(line[1:] for line in lines) in after
        assert "".join(line[1:] for line in lines if line[0] == " ") in before


def test_the_hooks_for_pre_commit_are_named() -> None:
    hooks = re.findall("- id: (.+)", (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    (named,) = re.findall("- id: (\\S+)", README)

    assert named in hooks
    assert set(hooks) <= set(re.findall(r"[\w-]+", README))
