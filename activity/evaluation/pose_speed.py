"""How fast the pose estimators are: frames of one clip, all estimators in turns, OpenPifPaf's own way among them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.assembly import OPENPIFPAF_CHECKPOINT, load_detector, load_estimator
from activity.config import Settings, embedded_checkpoint
from activity.errors import VideoError
from activity.structures import Detections
from activity.video import VideoReader

Image = npt.NDArray[np.uint8]
CountPeople = Callable[[Image], int]
"""Finds the people of one frame and says how many."""

PREDICTOR: Final = "openpifpaf, its own Predictor"
TOPDOWN: Final = "topdown, ONNX Runtime"
OPENPIFPAF_ONNX: Final = "openpifpaf, ONNX Runtime"
OPENPIFPAF_TORCH: Final = "openpifpaf, torch"


@dataclass(slots=True)
class PoseTiming:
    """What one estimator took, one entry a frame.

    Attributes:
        wall_s: Seconds that passed.
        cpu_s: Seconds of processor time, all threads together.
        people: People found.
    """

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    people: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, float]:
        """Medians, which another program's short claim on the processor does not move."""
        wall_s = float(np.median(self.wall_s))
        return {
            "frames_per_s": 1 / wall_s,
            "ms": 1e3 * wall_s,
            "cpu_ms": 1e3 * float(np.median(self.cpu_s)),
            "people": float(np.mean(self.people)),
        }


def read_frames(clip: Path, *, frames: int, size: tuple[int, int]) -> list[Image]:
    """Take frames evenly from a clip and scale them to `size`, width and height in pixels.

    Raises:
        VideoError: If the clip cannot be read or has no frame.
    """
    with VideoReader(clip) as reader:
        step = max(1, (reader.info.frames or frames) // frames)
        chosen = [frame.image for frame in islice(reader, 0, step * frames, step)]
    if not chosen:
        raise VideoError(clip, "expected at least one frame")
    return [np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8) for image in chosen]


@contextmanager
def pose_estimators(settings: Settings, *, threads: int) -> Iterator[dict[str, CountPeople]]:
    """Load every estimator with the checkpoints of `settings` or the embedded ones.

    OpenPifPaf runs three times with the same weights, input size and decoder thresholds: by ONNX Runtime, by torch,
    and by its own `Predictor`, which is what its users call.

    Raises:
        CheckpointError: If a checkpoint cannot be loaded.
    """
    import torch  # noqa: PLC0415  (seconds that --help need not pay)

    from activity.pose.openpifpaf import OpenPifPafEstimator  # noqa: PLC0415

    torch.set_num_threads(threads)
    checkpoint: Path | str = embedded_checkpoint(OPENPIFPAF_CHECKPOINT)
    if settings.pose.estimator == "openpifpaf" and settings.pose.checkpoint:
        checkpoint = settings.pose.checkpoint
    topdown = settings.pose.checkpoint if settings.pose.estimator == "topdown" else None
    section = settings.pose.model_copy(update={"estimator": "topdown", "checkpoint": topdown})
    detector, _ = load_detector(settings, threads=threads)
    estimator, _ = load_estimator(settings.model_copy(update={"pose": section}), threads=threads)
    by_onnx, by_torch = (
        OpenPifPafEstimator(checkpoint, runtime=runtime, threads=threads) for runtime in ("onnx", "torch")
    )
    nobody = Detections.empty()
    with _predictor(checkpoint) as predict:
        yield {
            TOPDOWN: lambda image: len(estimator.estimate(image, detector.detect(image))),
            OPENPIFPAF_ONNX: lambda image: len(by_onnx.estimate(image, nobody)),
            OPENPIFPAF_TORCH: lambda image: len(by_torch.estimate(image, nobody)),
            PREDICTOR: predict,
        }


def time_estimators(
    estimators: Mapping[str, CountPeople],
    frames: Sequence[Image],
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, PoseTiming]:
    """Show every frame to every estimator in turn, after one frame that only prepares.

    Args:
        estimators: What takes turns, so that a busy machine is as busy for all.
        frames: At least one.
        progress: Called after each frame with how many are done and how many there are.
    """
    timings = {name: PoseTiming() for name in estimators}
    for count_people in estimators.values():
        count_people(frames[0])
    for number, frame in enumerate(frames, start=1):
        for name, count_people in estimators.items():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            people = count_people(frame)
            timings[name].wall_s.append(time.perf_counter() - wall_s)
            timings[name].cpu_s.append(time.process_time() - cpu_s)
            timings[name].people.append(people)
        progress(number, len(frames))
    return timings


def describe_timings(timings: Mapping[str, PoseTiming]) -> dict[str, Any]:
    """Figures by estimator, and how many times as fast each is as OpenPifPaf's own `Predictor`.

    Returns:
        ``estimators``: by name ``frames_per_s``, ``ms``, ``cpu_ms`` (medians over frames) and ``people`` (mean);
        ``times_predictor``: by name the median over frames of the quotient of wall-clock times.
    """
    baseline = timings.get(PREDICTOR)
    ratios = {
        name: float(np.median(np.divide(baseline.wall_s, timing.wall_s)))
        for name, timing in timings.items()
        if baseline is not None
    }
    return {
        "estimators": {name: timing.as_json() for name, timing in timings.items()},
        "times_predictor": ratios,
    }


@contextmanager
def _predictor(checkpoint: Path | str) -> Iterator[CountPeople]:
    """OpenPifPaf's `Predictor`, handed our loaded network: it would open pickled checkpoints only."""
    from PIL import Image as PillowImage  # noqa: PLC0415

    from activity.pose.openpifpaf_network import load_checkpoint  # noqa: PLC0415
    from activity.pose.openpifpaf_runtime import decoder_settings, openpifpaf  # noqa: PLC0415

    network, description = load_checkpoint(checkpoint)
    factory, predictor = openpifpaf.network.Factory, openpifpaf.Predictor
    before = factory.factory, predictor.long_edge
    try:
        factory.factory = lambda _self, **_options: (network, 0)
        predictor.long_edge = description.long_edge_px
        ready = predictor()
    finally:
        factory.factory, predictor.long_edge = before

    def count_people(image: Image) -> int:
        with decoder_settings(description.decoder):
            found, _, _ = ready.pil_image(PillowImage.fromarray(image))
        return len(found)

    yield count_people
