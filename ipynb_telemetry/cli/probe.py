"""Whether a host answers as PostHog does and takes a key; no event is sent to find out."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple, cast

import posthog.request
import requests
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from ipynb_telemetry.answers import Outcome
from ipynb_telemetry.transport import Transport

_FLAGS_S = 5.0
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
    """Ask `host` two questions that leave nothing behind there.

    A batch without events is refused by a PostHog in words of its own, and PostHog's
    feature flags are the one thing that says whether a key belongs to somebody: its
    capture answers 200 to any key of the right shape.
    """
    transport = Transport()
    try:
        outcome, reason, _ = transport.post(host, api_key, [])
    finally:
        transport.close()
    if outcome not in {Outcome.ACCEPTED, Outcome.CONTENT_REFUSED}:
        return Verdict(works=False, words=f"{_WORDS[outcome]} ({reason})")
    status = _flags_status(host, api_key)
    if status in _REFUSALS:
        return Verdict(works=False, words=f"{_WORDS[Outcome.KEY_REFUSED]} ({status})")
    if status == HTTPStatus.OK:
        return Verdict(works=True, words="it answers, and it takes the key")
    return Verdict(works=True, words="it answers; the first event will show if it takes the key")


def _flags_status(host: str, api_key: str) -> int:
    """0 where there is no answer."""
    with requests.Session() as session:
        session.max_redirects = 0
        try:
            response = posthog.request.post(
                api_key,
                host,
                path="/flags/?v=2",
                # The SDK hands it on to requests, which takes urllib3's as well.
                timeout=cast("float", Timeout(total=_FLAGS_S)),
                session=session,
                distinct_id="ipynb-telemetry-doctor",
                geoip_disable=True,
            )
        except (requests.RequestException, HTTPError, OSError, ValueError):
            return 0
    return response.status_code
