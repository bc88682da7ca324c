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

from activity.assembly import OPENPIFPAF_CHECKPOINT, load_detector, load_estimator, share_threads
from activity.config import Settings, embedded_checkpoint
from activity.errors import VideoError
from activity.evaluation.speed import torch_threads
from activity.lookahead import work_ahead
from activity.structures import Detections
from activity.video import VideoReader

Image = npt.NDArray[np.uint8]
CountPeople = Callable[[Image], int]
"""Finds the people of one frame and says how many."""

PREDICTOR: Final = "openpifpaf, its own Predictor"
TOPDOWN: Final = "topdown, ONNX Runtime"
OPENPIFPAF_ONNX: Final = "openpifpaf, ONNX Runtime"
OPENPIFPAF_TORCH: Final = "openpifpaf, torch"


BLOCK_FRAMES: Final = 10
"""Frames that an estimator gets one after the other before the next one's turn."""


@dataclass(frozen=True, slots=True)
class Contender:
    """An estimator, and how frames are fed to it.

    Attributes:
        count_people: Looks at one frame; several threads call it at once where `frames_at_once` is above 1.
        frames_at_once: Frames of a stream in work at once.
        call_threads: Threads of one network call.
        torch_threads: What torch is set to meanwhile.
    """

    count_people: CountPeople
    frames_at_once: int = 1
    call_threads: int = 1
    torch_threads: int = 1


@dataclass(slots=True)
class PoseTiming:
    """What one estimator took.

    Attributes:
        wall_s: Seconds that passed for a frame of the stream, one entry a block.
        cpu_s: Seconds of processor time a frame, all threads together, one entry a block.
        latency_s: Seconds from the begin of the work on a frame to its end, one entry a frame.
        people: People found, one entry a frame.
    """

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)
    people: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, float]:
        """Medians, which another program's short claim on the processor does not move."""
        wall_s = float(np.median(self.wall_s))
        return {
            "frames_per_s": 1 / wall_s,
            "ms": 1e3 * wall_s,
            "cpu_ms": 1e3 * float(np.median(self.cpu_s)),
            "latency_ms": 1e3 * float(np.median(self.latency_s)),
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
def pose_estimators(settings: Settings, *, threads: int, sample: Image) -> Iterator[dict[str, Contender]]:
    """Load every estimator with the checkpoints of `settings` or the embedded ones.

    OpenPifPaf runs three times with the same weights, input size and decoder thresholds: by ONNX Runtime, by torch,
    and by its own `Predictor`, which is what its users call. ONNX Runtime gets the frames as an analysis would, several
    at once; torch and the `Predictor` one by one, with as many threads of torch as are fastest here, up to `threads`.

    Args:
        settings: As for an analysis.
        threads: Threads for each of them.
        sample: A frame to choose torch's threads by.

    Raises:
        CheckpointError: If a checkpoint cannot be loaded.
    """
    from activity.pose.openpifpaf import OpenPifPafEstimator  # noqa: PLC0415  (seconds that --help need not pay)

    frames_at_once, each = share_threads(threads)
    checkpoint: Path | str = embedded_checkpoint(OPENPIFPAF_CHECKPOINT)
    if settings.pose.estimator == "openpifpaf" and settings.pose.checkpoint:
        checkpoint = settings.pose.checkpoint
    topdown = settings.pose.checkpoint if settings.pose.estimator == "topdown" else None
    section = settings.pose.model_copy(update={"estimator": "topdown", "checkpoint": topdown})
    detector, _ = load_detector(settings, threads=each)
    estimator, _ = load_estimator(settings.model_copy(update={"pose": section}), threads=each)
    by_onnx, by_torch = (
        OpenPifPafEstimator(checkpoint, runtime=runtime, threads=each) for runtime in ("onnx", "torch")
    )
    nobody = Detections.empty()
    with _predictor(checkpoint) as predict:
        yield {
            TOPDOWN: Contender(
                lambda image: len(estimator.estimate(image, detector.detect(image))), frames_at_once, each
            ),
            OPENPIFPAF_ONNX: Contender(
                lambda image: len(by_onnx.estimate(image, nobody)), frames_at_once, each
            ),
            OPENPIFPAF_TORCH: _with_best_threads(
                lambda image: len(by_torch.estimate(image, nobody)), sample, threads
            ),
            PREDICTOR: _with_best_threads(predict, sample, threads),
        }


def _with_best_threads(count_people: CountPeople, sample: Image, threads: int) -> Contender:
    """One frame at a time, with 1, 2, 4, ... threads of torch up to `threads`, whichever is fastest on `sample`."""

    def seconds(count: int) -> float:
        with torch_threads(count):
            count_people(sample)
            begin = time.perf_counter()
            count_people(sample)
            return time.perf_counter() - begin

    counts = {min(2**power, threads) for power in range(threads.bit_length() + 1)}
    best = min(sorted(counts), key=seconds)
    return Contender(count_people, call_threads=best, torch_threads=best)


def time_estimators(
    estimators: Mapping[str, Contender],
    frames: Sequence[Image],
    *,
    block_frames: int = BLOCK_FRAMES,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, PoseTiming]:
    """Give every estimator a block of frames in turn, as a stream, after one frame that only prepares.

    Args:
        estimators: What takes turns, so that a busy machine is as busy for all.
        frames: At least one.
        block_frames: Frames of a turn.
        progress: Called after each block with how many frames are done and how many there are.
    """
    timings = {name: PoseTiming() for name in estimators}
    for contender in estimators.values():
        with torch_threads(contender.torch_threads):
            contender.count_people(frames[0])
    for start in range(0, len(frames), block_frames):
        block = frames[start : start + block_frames]
        for name, contender in estimators.items():
            _time_block(contender, block, timings[name])
        progress(start + len(block), len(frames))
    return timings


def _time_block(contender: Contender, block: Sequence[Image], timing: PoseTiming) -> None:
    def look(image: Image) -> tuple[int, float]:
        begin = time.perf_counter()
        people = contender.count_people(image)
        return people, time.perf_counter() - begin

    with torch_threads(contender.torch_threads):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        with work_ahead(look, block, workers=contender.frames_at_once) as results:
            looks = [result for _, result in results]
        timing.wall_s.append((time.perf_counter() - wall_s) / len(block))
        timing.cpu_s.append((time.process_time() - cpu_s) / len(block))
    timing.people.extend(people for people, _ in looks)
    timing.latency_s.extend(latency_s for _, latency_s in looks)


def describe_timings(
    timings: Mapping[str, PoseTiming], estimators: Mapping[str, Contender]
) -> dict[str, Any]:
    """Figures by estimator, and how many times as fast each is as OpenPifPaf's own `Predictor`.

    Returns:
        ``estimators``: by name ``frames_per_s``, ``ms``, ``cpu_ms`` (medians over blocks, a frame), ``latency_ms`` (median
        over frames), ``people`` (mean), and how frames were fed: ``frames_at_once``, ``call_threads``;
        ``times_predictor``: by name the median over blocks of the quotient of wall-clock times;
        ``times_predictor_cpu``: the same of processor times.
    """
    baseline = timings.get(PREDICTOR)
    ratios = (
        {}
        if baseline is None
        else {
            name: (
                float(np.median(np.divide(baseline.wall_s, timing.wall_s))),
                float(np.median(np.divide(baseline.cpu_s, timing.cpu_s))),
            )
            for name, timing in timings.items()
        }
    )
    return {
        "estimators": {
            name: timing.as_json()
            | {
                "frames_at_once": estimators[name].frames_at_once,
                "call_threads": estimators[name].call_threads,
            }
            for name, timing in timings.items()
        },
        "times_predictor": {name: by_wall for name, (by_wall, _) in ratios.items()},
        "times_predictor_cpu": {name: by_cpu for name, (_, by_cpu) in ratios.items()},
        "block_frames": BLOCK_FRAMES,
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
