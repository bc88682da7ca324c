"""People who were seen in the same frames are cut together into what each of them is cut into alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from activity.structures import Track, boxes_around_keypoints
from activity.tubelets import TubeletSettings, make_tubelets, make_tubelets_together

BODY = TubeletSettings()


def people(count: int, frames: int, *, missing: float = 0.0) -> npt.NDArray[np.float32]:
    """[P, N, 17, 3] of people who move at random; a share of joints is missing, but never a whole pose."""
    rng = np.random.default_rng(frames + count)
    places = rng.uniform(0, 500, (count, 1, 1, 2)) + rng.uniform(0, 200, (count, 1, 17, 2))
    places = places + rng.normal(0, 3, (count, frames, 17, 2)).cumsum(axis=1)
    confidences = rng.uniform(0.2, 1, (count, frames, 17, 1))
    confidences[rng.random(confidences.shape) < missing] = 0
    confidences[:, :, 3] = 0.5
    return np.concatenate([places, confidences], axis=3).astype(np.float32)


def alone(times_s: npt.NDArray[np.float64], keypoints: npt.NDArray[np.float32], track_id: int) -> Track:
    return Track(
        track_id=track_id,
        frame_indices=np.arange(len(times_s)),
        times_s=times_s,
        keypoints=keypoints,
        boxes=boxes_around_keypoints(keypoints),
        scores=np.ones(len(times_s), np.float32),
    )


@pytest.mark.parametrize("frames", [1, 2, 5, 23, 24, 25, 61])
@pytest.mark.parametrize("missing", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("rate_hz", [5.0, 12.0, 30.0])
@pytest.mark.parametrize(
    "chosen",
    [
        BODY,
        dataclasses.replace(BODY, short_tracks="drop"),
        dataclasses.replace(BODY, padding="replicate", min_observed=0.0, keypoint_threshold=0.3, stride=5),
    ],
    ids=["usual", "drop", "other"],
)
def test_each_gets_bit_by_bit_what_each_gets_alone(
    frames: int, missing: float, rate_hz: float, chosen: TubeletSettings
) -> None:
    times_s, keypoints = np.arange(frames) / rate_hz, people(4, frames, missing=missing)
    together = make_tubelets_together(times_s, keypoints, chosen, ids=[1, 2, 3, 9])
    assert together is not None
    for track_id, person, tubelets in zip([1, 2, 3, 9], keypoints, together, strict=True):
        expected = make_tubelets(alone(times_s, person, track_id), chosen)
        assert len(tubelets) == len(expected)
        for got, want in zip(tubelets, expected, strict=True):
            assert (got.track_id, got.start_s, got.end_s, got.observed) == (
                want.track_id,
                want.start_s,
                want.end_s,
                want.observed,
            )
            np.testing.assert_array_equal(got.grids, want.grids)


def test_a_point_has_no_size_and_takes_none_from_the_others() -> None:
    keypoints = people(3, 24)
    keypoints[1, :, :, :2] = 7
    together = make_tubelets_together(np.arange(24) / 12, keypoints, BODY, ids=[1, 2, 3])
    assert together is not None
    assert [len(tubelets) for tubelets in together] == [1, 0, 1]


def test_who_cannot_be_cut_together_is_told_so() -> None:
    times_s, keypoints = np.arange(24) / 12, people(2, 24)
    assert make_tubelets_together(times_s, keypoints, TubeletSettings.paper(), ids=[1, 2]) is None
    assert make_tubelets_together(times_s[:0], keypoints[:, :0], BODY, ids=[1, 2]) is None
    assert make_tubelets_together(times_s * 20, keypoints, BODY, ids=[1, 2]) is None  # 1.7 s between frames
    keypoints[1, 5, :, 2] = 0
    assert make_tubelets_together(times_s, keypoints, BODY, ids=[1, 2]) is None
