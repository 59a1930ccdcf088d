"""Whether a host answers as PostHog does and takes a key; no event is sent to find out."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from http import HTTPStatus
from typing import NamedTuple, TypeAlias, cast

import posthog.request
import requests
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from ipynb_telemetry.answers import Outcome
from ipynb_telemetry.events import version
from ipynb_telemetry.transport import Transport

_NAME = "ipynb-telemetry"
_TIMEOUT_S = 5.0
_REFUSALS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

_WORDS = {
    Outcome.KEY_REFUSED: "it does not take the key",
    Outcome.NOT_POSTHOG: "this is no PostHog",
    Outcome.INTERCEPTED: "something else answers in its place (a Wi-Fi login page?)",
    Outcome.BUSY: "it has trouble of its own",
    Outcome.UNREACHABLE: "it does not answer",
}


class Verdict(NamedTuple):
    works: bool
    words: str
    """One line, for people."""


def probe(host: str, api_key: str) -> Verdict:
    """Ask `host` in three ways that leave nothing behind there.

    A batch without events is refused by a PostHog in words of its own. Whether the key
    belongs to somebody a collector of ours says at PostHog's newer endpoint, and PostHog at
    its feature flags: its capture answers 200 to any key of the right shape.
    """
    transport = Transport()
    try:
        outcome, reason, _ = transport.post(host, api_key, [])
    finally:
        transport.close()
    if outcome not in {Outcome.ACCEPTED, Outcome.CONTENT_REFUSED}:
        return Verdict(works=False, words=f"{_WORDS[outcome]} ({reason})")
    statuses = [_status(ask, host, api_key) for ask in (_ask_v1, _ask_flags)]
    for status in statuses:
        if status in _REFUSALS:
            return Verdict(works=False, words=f"{_WORDS[Outcome.KEY_REFUSED]} ({status})")
    if statuses[-1] == HTTPStatus.OK:
        return Verdict(works=True, words="it answers, and it takes the key")
    return Verdict(works=True, words="it answers; the first event will show if it takes the key")


_Ask: TypeAlias = Callable[[requests.Session, str, str], requests.Response]


def _status(ask: _Ask, host: str, api_key: str) -> int:
    """0 where there is no answer."""
    with requests.Session() as session:
        session.max_redirects = 0
        try:
            return ask(session, host, api_key).status_code
        except (requests.RequestException, HTTPError, OSError, ValueError):
            return 0


def _ask_v1(session: requests.Session, host: str, api_key: str) -> requests.Response:
    now = datetime.now(tz=timezone.utc).isoformat()
    return session.post(
        f"{host}/i/v1/analytics/events",
        json={"created_at": now, "batch": []},
        headers={
            "Authorization": f"Bearer {api_key}",
            "PostHog-Sdk-Info": f"{_NAME}/{version()}",
            "PostHog-Attempt": "1",
            "PostHog-Request-Id": str(uuid.uuid4()),
            "PostHog-Request-Timestamp": now,
        },
        timeout=_TIMEOUT_S,
    )


def _ask_flags(session: requests.Session, host: str, api_key: str) -> requests.Response:
    return posthog.request.post(
        api_key,
        host,
        path="/flags/?v=2",
        # The SDK hands it on to requests, which takes urllib3's as well.
        timeout=cast("float", Timeout(total=_TIMEOUT_S)),
        session=session,
        distinct_id=f"{_NAME}-doctor",
        geoip_disable=True,
    )
