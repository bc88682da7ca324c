from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.errors import ConfigurationError
from activity.video import FrameSampler, PresentationClock


def times_of(stamps: list[int | None], *, rate_hz: float = 10) -> list[float]:
    clock = PresentationClock(time_base=Fraction(1, 1000), frame_rate_hz=rate_hz)
    return [clock.time_of(stamp) for stamp in stamps]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        pytest.param([500, 600, 650, 900], [0, 0.1, 0.15, 0.4], id="true times count from the first frame"),
        pytest.param([0, None, 200], [0, 0.1, 0.2], id="a missing time is one period later"),
        pytest.param(
            [None, None, 700, 750], [0, 0.1, 0.2, 0.25], id="the first known time follows the missing ones"
        ),
        pytest.param([0, 100, 100, 200], [0, 0.1, 0.15, 0.2], id="a duplicate leaves the next time true"),
        pytest.param(
            [0, 300, 200, 400], [0, 0.3, 0.35, 0.4], id="a small step back leaves the next time true"
        ),
        pytest.param(
            [0, 5000, 10, 30], [0, 5, 5.1, 5.12], id="after a restart of the counter the spacing goes on"
        ),
        pytest.param([], [], id="no frame"),
        pytest.param([42], [0], id="one frame"),
    ],
)
def test_times_are_true_where_they_can_be_and_repaired_where_not(
    stamps: list[int | None], expected: list[float]
) -> None:
    assert times_of(stamps) == pytest.approx(expected)


def test_repaired_times_are_counted() -> None:
    clock = PresentationClock(time_base=Fraction(1, 1000), frame_rate_hz=10)
    for stamp in (0, 100, 100, None, 400):
        clock.time_of(stamp)
    assert clock.repaired == 2


@given(st.lists(st.none() | st.integers(-(10**12), 10**12)), st.floats(0.5, 240))
def test_times_always_increase(stamps: list[int | None], rate_hz: float) -> None:
    times = times_of(stamps, rate_hz=rate_hz)
    assert all(later > earlier for earlier, later in pairwise(times))


def chosen(times: list[float], *, rate_hz: float | None, frame_rate_hz: float) -> list[int]:
    sampler = FrameSampler(sample_rate_hz=rate_hz, frame_rate_hz=frame_rate_hz)
    return [index for index, time_s in enumerate(times) if sampler.takes(time_s)]


def test_every_second_frame_is_taken_at_half_the_rate() -> None:
    assert chosen([k / 30 for k in range(6)], rate_hz=15, frame_rate_hz=30) == [0, 2, 4]


def test_times_rounded_to_milliseconds_do_not_shift_the_choice() -> None:
    # 0.133 s is 1.995 periods of 15 Hz: just before the instant, and yet the frame meant by it
    assert chosen([round(k / 30, 3) for k in range(7)], rate_hz=15, frame_rate_hz=30) == [0, 2, 4, 6]


def test_frames_are_chosen_by_time_and_not_by_count() -> None:
    # ten frames in the first second, then one a second: 2 Hz takes 0 s, 0.5 s and every later frame
    times = [k / 10 for k in range(10)] + [1, 2, 3]
    assert chosen(times, rate_hz=2, frame_rate_hz=10) == [0, 5, 10, 11, 12]


def test_a_stream_slower_than_the_rate_is_taken_whole() -> None:
    assert chosen([0, 0.2, 0.4], rate_hz=30, frame_rate_hz=5) == [0, 1, 2]


def test_without_a_rate_every_frame_is_taken() -> None:
    assert chosen([0, 0.001, 0.002], rate_hz=None, frame_rate_hz=25) == [0, 1, 2]


@given(st.lists(st.floats(0.001, 2), max_size=60), st.floats(0.5, 60))
def test_never_more_frames_are_taken_than_the_rate_allows(gaps: list[float], rate_hz: float) -> None:
    times, now = [], 0.0
    for gap in gaps:
        times.append(now)
        now += gap
    taken = chosen(times, rate_hz=rate_hz, frame_rate_hz=25)
    assert len(taken) <= now * rate_hz + 2


@pytest.mark.parametrize("rate_hz", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_no_rate_is_refused(rate_hz: float) -> None:
    with pytest.raises(ConfigurationError, match="sample_rate_hz"):
        FrameSampler(sample_rate_hz=rate_hz, frame_rate_hz=25)
