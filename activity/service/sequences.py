"""Keypoint sequences from a request's JSON straight into arrays.

`RecognizeRequest` says what is allowed. Whoever keeps to it need not have each of a thousand numbers looked at by itself:
the usual forms are parsed at once and checked as arrays, and whatever is not plainly of them goes through the schema,
which either knows it (a number as text, say) or says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pydantic_core

from activity.client.schemas import KeypointSequence, RecognizeRequest
from activity.structures import KEYPOINT_COUNT

_MOST_SEQUENCES: Final = 64
_MOST_FRAMES: Final = 3000
_RATES_HZ: Final = (0.1, 240.0)
_FARTHEST_PX: Final = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class PoseSequence:
    """One person through time, frames in which no joint was found left out.

    Attributes:
        frame_rate_hz: Frames a second.
        length: Frames that were sent, the empty ones too.
        frames: [N] int64, which of them have a person, from 0, in order.
        keypoints: [N, 17, 3] float32: x px, y px, confidence in [0, 1]; confidence 0 is a missing joint.
    """

    frame_rate_hz: float
    length: int
    frames: npt.NDArray[np.int64]
    keypoints: npt.NDArray[np.float32]

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """[N] float64, seconds from the first frame that was sent."""
        return self.frames / self.frame_rate_hz


def parse_sequences(body: bytes) -> list[PoseSequence]:
    """Read the sequences of a `RecognizeRequest`.

    Raises:
        pydantic.ValidationError: If it is not one.
    """
    plain = _parse_plain(body)
    if plain is not None:
        return plain
    return [sequence_of(sequence) for sequence in RecognizeRequest.model_validate_json(body).sequences]


def sequence_of(sequence: KeypointSequence) -> PoseSequence:
    """The arrays of a sequence that the schema has checked."""
    people = [person for person in sequence.keypoints if person is not None]
    seen = np.array([person is not None for person in sequence.keypoints])
    keypoints = np.array(people, np.float32).reshape(-1, KEYPOINT_COUNT, 3)
    return _without_empty(sequence.frame_rate_hz, seen, keypoints)


def _parse_plain(body: bytes) -> list[PoseSequence] | None:
    """The sequences of a request in the usual form; `None` where only the schema can tell."""
    try:
        request = pydantic_core.from_json(body)
    except ValueError:
        return None
    if not isinstance(request, dict) or request.keys() != {"sequences"}:
        return None
    sequences = request["sequences"]
    if not isinstance(sequences, list) or not 1 <= len(sequences) <= _MOST_SEQUENCES:
        return None
    parsed = []
    for sequence in sequences:
        plain = _plain(sequence)
        if plain is None:
            return None
        parsed.append(plain)
    return parsed


def _plain(sequence: Any) -> PoseSequence | None:
    if not isinstance(sequence, dict) or sequence.keys() != {"frame_rate_hz", "keypoints"}:
        return None
    rate_hz, people = sequence["frame_rate_hz"], sequence["keypoints"]
    if type(rate_hz) not in (int, float) or not _RATES_HZ[0] <= rate_hz <= _RATES_HZ[1]:
        return None
    if not isinstance(people, list) or not 1 <= len(people) <= _MOST_FRAMES:
        return None
    seen = np.array([person is not None for person in people])
    keypoints = _as_keypoints(people if seen.all() else [person for person in people if person is not None])
    return None if keypoints is None else _without_empty(float(rate_hz), seen, keypoints)


def _as_keypoints(people: Sequence[Any]) -> npt.NDArray[np.float32] | None:
    """[N, 17, 3] float32 of people whose numbers are all within bounds; `None` for all else."""
    if not people:
        return np.empty((0, KEYPOINT_COUNT, 3), np.float32)
    try:
        values = np.array(people)
    except ValueError:  # lists of different lengths
        return None
    if values.dtype.kind not in "fi" or values.shape[1:] != (KEYPOINT_COUNT, 3):
        return None
    places, confidences = values[:, :, :2], values[:, :, 2]
    near = places.min() >= -_FARTHEST_PX and places.max() <= _FARTHEST_PX  # false for NaN too
    if not (near and confidences.min() >= 0 and confidences.max() <= 1):
        return None
    return values.astype(np.float32)


def _without_empty(
    rate_hz: float, seen: npt.NDArray[np.bool_], keypoints: npt.NDArray[np.float32]
) -> PoseSequence:
    found = (keypoints[:, :, 2] > 0).any(axis=1)
    frames = np.flatnonzero(seen).astype(np.int64)
    if not found.all():
        frames, keypoints = frames[found], keypoints[found]
    return PoseSequence(rate_hz, len(seen), frames, keypoints)
