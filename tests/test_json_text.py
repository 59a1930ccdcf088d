"""JSON read a window at a time: alike in every window, and no looser than `json.loads`."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest

from ipynb_telemetry.instrument.json_text import JsonText, NotReadableError

ESCAPES = r"\" \\ \/ \b \f \n \r \t \u00e9 \ud83d\ude80 \\\\\" \\\\u00e9 " + "é月🚀"
LONG_STRING = f'"{ESCAPES * 20}"'


def skipped(text: str, window_bytes: int) -> JsonText:
    read = JsonText(io.BytesIO(text.encode()), window_bytes)
    read.skip()
    return read


@pytest.mark.parametrize("window_bytes", range(1, 40))
@pytest.mark.parametrize("layout", ["{}", "[{}]", '{{"a": {}}}', '{{"a": {{"b": [{}, 1.5e-3]}}}}'])
def test_a_long_string_is_passed_over_in_any_window(layout: str, window_bytes: int) -> None:
    text = layout.format(LONG_STRING)
    json.loads(text)

    read = skipped(text, window_bytes)

    read.finish()
    assert read.position == len(text.encode())


@pytest.mark.parametrize("wrong", ["\\x", "\\u12", "\\u00g0", "\n", "\x00", '" "', "\\"], ids=ascii)
@pytest.mark.parametrize("window_bytes", [1, 5, 16, 1000])
def test_what_no_string_may_have_is_found_in_any_window(wrong: str, window_bytes: int) -> None:
    text = f'{{"a": "{ESCAPES * 3}{wrong}"}}'

    with pytest.raises(NotReadableError, match="not JSON"):
        skipped(text, window_bytes).finish()


@pytest.mark.parametrize("number", ["0.5", "12", "-1.5e+10", "1E5", "NaN", "-Infinity", "true"])
@pytest.mark.parametrize("window_bytes", range(1, 6))
def test_a_number_that_the_window_cuts_is_read_whole(number: str, window_bytes: int) -> None:
    read = JsonText(io.BytesIO(f"[{number}, {number}]".encode()), window_bytes)

    values = [read.raw().text for _ in read.items()]

    read.finish()
    assert values == [number.encode()] * 2


def test_the_line_is_counted_from_the_beginning_of_the_file() -> None:
    text = '{\n"a": [\n1,\n' + "2,\n" * 1000 + "x]}"

    with pytest.raises(NotReadableError, match="in line 1004"):
        skipped(text, 64)


def test_of_a_large_output_a_window_is_held() -> None:
    file = io.BytesIO(json.dumps([{"data": {"image/png": "x" * 20_000_000}}]).encode())
    tracemalloc.start()
    try:
        JsonText(file).skip()
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert file.read() == b""
    assert most_bytes < 20_000_000
