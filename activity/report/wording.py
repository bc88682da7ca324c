"""Times, probabilities and counts as people read them."""

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


def percent(probability: float) -> str:
    """A probability that is neither 0 nor 1 never reads as if it were.

    >>> percent(0.934), percent(0.9996), percent(0.001), percent(0.0), percent(1.0)
    ('93%', '>99%', '<1%', '0%', '100%')
    """
    if 0.995 <= probability < 1:
        return ">99%"
    if 0 < probability < 0.005:
        return "<1%"
    return f"{probability:.0%}"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "frame"), count(1200, "frame"), count(2, "person", "people")
    ('1 frame', '1,200 frames', '2 people')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(duration_s: float) -> str:
    """A length of time.

    >>> seconds(0.0421), seconds(9.96), seconds(75.2), seconds(600)
    ('0.04 s', '10.0 s', '1 min 15 s', '10 min 0 s')
    """
    if duration_s < 1:
        return f"{duration_s:.2f} s"
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, rest = divmod(round(duration_s), 60)
    return f"{minutes} min {rest} s"


def sentence(text: str) -> str:
    """A text with a capital and a full stop, as it stands in a paragraph.

    >>> sentence("mean over people"), sentence("Why? Because!")
    ('Mean over people.', 'Why? Because!')
    """
    text = text.strip()
    if text and text[-1] not in ".!?":
        text += "."
    return text[:1].upper() + text[1:]
