"""What an answer means, for whatever a server may say; over real HTTP in `test_transport.py`."""

from __future__ import annotations

import math

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ipynb_telemetry.answers import Answer, Outcome, judge


def an_answer(status: int, body: bytes = b"", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = body
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


@given(st.integers(100, 999), st.binary(max_size=200), st.text(max_size=30), st.text(max_size=30))
def test_whatever_a_server_says_means_something(
    status: int, body: bytes, retry_after: str, reason: str
) -> None:
    response = an_answer(status, body, retry_after=retry_after)
    response.reason = reason

    answer = judge(response)

    assert isinstance(answer.outcome, Outcome)
    assert "\n" not in answer.reason
    assert len(answer.reason) < 210
    assert answer.retry_after_s is None or 0 <= answer.retry_after_s < math.inf


@pytest.mark.parametrize("status", [200, 204])
def test_json_nested_without_end_is_not_posthogs(status: int) -> None:
    answer = judge(an_answer(status, b"[" * 65_536))

    assert answer.outcome is Outcome.INTERCEPTED


def test_an_answer_longer_than_posthogs_is_not_posthogs() -> None:
    assert judge(an_answer(200, b" " * 70_000)).outcome is Outcome.INTERCEPTED


@pytest.mark.parametrize(
    ("value", "retry_after_s"),
    [
        ("2", 2.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("-5", 0.0),
        ("1000000000000", 1e12),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("9" * 500, None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(
    value: str, retry_after_s: float | None
) -> None:
    answer = judge(an_answer(429, retry_after=value))

    assert answer == Answer(Outcome.BUSY, "429: no reason given", retry_after_s)


def test_retry_after_counts_only_where_the_server_is_busy() -> None:
    assert judge(an_answer(401, retry_after="7")).retry_after_s is None


def test_the_reason_is_the_first_line_of_what_posthog_says() -> None:
    answer = judge(an_answer(400, b"\nfailed to parse request: bad\x00 uuid\nat line 1\n"))

    assert answer.reason == "400: failed to parse request: bad\x00 uuid"
