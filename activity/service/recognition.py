"""Keypoint sequences to activities: what `POST /v1/segments:recognize` does behind its batching."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic_core

from activity.assembly import load_recognizer
from activity.config import Settings
from activity.recognition.recognizer import Recognizer
from activity.service.batching import MicroBatcher
from activity.service.sequences import PoseSequence
from activity.service.settings import BatchSettings
from activity.structures import ActivityScore, Track, Tubelet, boxes_around_keypoints
from activity.tubelets import TubeletSettings, make_tubelets, make_tubelets_together


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
        self.batcher: MicroBatcher[Sequence[PoseSequence], bytes] = MicroBatcher(
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

    def count_segments(self, sequences: Sequence[PoseSequence]) -> int:
        """Most segments that the sequences of a request can be cut into."""
        return sum(self._most_segments(sequence) for sequence in sequences)

    def _most_segments(self, sequence: PoseSequence) -> int:
        rate_hz = self._settings.frame_rate_hz or sequence.frame_rate_hz  # None takes frames as they come
        frames = math.ceil(sequence.length / sequence.frame_rate_hz * rate_hz)
        return 1 + max(0, math.ceil((frames - self._settings.frames) / self._settings.stride))

    def recognize(self, requests: Sequence[Sequence[PoseSequence]]) -> list[bytes]:
        """Answer several requests with one pass of the network.

        Returns:
            For each request its `RecognizeResponse` as JSON.
        """
        cut = self._cut([sequence for request in requests for sequence in request])
        scores = iter(self._recognizer.recognize([tubelet for tubelets in cut for tubelet in tubelets]))
        places = iter(cut)
        return [
            pydantic_core.to_json(
                {
                    "model": self.name,
                    "results": [
                        {"segments": [_segment(next(scores)) for _ in next(places)]} for _ in request
                    ],
                }
            )
            for request in requests
        ]

    def _cut(self, sequences: Sequence[PoseSequence]) -> list[list[Tubelet]]:
        """The segments of each sequence; those that were seen in the same frames are cut together."""
        alike: dict[tuple[float, bytes], list[int]] = defaultdict(list)
        for number, sequence in enumerate(sequences):
            alike[sequence.frame_rate_hz, sequence.frames.tobytes()].append(number)
        cut: list[list[Tubelet]] = [[] for _ in sequences]
        for numbers in alike.values():
            together = make_tubelets_together(
                sequences[numbers[0]].times_s,
                np.stack([sequences[number].keypoints for number in numbers]),
                self._settings,
                ids=[1] * len(numbers),
            )
            for place, number in enumerate(numbers):
                if together is not None:
                    cut[number] = together[place]
                elif len(sequences[number].frames):
                    cut[number] = make_tubelets(track_of(sequences[number]), self._settings)
        return cut


def track_of(sequence: PoseSequence) -> Track:
    """A sequence of at least one frame as a track."""
    return Track(
        track_id=1,
        frame_indices=sequence.frames,
        times_s=sequence.times_s,
        keypoints=sequence.keypoints,
        boxes=boxes_around_keypoints(sequence.keypoints),
        scores=sequence.keypoints[..., 2].mean(axis=1),
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
