"""Labelled clips in numbers, as the model of whole clips learns from them and is measured on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
import numpy.typing as npt

from activity.errors import DatasetError
from activity.evaluation.labelled_videos import LabelledVideo
from activity.recognition.clip_model import SCENE_FEATURES, ClipWindow, Voter, clip_features, scene_features
from activity.training.recognizer.clip_network import Votes

VOTERS: Final[tuple[Voter, ...]] = get_args(Voter)
FORESTS: Final[tuple[Voter, ...]] = ("people", "scene")


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """Clips in numbers.

    Attributes:
        names: N clips.
        labels: [N], index of the class.
        sources: N sources.
        features: For each forest [N, F]: `clip_features` [N, 188] of the people, `scene_features` [N, 85].
        known: For each forest [N], whether there is anything to go by: somebody was followed, the motion was measured.
        network: [N, C], what a network that did not learn from them says; NaN for a clip without a segment. `None` where
            none was asked.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    sources: tuple[str, ...]
    features: Mapping[Voter, npt.NDArray[np.float64]]
    known: Mapping[Voter, npt.NDArray[np.bool_]]
    network: Votes | None = None

    @classmethod
    def from_videos(cls, videos: Sequence[LabelledVideo], classes: Sequence[str]) -> Clips:
        """Take the numbers of every clip."""
        windows = [_only_window(video) for video in videos]
        nothing = np.zeros(SCENE_FEATURES)
        return cls(
            names=tuple(video.video for video in videos),
            labels=np.array([classes.index(video.category) for video in videos], dtype=np.int64),
            sources=tuple(video.group for video in videos),
            features={
                "people": np.stack([clip_features(window.tracks) for window in windows]),
                "scene": np.stack(
                    [
                        scene_features(window.motion) if window.motion and window.has_motion else nothing
                        for window in windows
                    ]
                ),
            },
            known={
                "people": np.array([bool(window.tracks) for window in windows]),
                "scene": np.array([window.has_motion for window in windows]),
            },
        )

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Clips:
        """Some of the clips, in the order of `rows`."""
        chosen = [int(row) for row in rows]
        return Clips(
            tuple(self.names[row] for row in chosen),
            self.labels[chosen],
            tuple(self.sources[row] for row in chosen),
            {forest: self.features[forest][chosen] for forest in FORESTS},
            {forest: self.known[forest][chosen] for forest in FORESTS},
            None if self.network is None else self.network[chosen],
        )

    def knows(self, voter: Voter) -> npt.NDArray[np.bool_]:
        """[N], whether a voter has anything to go by. Without a person who was followed nobody votes."""
        if voter == "network":
            known = np.zeros(len(self.names), bool) if self.network is None else ~np.isnan(self.network[:, 0])
        else:
            known = self.known[voter]
        return known & self.known["people"]


def _only_window(video: LabelledVideo) -> ClipWindow:
    if len(video.windows) > 1:
        raise DatasetError(
            f"{video.video}: something is known of {len(video.windows)} windows; a clip to learn from has one label "
            "and is judged at once: raise window_s, or cut the clip"
        )
    return video.windows[0] if video.windows else ClipWindow()
