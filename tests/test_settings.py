"""Each setting: the argument, else the environment, else the default; and who may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs
import pytest

from ipynb_telemetry.settings import Settings, resolve

DEFAULT_HOST = "https://us.i.posthog.com"
DEFAULT_API_KEY = "phc_I7GaZ4p1Ox5PRM5egRrHFxz3ZCdh3zyKQ7B6jxJOWis"

SetEnv = Callable[[str, str], None]


@pytest.fixture
def setenv(monkeypatch: pytest.MonkeyPatch) -> SetEnv:
    return monkeypatch.setenv


def settings(**arguments: Any) -> Settings:
    return resolve("D3_Datetimes", **arguments)


def test_without_arguments_and_environment_the_defaults_hold(state_dir: Path) -> None:
    assert settings() == Settings(
        notebook_id="D3_Datetimes",
        host=DEFAULT_HOST,
        api_key=DEFAULT_API_KEY,
        student="",
        roster=(),
        exercises=(),
        cohort="",
        send_code=True,
        off_because="",
        state_folder=state_dir,
        blocked_because="",
        notes=(),
    )


class FromBoth(NamedTuple):
    """A setting that can come from an argument and from the environment."""

    name: str
    argument: object
    gives: object
    variable: str
    value: str
    value_gives: object


FROM_BOTH = [
    FromBoth("host", "http://h:1", "http://h:1", "TELEMETRY_HOST", "http://i", "http://i"),
    FromBoth("api_key", "phc_a", "phc_a", "TELEMETRY_API_KEY", "phc_e", "phc_e"),
    FromBoth("student", "Sara", "SARA", "TELEMETRY_STUDENT_NAME", "Al Ali", "AL-ALI"),
    FromBoth("cohort", "7b", "7b", "TELEMETRY_COHORT", "8a", "8a"),
    FromBoth("send_code", True, True, "TELEMETRY_SEND_CODE", "0", False),
]
each_from_both = pytest.mark.parametrize("setting", FROM_BOTH, ids=lambda setting: setting.name)


@each_from_both
def test_the_environment_comes_before_the_default(setting: FromBoth, setenv: SetEnv) -> None:
    setenv(setting.variable, setting.value)

    assert getattr(settings(), setting.name) == setting.value_gives


@each_from_both
def test_the_argument_comes_before_the_environment(setting: FromBoth, setenv: SetEnv) -> None:
    setenv(setting.variable, setting.value)

    resolved = settings(**{setting.name: setting.argument})

    assert getattr(resolved, setting.name) == setting.gives


def test_a_roster_may_come_from_the_environment(tmp_path: Path, setenv: SetEnv) -> None:
    (tmp_path / "class.txt").write_text("Sara Al-Harbi\nJohn Doe\n")
    setenv("TELEMETRY_ROSTER", str(tmp_path / "class.txt"))

    assert settings().roster == ("Sara Al-Harbi", "John Doe")


def test_a_roster_that_is_an_argument_comes_before_the_environments(
    tmp_path: Path, setenv: SetEnv
) -> None:
    setenv("TELEMETRY_ROSTER", str(tmp_path / "missing.txt"))

    resolved = settings(roster=["John Doe"])

    assert (resolved.roster, resolved.notes) == (("John Doe",), ())


@pytest.mark.parametrize(
    "exercises",
    [["a", "b"], ("a", "b"), (name for name in "ab"), {"a": 1, "b": 2}],
    ids=["list", "tuple", "generator", "dict"],
)
def test_exercises_may_be_anything_that_gives_names(exercises: Any) -> None:
    assert settings(exercises=exercises).exercises == ("a", "b")


@pytest.mark.parametrize("host", ["http://h.example/", " http://h.example\n"])
def test_a_host_is_the_same_with_what_is_easily_copied_along(host: str, setenv: SetEnv) -> None:
    setenv("TELEMETRY_HOST", host)

    assert settings().host == settings(host=host).host == "http://h.example"


def test_a_key_is_the_same_with_a_line_end_copied_along(setenv: SetEnv) -> None:
    setenv("TELEMETRY_API_KEY", "phc_mine\n")

    assert settings().api_key == settings(api_key=" phc_mine ").api_key == "phc_mine"


@pytest.mark.parametrize("value", ["0", "false", "No", " off ", ""])
def test_a_switch_in_the_environment_is_off_in_many_words(value: str, setenv: SetEnv) -> None:
    setenv("TELEMETRY_SEND_CODE", value)

    assert (settings().send_code, settings().notes) == (False, ())


@pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
def test_a_switch_in_the_environment_is_on_in_many_words(value: str, setenv: SetEnv) -> None:
    setenv("TELEMETRY_SEND_CODE", value)

    assert (settings().send_code, settings().notes) == (True, ())


# An author's mistakes

MISTAKES: list[tuple[dict[str, object], type[Exception], str]] = [
    ({"host": ""}, ValueError, "host must start with http:// or https://, not ''. Example: "),
    ({"host": "us.i.posthog.com"}, ValueError, "host must start with http:// or https://, not "),
    ({"host": "ftp://h.example"}, ValueError, "host must start with http:// or https://, not "),
    ({"host": "http://"}, ValueError, "host must start with http:// or https://, not "),
    ({"host": "http://h.example:80x"}, ValueError, "host must start with http:// or https://"),
    ({"host": "http://[::1"}, ValueError, "host must start with http:// or https://, not "),
    ({"host": "http://h .example"}, ValueError, "host must start with http:// or https://, not "),
    ({"host": 8642}, TypeError, "host must be a string, not int: 8642"),
    ({"api_key": " "}, ValueError, "api_key must not be empty. Leave it out to use the project's"),
    ({"api_key": b"phc"}, TypeError, "api_key must be a string, not bytes: b'phc'"),
    (
        {"student": "7"},
        ValueError,
        "student '7' cannot be used as a name. This needs at least two letters. Type the name",
    ),
    ({"student": ""}, ValueError, "student '' cannot be used as a name. This needs at least two"),
    ({"student": "guest"}, ValueError, "student 'guest' cannot be used as a name. This word has"),
    ({"student": 7}, TypeError, "student must be a string, not int: 7"),
    ({"roster": []}, ValueError, "the roster has no names in it. Give a list of names, such as"),
    ({"roster": "missing.csv"}, ValueError, "the roster 'missing.csv' cannot be read"),
    ({"roster": 7}, TypeError, "the roster must be names or a path, not int. Give a list of names"),
    ({"exercises": "ex_1"}, TypeError, 'exercises must be a list of names such as ["exercise_1"]'),
    ({"exercises": [1]}, TypeError, 'exercises must be a list of names such as ["exercise_1"]'),
    ({"exercises": 3}, TypeError, 'exercises must be a list of names such as ["exercise_1"]'),
    ({"cohort": 7}, TypeError, "cohort must be a string, not int: 7"),
    ({"send_code": "no"}, TypeError, "send_code must be True or False, not str: 'no'"),
    ({"enabled": 0}, TypeError, "enabled must be True or False, not int: 0"),
    ({"notebook_id": " "}, ValueError, "notebook_id must not be empty. Example: setup_telemetry("),
    ({"notebook_id": None}, TypeError, "notebook_id must be a string, not NoneType: None"),
]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    MISTAKES,
    ids=["{}={!r}".format(*next(iter(arguments.items()))) for arguments, _, _ in MISTAKES],
)
def test_an_authors_mistake_is_answered_with_what_to_do(
    arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as raised:
        resolve(**{"notebook_id": "D3_Datetimes"} | arguments)

    assert type(raised.value) is kind
    assert str(raised.value).startswith(message)


# The world's mistakes


def test_a_name_in_the_environment_that_cannot_be_one_is_ignored_with_a_note(
    setenv: SetEnv,
) -> None:
    setenv("TELEMETRY_STUDENT_NAME", "7")

    assert settings().student == ""
    (note,) = settings().notes
    assert note == (
        "TELEMETRY_STUDENT_NAME was ignored. This needs at least two letters. "
        "Type the name your teacher knows."
    )


def test_a_switch_in_the_environment_that_is_none_is_ignored_with_a_note(setenv: SetEnv) -> None:
    setenv("TELEMETRY_SEND_CODE", "maybe")

    assert settings().send_code is True
    assert settings().notes == (
        "TELEMETRY_SEND_CODE was ignored: it is 'maybe'. Set it to 1 or 0.",
    )


def test_a_refused_name_can_be_left_out_instead() -> None:
    with pytest.raises(ValueError, match=r"Leave it out to let the panel ask\.$"):
        settings(student="7")


def test_a_roster_of_the_environment_that_cannot_be_read_is_ignored_with_a_note(
    tmp_path: Path, setenv: SetEnv
) -> None:
    setenv("TELEMETRY_ROSTER", str(tmp_path / "missing.csv"))

    assert settings().roster == ()
    (note,) = settings().notes
    assert note.startswith("TELEMETRY_ROSTER was ignored. the roster ")
    assert "cannot be read" in note


@pytest.mark.parametrize("variable", ["TELEMETRY_STUDENT_NAME", "TELEMETRY_ROSTER"])
def test_an_empty_value_in_the_environment_is_none(variable: str, setenv: SetEnv) -> None:
    setenv(variable, "")

    assert settings().notes == ()


@pytest.mark.parametrize("value", ["", "us.i.posthog.com", "htps://us.i.posthog.com"])
def test_a_broken_host_in_the_environment_never_means_another_place(
    value: str, setenv: SetEnv
) -> None:
    setenv("TELEMETRY_HOST", value)

    resolved = settings()

    assert resolved.host is None
    assert resolved.blocked_because == (
        f"TELEMETRY_HOST is {value!r}, which is no http:// or https:// address. "
        "Correct it or remove it, then run this cell again."
    )


def test_an_empty_key_in_the_environment_never_means_another_project(setenv: SetEnv) -> None:
    setenv("TELEMETRY_API_KEY", " ")

    resolved = settings()

    assert resolved.api_key is None
    assert resolved.blocked_because == (
        "TELEMETRY_API_KEY is empty. Set it to your project's key or remove it, "
        "then run this cell again."
    )


def test_both_reasons_are_given_where_host_and_key_are_broken(setenv: SetEnv) -> None:
    setenv("TELEMETRY_HOST", "x")
    setenv("TELEMETRY_API_KEY", "")

    because = settings().blocked_because

    assert "TELEMETRY_HOST is 'x'" in because
    assert "TELEMETRY_API_KEY is empty" in because


def test_arguments_make_a_broken_environment_good(setenv: SetEnv) -> None:
    setenv("TELEMETRY_HOST", "x")
    setenv("TELEMETRY_API_KEY", "")

    resolved = settings(host="http://127.0.0.1:1", api_key="phc_mine")

    assert (resolved.host, resolved.api_key) == ("http://127.0.0.1:1", "phc_mine")
    assert resolved.blocked_because == ""


# Off


@pytest.mark.parametrize("variable", ["TELEMETRY_DISABLED", "DO_NOT_TRACK"])
@pytest.mark.parametrize("argument", [None, True, False])
@pytest.mark.parametrize("value", ["1", "true", "please"])
def test_the_student_has_the_last_word(
    variable: str, argument: bool | None, value: str, setenv: SetEnv
) -> None:
    setenv(variable, value)

    assert settings(enabled=argument).off_because == f"{variable} is set"


@pytest.mark.parametrize("variable", ["TELEMETRY_DISABLED", "DO_NOT_TRACK"])
@pytest.mark.parametrize("value", ["0", "", "False"])
def test_a_switch_that_is_not_set_turns_nothing_off(
    variable: str, value: str, setenv: SetEnv
) -> None:
    setenv(variable, value)

    assert settings().off_because == ""


def test_an_author_can_turn_it_off() -> None:
    assert settings(enabled=False).off_because == "the notebook's author switched it off"


# The state folder


def test_without_a_state_folder_in_the_environment_it_is_the_platforms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TELEMETRY_STATE_DIR")

    assert settings().state_folder == platformdirs.user_state_path("ipynb-telemetry", False)


def test_a_state_folder_stays_where_it_is_when_a_student_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELEMETRY_STATE_DIR", "state")

    assert settings().state_folder == tmp_path / "state"
