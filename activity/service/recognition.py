"""Keypoint sequences to activities: what `POST /v1/segments:recognize` does behind its batching."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic_core

from activity.assembly import load_recognizer
from activity.client.schemas import KeypointSequence, RecognizeRequest
from activity.config import Settings
from activity.recognition.recognizer import Recognizer
from activity.service.batching import MicroBatcher
from activity.service.settings import BatchSettings
from activity.structures import KEYPOINT_COUNT, ActivityScore, Track, Tubelet, boxes_around_keypoints
from activity.tubelets import TubeletSettings, make_tubelets


class SegmentRecognizer:
    """A recogniser behind a batcher."""

    def __init__(
        self,
        recognizer: Recognizer,
        settings: BatchSettings,
        *,
        name: str,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self.name = name
        self._recognizer = recognizer
        self._settings = TubeletSettings.from_mapping(recognizer.tubelet_settings)
        self.batcher: MicroBatcher[RecognizeRequest, bytes] = MicroBatcher(
            self.recognize,
            max_weight=settings.max_segments,
            wait_s=settings.wait_ms / 1000,
            max_waiting=settings.max_waiting,
            on_batch=on_batch,
        )

    @classmethod
    def from_settings(
        cls, analysis: Settings, batch: BatchSettings, *, on_batch: Callable[[int], None] | None = None
    ) -> SegmentRecognizer:
        """Load the recogniser that the settings of an analysis name.

        Raises:
            CheckpointError: If it is missing, damaged, or no recogniser.
        """
        recognizer, model = load_recognizer(analysis, threads=analysis.threads or 1)
        return cls(recognizer, batch, name=Path(model.name).stem, on_batch=on_batch)

    def count_segments(self, request: RecognizeRequest) -> int:
        """Most segments that a request can be cut into."""
        return sum(self._most_segments(sequence) for sequence in request.sequences)

    def _most_segments(self, sequence: KeypointSequence) -> int:
        rate_hz = self._settings.frame_rate_hz or sequence.frame_rate_hz  # None takes frames as they come
        frames = math.ceil(len(sequence.keypoints) / sequence.frame_rate_hz * rate_hz)
        return 1 + max(0, math.ceil((frames - self._settings.frames) / self._settings.stride))

    def recognize(self, requests: Sequence[RecognizeRequest]) -> list[bytes]:
        """Answer several requests with one pass of the network.

        Returns:
            For each request its `RecognizeResponse` as JSON.
        """
        tubelets: list[Tubelet] = []
        ends: list[list[int]] = []  # for each request, where the segments of each of its sequences end
        for request in requests:
            places = []
            for sequence in request.sequences:
                track = track_of(sequence)
                tubelets += make_tubelets(track, self._settings) if track is not None else []
                places.append(len(tubelets))
            ends.append(places)
        scores = self._recognizer.recognize(tubelets)
        answers: list[bytes] = []
        begin = 0
        for places in ends:
            results = []
            for end in places:
                results.append({"segments": [_segment(score) for score in scores[begin:end]]})
                begin = end
            answers.append(pydantic_core.to_json({"model": self.name, "results": results}))
        return answers


def track_of(sequence: KeypointSequence) -> Track | None:
    """The frames of a sequence in which a joint was found, as a track; `None` where there are none."""
    seen = np.array([person is not None for person in sequence.keypoints])
    keypoints: npt.NDArray[np.float32] = np.array(
        [person for person in sequence.keypoints if person is not None], np.float32
    ).reshape(-1, KEYPOINT_COUNT, 3)
    found = (keypoints[..., 2] > 0).any(axis=1)
    frames = np.flatnonzero(seen)[found]
    if not len(frames):
        return None
    keypoints = keypoints[found]
    return Track(
        track_id=1,
        frame_indices=frames.astype(np.int64),
        times_s=frames / sequence.frame_rate_hz,
        keypoints=keypoints,
        boxes=boxes_around_keypoints(keypoints),
        scores=keypoints[..., 2].mean(axis=1),
    )


def _segment(score: ActivityScore) -> dict[str, Any]:
    probabilities = dict(zip(score.classes, score.probabilities.tolist(), strict=True))
    label = max(probabilities, key=probabilities.__getitem__)
    return {
        "start_s": score.start_s,
        "end_s": score.end_s,
        "label": label,
        "score": min(1.0, probabilities[label]),
        "probabilities": probabilities,
    }
