"""Each setting: the argument, else the environment, else the default.

A wrong argument is an author's mistake and raises. A wrong environment value never
raises in a student's cell: it is ignored with a note, except where the default is
another place. This is the one module that reads `os.environ` for settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import platformdirs

from ipynb_telemetry.names import normalize_student_name, why_refused
from ipynb_telemetry.remembered import read_roster

DEFAULT_HOST = "https://us.i.posthog.com"
DEFAULT_API_KEY = "phc_I7GaZ4p1Ox5PRM5egRrHFxz3ZCdh3zyKQ7B6jxJOWis"
_OFF = {"", "0", "false", "no", "off"}
_ON = {"1", "true", "yes", "on"}

Roster: TypeAlias = "Sequence[str] | str | os.PathLike[str]"


@dataclass(frozen=True)
class Settings:
    """How one notebook's telemetry is set up."""

    notebook_id: str
    host: str | None
    """None: the environment's host is broken, so nothing is sent and events wait."""
    api_key: str | None
    student: str
    """The normalized name, empty when the student is to be asked."""
    roster: tuple[str, ...]
    exercises: tuple[str, ...]
    cohort: str
    send_code: bool
    off_because: str
    """Why telemetry is off; empty when it is on."""
    state_folder: Path
    blocked_because: str = ""
    """Why nothing can be sent, when `host` or `api_key` is None."""
    notes: tuple[str, ...] = field(default=())
    """What in the environment was ignored, a line each for the student."""

    @property
    def destination(self) -> tuple[str, str] | None:
        """Host and key, where both can be used."""
        return (self.host, self.api_key) if self.host and self.api_key else None


def resolve(
    notebook_id: str,
    *,
    host: str | None = None,
    api_key: str | None = None,
    student: str | None = None,
    roster: Roster | None = None,
    exercises: Sequence[str] | None = None,
    cohort: str | None = None,
    send_code: bool | None = None,
    enabled: bool | None = None,
) -> Settings:
    """The settings of one `setup_telemetry` call.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument has a value that cannot work; the message says what does.
    """
    notes: list[str] = []
    blocked: list[str] = []
    _text_argument("notebook_id", notebook_id)
    if not notebook_id.strip():
        msg = 'notebook_id must not be empty. Example: setup_telemetry("D3_Datetimes")'
        raise ValueError(msg)
    off_because = _off_because(enabled)
    return Settings(
        notebook_id=notebook_id,
        host=_host(host, blocked),
        api_key=_api_key(api_key, blocked),
        student=_student(student, notes),
        roster=() if off_because else _roster(roster, notes),
        exercises=_exercises(exercises),
        cohort=_cohort(cohort),
        send_code=_send_code(send_code, notes),
        off_because=off_because,
        state_folder=state_folder(),
        blocked_because=" ".join(blocked),
        notes=tuple(notes),
    )


def state_folder() -> Path:
    """Where this account's outbox and remembered name are."""
    named = os.environ.get("TELEMETRY_STATE_DIR")
    if not named:
        return platformdirs.user_state_path("ipynb-telemetry", appauthor=False)
    return Path(named).absolute()  # a student's os.chdir must not move it


def why_bad_host(host: str) -> str | None:
    """What is wrong with `host` as the address of a PostHog, or None."""
    example = 'Example: setup_telemetry("D3_Datetimes", host="http://127.0.0.1:8642")'
    try:
        parts = urlsplit(host)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port  # raises where it is no number
    except ValueError:
        usable = False
    if usable and not any(character.isspace() for character in host):
        return None
    return f"host must start with http:// or https://, not {host!r}. {example}"


def _host(argument: str | None, blocked: list[str]) -> str | None:
    if argument is not None:
        _text_argument("host", argument)
        if (wrong := why_bad_host(argument.strip())) is not None:
            raise ValueError(wrong)
        return argument.strip().rstrip("/")
    value = os.environ.get("TELEMETRY_HOST")
    if value is None:
        return DEFAULT_HOST
    value = value.strip()
    if why_bad_host(value) is not None:
        blocked.append(
            f"TELEMETRY_HOST is {value!r}, which is no http:// or https:// address. "
            "Correct it or remove it, then run this cell again."
        )
        return None
    return value.rstrip("/")


def _api_key(argument: str | None, blocked: list[str]) -> str | None:
    if argument is not None:
        _text_argument("api_key", argument)
        if not argument.strip():
            msg = (
                "api_key must not be empty. Leave it out to use the project's own, or pass "
                'your PostHog project key: setup_telemetry("D3_Datetimes", api_key="phc_...")'
            )
            raise ValueError(msg)
        return argument.strip()
    value = os.environ.get("TELEMETRY_API_KEY")
    if value is None:
        return DEFAULT_API_KEY
    if not value.strip():
        blocked.append(
            "TELEMETRY_API_KEY is empty. Set it to your project's key or remove it, "
            "then run this cell again."
        )
        return None
    return value.strip()


def _student(argument: str | None, notes: list[str]) -> str:
    if argument is not None:
        _text_argument("student", argument)
    value = os.environ.get("TELEMETRY_STUDENT_NAME", "") if argument is None else argument
    name = normalize_student_name(value)
    refused = why_refused(name)
    if refused is None:
        return name
    if argument is not None:
        msg = (
            f"student {argument!r} cannot be used as a name. {refused} "
            "Leave it out to let the panel ask."
        )
        raise ValueError(msg)
    if value:
        notes.append(f"TELEMETRY_STUDENT_NAME was ignored. {refused}")
    return ""


def _roster(argument: Roster | None, notes: list[str]) -> tuple[str, ...]:
    if argument is not None:
        return read_roster(argument)
    value = os.environ.get("TELEMETRY_ROSTER")
    if not value:
        return ()
    try:
        return read_roster(value)
    except (ValueError, TypeError, OSError) as wrong:
        notes.append(f"TELEMETRY_ROSTER was ignored. {wrong}")
        return ()


def _exercises(argument: Sequence[str] | None) -> tuple[str, ...]:
    if argument is None:
        return ()
    if isinstance(argument, Iterable) and not isinstance(argument, str):
        names = tuple(argument)
        if all(isinstance(name, str) for name in names):
            return names
    msg = f'exercises must be a list of names such as ["exercise_1"], not {argument!r}'
    raise TypeError(msg)


def _cohort(argument: str | None) -> str:
    if argument is not None:
        _text_argument("cohort", argument)
        return argument
    return os.environ.get("TELEMETRY_COHORT", "")


def _off_because(argument: bool | None) -> str:
    is_off = argument is not None and not _flag("enabled", argument)
    for variable in ("TELEMETRY_DISABLED", "DO_NOT_TRACK"):
        if _is_on(os.environ.get(variable, "")):
            return f"{variable} is set"
    return "the notebook's author switched it off" if is_off else ""


def _send_code(argument: bool | None, notes: list[str]) -> bool:
    if argument is not None:
        return _flag("send_code", argument)
    value = os.environ.get("TELEMETRY_SEND_CODE", "1")
    if _is_on(value) and value.strip().lower() not in _ON:
        notes.append(f"TELEMETRY_SEND_CODE was ignored: it is {value!r}. Set it to 1 or 0.")
    return _is_on(value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_kind(name, value, "True or False")
    return value


def _is_on(value: str) -> bool:
    return value.strip().lower() not in _OFF


def _text_argument(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _wrong_kind(name, value, "a string")


def _wrong_kind(name: str, value: object, works: str) -> TypeError:
    msg = f"{name} must be {works}, not {type(value).__name__}: {value!r}"
    return TypeError(msg)
