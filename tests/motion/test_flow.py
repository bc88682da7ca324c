"""Scenes whose motion is known: nothing, a shift of the whole picture, one square that moves."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from activity.motion import MotionSampler, measure_motion
from activity.motion.flow import FramePair
from activity.structures import MOTION_MEASURES, SceneMotion

Picture = npt.NDArray[np.uint8]


def texture(height: int = 144, width: int = 256, seed: int = 0) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2.5) * np.uint8(1), np.uint8)


def measured(before: Picture, after: Picture, gap_s: float = 0.1) -> dict[str, float]:
    values = measure_motion(FramePair(before, after, gap_s, 1.0))
    assert values.dtype == np.float32
    SceneMotion(np.array([1.0]), values[None])  # finite, none below 0
    return dict(zip(MOTION_MEASURES, values.tolist(), strict=True))


def with_square(ground: Picture, x: int, y: int = 50, side: int = 40) -> Picture:
    picture = ground.copy()
    picture[y : y + side, x : x + side] = texture(side, side, seed=7)
    return picture


def test_a_still_picture_does_not_move() -> None:
    still = measured(texture(), texture())
    assert still["speed_p99_5"] < 0.01
    assert still["moving_area"] == still["largest_area"] == still["direction_entropy"] == 0


def test_a_camera_that_is_pushed_does_not_count() -> None:
    """Everything shifts by 3 px: the median takes it out, all but the edge."""
    ground = texture(150, 262)
    moved = measured(ground[3:147, 3:259], ground[0:144, 0:256])
    assert moved["speed_p75"] < 0.05
    assert moved["speed_p95"] < 0.3


def test_a_square_moves_by_as_much_as_it_was_moved() -> None:
    """60x60 of 256x144 px, 4 px in 0.1 s: 4 / 144 / 0.1 = 0.28 heights a second on a tenth of the picture."""
    ground = texture()
    moved = measured(with_square(ground, 100, side=60), with_square(ground, 104, side=60))
    assert moved["speed_p98"] == pytest.approx(0.278, abs=0.04)
    assert moved["largest_area"] == pytest.approx(3600 / (256 * 144), abs=0.03)
    assert moved["largest_speed_mean"] == pytest.approx(0.25, abs=0.07)  # with the edge, which is blurred
    assert moved["speed_p50"] < 0.03
    assert moved["direction_entropy"] < 0.8  # one way, and the square's edge


def test_twice_the_time_is_half_the_speed() -> None:
    ground = texture()
    before, after = with_square(ground, 100), with_square(ground, 104)
    fast, slow = measured(before, after, 0.1), measured(before, after, 0.2)
    for name in ("speed_p98", "speed_mean", "curl_mean", "divergence_p98"):
        assert slow[name] == pytest.approx(fast[name] / 2, rel=1e-3)


def test_two_ways_have_more_directions_than_one() -> None:
    ground = texture()
    one = measured(with_square(ground, 60), with_square(ground, 64))
    both = measured(
        with_square(with_square(ground, 60), 160, side=38), with_square(with_square(ground, 64), 156, side=38)
    )
    assert both["direction_entropy"] > one["direction_entropy"] + 0.2


def test_frames_are_paired_at_least_75_ms_apart() -> None:
    sampler = MotionSampler()
    image = np.repeat(texture(48, 64)[..., None], 3, axis=2)
    times = [0.0, 0.04, 0.08, 0.12, 0.2, 0.275]
    pairs = [sampler.pair(image, time_s) for time_s in times]
    assert [pair is not None for pair in pairs] == [False, False, True, False, True, True]
    assert [round(pair.gap_s, 3) for pair in pairs if pair] == [0.08, 0.12, 0.075]


@pytest.mark.parametrize("size", [(1, 1), (1080, 1920), (2, 4000), (360, 640)])
def test_pictures_of_any_size_can_be_compared(size: tuple[int, int]) -> None:
    sampler = MotionSampler()
    assert sampler.pair(np.zeros((*size, 3), np.uint8), 0.0) is None
    pair = sampler.pair(np.full((*size, 3), 255, np.uint8), 0.1)
    assert pair is not None
    assert max(pair.after.shape) == 256
    assert np.isfinite(measure_motion(pair)).all()


def test_a_picture_that_changes_its_size_begins_anew() -> None:
    sampler = MotionSampler()
    sampler.pair(np.zeros((48, 64, 3), np.uint8), 0.0)
    assert sampler.pair(np.zeros((64, 48, 3), np.uint8), 0.1) is None
    assert sampler.pair(np.zeros((64, 48, 3), np.uint8), 0.2) is not None
