import numpy as np
import pytest

from activity.report.attention import attention_over_time, mean_part_weights, tubelet_weights
from activity.report.charts import TimeAxis, heat_rows, probability_line, segment_spans, value_line
from activity.report.wording import clock_range
from activity.structures import ActivityScore, AttentionMap

CLASSES = ("Fighting", "Normal")


def score(start_s: float, end_s: float, p: float, attention: AttentionMap | None = None) -> ActivityScore:
    return ActivityScore(1, start_s, end_s, CLASSES, np.array([p, 1 - p]), attention)


def looking_at(part: int, tubelet: int, tubelets: int = 4) -> AttentionMap:
    """The class token looks only at one part, every part only at one tubelet."""
    parts = np.zeros((1, 1, 6, 6), np.float32)
    parts[..., part + 1] = 1
    within = np.zeros((5, 1, 1, tubelets, tubelets), np.float32)
    within[..., tubelet] = 1
    return AttentionMap(parts, within)


def test_times_become_percent_of_the_axis() -> None:
    axis = TimeAxis(2.0, 12.0)
    assert [axis.left(t) for t in (1.0, 2.0, 4.5, 12.0, 13.0)] == [0, 0, 25, 100, 100]


@pytest.mark.parametrize(
    ("start_s", "end_s", "labels"),
    [
        (0, 10, ["00:00", "00:02", "00:04", "00:06", "00:08", "00:10"]),
        (3, 4, ["00:03.0", "00:03.2", "00:03.4", "00:03.6", "00:03.8", "00:04.0"]),
        (0, 600, ["00:00", "02:00", "04:00", "06:00", "08:00", "10:00"]),
        (0, 0, ["00:00.0", "00:00.1"]),
    ],
)
def test_marks_stand_at_round_times(start_s: float, end_s: float, labels: list[str]) -> None:
    assert [tick.label for tick in TimeAxis(start_s, end_s).ticks] == labels


def test_overlapping_segments_meet_halfway_between_their_middles() -> None:
    first, second = segment_spans(TimeAxis(0, 10), [score(2, 6, 0.9), score(0, 4, 0.2)])
    assert (first.start_s, first.end_s, first.label) == (0, 3, "Normal")
    assert (second.start_s, second.end_s, second.label) == (3, 6, "Fighting")
    assert first.title == "00:00.0–00:04.0: Fighting 20%, Normal 80%"


def test_a_line_passes_through_the_middles_and_breaks_where_no_segment_covers() -> None:
    segments = [score(0, 2, 0.25), score(1, 3, 0.75), score(6, 8, 0.5)]
    line = probability_line(TimeAxis(0, 10), segments, class_name="Fighting", name="", color="")
    assert line.path == "M0.0 75.0 L100.0 75.0 L200.0 25.0 L300.0 25.0 M600.0 50.0 L700.0 50.0 L800.0 50.0"
    assert line.peak == "75%"


def test_a_long_series_keeps_its_peaks() -> None:
    values = np.zeros(20_000)
    values[12_345] = 1
    line = value_line(TimeAxis(0, 20), list(np.arange(20_000) / 1000), values.tolist(), name="", color="")
    assert line.path.count("L") == 999
    assert " 0.00" in line.path
    assert line.peak == "100%"
    assert value_line(TimeAxis(0, 1), [], [], name="", color="").path == ""


def test_attention_is_multiplied_over_part_and_time() -> None:
    grid = attention_over_time([score(0, 4, 0.5, looking_at(2, 1))], start_s=0, end_s=8, bins=8)
    assert grid is not None
    expected = np.zeros((5, 8))
    expected[2, 1] = 20  # all of the attention, on one of 5 parts x 4 tubelets
    expected[:, 4:] = np.nan
    np.testing.assert_allclose(grid[:, [0, 1, 2, 3, 5, 6, 7]], expected[:, [0, 1, 2, 3, 5, 6, 7]])


def test_overlapping_segments_share_their_attention() -> None:
    segments = [score(0, 4, 0.5, looking_at(2, 1)), score(0, 4, 0.5, looking_at(0, 1))]
    grid = attention_over_time(segments, start_s=0, end_s=4, bins=4)
    assert grid is not None
    np.testing.assert_allclose(grid[:, 1], [10, 0, 10, 0, 0])
    weights = mean_part_weights(segments)
    assert weights is not None
    np.testing.assert_allclose(weights, [0.5, 0, 0.5, 0, 0])


def test_segments_without_attention_give_none() -> None:
    assert mean_part_weights([score(0, 1, 0.5)]) is None
    assert mean_part_weights([]) is None
    assert heat_rows(TimeAxis(0, 1), [score(0, 1, 0.5)], bins=10) is None


def test_tubelet_weights_sum_to_one_for_each_part() -> None:
    np.testing.assert_allclose(tubelet_weights(looking_at(1, 3)), np.tile([0, 0, 0, 1], (5, 1)))


def test_heat_is_full_at_three_times_an_even_share() -> None:
    rows = heat_rows(TimeAxis(0, 4), [score(0, 4, 0.5, looking_at(2, 1))], bins=4)
    assert rows is not None
    assert [cell.opacity for cell in rows[2]] == [0, 1, 0, 0]
    assert rows[2][1].title == "wrists, 00:01.5: 20.0 times an even share"


def test_equal_times_read_as_one() -> None:
    assert clock_range(1.01, 1.04) == "00:01.0"
    assert clock_range(1.0, 61.0) == "00:01.0–01:01.0"
