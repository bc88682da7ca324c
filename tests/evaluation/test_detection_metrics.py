from __future__ import annotations

import numpy as np
import pytest

from activity.errors import DatasetError
from activity.evaluation.detection import TrueObjects, measure_detections, measure_rates
from activity.structures import Detections

NOTHING = np.zeros((0, 4), np.float32)


def truth(
    *boxes: list[float], label: str = "person", ignored: list[list[float]] | None = None
) -> TrueObjects:
    return TrueObjects(
        np.array(boxes, np.float32).reshape(-1, 4),
        (label,) * len(boxes),
        np.array(ignored or [], np.float32).reshape(-1, 4),
    )


def found(*boxes: tuple[list[float], float], label: str = "person") -> Detections:
    return Detections(
        np.array([box for box, _ in boxes], np.float32).reshape(-1, 4),
        np.array([score for _, score in boxes], np.float32),
        (label,) * len(boxes),
    )


THRESHOLDS = {"person": 0.5, "weapon": 0.5}
BOTH = ("person", "weapon")


def test_perfect_detections_reach_one_everywhere() -> None:
    metrics = measure_detections(
        [truth([0, 0, 10, 20]), truth([5, 5, 9, 9], label="weapon")],
        [found(([0, 0, 10, 20], 0.9)), found(([5, 5, 9, 9], 0.8), label="weapon")],
        labels=BOTH,
        score_thresholds=THRESHOLDS,
    )
    assert metrics.map50 == pytest.approx(1)
    assert metrics.map50_95 == pytest.approx(1)
    assert (metrics.rates.precision, metrics.rates.recall, metrics.rates.f1) == (1, 1, 1)
    assert metrics.rates.mean_iou == pytest.approx(1)
    assert metrics.objects == {"person": 1, "weapon": 1}


def test_half_found_with_one_false_alarm_is_what_the_hand_says() -> None:
    # Two people; one found at overlap 8/10, one missed, one false alarm of a lower score.
    metrics = measure_detections(
        [truth([0, 0, 10, 10], [50, 50, 60, 60])],
        [found(([0, 0, 8, 10], 0.9), ([20, 20, 30, 30], 0.6))],
        labels=BOTH,
        score_thresholds=THRESHOLDS,
    )
    assert metrics.rates.precision == pytest.approx(0.5)
    assert metrics.rates.recall == pytest.approx(0.5)
    assert metrics.rates.mean_iou == pytest.approx(0.8)
    assert metrics.as_json()["at_score_0.25"] == pytest.approx(
        {"precision": 0.5, "recall": 0.5, "f1": 0.5, "mean_iou": 0.4}  # Darknet counts the wrong one as 0
    )
    # Precision 1 up to recall 0.5: 51 of 101 recall points.
    assert metrics.ap50 == {"person": pytest.approx(51 / 101)}
    # Overlap 0.8 counts at 0.5 ... 0.8 (float32 puts it just at or under the last): 6 or 7 of 10.
    assert metrics.map50_95 == pytest.approx(51 / 101 * 0.7, abs=51 / 101 * 0.1 + 1e-6)


def test_rates_look_only_at_detections_over_the_threshold() -> None:
    sure, unsure = ([0.0, 0, 10, 10], 0.9), ([30.0, 0, 40, 10], 0.3)
    truths = [truth([0, 0, 10, 10], [30, 0, 40, 10])]
    assert measure_rates(truths, [found(sure, unsure)], label="person", score_threshold=0.5).recall == 0.5
    assert measure_rates(truths, [found(sure, unsure)], label="person", score_threshold=0.3).recall == 1


def test_second_detection_of_one_person_is_a_false_alarm() -> None:
    rates = measure_rates(
        [truth([0, 0, 10, 10])],
        [found(([0, 0, 10, 10], 0.9), ([0, 0, 10, 9], 0.8))],
        label="person",
        score_threshold=0.5,
    )
    assert (rates.precision, rates.recall) == (0.5, 1)


def test_detections_in_ignored_regions_count_neither_way() -> None:
    metrics = measure_detections(
        [truth([0, 0, 10, 10], ignored=[[40, 40, 90, 90]])],
        [found(([0, 0, 10, 10], 0.7), ([50, 50, 60, 60], 0.9))],
        labels=("person",),
        score_thresholds=THRESHOLDS,
    )
    assert metrics.map50 == pytest.approx(1)
    assert metrics.rates.precision == 1


def test_classes_without_objects_are_left_out() -> None:
    metrics = measure_detections(
        [truth([0, 0, 10, 10])],
        [found(([0, 0, 10, 10], 0.9), label="weapon")],
        labels=BOTH,
        score_thresholds=THRESHOLDS,
    )
    assert set(metrics.ap50) == {"person"}
    assert (metrics.map50, metrics.rates.recall, metrics.rates.f1) == (0, 0, 0)


def test_json_has_the_documented_keys() -> None:
    metrics = measure_detections([truth([0, 0, 10, 10])], [found()], labels=BOTH, score_thresholds=THRESHOLDS)
    assert {"map50", "map50_95", "ap50", "precision", "recall", "f1", "mean_iou"} <= set(metrics.as_json())


def test_nothing_prints_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    measure_detections(
        [truth([0, 0, 9, 9])], [found(([0, 0, 9, 9], 0.9))], labels=BOTH, score_thresholds=THRESHOLDS
    )
    assert capsys.readouterr().out == ""


def test_what_cannot_be_measured_is_an_error() -> None:
    with pytest.raises(DatasetError, match="detections for 2 images, got 1"):
        measure_detections([truth(), truth()], [found()], labels=BOTH, score_thresholds=THRESHOLDS)
    with pytest.raises(DatasetError, match="no image holds an object"):
        measure_detections([truth()], [found()], labels=BOTH, score_thresholds=THRESHOLDS)
