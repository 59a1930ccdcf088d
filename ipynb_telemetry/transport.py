"""One attempt to hand events to PostHog.

The SDK's `Client` acknowledges what it has not delivered; its transport,
`posthog.request.post`, makes one attempt and gives back the whole answer. Importing it
takes longer than importing ipywidgets, so this module is imported by the delivery thread.
"""

from __future__ import annotations

import concurrent.futures
import gzip
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import posthog.request
import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Timeout

from ipynb_telemetry.answers import Answer, Outcome, judge
from ipynb_telemetry.patience import PatientAdapter

ATTEMPT_S = 5.0
"""How long one attempt takes at most: the panel promises the truth by then."""
_CONNECT_S = 2.0
_LOOK_UP_EVERY_S = 0.1
_AT_LEAST_S = 1.0  # a server that answers has done so by then
_CHATTY = {"posthog", "requests", "urllib3"}


class Transport:
    """Posts batches of messages, one at a time, over a connection that it keeps open.

    Args:
        attempt_s: How long one attempt may take.
    """

    def __init__(self, *, attempt_s: float = ATTEMPT_S) -> None:
        self._attempt_s = attempt_s
        # Ends a little before the attempt is given up, and then leaves no thread behind.
        self._timeout = Timeout(total=attempt_s * 0.9, connect=min(_CONNECT_S, attempt_s * 0.9))
        self._session = requests.Session()
        self._session.max_redirects = 0
        self._session.auth = _authorize
        self._session.mount("https://", _CompressingAdapter(max_retries=0))
        self._session.mount("http://", _CompressingAdapter(max_retries=0))
        _silence_libraries()

    def post(
        self,
        host: str,
        api_key: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        meanwhile: Callable[[], None] = lambda: None,
        others_wait: Callable[[], bool] = lambda: False,
    ) -> Answer:
        """Make one attempt, at most `attempt_s` long; never raises for a broken network.

        Args:
            host: The server's address.
            api_key: The project's key there.
            messages: The events as they stand in the request.
            meanwhile: Called several times a second while there is no answer.
            others_wait: Whether something more urgent waits for the end of this attempt:
                then it is given up once it has lasted a second.
        """
        # Looking up a name has no timeout, and a host is tried at each of its addresses.
        attempt = _begin(lambda: self._post(host, api_key, messages))
        began_s = time.monotonic()
        while (took_s := time.monotonic() - began_s) < self._attempt_s:
            if took_s >= _AT_LEAST_S and others_wait():
                break
            try:
                return attempt.result(min(self._attempt_s - took_s, _LOOK_UP_EVERY_S))
            except concurrent.futures.TimeoutError:
                meanwhile()
        return Answer(Outcome.UNREACHABLE, "no answer")

    def close(self) -> None:
        self._session.close()

    def _post(self, host: str, api_key: str, messages: Sequence[Mapping[str, Any]]) -> Answer:
        _attempting.now = True
        try:
            response = posthog.request.post(
                api_key,
                host,
                path="/batch/",
                gzip=False,  # our adapter does it
                # The SDK hands it on to requests, which takes urllib3's as well.
                timeout=cast("float", self._timeout),
                session=self._session,
                batch=list(messages),
            )
        except requests.TooManyRedirects:
            return Answer(Outcome.INTERCEPTED, "a redirect")
        except (requests.RequestException, HTTPError, OSError, ValueError) as failure:
            return _no_answer(failure)
        return judge(response)


class _CompressingAdapter(PatientAdapter):
    """Compresses what is sent.

    The SDK could, with `GzipFile`: from Python 3.12 on that is a reference cycle, so each
    request leaves a quarter of a megabyte of zlib's to the garbage collector.
    """

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        request.body = gzip.compress(cast("str", request.body).encode())
        request.headers["Content-Encoding"] = "gzip"
        request.prepare_content_length(request.body)
        return super().send(request, **kwargs)


def _begin(attempt: Callable[[], Answer]) -> concurrent.futures.Future[Answer]:
    """Run `attempt` in a thread of its own, so that one can stop waiting for it."""
    future: concurrent.futures.Future[Answer] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(attempt())
        except BaseException as failure:  # noqa: BLE001  # raised where the result is asked for
            future.set_exception(failure)

    try:
        threading.Thread(target=run, name="ipynb-telemetry attempt", daemon=True).start()
    except RuntimeError:  # the interpreter is shutting down: nobody waits long for us now
        run()
    return future


def _authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send what the host's own address says, never the student's passwords from `.netrc`."""
    user, password = get_auth_from_url(request.url or "")
    if user or password:
        HTTPBasicAuth(user, password)(request)
    return request


def _no_answer(failure: Exception) -> Answer:
    if isinstance(failure, requests.exceptions.SSLError):
        is_certificate = "certificate" in str(failure).lower()
        reason = "its certificate cannot be trusted" if is_certificate else "no secure connection"
        return Answer(Outcome.UNTRUSTED, reason)
    if isinstance(failure, requests.Timeout) or _is_a_read_timeout(failure):
        return Answer(Outcome.UNREACHABLE, "no answer")
    return Answer(Outcome.UNREACHABLE, "no connection")


def _is_a_read_timeout(failure: Exception) -> bool:
    """Whether the answer's body stopped coming; requests calls that a `ConnectionError`."""
    return bool(failure.args) and isinstance(failure.args[0], ReadTimeoutError)


class _NotOurAttempts(logging.Filter):
    """A student who turns all logging on must not see our requests under a cell."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # called by who logs it
        return not getattr(_attempting, "now", False)


_attempting = threading.local()
_not_our_attempts = _NotOurAttempts()


def _silence_libraries() -> None:
    for name in tuple(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _CHATTY:
            logging.getLogger(name).addFilter(_not_our_attempts)
