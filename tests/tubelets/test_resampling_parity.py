"""`resample` works on all joints at once; here it is held to the plain way, joint by joint."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from activity.tubelets.filling import resample


def joint_by_joint(
    times_s: npt.NDArray[np.float64],
    positions: npt.NDArray[np.float64],
    seen: npt.NDArray[np.bool_],
    *,
    frame_rate_hz: float,
    max_gap_s: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    step_s = 1 / frame_rate_hz
    count = int(np.floor((times_s[-1] - times_s[0]) / step_s + 1e-6)) + 1
    samples_s = times_s[0] + step_s * np.arange(count)
    result = np.zeros((count, seen.shape[1], 2))
    present = np.zeros((count, seen.shape[1]), dtype=bool)
    observed = np.zeros((count, seen.shape[1]), dtype=bool)
    native_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    reach_s = max(step_s, native_s) / 2 + 1e-9
    for joint in range(seen.shape[1]):
        at = np.flatnonzero(seen[:, joint])
        if not len(at):
            continue
        sighted_s = times_s[at]
        left = np.searchsorted(sighted_s, samples_s + 1e-9, side="right") - 1
        right = np.minimum(left + 1, len(at) - 1)
        left = np.maximum(left, 0)
        since_s = np.abs(samples_s - sighted_s[left])
        until_s = np.abs(sighted_s[right] - samples_s)
        inside = (samples_s >= sighted_s[0] - 1e-9) & (samples_s <= sighted_s[-1] + 1e-9)
        nearest_s = np.minimum(since_s, until_s)
        bridged = (since_s + until_s <= max_gap_s + 1e-9) | (nearest_s <= 1e-9)
        present[:, joint] = np.where(inside, bridged, nearest_s <= max_gap_s + 1e-9)
        observed[:, joint] = (nearest_s <= reach_s) & present[:, joint]
        for axis in (0, 1):
            result[:, joint, axis] = np.interp(samples_s, sighted_s, positions[at, joint, axis])
    result[~present] = 0
    return result, present, observed


@pytest.mark.parametrize("share_seen", [0.0, 0.05, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("frame_rate_hz", [5.0, 12.0, 15.0, 31.0])
def test_all_joints_at_once_give_what_each_joint_alone_gives(share_seen: float, frame_rate_hz: float) -> None:
    rng = np.random.default_rng(int(share_seen * 100) + int(frame_rate_hz))
    for length in (1, 2, 3, 17, 60):
        for regular in (True, False):
            steps_s = np.full(length, 1 / 15) if regular else rng.uniform(0.01, 0.4, length)
            times_s = np.cumsum(steps_s)
            positions = rng.uniform(0, 1000, (length, 17, 2))
            seen = rng.random((length, 17)) < share_seen
            expected = joint_by_joint(times_s, positions, seen, frame_rate_hz=frame_rate_hz, max_gap_s=0.5)
            got = resample(times_s, positions, seen, frame_rate_hz=frame_rate_hz, max_gap_s=0.5)
            np.testing.assert_array_equal(got.present, expected[1])
            np.testing.assert_array_equal(got.observed, expected[2])
            np.testing.assert_allclose(got.positions, expected[0], atol=1e-4)
