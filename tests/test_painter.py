"""Drawing is coalesced: seldom, and always once more at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from waiting import wait_until

from ipynb_telemetry.painter import FRAME_S, Painter


class Canvas:
    """Notes what was true whenever it was drawn."""

    def __init__(self) -> None:
        self.value = 0
        self.drawn: list[int] = []
        self.threads: set[int] = set()
        self.painter = Painter(self.draw)

    def draw(self) -> None:
        self.drawn.append(self.value)
        self.threads.add(threading.get_ident())

    def set(self, value: int) -> None:
        self.value = value
        self.painter.request()


@pytest.fixture
def canvas() -> Iterator[Canvas]:
    canvas = Canvas()
    yield canvas
    canvas.painter.finish()


def test_a_storm_of_changes_is_drawn_a_few_times_with_the_last_among_them(canvas: Canvas) -> None:
    canvas.painter.start()
    began_s = time.monotonic()

    for value in range(1, 20_001):
        canvas.set(value)
    wait_until(lambda: canvas.drawn and canvas.drawn[-1] == 20_000)

    frames = (time.monotonic() - began_s) / FRAME_S
    assert len(canvas.drawn) <= frames + 2


def test_nothing_is_drawn_while_nothing_changes(canvas: Canvas) -> None:
    canvas.painter.start()
    canvas.set(1)
    wait_until(lambda: canvas.drawn == [1])

    canvas.set(2)
    wait_until(lambda: canvas.drawn[-1] == 2)

    assert canvas.drawn == [1, 2]


def test_it_draws_in_the_callers_thread_when_asked_to(canvas: Canvas) -> None:
    canvas.value = 1

    canvas.painter.draw_now()

    assert canvas.drawn == [1]
    assert canvas.threads == {threading.get_ident()}


def test_asked_again_at_once_it_leaves_the_drawing_to_the_next_frame(canvas: Canvas) -> None:
    canvas.painter.draw_now()
    canvas.value = 2

    canvas.painter.draw_now()

    assert canvas.drawn == [0]
    canvas.painter.start()
    wait_until(lambda: canvas.drawn == [0, 2])


def test_what_changed_last_is_drawn_at_the_end(canvas: Canvas) -> None:
    canvas.set(7)

    canvas.painter.finish()

    assert canvas.drawn == [7]


def test_a_drawing_that_fails_does_not_end_it(canvas: Canvas, telemetry_log: list[object]) -> None:
    def fail_once() -> None:
        if not telemetry_log:
            raise ValueError
        canvas.draw()

    canvas.painter = Painter(fail_once)
    canvas.painter.start()
    canvas.set(1)
    wait_until(lambda: telemetry_log)

    canvas.set(2)

    wait_until(lambda: canvas.drawn == [2])
