"""Drawing is coalesced: seldom, and always once more at the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from coroutines import run_to_end
from waiting import wait_until

from ipynb_telemetry.painter import CALM_S, FRAME_S, Painter


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


async def _cells_end(canvas: Canvas, number: int) -> None:
    for value in range(1, number + 1):
        canvas.set(value)
        canvas.painter.draw_calmly()
        await asyncio.sleep(0)


def test_cells_that_end_one_after_the_other_are_drawn_seldom_and_the_last_for_certain(
    canvas: Canvas,
) -> None:
    async def run_all() -> None:
        await _cells_end(canvas, 50)
        await asyncio.sleep(2 * CALM_S)

    began_s = time.monotonic()
    run_to_end(run_all())

    assert canvas.drawn[-1] == 50
    assert canvas.threads == {threading.get_ident()}
    assert len(canvas.drawn) <= (time.monotonic() - began_s) / CALM_S + 1


def test_a_cell_that_ends_after_a_quiet_time_is_drawn_before_the_next_begins(
    canvas: Canvas,
) -> None:
    run_to_end(_cells_end(canvas, 1))

    assert canvas.drawn == [1]


def test_where_no_event_loop_runs_the_end_of_a_cell_is_drawn_at_once(canvas: Canvas) -> None:
    for value in (1, 2):
        canvas.set(value)
        canvas.painter.draw_calmly()

    assert canvas.drawn == [1, 2]


def test_what_was_planned_before_the_end_draws_no_more(canvas: Canvas) -> None:
    async def end_in_between() -> None:
        await _cells_end(canvas, 2)
        canvas.painter.finish()
        canvas.drawn.clear()
        await asyncio.sleep(2 * CALM_S)

    run_to_end(end_in_between())

    assert canvas.drawn == []


def test_a_plan_of_a_loop_that_has_ended_holds_nothing_up(canvas: Canvas) -> None:
    run_to_end(_cells_end(canvas, 2))  # and the loop with it, before the second is drawn
    wait_until(lambda: time.monotonic() >= canvas.painter._planned_s)

    run_to_end(_cells_end(canvas, 1))

    assert canvas.drawn == [1, 1]
    assert canvas.threads == {threading.get_ident()}


def test_what_is_typed_quickly_is_drawn_in_the_thread_that_has_it(canvas: Canvas) -> None:
    async def type_two_letters() -> None:
        for value in (1, 2):
            canvas.value = value
            canvas.painter.draw_now()
        await asyncio.sleep(2 * FRAME_S)

    run_to_end(type_two_letters())

    assert canvas.drawn == [1, 2]
    assert canvas.threads == {threading.get_ident()}
