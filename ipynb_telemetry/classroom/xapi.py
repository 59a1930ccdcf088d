"""Events and results as statements of xAPI, for a learning record store.

Source:
    The Experience API 1.0.3, part two (statements); the verbs are ADL's own.
"""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import quote

from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.results import Result

HOME = "https://github.com/FarisHijazi/ipynb-telemetry"
"""Whose names and ids these are; every id of ours begins with it."""
_ADL = "http://adlnet.gov/expapi"
_OURS = uuid.uuid5(uuid.NAMESPACE_URL, HOME)
_NOBODY = "ANONYMOUS"


def event_statement(event: StoredEvent) -> dict[str, Any] | None:
    """What an event says about learning; None for one that says nothing about it.

    Its id is the event's uuid, so sent again it is the same statement.
    """
    own = json.loads(event.properties)
    about = _about(event.event, own, event.nb)
    if about is None:
        return None
    verb, activity, result = about
    statement = {
        "id": event.uuid,
        "actor": _actor(event.student or event.distinct_id),
        "verb": _verb(verb),
        "object": activity,
        "timestamp": event.timestamp,
        "context": _context(event.nb, event.sess, event.cohort),
    }
    return {**statement, "result": result} if result else statement


def result_statement(result: Result) -> dict[str, Any] | None:
    """How a student stands with an exercise; None where it was not tried.

    Its id is made of all that it says: sent again it is the same statement, and another one
    once the student has gone on.
    """
    if not result.attempts:
        return None
    return {
        "id": str(uuid.uuid5(_OURS, json.dumps(result))),
        "actor": _actor(result.student),
        "verb": _verb("passed" if result.passed else "failed"),
        "object": _exercise(result.notebook, result.exercise),
        "timestamp": result.last_seen,
        "context": _context(result.notebook, result.session, result.cohort),
        "result": {
            "success": result.passed,
            "extensions": {
                f"{HOME}/attempts": result.attempts,
                f"{HOME}/first_try": result.first_try,
                **(
                    {}
                    if result.minutes_to_pass is None
                    else {f"{HOME}/minutes_to_pass": result.minutes_to_pass}
                ),
            },
        },
    }


def _about(
    event: str, own: dict[str, Any], notebook: str
) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """The verb, the object and the result."""
    if event == "start":
        return "initialized", _notebook(notebook), {}
    if event == "cell" and own.get("cell_id"):
        return "experienced", _cell(notebook, str(own["cell_id"])), {}
    if event == "hand" and own.get("up") is True:
        return "asked", _notebook(notebook), {}
    if event == "test" and isinstance(own.get("ok"), bool) and own.get("ex"):
        passed = own["ok"]
        result = {
            "success": passed,
            **_duration(own.get("ms")),
            "extensions": {f"{HOME}/attempt": own.get("try")},
            **({"response": str(own["err"])} if own.get("err") else {}),
        }
        return "passed" if passed else "failed", _exercise(notebook, str(own["ex"])), result
    return None


def _actor(student: str) -> dict[str, Any]:
    name = student or _NOBODY
    return {
        "objectType": "Agent",
        "name": name,
        "account": {"homePage": HOME, "name": name},
    }


def _verb(name: str) -> dict[str, Any]:
    return {"id": f"{_ADL}/verbs/{name}", "display": {"en": name}}


def _notebook(notebook: str) -> dict[str, Any]:
    return _activity("lesson", notebook, "notebooks", notebook)


def _exercise(notebook: str, exercise: str) -> dict[str, Any]:
    return _activity("question", exercise, "notebooks", notebook, "exercises", exercise)


def _cell(notebook: str, cell_id: str) -> dict[str, Any]:
    return _activity("interaction", cell_id, "notebooks", notebook, "cells", cell_id)


def _activity(kind: str, name: str, *path: str) -> dict[str, Any]:
    return {
        "objectType": "Activity",
        "id": "/".join((HOME, *(quote(part, safe="") for part in path))),
        "definition": {"type": f"{_ADL}/activities/{kind}", "name": {"und": name}},
    }


def _context(notebook: str, sess: str, cohort: str) -> dict[str, Any]:
    activities = {"parent": [_notebook(notebook)]}
    return {
        "platform": "ipynb-telemetry",
        "contextActivities": activities,
        **({"registration": str(uuid.uuid5(_OURS, sess))} if sess else {}),
        **({"extensions": {f"{HOME}/cohort": cohort}} if cohort else {}),
    }


def _duration(ms: object) -> dict[str, str]:
    """ISO 8601, seconds with two places, as xAPI compares them."""
    if not isinstance(ms, (int, float)) or isinstance(ms, bool) or ms < 0:
        return {}
    return {"duration": f"PT{ms / 1000:.2f}S"}
