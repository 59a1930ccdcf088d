"""When an event happened: by its sender's clock, and by ours where that is wrong."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_FUTURE = timedelta(hours=23)  # PostHog takes what is said to happen later for happening now
# A smaller difference is the network's, not the clock's: correcting it would only shake the
# times of a class whose clocks are right.
_MIN_SKEW = timedelta(seconds=10)
_AS_WE_KEEP_IT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?\+00:00"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FRACTION = re.compile(r"\.([0-9]{1,9})")


def clock_skew(sent_at: object, received: datetime) -> timedelta:
    """How far the sender's clock is behind ours; zero where that may be the network's doing."""
    sent = moment(sent_at)
    skew = received - sent if sent is not None else timedelta()
    return skew if abs(skew) >= _MIN_SKEW else timedelta()


def moment(value: object) -> datetime | None:
    """A date of ISO 8601 in UTC, which it is taken for where it names no zone; else None."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text[-1:] in {"Z", "z"}:
        text = text[:-1] + "+00:00"
    try:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:  # Python 3.10 wants three or six digits
            text = _FRACTION.sub(lambda digits: f".{digits[1]:0<6.6}", text, count=1)
            when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            return when.replace(tzinfo=timezone.utc)
        return when.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def happened(value: object, received: datetime, skew: timedelta) -> str:
    """When an event happened: by its own word, corrected by `skew`; now if it has none."""
    if not skew and isinstance(value, str) and _AS_WE_KEEP_IT.fullmatch(value):
        try:
            if datetime.fromisoformat(value) - received < _FUTURE:
                return value  # as every event of ours has it
        except ValueError:  # the 31st of February
            return received.isoformat()
    when = moment(value)
    if when is None:
        return received.isoformat()
    try:
        when += skew
    except OverflowError:
        return received.isoformat()
    return (when if when - received < _FUTURE else received).isoformat()


def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC, as the store has its times."""
    # Not fromtimestamp: Windows knows no time before 1970, and anybody can send one.
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="microseconds")
