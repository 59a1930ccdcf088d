"""What a server's answer to a batch means. Imports neither posthog nor requests: they are slow."""

from __future__ import annotations

import email.utils
import json
import math
import time
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import requests

MAX_ANSWER_BYTES = 64 * 1024  # PostHog answers with a line; a captive portal with anything
_MAX_REASON_CHARS = 200


class Outcome(Enum):
    ACCEPTED = auto()
    CONTENT_REFUSED = auto()
    """400, 413: something in this batch, not the way to the server, is wrong."""
    KEY_REFUSED = auto()
    NOT_POSTHOG = auto()
    INTERCEPTED = auto()
    """Something answered in the server's place, as a Wi-Fi login page does."""
    BUSY = auto()
    UNREACHABLE = auto()
    UNTRUSTED = auto()
    """No connection that is safe: its certificate is wrong, or it has none."""


_OUTCOMES = {
    HTTPStatus.BAD_REQUEST: Outcome.CONTENT_REFUSED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Outcome.CONTENT_REFUSED,
    HTTPStatus.UNAUTHORIZED: Outcome.KEY_REFUSED,
    HTTPStatus.FORBIDDEN: Outcome.KEY_REFUSED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: Outcome.INTERCEPTED,
    HTTPStatus.REQUEST_TIMEOUT: Outcome.BUSY,
    HTTPStatus.TOO_EARLY: Outcome.BUSY,
    HTTPStatus.TOO_MANY_REQUESTS: Outcome.BUSY,
    HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED: Outcome.INTERCEPTED,
}
# With a page in the body these are not PostHog's: a portal or a proxy says no.
_A_PORTALS_OWN = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


class Answer(NamedTuple):
    outcome: Outcome
    reason: str
    """One line, for people."""
    retry_after_s: float | None = None
    """How long the server asks to be left alone."""


def judge(response: requests.Response) -> Answer:
    """What an answer means.

    Source:
        PostHog's statuses: the protocol's documentation and its capture service. That an
        answer is PostHog's own shows in its body: a line, JSON or nothing, never a page.
    """
    outcome = _outcome(response)
    reason = f"{response.status_code}: {_first_line(response)}"
    retry_after_s = _retry_after_s(response) if outcome is Outcome.BUSY else None
    return Answer(outcome, reason, retry_after_s)


def _outcome(response: requests.Response) -> Outcome:
    status = response.status_code
    if status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
        return Outcome.ACCEPTED if _is_posthogs(response) else Outcome.INTERCEPTED
    if _is_a_page(response) and status in _A_PORTALS_OWN:
        return Outcome.INTERCEPTED
    if status in _OUTCOMES:
        return _OUTCOMES[HTTPStatus(status)]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome.BUSY
    if status >= HTTPStatus.MULTIPLE_CHOICES and status < HTTPStatus.BAD_REQUEST:
        return Outcome.INTERCEPTED
    return Outcome.NOT_POSTHOG


def _is_posthogs(response: requests.Response) -> bool:
    body = response.content.strip()
    if len(response.content) > MAX_ANSWER_BYTES:  # and cut off there
        return False
    if not body:
        return True
    try:
        json.loads(body)
    except (ValueError, RecursionError):  # nested so deep that only malice explains it
        return False
    return True


def _is_a_page(response: requests.Response) -> bool:
    return response.content.lstrip()[:1] == b"<"


def _first_line(response: requests.Response) -> str:
    text = response.content[:300].decode("utf-8", "replace").strip()
    if not text or text.startswith("<"):
        text = str(response.reason or "no reason given")
    return text.splitlines()[0][:_MAX_REASON_CHARS]


def _retry_after_s(response: requests.Response) -> float | None:
    """Seconds, or a date (RFC 9110 section 10.2.3); None where it says neither."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(http_date: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(http_date).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return math.nan
