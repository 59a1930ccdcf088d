"""The collector over real HTTP: what students' computers get, and what a reader gets."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from capture_server import CaptureServer
from collectors import CollectorProcess
from waiting import wait_until

UUID = "0b25afad-f0ff-4d02-a301-b2d48f6561{:02x}"
V0 = ["/batch", "/capture", "/e", "/i/v0/e", "/track", "/engage"]
V1 = "/i/v1/analytics/events"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path_factory.mktemp("collector")) as collector:
        yield collector


def an_event(number: int, **changes: Any) -> dict[str, Any]:
    return {"event": "cell", "distinct_id": "SARA", "uuid": UUID.format(number), **changes}


def v1_headers(api_key: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {api_key}",
        "Content-Type": "application/json",
        "User-Agent": "test/1",
        "PostHog-Sdk-Info": "test/1",
        "PostHog-Attempt": "1",
        "PostHog-Request-Id": UUID.format(0),
        "PostHog-Request-Timestamp": "2026-11-24T09:00:00Z",
    }


# Students' side


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("route", V0)
def test_each_route_of_version_0_takes_an_event(
    collector: CollectorProcess, route: str, slash: str
) -> None:
    number = V0.index(route) * 2 + len(slash)
    body = {"api_key": collector.api_key, **an_event(number)}

    answer = requests.post(collector.url + route + slash, json=body, timeout=10)

    assert (answer.status_code, answer.json()) == (200, {"status": 1})
    assert UUID.format(number) in collector.stored_uuids()


@pytest.mark.parametrize("slash", ["", "/"])
def test_version_1_answers_for_each_event(collector: CollectorProcess, slash: str) -> None:
    numbers = (20 + len(slash), 30 + len(slash))
    batch = [
        {**an_event(numbers[0]), "timestamp": "2026-11-24T09:00:00Z", "properties": {}},
        {**an_event(numbers[1]), "timestamp": "2026-11-24T09:00:00Z", "event": ""},
    ]
    body = gzip.compress(
        json.dumps({"created_at": "2026-11-24T09:00:00Z", "batch": batch}).encode()
    )
    headers = {**v1_headers(collector.api_key), "Content-Encoding": "gzip"}

    answer = requests.post(collector.url + V1 + slash, body, headers=headers, timeout=10)

    assert answer.status_code == 200
    assert answer.json() == {
        "results": {
            UUID.format(numbers[0]): {"result": "ok"},
            UUID.format(numbers[1]): {"result": "drop", "details": "missing_event_name"},
        }
    }
    stored = collector.stored_uuids()
    assert UUID.format(numbers[0]) in stored
    assert UUID.format(numbers[1]) not in stored


def test_gzip_is_known_by_its_first_two_bytes(collector: CollectorProcess) -> None:
    body = gzip.compress(
        json.dumps({"api_key": collector.api_key, "batch": [an_event(40)]}).encode()
    )

    answer = requests.post(collector.url + "/e/", body, timeout=10)

    assert answer.status_code == 200
    assert UUID.format(40) in collector.stored_uuids()


def test_an_event_may_come_in_the_address(collector: CollectorProcess) -> None:
    data = json.dumps({"api_key": collector.api_key, **an_event(41)})

    answer = requests.get(collector.url + "/e/", params={"data": data}, timeout=10)

    assert answer.status_code == 200
    assert UUID.format(41) in collector.stored_uuids()


def test_a_resend_is_accepted_and_stored_once(collector: CollectorProcess) -> None:
    for _ in range(3):
        assert collector.post([an_event(42)]).status_code == 200

    assert collector.stored_uuids().count(UUID.format(42)) == 1


def test_a_refusal_of_version_0_is_a_line_of_text(collector: CollectorProcess) -> None:
    body = {"api_key": "phc_other", "batch": [an_event(43)]}

    answer = requests.post(collector.url + "/batch/", json=body, timeout=10)

    assert (answer.status_code, answer.text) == (401, "API key is not valid: unknown")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_refusal_of_version_1_is_json(collector: CollectorProcess) -> None:
    answer = requests.post(collector.url + V1, b"{", headers=v1_headers("phc_other"), timeout=10)

    assert answer.status_code == 401
    assert set(answer.json()) == {"error", "error_description", "error_uri"}


def test_of_a_batch_with_a_bad_event_nothing_is_stored(collector: CollectorProcess) -> None:
    answer = collector.post([an_event(44), an_event(45, event=17)])

    assert answer.status_code == 400
    assert UUID.format(44) not in collector.stored_uuids()


@pytest.mark.parametrize(
    ("route", "megabytes"), [("/batch/", 21), ("/e/", 3), (V1, 21)], ids=["batch", "single", "V1"]
)
@pytest.mark.parametrize("says_so", [True, False], ids=["announced", "in chunks"])
def test_a_body_over_the_limit_is_refused(
    collector: CollectorProcess, route: str, megabytes: int, *, says_so: bool
) -> None:
    chunk = b"x" * 1024 * 1024
    body: Any = chunk * megabytes if says_so else (chunk for _ in range(megabytes))
    try:
        status = requests.post(
            collector.url + route, body, headers=v1_headers(collector.api_key), timeout=20
        ).status_code
    except requests.ConnectionError:  # hung up on while still sending: also clear
        status = 413

    assert status == 413
    assert collector.post([an_event(46)]).status_code == 200


def test_gzip_bombs_do_not_fill_the_memory(collector: CollectorProcess) -> None:
    process = psutil.Process(collector.pid)
    before = process.memory_info().rss
    bomb = gzip.compress(b"[" * 300_000_000, compresslevel=1)

    statuses = {
        requests.post(collector.url + "/batch/", bomb, timeout=20).status_code for _ in "123"
    }

    assert statuses == {413}
    assert process.memory_info().rss - before < 100_000_000


@pytest.mark.parametrize(
    "path", ["/flags/?v=2", "/decide/?v=3", "/array/phc_x/config", "/array/phc_x/config.js", "/s/"]
)
def test_what_sdks_ask_besides_gets_a_harmless_answer(
    collector: CollectorProcess, path: str
) -> None:
    for method in ("GET", "POST"):
        answer = requests.request(method, collector.url + path, timeout=10)

        assert answer.status_code == 200
        assert answer.text == "" if path.endswith(".js") else answer.json()


def test_a_notebook_in_a_browser_may_send_without_a_cookie(collector: CollectorProcess) -> None:
    asked = {
        "Origin": "https://jupyter.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,posthog-attempt",
    }
    preflight = requests.options(collector.url + V1, headers=asked, timeout=10)
    refused = requests.post(
        collector.url + "/batch/", b"", headers={"Origin": "https://jupyter.org"}, timeout=10
    )

    assert preflight.status_code == 200
    assert (
        preflight.headers["Access-Control-Allow-Headers"] == asked["Access-Control-Request-Headers"]
    )
    for answer in (preflight, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_other_methods_are_refused(collector: CollectorProcess) -> None:
    assert requests.put(collector.url + "/batch/", b"{}", timeout=10).status_code == 405
    assert requests.get(collector.url + V1, timeout=10).status_code == 405


def test_bytes_that_are_no_http_cost_that_connection_alone(collector: CollectorProcess) -> None:
    with socket.create_connection(("127.0.0.1", collector.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n" * 10)
        answer = connection.recv(1000)

    assert answer.startswith(b"HTTP/1.1 400")
    assert collector.post([an_event(47)]).status_code == 200


def test_headers_without_end_are_not_kept(collector: CollectorProcess) -> None:
    with socket.create_connection(("127.0.0.1", collector.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe|abort"):
            _send_headers_without_end(connection)


def _send_headers_without_end(connection: socket.socket) -> None:
    for _ in range(10_000):
        connection.sendall(b"X: " + b"x" * 1000 + b"\r\n")


# The reader's side


READING = ["/", "/api/class", "/api/stream", "/dashboard/style.css", "/nothing"]


@pytest.mark.parametrize("path", READING)
def test_nothing_is_read_without_the_token(collector: CollectorProcess, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "ipynb-telemetry=x"}):
        answer = requests.get(
            collector.url + path, params={"token": "wrong"}, headers=headers, timeout=10
        )

        assert answer.status_code == 401
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_token_comes_in_the_address_once(collector: CollectorProcess) -> None:
    with requests.Session() as session:
        first = session.get(
            collector.url + "/api/class",
            params={"notebook": "D 3", "token": collector.token},
            allow_redirects=False,
            timeout=10,
        )
        second = session.get(collector.url + first.headers["Location"], timeout=10)

    assert (first.status_code, first.headers["Location"]) == (303, "/api/class?notebook=D+3")
    cookie = first.headers["Set-Cookie"]
    assert re.search("HttpOnly", cookie)
    assert re.search("SameSite=lax", cookie)
    assert second.status_code == 200


def test_the_way_on_never_leads_to_another_site(collector: CollectorProcess) -> None:
    answer = requests.get(
        f"{collector.url}//evil.example/",
        params={"token": collector.token},
        allow_redirects=False,
        timeout=10,
    )

    assert answer.headers["Location"] == "/evil.example/"


def test_a_program_may_say_the_token_in_a_header(collector: CollectorProcess) -> None:
    assert collector.read("/api/class").status_code == 200


def test_the_key_of_the_students_opens_nothing(collector: CollectorProcess) -> None:
    headers = {"Authorization": f"Bearer {collector.api_key}"}

    assert requests.get(collector.url, headers=headers, timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost", 200),
        ("192.168.1.7:8642", 200),
        ("[::1]:8642", 200),
        ("[", 421),
    ],
)
def test_a_page_that_gave_its_name_our_address_reads_nothing(
    collector: CollectorProcess, host: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {collector.token}", "Host": host}

    answer = requests.get(collector.url + "/api/class", headers=headers, timeout=10)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    ],
)
def test_another_sites_page_reads_nothing(
    collector: CollectorProcess, headers: dict[str, str], status: int
) -> None:
    asked = {"Authorization": f"Bearer {collector.token}", **headers}

    answer = requests.get(collector.url + "/api/class", headers=asked, timeout=10)

    assert answer.status_code == status


def test_a_page_runs_our_own_scripts_alone(collector: CollectorProcess) -> None:
    headers = collector.read("/").headers

    policy = dict(
        part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


# The whole


def test_a_restart_keeps_address_key_token_and_events(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        collector.post([an_event(1)])
        assert collector.stop() == 0
        collector.start()

        assert collector.post([an_event(2)]).status_code == 200
        assert collector.read("/api/class").status_code == 200
        assert collector.stored_uuids() == [UUID.format(1), UUID.format(2)]


def test_it_ends_at_once_though_pages_are_open(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        stream = requests.get(
            f"{collector.url}/api/stream",
            headers={"Authorization": f"Bearer {collector.token}"},
            stream=True,
            timeout=10,
        )
        with stream:
            assert collector.stop() == 0

        assert b"Traceback" not in collector.said.read_bytes()


def test_what_it_says_is_what_works(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        wait_until(lambda: "Ctrl-C" in collector.said.read_text("utf-8"))
        said = collector.said.read_text("utf-8")
        paste = re.search(
            r'setup_telemetry\("YOUR_NOTEBOOK", host="(.+?)", api_key="(.+?)"\)', said
        )
        dashboard = re.search(r"http://\S+token=\S+", said)
        assert paste is not None
        assert dashboard is not None

        body = {"api_key": paste[2], "batch": [an_event(3)]}
        assert requests.post(f"{paste[1]}/batch/", json=body, timeout=10).status_code == 200
        with requests.Session() as session:
            assert session.get(dashboard[0], timeout=10).status_code == 200


def _all_addresses() -> str:
    """What stands for all that this computer has; not each has those of IPv6."""
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6).close()
    except OSError:
        return "0.0.0.0"  # noqa: S104
    return "::"


def test_all_addresses_are_listened_on(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path, "--host", _all_addresses()) as collector:
        assert collector.url.startswith("http://127.0.0.1:")
        assert collector.post([an_event(1)]).status_code == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--api-key", "\udcff"], "nobody could send with such a key"),
        (["--api-key", " "], "nobody could send with such a key"),
        (["--host", "203.0.113.9"], "Give an address of this computer with --host"),
    ],
    ids=["no text", "key", "host"],
)
def test_what_cannot_work_is_said(tmp_path: Path, options: list[str], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        CollectorProcess(tmp_path, *options).start()


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path) as collector:
        other = CollectorProcess(tmp_path, "--port", str(collector.port))
        with pytest.raises(AssertionError, match=r"Cannot listen .* Choose another port"):
            other.start()


def test_a_database_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path)
    collector.database.write_bytes(b"a letter to my grandmother" * 1000)

    with pytest.raises(AssertionError, match="cannot be used as a class's database"):
        collector.start()

    assert "Traceback" not in collector.said.read_text("utf-8")


def test_forwarding_under_a_key_that_posthog_has_never_seen_is_refused(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path, "--forward", "http://127.0.0.1:1")

    with pytest.raises(AssertionError, match="Give your project's: --api-key"):
        collector.start()


def test_a_collector_can_pass_on_to_another_of_ours(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    with CollectorProcess(tmp_path) as school:
        options = ("--forward", school.url, "--api-key", school.api_key)
        with CollectorProcess(tmp_path / "room", *options) as room:
            room.api_key = school.api_key
            assert room.post([an_event(4)]).status_code == 200

            wait_until(school.stored_uuids)

        assert school.stored_uuids() == [UUID.format(4)]


def test_what_is_collected_is_passed_on(tmp_path: Path, server: CaptureServer) -> None:
    options = ("--forward", f"{server.url}/", "--api-key", "phc_project")
    with CollectorProcess(tmp_path, *options) as collector:
        collector.api_key = "phc_project"
        assert collector.post([an_event(4)]).status_code == 200

        wait_until(lambda: server.events)

    assert [event["uuid"] for event in server.events] == [UUID.format(4)]
    assert server.requests[0].api_key == "phc_project"
