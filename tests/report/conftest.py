"""A made-up analysis: three people for ten seconds, two of whom fight while one holds a weapon."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from activity.report import ClipAnalysis, FireReading, ModelInfo
from activity.structures import (
    MOTION_MEASURES,
    ActivityScore,
    AttentionMap,
    ClipSummary,
    Detections,
    Evidence,
    HolderCandidate,
    HolderLink,
    SceneAlert,
    SceneMotion,
    Track,
    VideoInfo,
    boxes_around_keypoints,
)

CLASSES = ("Fighting", "Normal")


def figure(
    x: float, ground: float, height: float, phase: float, *, arm: float = 0.2
) -> npt.NDArray[np.float32]:
    """[17, 3]: a walking person whose feet stand at x, ground (pixels); `arm` 1 raises the right arm."""
    swing = 0.06 * math.sin(phase)
    right_wrist = (-0.13 - 0.25 * arm, 0.48 + 0.34 * arm)
    right_elbow = (-0.14 - 0.1 * arm, 0.64 + 0.14 * arm)
    shape = [
        (0, 0.93), (0.02, 0.95), (-0.02, 0.95), (0.04, 0.94), (-0.04, 0.94),
        (0.11, 0.81), (-0.11, 0.81), (0.14 + swing / 2, 0.64), right_elbow,
        (0.15 + swing, 0.48), right_wrist, (0.07, 0.51), (-0.07, 0.51),
        (0.07 + swing, 0.28), (-0.07 - swing, 0.28), (0.07 + 2 * swing, 0.04), (-0.07 - 2 * swing, 0.04),
    ]  # fmt: skip
    points = [(x + dx * height, ground - dy * height, 0.9) for dx, dy in shape]
    return np.array(points, np.float32)


def walking_track(
    track_id: int, *, x: float, speed: float, frames: range, height: float = 150, rate_hz: float = 10
) -> Track:
    """A person seen in every third decoded frame of a 30 Hz video, that is at 10 Hz."""
    times = np.array([frame / rate_hz for frame in frames])
    keypoints = np.stack(
        [
            figure(
                x + speed * t,
                220 - 12 * track_id,
                height,
                6 * t,
                arm=0.5 + 0.5 * math.sin(5 * t) if track_id < 3 else 0,
            )
            for t in times
        ]
    )
    boxes = boxes_around_keypoints(keypoints) + np.array([-6, -10, 6, 6], np.float32)
    scores = np.full(len(times), 0.9)
    return Track(track_id, np.array(frames) * 3, times, keypoints, boxes, scores)


def attention(rng: np.random.Generator, *, towards: int, tubelets: int = 12) -> AttentionMap:
    """Rows that sum to 1; the class token looks at one part more than at the others."""
    parts = rng.dirichlet(np.full(6, 4.0), size=(2, 4, 6))
    parts[-1, :, 0] = 0.3 * parts[-1, :, 0]
    parts[-1, :, 0, towards + 1] += 0.7
    within = rng.dirichlet(np.full(tubelets, 3.0), size=(5, 2, 4, tubelets))
    peak = int(rng.integers(tubelets))
    within = 0.6 * within
    within[..., peak] += 0.4
    return AttentionMap(parts.astype(np.float32), within.astype(np.float32))


def segments(
    track: Track, fighting: Callable[[float], float], rng: np.random.Generator
) -> list[ActivityScore]:
    """Segments of 2.3 s every 1.2 s."""
    scores = []
    start = track.start_s
    while start + 2.3 <= track.end_s + 1e-9:
        p = fighting(start + 1.15)
        scores.append(
            ActivityScore(
                track.track_id,
                start,
                start + 2.3,
                CLASSES,
                np.array([p, 1 - p]),
                attention(rng, towards=2 if p > 0.5 else 3),
            )
        )
        start += 1.2
    return scores


def build_analysis(**changes: Any) -> ClipAnalysis:
    """The made-up analysis, with fields replaced."""
    rng = np.random.default_rng(7)
    tracks = [
        walking_track(1, x=90, speed=3, frames=range(100)),
        walking_track(2, x=165, speed=-2, frames=range(5, 95)),
        walking_track(3, x=250, speed=2, frames=range(30, 100), height=120),
    ]

    def bump(time_s: float) -> float:
        return 0.08 + 0.85 * math.exp(-(((time_s - 5.5) / 2.2) ** 2))

    activities = [
        *segments(tracks[0], bump, rng),
        *segments(tracks[1], lambda t: bump(t) * 0.93, rng),
        *segments(tracks[2], lambda t: 0.1 + 0.02 * t, rng),
    ]
    values: dict[str, Any] = {
        "video": VideoInfo(Path("clips/corridor.mp4"), 320, 240, 30.0, 300, 10.0, "h264"),
        "sha256": "ab" * 32,
        "frames_decoded": 300,
        "frames_analysed": 100,
        "duration_s": 10.0,
        "damage": None,
        "tracks": tracks,
        "activities": activities,
        "summary": ClipSummary(
            "Fighting", 0.93, {"Fighting": 0.93, "Normal": 0.07},
            "The clip has the class of its most alarming person: the mean of that person's two highest segments.",
            votes={"people": {"Fighting": 0.95, "Normal": 0.05}, "scene": {"Fighting": 0.91, "Normal": 0.09}},
        ),
        "motion": SceneMotion(np.arange(1, 6) / 10, rng.uniform(0, 3, (5, len(MOTION_MEASURES))).astype(np.float32)),
        "detections": None,
        "holders": None,
        "fire": None,
        "alerts": [
            SceneAlert(
                "fight_between_two", "Fighting", "police", "severe", 3.6, 7.7, 0.93, (1, 2),
                (
                    Evidence("activity", "Person 1: Fighting with 93 % from 00:03.6 to 00:07.7.", 0.93),
                    Evidence("activity", "Person 2: Fighting with 86 % from 00:04.1 to 00:07.6.", 0.86),
                ),
            ),
        ],
        "models": [
            ModelInfo("person-weapon", "detection", "person_weapon.onnx", "12" * 32, "Finds people and weapons in one pass."),
            ModelInfo("keypoints", "pose", "keypoints.onnx", "34" * 32, "Heat maps on each person: the default because it finds more people than OpenPifPaf does with our checkpoint."),
            ModelInfo("bptubeformer-v2", "recognition", "bptubeformer.safetensors", "56" * 32),
        ],
        "timing_s": {"decode": 0.61, "detection": 5.3, "pose": 3.9, "tracking": 0.2, "tubelets": 0.02, "recognition": 0.8, "overlay": 1.1},
        "settings": {"pose": {"estimator": "top_down", "threshold": 0.1}, "sample_rate_hz": 10.0},
        "warnings": [],
        "not_analysed": {"fire": "No fire classifier is part of this version."},
        "created_at": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    return ClipAnalysis(**(values | changes))


def weapon_findings(analysis: ClipAnalysis) -> dict[str, Any]:
    """Detections, holders and fire for `build_analysis`: person 1 holds a weapon from 4 s to 7 s."""
    first, second = analysis.tracks[0], analysis.tracks[1]
    detections, holders, fire = [], [], []
    for position, (frame, time_s) in enumerate(
        zip(first.frame_indices.tolist(), first.times_s.tolist(), strict=True)
    ):
        objects = Detections.empty()
        if 4 <= time_s <= 7:
            wrist = first.keypoints[position, 10, :2]
            box = np.array([wrist[0] - 16, wrist[1] - 8, wrist[0] + 2, wrist[1] + 4], np.float32)
            objects = Detections(box[None], np.array([0.81]), ("weapon",))
            candidates = (HolderCandidate(1, 0.12, 0.03), HolderCandidate(second.track_id, 0.0, 0.4))
            holders.append(HolderLink(frame, time_s, box, 0.81, 1, "hand_distance", candidates, posture=0.71))
        detections.append((frame, time_s, objects))
        p = 0.1 + 0.85 / (1 + math.exp(-(time_s - 6) * 3))
        fire.append(FireReading(frame, time_s, p, p > 0.7, (270, 150, 310, 210) if p > 0.7 else None))
    return {"detections": detections, "holders": holders, "fire": fire, "not_analysed": {}}


@pytest.fixture
def build() -> Callable[..., ClipAnalysis]:
    """Makes the analysis with fields replaced."""
    return build_analysis


@pytest.fixture
def analysis() -> ClipAnalysis:
    return build_analysis()


@pytest.fixture
def rich_analysis() -> ClipAnalysis:
    base = build_analysis()
    return build_analysis(**weapon_findings(base))


@pytest.fixture
def empty_analysis() -> ClipAnalysis:
    return build_analysis(
        tracks=[],
        activities=[],
        alerts=[],
        summary=ClipSummary(None, None, {}, "The mean of the two highest segments.", "No person was found."),
    )
