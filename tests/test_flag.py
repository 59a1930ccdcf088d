"""The flag: as an event of `threading`, and never left locked."""

from __future__ import annotations

import subprocess
import sys
import threading

from ipynb_telemetry.flag import Flag


def test_it_is_set_until_it_is_cleared() -> None:
    flag = Flag()
    assert not flag.is_set()

    flag.set()
    flag.set()
    assert flag.is_set()
    assert flag.wait()
    assert flag.is_set()

    flag.clear()
    assert not flag.is_set()


def test_who_waits_for_nothing_goes_on_after_a_while() -> None:
    assert not Flag().wait(0.01)


def test_it_wakes_who_waits_in_another_thread() -> None:
    flag, awake = Flag(), threading.Event()

    def wait_for_it() -> None:
        if flag.wait():
            awake.set()

    waiting = threading.Thread(target=wait_for_it, daemon=True)
    waiting.start()

    flag.set()

    assert awake.wait(10)


def test_set_by_many_threads_at_once_one_clear_is_enough() -> None:
    flag, ready = Flag(), threading.Barrier(8)

    def set_it() -> None:
        ready.wait()
        flag.set()

    threads = [threading.Thread(target=set_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    flag.clear()

    assert not flag.is_set()


INTERRUPTED = """
import os, signal, threading
from ipynb_telemetry.flag import Flag

signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, in the background
flag, may_come, is_over = Flag(), False, False

def interrupt():
    global may_come, is_over
    while not may_come:
        pass
    for _ in range(300):
        may_come = False
        os.kill(os.getpid(), signal.SIGINT)
        while not may_come:  # the one before has not been met yet
            threading.Event().wait(0.0002)
    is_over = True

def set_and_clear():
    global may_come
    may_come = True
    while not is_over:
        flag.set()
        flag.clear()

threading.Thread(target=interrupt).start()
while not is_over:
    try:
        set_and_clear()
    except KeyboardInterrupt:
        pass
flag.set()
print(flag.wait(1))
"""


def test_an_interrupt_at_any_moment_does_not_leave_it_locked() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ran.stdout == "True\n"
