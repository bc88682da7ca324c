"""`Detections`: objects of one frame."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import StructureError
from activity.structures import Detections

BOXES = [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]


def three() -> Detections:
    return Detections(
        np.array(BOXES, np.float32), np.array([0.9, 0.8, 0.7], np.float32), ("person", "weapon", "person")
    )


def test_nothing_seen_is_empty() -> None:
    nothing = Detections.empty()
    assert len(nothing) == len(nothing.of("person")) == 0
    assert nothing.boxes.shape == (0, 4)


def test_one_class_is_chosen_in_order() -> None:
    people = three().of("person")
    assert people.boxes[:, 0].tolist() == [0, 4]
    assert people.scores.tolist() == pytest.approx([0.9, 0.7])
    assert people.labels == ("person", "person")


def test_several_classes_are_chosen_in_order() -> None:
    assert three().of(["weapon", "person"]).labels == ("person", "weapon", "person")


def test_a_class_that_was_not_seen_gives_nothing() -> None:
    assert len(three().of("fire")) == 0


def test_labels_become_a_tuple_and_arrays_read_only() -> None:
    detections = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), ["fire"])  # type: ignore[arg-type]
    assert detections.labels == ("fire",)
    assert not detections.boxes.flags.writeable
    assert not detections.scores.flags.writeable


@pytest.mark.parametrize(
    ("boxes", "scores", "labels", "message"),
    [
        (BOXES[:2], [1], ("person",), r"boxes: expected shape \[1, 4\], got \[2, 4\]"),
        (BOXES[:1], [1, 1], ("person",), r"scores: expected shape \[1\], got \[2\]"),
        (BOXES[:1], [1.1], ("person",), r"scores: expected values in \[0, 1\]"),
        (BOXES[:1], [math.nan], ("person",), "scores: 1 of 1 values are NaN"),
        ([[0, 0, math.nan, 1]], [1], ("person",), "boxes: 1 of 4"),
        ([[0, 3, 1, 1]], [1], ("person",), r"boxes\[0\]: expected x0 <= x1 and y0 <= y1"),
        (BOXES[:1], [1], ("",), "labels: expected a name for every detection"),
    ],
)
def test_what_does_not_fit_is_refused(
    boxes: npt.ArrayLike, scores: npt.ArrayLike, labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(StructureError, match=message):
        Detections(boxes, scores, labels)  # type: ignore[arg-type]


def test_a_single_name_in_place_of_labels_is_refused() -> None:
    with pytest.raises(
        StructureError, match="labels: expected names, one for each detection, got the text 'gun'"
    ):
        Detections(np.array(BOXES, np.float32), np.ones(3, np.float32), "gun")  # type: ignore[arg-type]
