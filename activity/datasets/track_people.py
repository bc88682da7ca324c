"""Self-training: poses that `activity analyze` found in unlabelled clips, where the frames beside them confirm them.

A network's mistakes change from frame to frame, people do not: a joint that lies where the frames before and after
expect it is more often right. Such poses are labels of frames that nobody labelled.

Source of the idea: Radosavovic et al., "Data Distillation" (CVPR 2018): what a network says of many views of a picture,
put together, teaches it more than what it says of one. The views here are the mirror image, several sizes of the frame
(the analysis looks at both by default), and the frames beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from activity.datasets.clip_sources import ClipSources, read_clip_sources
from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.datasets.splits import is_held_out
from activity.errors import DatasetError, StructureError
from activity.report.schema import TrackEntry
from activity.structures import COCO_SIGMAS, Track, box_area

ORIGIN: Final = "tracks"
"""Name of the collection."""
LONGEST_GAP_S: Final = 0.25
"""Frames before and after that lie farther apart than this confirm nothing: an arm moves in less."""
LEAST_JOINTS: Final = 8
"""A person of fewer confirmed joints is left out."""
CONFIRMED: Final = 0.3
"""Likeness, as in OKS, from which on a joint is confirmed."""


class _Clip(BaseModel):
    path: str
    width: int
    height: int


class _Report(BaseModel):
    clip: _Clip
    tracks: list[TrackEntry]


def read_track_people(
    reports: Path, *, clips: Path, every_s: float = 0.4, least_agreement: float = 0.6
) -> list[LabelledPerson]:
    """Read the confirmed poses of analysed clips, without those of sources that are kept apart.

    A pose is held against the mean of the person's poses in the sampled frames before and after. Its weight is the OKS
    of both, a joint's weight its own likeness times the least confidence of the three, stretched so that 0.5 and above
    counts fully. The label lies in the middle between the pose and that mean.

    Args:
        reports: What was given to `activity analyze --out`.
        clips: Folder of the clips, with `sources.csv`.
        every_s: Of each person the surest pose in every so many seconds is taken.
        least_agreement: People of less weight are left out.

    Raises:
        DatasetError: If there is no report, one cannot be read, or is of a clip that `sources.csv` does not name.
    """
    paths = sorted(reports.rglob("report.json"))
    if not paths:
        raise DatasetError(f"{reports}: no report.json; name what was given to activity analyze --out")
    sources = read_clip_sources(clips / "sources.csv")
    people: list[LabelledPerson] = []
    for path in paths:
        try:
            report = _Report.model_validate_json(path.read_bytes())
            tracks = [entry.to_track() for entry in report.tracks]
        except (OSError, ValidationError, StructureError) as error:
            raise DatasetError(f"{path}: expected a report of activity analyze, got {error}") from error
        file, source = _find_clip(report.clip.path, clips=clips, sources=sources, path=path)
        if is_held_out(source):
            continue
        for track in tracks:
            for index, keypoints, weight in confirmed_poses(
                track, every_s=every_s, least_agreement=least_agreement
            ):
                people.append(
                    LabelledPerson(
                        ImageReference(
                            file,
                            int(track.frame_indices[index]),
                            report.clip.width,
                            report.clip.height,
                            source,
                        ),
                        keypoints,
                        track.boxes[index].copy(),
                        float(box_area(track.boxes[index][None])[0]),
                        weight,
                        ORIGIN,
                        held_out=False,
                    )
                )
    return people


def confirmed_poses(
    track: Track, *, every_s: float, least_agreement: float
) -> Iterator[tuple[int, npt.NDArray[np.float32], float]]:
    """Yield the surest confirmed pose of every `every_s` seconds.

    Yields:
        Position in the track; [17, 3] float32, x and y in pixels and the weight of each joint in [0, 1]; the weight of
        the person in [0, 1].
    """
    if len(track) < 3:
        return
    times = track.times_s
    span = times[2:] - times[:-2]
    share = ((times[1:-1] - times[:-2]) / span)[:, None, None]
    places = track.keypoints[:, :, :2].astype(np.float64)
    confidence = track.keypoints[:, :, 2].astype(np.float64)
    expected = places[:-2] * (1 - share) + places[2:] * share  # (N - 2, 17, 2)
    squared = ((places[1:-1] - expected) ** 2).sum(axis=2)
    areas = box_area(track.boxes)[1:-1, None].astype(np.float64)
    likeness = np.exp(-squared / (2 * np.maximum(areas, 1.0) * (2 * COCO_SIGMAS) ** 2))
    least = np.minimum(np.minimum(confidence[:-2], confidence[1:-1]), confidence[2:])
    likeness[least <= 0] = 0
    seen = confidence[1:-1] > 0
    agreement = (likeness * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    joints = np.where(likeness >= CONFIRMED, likeness * np.clip(2 * least, 0.2, 1), 0)
    usable = (
        (span <= LONGEST_GAP_S) & (agreement >= least_agreement) & ((joints > 0).sum(axis=1) >= LEAST_JOINTS)
    )
    windows = np.floor((times[1:-1] - times[0]) / every_s + 1e-6).astype(int)
    sureness = np.where(usable, joints.sum(axis=1), -1)
    for window in np.unique(windows):
        inside = np.flatnonzero(windows == window)
        best = int(inside[sureness[inside].argmax()])
        if sureness[best] > 0:
            middle = (places[best + 1] + expected[best]) / 2
            labels = np.concatenate([middle, joints[best][:, None]], axis=1)
            labels[joints[best] == 0] = 0
            yield best + 1, labels.astype(np.float32), float(agreement[best])


def _find_clip(name: str, *, clips: Path, sources: ClipSources, path: Path) -> tuple[Path, str]:
    file = PureWindowsPath(name)  # knows both kinds of slashes
    if file.stem not in sources.sources:
        raise DatasetError(f"{path}: the clip {name!r} is not named in {clips / 'sources.csv'}")
    return clips / sources.folders[file.stem] / file.name, sources.sources[file.stem]
