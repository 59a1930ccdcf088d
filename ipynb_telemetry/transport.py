"""One attempt to hand events to PostHog, and what the answer means.

The SDK's `Client` acknowledges what it has not delivered; its transport,
`posthog.request.post`, makes one attempt and gives back the whole answer. Importing it
takes longer than importing ipywidgets, so this module is imported by the delivery thread.
"""

from __future__ import annotations

import email.utils
import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, cast

import posthog.request
import requests
from requests.adapters import HTTPAdapter

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 3.0  # together five seconds: the panel promises the truth by then
_MAX_ANSWER_BYTES = 64 * 1024  # PostHog answers with a line; a captive portal with anything
_CHATTY_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "posthog")


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


_OUTCOMES = {
    HTTPStatus.BAD_REQUEST: Outcome.CONTENT_REFUSED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Outcome.CONTENT_REFUSED,
    HTTPStatus.UNAUTHORIZED: Outcome.KEY_REFUSED,
    HTTPStatus.FORBIDDEN: Outcome.KEY_REFUSED,
    HTTPStatus.REQUEST_TIMEOUT: Outcome.BUSY,
    HTTPStatus.TOO_EARLY: Outcome.BUSY,
    HTTPStatus.TOO_MANY_REQUESTS: Outcome.BUSY,
    HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED: Outcome.INTERCEPTED,
}
# With a page in the body these are not PostHog's: a portal or a proxy says no.
_A_PORTALS_OWN = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True)
class Answer:
    outcome: Outcome
    reason: str
    retry_after_s: float | None = None


class Transport:
    """Posts batches of messages. One thread only: it holds one connection open."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.max_redirects = 0
        adapter = _BoundedAdapter(max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        _keep_quiet_from(threading.current_thread())

    def post(self, host: str, api_key: str, messages: Sequence[Mapping[str, Any]]) -> Answer:
        """Make one attempt, at most five seconds long; never raises for a broken network."""
        try:
            response = posthog.request.post(
                api_key,
                host,
                path="/batch/",
                gzip=True,
                # The SDK hands it on to requests, which takes a pair as well.
                timeout=cast("float", (CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S)),
                session=self._session,
                batch=list(messages),
            )
        except requests.TooManyRedirects:
            return Answer(Outcome.INTERCEPTED, "a redirect")
        except (requests.RequestException, OSError, ValueError) as failure:
            return Answer(Outcome.UNREACHABLE, _why_unreachable(failure))
        return judge(response)

    def close(self) -> None:
        self._session.close()


def judge(response: requests.Response) -> Answer:
    """What an answer means.

    Source:
        PostHog's statuses: the protocol's documentation and its capture service. That an
        answer is PostHog's own shows in its body: a line, JSON or nothing, never a page.
    """
    status, outcome = response.status_code, _outcome(response)
    reason = f"{status}: {_first_line(response)}"
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
    return Outcome.NOT_POSTHOG


class _BoundedAdapter(HTTPAdapter):
    """Reads no more of an answer than PostHog would send, and not for ever."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        deadline = time.monotonic() + CONNECT_TIMEOUT_S + ANSWER_TIMEOUT_S
        response = super().send(request, **{**kwargs, "stream": True})
        body = b""
        for chunk in response.iter_content(8192):
            body += chunk
            if len(body) > _MAX_ANSWER_BYTES or time.monotonic() > deadline:
                response.close()
                break
        response._content = body  # noqa: SLF001  # what requests itself fills when not streaming
        return response


class _NotFrom(logging.Filter):
    """A student who turns all logging on must not see our requests under a cell."""

    def __init__(self, thread: threading.Thread) -> None:
        super().__init__()
        self._ident = thread.ident

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread != self._ident


def _keep_quiet_from(thread: threading.Thread) -> None:
    for name in _CHATTY_LOGGERS:
        logger = logging.getLogger(name)
        for earlier in [f for f in logger.filters if isinstance(f, _NotFrom)]:
            logger.removeFilter(earlier)
        logger.addFilter(_NotFrom(thread))


def _is_posthogs(response: requests.Response) -> bool:
    body = response.content.strip()
    if not body:
        return True
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _is_a_page(response: requests.Response) -> bool:
    return response.content.lstrip()[:1] == b"<"


def _first_line(response: requests.Response) -> str:
    text = response.content[:300].decode("utf-8", "replace").strip()
    if not text or text.startswith("<"):
        return str(response.reason or "no reason given")[:200]
    return text.splitlines()[0][:200]


def _retry_after_s(response: requests.Response) -> float | None:
    """Seconds, or a date (RFC 9110 section 10.2.3); None where it says neither."""
    value = response.headers.get("Retry-After", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _why_unreachable(failure: Exception) -> str:
    if isinstance(failure, requests.exceptions.SSLError):
        return "its certificate cannot be trusted"
    if isinstance(failure, requests.Timeout):
        return "no answer"
    return "no connection"
