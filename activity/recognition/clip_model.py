"""What a clip as a whole shows, by how all its people moved and by how the picture moved.

The label of a clip is known and those of its people are not, so this model is asked about the clip at once. Up to three
have a vote each, and hardly share their errors: the recogniser's network, by the people who stand out most
(`find_leading_people`); a forest on how every followed person moved over the whole track (`motion_features`, pooled over
the people); and a forest on how the picture moved (`SceneMotion`), which also knows of people whom nobody could follow. A
clip in which nobody was followed is not judged, for trees and traffic move too; nor is one whose motion was not measured,
such as trajectories alone, by a model that asks for it. Where nobody was followed for long enough to be a segment, the
network keeps silent and the forests decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError, StructureError
from activity.recognition.forest import Forest
from activity.recognition.motion_features import MOTION_FEATURES, motion_features
from activity.recognition.temperature import apply_temperature
from activity.structures import MOTION_MEASURES, ActivityScore, SceneMotion, Tubelet, find_leading_people

CLIP_FEATURES: Final = 4 * MOTION_FEATURES
SCENE_FEATURES: Final = 5 * len(MOTION_MEASURES)
_LEADING: Final = 3

CLIP_RULE: Final = (
    "the mean of the votes that are given beside it: of the network, by the people who stand out most to it, of a forest on "
    "how all people moved over their whole tracks (speeds, accelerations, posture), and of one on how the picture moved "
    "(optical flow: how fast, how much of it, in how many directions), each averaged over the windows of a long clip, "
    "calibrated on sources that were not learned from; the people named are those who stand out most to the network"
)

Float = npt.NDArray[np.float64]
Voter = Literal["network", "people", "scene"]
"""Who has a vote: the network, and the forests on the people's movement and on the picture's."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipWindow:
    """What is known of a stretch of a clip.

    Attributes:
        tracks: One tubelet a person, of any length, from `activity.tubelets.whole_tracks`.
        motion: How the picture moved; `None` where nobody measured it.
        start_s: Where it begins, in seconds.
        end_s: Where the next one begins.
        scores: What the network says of the segments whose middle lies in it.
    """

    tracks: tuple[Tubelet, ...] = ()
    motion: SceneMotion | None = None
    start_s: float = -math.inf
    end_s: float = math.inf
    scores: tuple[ActivityScore, ...] = ()

    @property
    def has_motion(self) -> bool:
        """Whether there are two rows of the picture's motion: fewer say nothing of how it changes."""
        return self.motion is not None and len(self.motion) >= 2


def with_scores(windows: Iterable[ClipWindow], scores: Sequence[ActivityScore]) -> list[ClipWindow]:
    """The same windows, each with the scores of the segments whose middle lies in it."""
    middles_s = [(score.start_s + score.end_s) / 2 for score in scores]
    return [
        replace(
            window,
            scores=tuple(
                score
                for score, middle_s in zip(scores, middles_s, strict=True)
                if window.start_s <= middle_s < window.end_s
            ),
        )
        for window in windows
    ]


@dataclass(frozen=True, slots=True)
class ClipOpinion:
    """What a model says of a whole clip.

    Attributes:
        probabilities: Class name to probability, the mean of the votes at the model's temperature.
        votes: By `Voter`, class name to probability.
    """

    probabilities: Mapping[str, float]
    votes: Mapping[str, Mapping[str, float]]


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


def scene_features(motion: SceneMotion) -> Float:
    """A clip in numbers: mean, maximum, deviation, median and mean change from row to row of the picture's motion.

    Args:
        motion: Of at least two rows.

    Returns:
        [85]: five times the 17 `MOTION_MEASURES`.

    Raises:
        StructureError: If there are fewer rows.
    """
    if len(motion) < 2:
        raise StructureError(f"motion: expected 2 or more rows, got {len(motion)}")
    rows = motion.measures.astype(np.float64)
    change = np.abs(np.diff(rows, axis=0)).mean(axis=0)
    return np.concatenate(
        [rows.mean(axis=0), rows.max(axis=0), rows.std(axis=0), np.median(rows, axis=0), change]
    )


@dataclass(frozen=True, slots=True, eq=False)
class ClipModel:
    """Two forests, of which one may lack, and whether the network votes with them.

    Attributes:
        classes: C names, in the order of the forests' shares.
        track_settings: How tracks are resampled for it: plain values for `TubeletSettings.from_mapping`.
        window_s: Longer clips are judged in equal windows of at most so many seconds, for the training clips lasted
            no longer.
        people: On `clip_features`; `None` lets the picture's motion decide alone.
        scene: On `scene_features`; `None` lets the people decide alone.
        training: Where the forests come from: data, folds, figures.
        temperature: Softens (above 1) or sharpens (below 1) the mean of the votes, see `apply_temperature`. Trees that
            were grown to tell clips apart are less sure than they are right.
        network: Whether the network of the same recogniser has a vote.

    Raises:
        CheckpointError: If there is no forest, one has other features or classes, or `window_s` or `temperature` is not
            above 0.
    """

    classes: tuple[str, ...]
    track_settings: Mapping[str, Any]
    window_s: float
    people: Forest | None
    scene: Forest | None
    training: Mapping[str, Any]
    temperature: float = 1.0
    network: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise CheckpointError(f"clip_model.temperature: expected more than 0, got {self.temperature}")
        if not (np.isfinite(self.window_s) and self.window_s > 0):
            raise CheckpointError(f"clip_model.window_s: expected more than 0 s, got {self.window_s}")
        if self.people is None and self.scene is None:
            raise CheckpointError("clip_model: expected a forest on people, on the scene, or both, got none")
        for name, forest, features in (
            ("people", self.people, CLIP_FEATURES),
            ("scene", self.scene, SCENE_FEATURES),
        ):
            wanted = (features, len(self.classes))
            if forest is not None and (forest.feature_count, forest.shares.shape[1]) != wanted:
                raise CheckpointError(
                    f"clip_model.{name}: expected {wanted[0]} features and {wanted[1]} classes, got "
                    f"{forest.feature_count} and {forest.shares.shape[1]}; train it again with this version"
                )

    def judge(self, windows: Iterable[ClipWindow]) -> ClipOpinion | None:
        """How probable each class is for a clip: each vote on average over the windows that have something for it.

        Args:
            windows: Stretches of at most `window_s`, with tracks by `track_settings`, and scores where the network votes.

        Returns:
            `None` where a forest of this model has nothing to go by, or nobody was followed in any window.

        Raises:
            StructureError: If two tracks of a window have one id, or the scores are of other classes.
        """
        heard = list(windows)
        for window in heard:
            if len({track.track_id for track in window.tracks}) != len(window.tracks):
                raise StructureError("windows: expected one tubelet a person, got two of one track id")
        followed = [window for window in heard if window.tracks]
        moving = [window.motion for window in heard if window.motion is not None and window.has_motion]
        if not followed or (self.scene is not None and not moving):
            return None
        votes: dict[Voter, Float] = {}
        if self.network and (network := self._network_votes(heard)):
            votes["network"] = np.stack(network).mean(axis=0)
        if self.people is not None:
            people = np.stack([clip_features(window.tracks) for window in followed])
            votes["people"] = self.people.probabilities(people).mean(axis=0)
        if self.scene is not None:
            scenes = np.stack([scene_features(motion) for motion in moving])
            votes["scene"] = self.scene.probabilities(scenes).mean(axis=0)
        mean = apply_temperature(np.mean(list(votes.values()), axis=0)[None], self.temperature)[0]
        return ClipOpinion(self._named(mean), {voter: self._named(vote) for voter, vote in votes.items()})

    def _network_votes(self, windows: Sequence[ClipWindow]) -> list[Float]:
        """[C] for each window with a segment."""
        found = [find_leading_people(window.scores) for window in windows]
        leading = [people for people in found if people is not None]
        for people in leading:
            if people.classes != self.classes:
                raise StructureError(
                    f"windows: expected scores of {list(self.classes)}, got {list(people.classes)}"
                )
        return [people.probabilities for people in leading]

    def _named(self, values: Float) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.classes, values, strict=True)}
