"""PostHog's own SDKs, unchanged, send to the collector as they would to PostHog."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collectors import CollectorProcess
from posthog.client import Client

from ipynb_telemetry.classroom.reading import Reader

EVENTS = 250


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path) as collector:
        yield collector


@pytest.fixture(scope="session")
def posthog_node(request: pytest.FixtureRequest) -> Path:
    """A folder in which Node finds posthog-node; filled once, and kept between runs."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("posthog-node")
    if not (folder / "node_modules" / "posthog-node").exists():
        (folder / "package.json").write_text("{}", "utf-8")
        command = ["npm", "install", "--no-audit", "--no-fund", "posthog-node@5"]
        subprocess.run(command, cwd=folder, check=True, timeout=120, capture_output=True)
    return folder


def sent_numbers(collector: CollectorProcess) -> list[int]:
    """The `seq` of what is stored, as a sorted list: each once, where all is well."""
    events = [event for _, event in Reader(collector.database).events()]
    return sorted(event.seq or 0 for event in events if event.event == "cell")


@pytest.mark.parametrize(
    "options",
    [
        {"capture_mode": "v0", "gzip": False},
        {"capture_mode": "v0", "gzip": True},
        {"capture_mode": "v1", "capture_compression": "none"},
        {"capture_mode": "v1", "capture_compression": "gzip"},
        {"capture_mode": "v1", "capture_compression": "deflate"},
        {"capture_mode": "v1", "capture_compression": "zstd"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_the_python_sdk(collector: CollectorProcess, options: dict[str, Any]) -> None:
    failed: list[object] = []
    client = Client(
        collector.api_key,
        host=collector.url,
        on_error=lambda error, batch: failed.append((error, batch)),
        **options,
    )
    for number in range(EVENTS):
        properties = {"nb": "D3", "sess": "s", "seq": number, "student": "محمد"}
        client.capture("cell", distinct_id="محمد", properties=properties)
    is_new = client.evaluate_flags("محمد").is_enabled("new-lesson")
    client.shutdown()

    assert failed == []
    assert not is_new
    assert sent_numbers(collector) == [*range(EVENTS)]


def test_the_python_sdk_learns_of_a_wrong_key(collector: CollectorProcess) -> None:
    failed: list[Exception] = []
    client = Client(
        "phc_wrong",
        host=collector.url,
        max_retries=0,
        on_error=lambda error, _batch: failed.append(error),
    )
    client.capture("cell", distinct_id="SARA")
    client.shutdown()

    (error,) = failed
    assert "401" in str(error)
    assert sent_numbers(collector) == []


SEND = """
const { PostHog } = require('posthog-node');
(async () => {
  const client = new PostHog(process.env.KEY, { host: process.env.HOST, flushAt: 20 });
  const errors = [];
  client.on('error', (error) => errors.push(String(error)));
  for (let number = 0; number < 250; number += 1) {
    const properties = { nb: 'D3', sess: 's', seq: number, student: 'محمد' };
    client.capture({ distinctId: 'محمد', event: 'cell', properties });
  }
  const flag = await client.isFeatureEnabled('new-lesson', 'محمد');
  await client.shutdown();
  console.log(JSON.stringify({ errors, flag: flag ?? null }));
})();
"""


def test_the_javascript_sdk(collector: CollectorProcess, posthog_node: Path) -> None:
    ran = subprocess.run(
        ["node", "-e", SEND],
        cwd=posthog_node,
        env={**os.environ, "HOST": collector.url, "KEY": collector.api_key},
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )

    said = json.loads(ran.stdout)
    assert said["errors"] == []
    assert not said["flag"]
    assert sent_numbers(collector) == [*range(EVENTS)]
