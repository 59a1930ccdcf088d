"""What commands ask a running collector: for the teacher alone, and from no other site's page."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from classes import a_test, keep, stored
from collectors import CollectorProcess

READING = ["/api/events", "/api/figures"]
FORGET = "/api/forget?student=SARA"


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path) as collector:
        keep(collector.database, [a_test(0, "exercise_1", ok=True)])
        yield collector


def ask(collector: CollectorProcess, method: str, path: str, **headers: str) -> requests.Response:
    return requests.request(method, collector.url + path, headers=headers, timeout=10)


def told(answer: requests.Response) -> bytes:
    """What an answer tells, decoded where it is lines of Base64."""
    try:
        return b"".join(b64decode(json.loads(line)) for line in answer.iter_lines())
    except (ValueError, TypeError):
        return answer.content


@pytest.mark.parametrize("path", READING)
def test_the_students_key_reads_nothing(collector: CollectorProcess, path: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {collector.api_key}"}):
        answer = ask(collector, "GET", path, **headers)
        assert answer.status_code == 401
        assert b"SARA" not in told(answer)
    assert b"SARA" in told(collector.read(path))


def test_the_students_key_deletes_nothing(collector: CollectorProcess) -> None:
    for headers in ({}, {"Authorization": f"Bearer {collector.api_key}"}):
        assert ask(collector, "POST", FORGET, **headers).status_code == 401
    assert len(stored(collector.database)) == 1


@pytest.mark.parametrize(
    "sign", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}], ids=str
)
def test_another_sites_page_deletes_nothing_with_the_teachers_cookie(
    collector: CollectorProcess, sign: dict[str, str]
) -> None:
    name = f"ipynb-telemetry-{collector.port}"

    answer = ask(collector, "POST", FORGET, Cookie=f"{name}={collector.token}", **sign)

    assert answer.status_code == 403
    assert len(stored(collector.database)) == 1


def test_a_link_deletes_nothing(collector: CollectorProcess) -> None:
    bearer = {"Authorization": f"Bearer {collector.token}"}

    assert ask(collector, "GET", FORGET, **bearer).status_code == 405
    assert ask(collector, "POST", "/api/forget", **bearer).status_code == 400
    assert len(stored(collector.database)) == 1


def test_a_reader_gets_a_line_for_each_event(collector: CollectorProcess) -> None:
    keep(
        collector.database,
        [a_test(number, "exercise_1", ok=True, sess="abcdef07") for number in range(5000)],
    )

    lines = collector.read("/api/events").text.splitlines()

    assert len(lines) == 5001
