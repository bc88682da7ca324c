"""What a clip as a whole shows, by a linear model of how all its people moved over their whole tracks.

The label of a clip is known and those of its people are not, so this model is asked about the clip at once: hand-made
numbers of every person's whole track (`motion_features`), pooled over the people, each replaced by its rank among the
training clips, and a logistic regression on the ranks. A few hundred weights cannot learn much by heart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from activity.errors import CheckpointError, StructureError
from activity.recognition.motion_features import MOTION_FEATURES, motion_features
from activity.structures import Tubelet

CLIP_FEATURES: Final = 4 * MOTION_FEATURES
_LEADING: Final = 3
FARTHEST: Final = 5.2
"""Standard deviations at which a value counts that reaches the least or the greatest of the training clips."""

CLIP_RULE: Final = (
    "a logistic regression on how all people moved over their whole tracks (speeds, accelerations, posture; mean, "
    "median, greatest and three greatest over the people), averaged over the windows of a long clip; the people named "
    "are those who stand out most to the network"
)

Float = npt.NDArray[np.float64]


def pool_people(rows: Float) -> Float:
    """Mean, median, maximum and mean of the three greatest over people or segments, for each feature.

    Args:
        rows: [N, 47], `motion_features` of N people or segments.

    Returns:
        [188]; zeros where N is 0.
    """
    if not len(rows):
        return np.zeros(CLIP_FEATURES)
    leading = np.sort(rows, axis=0)[::-1][:_LEADING]
    return np.concatenate([rows.mean(axis=0), np.median(rows, axis=0), leading[0], leading.mean(axis=0)])


def clip_features(tracks: Sequence[Tubelet]) -> Float:
    """A clip in numbers: `motion_features` of every person's whole track, pooled over the people.

    Args:
        tracks: One tubelet a person, of any length, from `activity.tubelets.whole_track`.

    Returns:
        [188], in body sizes and frames; zeros for a clip without people.
    """
    rows = np.array([motion_features(track) for track in tracks], dtype=np.float64)
    return pool_people(rows.reshape(-1, MOTION_FEATURES))


@dataclass(frozen=True, slots=True, eq=False)
class ClipModel:
    """Quantiles of the training clips and the weights of a softmax regression on the ranks.

    Attributes:
        classes: C names, in the order of the weights.
        track_settings: How tracks are resampled for it: plain values for `TubeletSettings.from_mapping`.
        window_s: Longer clips are judged in equal windows of at most so many seconds, for the training clips lasted
            no longer.
        quantiles: [Q, 188], each feature's quantiles over the training clips at Q equal steps from 0 to 1.
        weights: [C, 188].
        bias: [C].
        training: Where the weights come from: data, folds, figures.

    Raises:
        CheckpointError: If shapes do not fit each other, a value is not finite, or quantiles fall.
    """

    classes: tuple[str, ...]
    track_settings: Mapping[str, Any]
    window_s: float
    quantiles: Float
    weights: Float
    bias: Float
    training: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not (np.isfinite(self.window_s) and self.window_s > 0):
            raise CheckpointError(f"clip_model.window_s: expected more than 0 s, got {self.window_s}")
        count = len(self.classes)
        for name, shape in (
            ("quantiles", (len(self.quantiles), CLIP_FEATURES)),
            ("weights", (count, CLIP_FEATURES)),
            ("bias", (count,)),
        ):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, value)
            if value.shape != shape or not np.isfinite(value).all():
                raise CheckpointError(
                    f"clip_model.{name}: expected finite numbers of shape {list(shape)} for {count} classes, got "
                    f"{list(value.shape)}; take an intact copy or train it again"
                )
        if len(self.quantiles) < 2 or (np.diff(self.quantiles, axis=0) < 0).any():
            raise CheckpointError(
                "clip_model.quantiles: expected two or more rising rows; take an intact copy or train it again"
            )

    def probabilities(self, windows: Iterable[Sequence[Tubelet]]) -> dict[str, float] | None:
        """How probable each class is for a clip, on average over its windows; `None` where nobody was followed.

        Args:
            windows: From `activity.tubelets.whole_tracks` with the model's `track_settings` and `window_s`.

        Raises:
            StructureError: If two tracks of a window have one id.
        """
        judged = []
        for tracks in windows:
            if len({track.track_id for track in tracks}) != len(tracks):
                raise StructureError("windows: expected one tubelet a person, got two of one track id")
            if tracks:
                judged.append(clip_features(tracks))
        if not judged:
            return None
        values = self.of_features(np.stack(judged)).mean(axis=0)
        return {name: float(value) for name, value in zip(self.classes, values, strict=True)}

    def of_features(self, features: Float) -> Float:
        """Probabilities [N, C] of clips in numbers, [N, 188]."""
        logits = normal_ranks(features, self.quantiles) @ self.weights.T + self.bias
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Float = exponents / exponents.sum(axis=1, keepdims=True)
        return probabilities


def normal_ranks(features: Float, quantiles: Float) -> Float:
    """Ranks of values among quantiles, as standard deviations of a normal distribution.

    A value that equals several quantiles gets the middle of their ranks; one that reaches the ends, `FARTHEST`. A
    feature that was the same in every training clip says nothing: 0.

    Args:
        features: [N, F].
        quantiles: [Q, F], rising, at Q equal steps from 0 to 1.

    Returns:
        [N, F], within `FARTHEST` of 0.
    """
    steps = np.linspace(0, 1, len(quantiles))
    ranks = np.empty_like(features)
    for column in range(features.shape[1]):
        values, marks = features[:, column], quantiles[:, column]
        if marks[0] == marks[-1]:
            ranks[:, column] = 0.5
            continue
        last = np.interp(values, marks, steps)  # of equal marks the last counts
        first = 1 - np.interp(-values, -marks[::-1], steps)  # and here the first
        ranks[:, column] = np.where(
            values <= marks[0], 0.0, np.where(values >= marks[-1], 1.0, (first + last) / 2)
        )
    clipped: Float = np.clip(ndtri(ranks), -FARTHEST, FARTHEST)
    return clipped
