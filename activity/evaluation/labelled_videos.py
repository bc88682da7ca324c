"""Videos with a class, cut for a recogniser, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from activity.datasets.hr_crime import TrajectoryDataset
from activity.errors import DatasetError
from activity.fusion.clip_summary import ClipVerdict
from activity.recognition.clip_model import CLIP_RULE, ClipModel, ClipWindow, with_scores
from activity.recognition.recognizer import Recognizer
from activity.scene import clip_windows
from activity.structures import ActivityScore, Track, Tubelet
from activity.tubelets import TubeletSettings, make_tubelets


@dataclass(frozen=True, slots=True, eq=False)
class LabelledVideo:
    """One video cut into segments.

    Attributes:
        video: Its name.
        category: Its class.
        group: What it must not be split from: its source, or the video itself.
        people: The tubelets of each person, whose number from 1 is their track id, whatever the files call it; a person
            without a usable segment has an empty tuple.
        windows: The whole clip in windows of time, for a model of whole clips; empty where none asks, or nothing is known.
        tracks: The same people as they were followed, with the track ids of their tubelets.
    """

    video: str
    category: str
    group: str
    people: tuple[tuple[Tubelet, ...], ...]
    windows: tuple[ClipWindow, ...] = ()
    tracks: tuple[Track, ...] = ()

    @property
    def tubelets(self) -> list[Tubelet]:
        """All segments of all people."""
        return [tubelet for person in self.people for tubelet in person]


class Prediction(NamedTuple):
    """What a recogniser says of one video.

    Attributes:
        video: The video.
        scores: One score a segment, people in the order of the video.
        verdict: What a model of whole clips says; `None` where there is none, or it has nothing to go by.
    """

    video: LabelledVideo
    scores: tuple[tuple[ActivityScore, ...], ...]
    verdict: ClipVerdict | None = None


def cut_videos(
    dataset: TrajectoryDataset,
    settings: TubeletSettings,
    *,
    groups: Mapping[str, str] | None = None,
    categories: Mapping[str, str] | None = None,
    clip_settings: tuple[TubeletSettings, float] | None = None,
) -> list[LabelledVideo]:
    """Cut every video of a data set into tubelets.

    Args:
        dataset: What `read_hr_crime` read.
        settings: Those of the recogniser.
        groups: Video to source; `None` lets every video be its own group.
        categories: Class of videos without a folder, see `TrajectoryDataset.unlabelled_videos`.
        clip_settings: The track settings and the longest window in seconds of the recogniser's model of whole clips,
            where it has one.

    Returns:
        Every labelled video in order of name, videos without people among them.

    Raises:
        DatasetError: If `groups` lacks a video.
    """
    people: dict[str, list[tuple[Tubelet, ...]]] = {}
    tracks: dict[str, list[Track]] = {}
    for trajectory in dataset.trajectories:
        # the files' own ids need not differ, those of a clip's people must
        followed = tracks.setdefault(trajectory.video, [])
        followed.append(replace(trajectory.track, track_id=len(followed) + 1))
        people.setdefault(trajectory.video, []).append(tuple(make_tubelets(followed[-1], settings)))
    labels = {**(categories or {}), **dataset.videos}
    if groups is not None and (lost := sorted(set(labels) - set(groups))):
        raise DatasetError(f"{dataset.root}: no source is known of {len(lost)} videos: {', '.join(lost[:5])}")
    return [
        LabelledVideo(
            video,
            labels[video],
            groups[video] if groups else video,
            tuple(people.get(video, ())),
            ()
            if clip_settings is None
            else tuple(
                clip_windows(
                    tracks.get(video, ()),
                    dataset.motions.get(video),
                    clip_settings[0],
                    window_s=clip_settings[1],
                )
            ),
            tuple(tracks.get(video, ())),
        )
        for video in sorted(labels)
    ]


def predict(recognizer: Recognizer, videos: Sequence[LabelledVideo]) -> list[Prediction]:
    """Recognise every segment of every video, all in common batches."""
    scores = iter(recognizer.recognize([tubelet for video in videos for tubelet in video.tubelets]))
    predictions = []
    for video in videos:
        people = tuple(tuple(next(scores) for _ in person) for person in video.people)
        predictions.append(Prediction(video, people, judge(recognizer.clip_model, video, people)))
    return predictions


def judge(
    model: ClipModel | None, video: LabelledVideo, people: Sequence[Sequence[ActivityScore]]
) -> ClipVerdict | None:
    """What a model of whole clips says of a video that was cut for it, with the network's scores of its people."""
    if model is None:
        return None
    opinion = model.judge(with_scores(video.windows, [score for person in people for score in person]))
    return None if opinion is None else ClipVerdict(opinion.probabilities, CLIP_RULE, opinion.votes)
