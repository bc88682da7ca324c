"""The first pass over a clip: the same whatever the number of frames in work, and times that add up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from activity.assembly import Networks
from activity.config import Settings
from activity.detection.pyramid import ScalePyramid
from activity.errors import CheckpointError, VideoError
from activity.observation import Observations, StageClock, observe_clip
from activity.structures import Detections, FireFinding, Poses
from activity.video import VideoWriter

FRAMES = 40
RATE_HZ = 10


class BrightPatchDetector:
    """Finds one person and one weapon where the picture's white patch is; later frames take less time."""

    labels = ("person", "weapon")
    score_thresholds: Mapping[str, float] = {"person": 0.1, "weapon": 0.1}

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.calls = 0
        self.at_once = self.most_at_once = 0
        self._fails_at = fails_at
        self._lock = threading.Lock()

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        with self._lock:
            call, self.calls = self.calls, self.calls + 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.004 if call % 2 else 0.001)
        with self._lock:
            self.at_once -= 1
        if call == self._fails_at:
            raise CheckpointError(f"call {call}")
        columns = np.flatnonzero(image[..., 0].max(axis=0) > 128)
        x0 = float(columns[0])
        boxes = np.array([[x0, 20, x0 + 24, 90], [x0, 40, x0 + 8, 48]], np.float32)
        return Detections(boxes, np.array([0.9, 0.5], np.float32), self.labels)


class BoxEstimator:
    """Puts all joints of a person on the diagonal of the box."""

    uses_person_boxes = True

    def estimate(self, image: npt.NDArray[np.uint8], people: Detections) -> Poses:
        persons = people.of("person")
        share = np.linspace(0.1, 0.9, 17, dtype=np.float32)[None, :, None]
        corners = persons.boxes[:, None, :2] + share * (
            persons.boxes[:, None, 2:] - persons.boxes[:, None, :2]
        )
        joints = np.concatenate([corners, np.full((len(persons), 17, 1), 0.8, np.float32)], axis=2)
        return Poses(joints, persons.boxes, persons.scores)


class MeanFire:
    """Says how bright a picture is."""

    threshold = 0.9

    def classify(self, image: npt.NDArray[np.uint8]) -> FireFinding:
        return FireFinding(float(image.mean() / 255), np.zeros((2, 2), np.float32), None)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A white patch that moves to the right."""
    path = tmp_path_factory.mktemp("observation") / "patch.mp4"
    with VideoWriter(path, width=160, height=96, frame_rate_hz=RATE_HZ) as writer:
        for number in range(FRAMES):
            image = np.full((96, 160, 3), 30, np.uint8)
            image[20:90, 10 + 2 * number : 34 + 2 * number] = 240
            writer.write(image, number / RATE_HZ)
    return path


def networks(
    frames_at_once: int, *, fails_at: int | None = None, pyramid: ScalePyramid | None = None
) -> tuple[Networks, BrightPatchDetector]:
    detector = BrightPatchDetector(fails_at=fails_at)
    return Networks(
        detector=detector,
        estimator=BoxEstimator(),
        recognizer=cast("Any", None),
        pyramid=pyramid,
        closeup=None,
        fire=cast("Any", MeanFire()),
        score_floors={},
        models=(),
        frames_at_once=frames_at_once,
    ), detector


def facts(seen: Observations) -> dict[str, Any]:
    """All that was observed but the times it took."""
    return {
        "frames": (seen.frames_decoded, seen.frames_analysed, seen.duration_s, seen.damage),
        "tracks": [
            (t.track_id, t.frame_indices.tolist(), t.keypoints.tolist(), t.boxes.tolist(), t.scores.tolist())
            for t in seen.tracks
        ],
        "weapons": [(i, t, found.boxes.tolist(), found.labels) for i, t, found in seen.weapons],
        "fire": [(i, t, found.probability) for i, t, found in seen.fire or ()],
        "people": [(t, boxes.tolist()) for t, boxes in seen.detected_people],
    }


SETTINGS = Settings.model_validate(
    {"output": {"redact": True}, "detector": {"weapon_rate_hz": 4}, "fire": {"rate_hz": 2}}
)


def test_two_and_four_frames_at_once_tell_what_one_does(clip: Path) -> None:
    told, most_at_once = [], []
    for frames_at_once in (1, 2, 4):
        looking, detector = networks(frames_at_once)
        told.append(facts(observe_clip(clip, SETTINGS, looking)))
        most_at_once.append(detector.most_at_once)
        assert detector.calls == FRAMES
    assert told[0] == told[1] == told[2]
    assert len(told[0]["tracks"]) == 1
    assert len(told[0]["weapons"]) == 14  # at 10 frames and 4 looks a second: every third frame of 40
    assert len(told[0]["fire"]) == 8
    assert most_at_once[0] == 1
    assert 2 <= most_at_once[2] <= 4


def test_looks_for_weapons_take_what_smaller_copies_of_the_frame_add(clip: Path) -> None:
    class WholeFrame(BrightPatchDetector):
        """Takes the whole frame for a weapon."""

        def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
            self.calls += 1
            return Detections(
                np.array([[0, 0, 160, 96]], np.float32), np.array([0.6], np.float32), ("weapon",)
            )

    smaller = WholeFrame()
    looking, _ = networks(1, pyramid=ScalePyramid([smaller], label="weapon"))
    seen = observe_clip(clip, SETTINGS, looking)
    assert smaller.calls == 14  # as many as there are looks, not as there are frames
    assert all(found.scores.tolist() == pytest.approx([0.6, 0.5]) for _, _, found in seen.weapons)
    assert len(seen.tracks) == 1


@pytest.mark.parametrize("frames_at_once", [1, 2])
def test_progress_comes_frame_by_frame_in_order(clip: Path, frames_at_once: int) -> None:
    steps: list[tuple[str, int, int | None]] = []
    observe_clip(clip, SETTINGS, networks(frames_at_once)[0], on_progress=lambda *step: steps.append(step))
    assert steps == [("analyse", number, FRAMES) for number in range(1, FRAMES + 1)]


def interrupted(
    clip: Path, frames_at_once: int, *, fails_at: int | None = None, stop_at: int | None = None
) -> tuple[Exception, int, int]:
    """The error, the frames reported before it, and the frames looked at."""
    reported = 0

    def count(_stage: str, done: int, _total: int | None) -> None:
        nonlocal reported
        if done == stop_at:
            raise RuntimeError("the user stopped it")
        reported = done

    looking, detector = networks(frames_at_once, fails_at=fails_at)
    before = set(threading.enumerate())
    with pytest.raises((CheckpointError, VideoError, RuntimeError)) as caught:
        observe_clip(clip, SETTINGS, looking, on_progress=count)
    assert set(threading.enumerate()) <= before, "no thread is left"
    return caught.value, reported, detector.calls


@pytest.mark.parametrize("frames_at_once", [1, 2])
def test_a_network_that_fails_at_a_frame_ends_the_clip_after_the_frames_before_it(
    clip: Path, frames_at_once: int
) -> None:
    error, reported, looked = interrupted(clip, frames_at_once, fails_at=11)
    assert "call 11" in str(error)
    # which of two frames in work makes the twelfth call is open
    assert reported == 11 if frames_at_once == 1 else 10 <= reported <= 12
    assert looked == 12 if frames_at_once == 1 else looked <= 17


@pytest.mark.parametrize("frames_at_once", [1, 2])
def test_a_clip_can_be_stopped_and_what_waits_is_not_looked_at(clip: Path, frames_at_once: int) -> None:
    error, reported, looked = interrupted(clip, frames_at_once, stop_at=9)
    assert str(error) == "the user stopped it"
    assert reported == 8
    assert looked == 9 if frames_at_once == 1 else 9 <= looked <= 14


def test_damage_is_told_after_the_good_frames_before_it(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    content = clip.read_bytes()
    cut.write_bytes(content[: int(0.7 * len(content))])
    by_one, by_two = (interrupted(cut, frames_at_once) for frames_at_once in (1, 2))
    assert isinstance(by_one[0], VideoError)
    assert str(by_one[0]) == str(by_two[0])
    assert by_one[1:] == by_two[1:]
    assert 0 < by_one[1] == by_one[2] < FRAMES


def run_stages(clock: StageClock, order: list[tuple[str, Callable[[Any], object]]]) -> None:
    open_stages: dict[str, Any] = {}
    for name, action in order:
        if name not in open_stages:
            open_stages[name] = clock(name.split("/")[0])
        action(open_stages[name])


def enter(stage: Any) -> object:
    return stage.__enter__()


def leave(stage: Any) -> object:
    return stage.__exit__(None, None, None)


def test_stages_that_run_at_once_share_the_time_that_passes() -> None:
    clock = StageClock(now=iter([0.0, 1.0, 3.0, 6.0, 10.0, 10.5]).__next__)
    run_stages(
        clock,
        [
            ("detect/1", enter),  # 0 to 1 s: alone
            ("pose/2", enter),  # 1 to 3 s: two at once, a second each
            ("detect/3", enter),  # 3 to 6 s: three at once, a second each
            ("pose/2", leave),  # 6 to 10 s: two, of one stage
            ("detect/1", leave),  # 10 to 10.5 s: alone
            ("detect/3", leave),
        ],
    )
    assert clock.seconds == pytest.approx({"detect": 1 + 1 + 2 + 4 + 0.5, "pose": 1 + 1})


def test_a_pause_between_stages_belongs_to_none() -> None:
    clock = StageClock(now=iter([0.0, 1.0, 5.0, 7.0]).__next__)
    run_stages(clock, [("a", enter), ("a", leave), ("b", enter), ("b", leave)])
    assert clock.seconds == pytest.approx({"a": 1, "b": 2})


def test_stages_of_a_clip_never_take_longer_than_the_wall_clock(clip: Path) -> None:
    begin = time.perf_counter()
    seen = observe_clip(clip, SETTINGS, networks(4)[0])
    wall_s = time.perf_counter() - begin
    assert {"decode", "detect", "pose", "track", "weapons", "fire"} <= set(seen.timing_s)
    assert 0 < sum(seen.timing_s.values()) <= wall_s
