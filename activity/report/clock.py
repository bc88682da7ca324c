"""Times of a clip as people read them."""

from __future__ import annotations


def clock(time_s: float) -> str:
    """Minutes, seconds and tenths; hours only where there are any.

    >>> clock(3.25), clock(59.96), clock(3725.5)
    ('00:03.2', '01:00.0', '1:02:05.5')
    """
    tenths = round(max(time_s, 0.0) * 10)
    seconds, tenth = divmod(tenths, 10)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minute:02d}:{second:02d}.{tenth}"
    return f"{minute:02d}:{second:02d}.{tenth}"


def clock_range(start_s: float, end_s: float, *, dash: str = "–") -> str:
    """Two times with a dash, or one where they read the same."""
    start, end = clock(start_s), clock(end_s)
    return start if start == end else f"{start}{dash}{end}"
