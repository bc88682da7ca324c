"""A made-up data set in HR-Crime's format, to try the whole machinery before HR-Crime is there.

Stick people move their limbs; how far and how fast depends on the class. It says nothing about crime.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import OutputError

HR_CRIME_CLASSES: Final = (
    "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents", "Robbery",
    "Shooting", "Shoplifting", "Stealing", "Vandalism",
)  # fmt: skip
FRAME_RATE_HZ: Final = 30.0
WIDTH, HEIGHT = 320, 240

_STANDING: Final = np.array(
    [
        (0, -80), (3, -83), (-3, -83), (6, -80), (-6, -80), (12, -62), (-12, -62), (16, -42), (-16, -42),
        (18, -22), (-18, -22), (8, -20), (-8, -20), (9, 8), (-9, 8), (10, 36), (-10, 36),
    ],
    dtype=np.float64,
)  # fmt: skip
"""COCO joints of somebody who stands, in pixels from the middle of the body."""


def write_generated(root: Path, *, videos: int = 3, people: int = 2, frames: int = 80, seed: int = 0) -> Path:
    """Write `root/<class>/<video>/<person>.csv` for the 13 classes of HR-Crime, and `videos.json`.

    Args:
        root: A folder that does not hold anything yet; made if it is missing.
        videos: Of each class.
        people: In each video.
        frames: Of each video.
        seed: Of the random numbers; the same seed writes the same files.

    Raises:
        OutputError: If the folder holds something, or cannot be written to.
    """
    if root.exists() and any(root.iterdir()):
        raise OutputError(f"{root}: expected an empty folder for the generated data; name another")
    generator = np.random.default_rng(seed)
    facts = {}
    try:
        for index, category in enumerate(HR_CRIME_CLASSES):
            for number in range(1, videos + 1):
                video = f"{category}{number:03d}_generated"
                facts[video] = {"frame_rate_hz": FRAME_RATE_HZ, "width": WIDTH, "height": HEIGHT}
                folder = root / category / video
                folder.mkdir(parents=True)
                for person in range(1, people + 1):
                    _write_person(
                        folder / f"{person}.csv",
                        _motion(index, frames=frames, generator=generator),
                        generator,
                    )
        (root / "videos.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{root}: the generated data cannot be written: {error.strerror}") from error
    return root


def _motion(index: int, *, frames: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """Joints [F, 17, 2] in pixels: arms and legs swing with the class's own rate and reach."""
    times = np.arange(frames) / FRAME_RATE_HZ
    rate_hz = 0.5 + 0.35 * (index % 5)
    reach_px = 4 + 6 * (index // 5)
    phase = generator.uniform(0, 2 * np.pi)
    swing = reach_px * np.sin(2 * np.pi * rate_hz * times + phase)
    joints = np.tile(_STANDING, (frames, 1, 1))
    joints[:, [7, 9], 0] += swing[:, None] * [0.5, 1]
    joints[:, [8, 10], 1] -= np.abs(swing)[:, None] * [0.5, 1]
    joints[:, [13, 15], 0] += 0.6 * swing[:, None] * [0.5, 1]
    start = generator.uniform([40, 100], [WIDTH - 40, HEIGHT - 60])
    walk = generator.uniform(-15, 15, size=2) * times[:, None]
    jitter = generator.normal(scale=0.7, size=joints.shape)
    return joints * generator.uniform(0.8, 1.2) + (start + walk)[:, None] + jitter


def _write_person(path: Path, joints: npt.NDArray[np.float64], generator: np.random.Generator) -> None:
    joints = np.clip(joints, 1, None)
    joints[generator.random(joints.shape[:2]) < 0.03] = 0  # a missing joint
    lines = [
        ",".join([str(frame), *(f"{value:.4f}" for value in row)])
        for frame, row in enumerate(joints.reshape(len(joints), -1))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
