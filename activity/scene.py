"""Joins what the frames told to what is judged: weapons with holders, fire, and the clip in windows of time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.association import ArmedPosture, find_pointing, link_holders, people_at, vote_along_track
from activity.fusion.episodes import Persistence, link_sightings
from activity.fusion.findings import Box, Episode, PostureHint, Sighting
from activity.pose.hands import find_hands
from activity.recognition.clip_model import ClipWindow
from activity.report import FireReading
from activity.structures import Detections, FireFinding, HolderLink, SceneMotion, Track
from activity.tubelets import TubeletSettings, whole_tracks

POINTING_PRECISION: Final = 0.74
"""Of the people named by the line of an arm, the share who were aimed at: 400 rendered scenes, 0.67 to 0.81."""

WeaponFrames = Sequence[tuple[int, float, Detections]]
"""Frame number, time in seconds and weapons, of each frame with any."""

FireFrames = Sequence[tuple[int, float, FireFinding]]
"""Frame number, time in seconds and finding, of each examined frame."""


@dataclass(frozen=True, slots=True, eq=False)
class WeaponScene:
    """What is known of the weapons of a clip.

    Attributes:
        links: Who holds each weapon in each frame, those that did not stay included, in order of time.
        episodes: The weapons that stayed.
    """

    links: list[HolderLink]
    episodes: list[Episode]


def find_holders(
    weapons: WeaponFrames,
    tracks: Sequence[Track],
    persistence: Persistence,
    *,
    posture: ArmedPosture | None = None,
) -> WeaponScene:
    """Link every weapon of every frame to its holder, let each weapon's frames vote, and keep what stays.

    Args:
        weapons: In order of time.
        tracks: The people.
        persistence: When a weapon counts.
        posture: Judges the holders' postures, once it is decided who they are; `None` leaves that out.
    """
    links: list[HolderLink] = []
    for frame_index, time_s, found in weapons:
        present = people_at(tracks, time_s=time_s)
        links += link_holders(
            frame_index=frame_index,
            time_s=time_s,
            weapons=found,
            people=present.people,
            track_ids=present.track_ids,
            hands=find_hands(present.people.keypoints, present.people.boxes),
        )
    sightings = [Sighting(link.time_s, link.weapon_score, _box(link.weapon_box)) for link in links]
    stayed = list(link_sightings(sightings, persistence))
    for members in stayed:
        for i, link in zip(members, vote_along_track([links[i] for i in members]), strict=True):
            links[i] = link
    if posture is not None:
        links = [_with_posture(link, tracks, posture) for link in links]
    episodes = [
        Episode([sightings[i] for i in members], [links[i] for i in members], persistence.needed)
        for members in stayed
    ]
    return WeaponScene(links, episodes)


def _with_posture(link: HolderLink, tracks: Sequence[Track], posture: ArmedPosture) -> HolderLink:
    """The same link, with the posture of its holder where enough of it was seen."""
    if link.track_id is None:
        return link
    present = people_at([t for t in tracks if t.track_id == link.track_id], time_s=link.time_s).people
    if not len(present):
        return link
    probability = float(posture.judge(present.keypoints, present.boxes)[0])
    return link if math.isnan(probability) else replace(link, posture=probability)


def find_aims(episodes: Sequence[Episode], tracks: Sequence[Track]) -> list[PostureHint]:
    """At whom the arm of each holder points: weak evidence, measured by `activity.evaluation.pointing`.

    A hint needs the same target in two sightings at least; its strength is the share of the sightings that have it, times
    how often the line of an arm is right about its target.
    """
    hints = []
    for episode in episodes:
        at: dict[tuple[int, int], list[float]] = {}
        for link in episode.holders:
            if link.track_id is None:
                continue
            present = people_at(tracks, time_s=link.time_s)
            ids = present.track_ids.tolist()
            if link.track_id not in ids:
                continue
            aim = find_pointing(present.people, ids.index(link.track_id), link.weapon_box)
            if aim is not None and aim.targets:
                at.setdefault((link.track_id, ids[aim.targets[0]]), []).append(link.time_s)
        for (holder, target), times in at.items():
            share = len(times) / len(episode.holders)
            if len(times) >= 2:
                text = (
                    f"person {holder}'s arm points towards person {target} in {len(times)} of {len(episode.holders)} "
                    f"sightings (weak evidence: a picture has no depth, and such a line is right {POINTING_PRECISION:.0%} "
                    "of the time in rendered scenes)"
                )
                hints.append(
                    PostureHint("aiming", holder, times[0], times[-1], share * POINTING_PRECISION, text)
                )
    return hints


def find_armed_postures(episodes: Sequence[Episode], *, balanced_accuracy: float) -> list[PostureHint]:
    """How armed the posture of each weapon's holder looks: weak evidence, quoted whatever it says.

    A hint is the mean over the sightings in which its person holds the weapon. Its strength is 0 up to a mean of 0.5, which
    says nothing, and rises to 1: a posture that looks unarmed is told, and takes nothing away.

    Args:
        episodes: With judged links.
        balanced_accuracy: Of the judge, for the sentence.
    """
    hints = []
    for episode in episodes:
        holder, _ = episode.holder()
        judged = [
            (link.time_s, link.posture)
            for link in episode.holders
            if link.track_id == holder and link.posture is not None
        ]
        if holder is None or not judged:
            continue
        mean = sum(value for _, value in judged) / len(judged)
        text = (
            f"posture: {mean:.2f} armed, mean of person {holder} in {len(judged)} sighting{'s' if len(judged) > 1 else ''} (weak evidence: balanced "
            f"accuracy {balanced_accuracy:.2f} on pictures of scenes that it had not seen, where guessing has 0.50)"
        )
        strength = max(0.0, 2 * mean - 1)
        hints.append(PostureHint("armed_posture", holder, judged[0][0], judged[-1][0], strength, text))
    return hints


def judge_fire(
    frames: FireFrames, persistence: Persistence, *, threshold: float
) -> tuple[list[FireReading], list[Episode]]:
    """Say in which examined frames it burns: the classifier's threshold, and that the fire stays.

    Args:
        frames: In order of time.
        persistence: When a fire counts.
        threshold: Least probability.

    Returns:
        A reading for each frame, and the fires.
    """
    burning = [i for i, (_, _, finding) in enumerate(frames) if finding.probability >= threshold]
    # One fire: flames flicker, and the box of the loudest cells jumps between them.
    sightings = [Sighting(frames[i][1], frames[i][2].probability, None) for i in burning]
    trails = link_sightings(sightings, persistence)
    present = {burning[member] for members in trails for member in members}
    readings = [
        FireReading(
            frame_index=frame_index,
            time_s=time_s,
            probability=finding.probability,
            present=i in present,
            box=None if finding.box is None else _box(finding.box),
            activation_map=finding.activation_map if i in present else None,
        )
        for i, (frame_index, time_s, finding) in enumerate(frames)
    ]
    episodes = [
        Episode([Sighting(r.time_s, r.probability, r.box) for r in (readings[burning[m]] for m in members)])
        for members in trails
    ]
    return readings, episodes


def _box(values: npt.NDArray[np.float32]) -> Box:
    x0, y0, x1, y1 = values.tolist()
    return x0, y0, x1, y1


def clip_windows(
    tracks: Sequence[Track], motion: SceneMotion | None, settings: TubeletSettings, *, window_s: float
) -> Iterator[ClipWindow]:
    """Cut a clip into equal windows of at most `window_s`, for a model that judges whole clips.

    Args:
        tracks: The people, of any number.
        motion: How the picture moved, where it was measured.
        settings: How tracks are resampled.
        window_s: Longest window.

    Yields:
        Every window between the first and the last thing that is known, in order of time; some may hold nobody.

    Raises:
        ConfigurationError: If the settings have no rate to resample to.
    """
    times = [track.times_s for track in tracks]
    if motion is not None and len(motion):
        times.append(motion.times_s)
    if not times:
        return
    first_s, last_s = min(float(t[0]) for t in times), max(float(t[-1]) for t in times)
    count = max(1, math.ceil((last_s - first_s) / window_s - 1e-9))
    edges_s = (first_s + (last_s - first_s) / count * np.arange(1, count)).tolist()
    bounds = zip((-math.inf, *edges_s), (*edges_s, math.inf), strict=True)
    for people, (start_s, end_s) in zip(whole_tracks(tracks, settings, edges_s=edges_s), bounds, strict=True):
        yield ClipWindow(people, None if motion is None else motion.between(start_s, end_s), start_s, end_s)
