"""The form of an xAPI statement, as part two of the Experience API 1.0.3 lays it down.

Of what ours use: an agent with an account, an activity, a result and a context.
"""

from __future__ import annotations

from typing import Any

import jsonschema

_IRI = {"type": "string", "pattern": r"^[a-z][a-z0-9+.\-]*:[^\s<>\"{}|\\^`]+$"}
_LANGUAGE_MAP = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": "^[a-z]{2,3}(-[A-Za-z0-9]+)*$"},
    "additionalProperties": {"type": "string"},
}
_EXTENSIONS = {"type": "object", "propertyNames": _IRI}
_UUID = {
    "type": "string",
    "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


_ACTIVITY = _object(
    ["id"],
    objectType={"const": "Activity"},
    id=_IRI,
    definition=_object([], name=_LANGUAGE_MAP, description=_LANGUAGE_MAP, type=_IRI),
)
_AGENT = _object(
    ["account"],
    objectType={"const": "Agent"},
    name={"type": "string", "minLength": 1},
    account=_object(
        ["homePage", "name"],
        homePage={**_IRI, "format": "uri"},
        name={"type": "string", "minLength": 1},
    ),
)
_RESULT = _object(
    [],
    success={"type": "boolean"},
    completion={"type": "boolean"},
    response={"type": "string"},
    duration={"type": "string", "pattern": r"^PT\d+(\.\d+)?S$"},
    extensions=_EXTENSIONS,
)
_CONTEXT = _object(
    [],
    registration=_UUID,
    platform={"type": "string"},
    contextActivities=_object([], parent={"type": "array", "items": _ACTIVITY}),
    extensions=_EXTENSIONS,
)
_TIMESTAMP = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
}

XAPI = jsonschema.Draft202012Validator(
    _object(
        ["actor", "verb", "object"],
        id=_UUID,
        actor=_AGENT,
        verb=_object(["id"], id=_IRI, display=_LANGUAGE_MAP),
        object=_ACTIVITY,
        result=_RESULT,
        context=_CONTEXT,
        timestamp=_TIMESTAMP,
    )
)
