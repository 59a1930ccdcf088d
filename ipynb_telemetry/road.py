"""The way to one destination: when it may be tried again, and with how many events at once."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ipynb_telemetry.answers import Answer, Outcome
from ipynb_telemetry.backlog import MAX_BATCH_EVENTS

_FIRST_WAIT_S = 0.5
_MAX_WAIT_S = 60.0
# Nobody answers, so asking costs nobody anything: the class is back within seconds.
_MAX_WAIT_UNREACHABLE_S = 2.0
_MAX_RETRY_AFTER_S = 300.0
_REST_PER_ATTEMPT = 10
_SLOW_S = 1.0


@dataclass(eq=False)
class Road:
    """What is known of it."""

    failures: int = 0
    """How many attempts in a row have failed."""
    max_events: int = MAX_BATCH_EVENTS
    answer: Answer | None = None
    """The latest that says how the road is; None before the first."""
    trusted: bool = False
    """Whether the server has accepted something since it last refused an event for good."""
    _open_from_s: float = 0.0
    _open_for_leftovers_from_s: float = 0.0

    def open_from_s(self, *, for_leftovers: bool) -> float:
        """When it may be tried, by the clock of whoever reports failures."""
        return self._open_for_leftovers_from_s if for_leftovers else self._open_from_s

    def reopen(self) -> None:
        """Do not wait any longer, unless the server has asked for it."""
        if self.answer is None or self.answer.retry_after_s is None:
            self._open_from_s = self._open_for_leftovers_from_s = 0.0

    def accepted(self, answer: Answer, *, took_s: float) -> None:
        self.answer = answer
        self.failures = 0
        self.trusted = True
        if took_s < _SLOW_S:
            self.max_events = min(MAX_BATCH_EVENTS, self.max_events * 2)

    def refused(self, events: int) -> None:
        """One of `events` is a culprit: with half of them at a time it will be found."""
        self.max_events = max(1, events // 2)

    def failed(self, answer: Answer, *, events: int, took_s: float, now_s: float) -> None:
        """Leave the destination alone for a while.

        One that hangs stops everything else for as long as an attempt takes, so leftovers,
        which nobody waits for, rest ten times as long.
        """
        self.answer = answer
        self.failures += 1
        if took_s > _SLOW_S:  # the line may be too slow for so much at once
            self.max_events = max(1, events // 2)
        wait = wait_s(answer, self.failures)
        rest_s = min(_MAX_WAIT_S, _REST_PER_ATTEMPT * took_s)
        self._open_from_s = now_s + wait
        self._open_for_leftovers_from_s = now_s + max(wait, rest_s)


def wait_s(answer: Answer, failures: int) -> float:
    """How long to leave a destination alone after `failures` in a row, with jitter.

    What the server asks for is a minimum, up to five minutes.
    """
    if answer.outcome is Outcome.KEY_REFUSED:
        return _MAX_WAIT_S
    share = random.random()  # noqa: S311  # a class must not come back all at once
    unreachable = answer.outcome is Outcome.UNREACHABLE
    longest_s = _MAX_WAIT_UNREACHABLE_S if unreachable else _MAX_WAIT_S
    growing_s = min(longest_s, _FIRST_WAIT_S * (1 << min(failures, 10))) * (1 + share) / 2
    if answer.retry_after_s is None:
        return growing_s
    asked_s = min(answer.retry_after_s, _MAX_RETRY_AFTER_S)
    return max(growing_s, asked_s + share * _FIRST_WAIT_S)
