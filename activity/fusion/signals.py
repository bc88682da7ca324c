"""From findings to signals: intervals that satisfy one condition of a rule, each with the evidence in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from activity.fusion.cameras import Camera, Points, inside
from activity.fusion.findings import Box, Episode, SceneFindings
from activity.fusion.interaction import Interaction, find_interactions
from activity.fusion.rule_book import Condition, Rule
from activity.structures import ActivityScore, Evidence, HolderLink, Track

_HELD_SHARE: Final = 0.5
"""Share of a weapon's sightings in which somebody must hold it."""

_PASSING: Final = 3.0
"""Who is within reach of one of a pair that goes on for so many times longer only passes by."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A stretch of time in which one condition holds.

    Attributes:
        start_s: Begin in seconds.
        end_s: End in seconds.
        strength: In [0, 1].
        track_ids: The people who took part.
        evidence: What to say of it; weights are what each piece counts by itself.
    """

    start_s: float
    end_s: float
    strength: float
    track_ids: frozenset[int]
    evidence: tuple[Evidence, ...]


def find_signals(
    condition: Condition, findings: SceneFindings, *, rule: Rule, camera: Camera | None
) -> list[Signal]:
    """Every stretch in which a condition holds, where the camera counts and inside the rule's zone."""
    where = _Where(findings, camera, rule.zone)
    threshold = _threshold(condition, camera)
    match condition.kind:
        case "activity" if condition.in_reach:
            alone = None if condition.alone_at_least is None else max(threshold, condition.alone_at_least)
            return _interactions(
                condition.activity or "", (threshold, alone), findings, rule.merge_gap_s, where
            )
        case "activity":
            return _activities(condition.activity or "", threshold, findings, rule.merge_gap_s, where)
        case "weapon":
            return _weapons(condition.weapon == "held", threshold, findings.weapons, where)
        case "fire":
            return _fires(threshold, findings.fires, where)
        case "in_view":
            return _crowds(condition.in_view or 1, findings.tracks, where)
        case "posture":
            return [
                Signal(
                    h.start_s,
                    h.end_s,
                    h.strength,
                    frozenset({h.track_id}),
                    (Evidence(h.kind, h.text, h.strength),),
                )
                for h in findings.hints
                if h.kind == condition.posture and h.strength >= threshold
            ]


def _threshold(condition: Condition, camera: Camera | None) -> float:
    name = condition.threshold_name
    if camera is None or name is None:
        return condition.at_least
    return camera.thresholds.get(name, condition.at_least)


class _Where:
    """Which places count."""

    def __init__(self, findings: SceneFindings, camera: Camera | None, zone: str | None) -> None:
        self._size = np.array([max(1, findings.width), max(1, findings.height)], np.float64)
        self._camera = camera
        self._polygon = camera.zones[zone] if camera is not None and zone is not None else None
        self._tracks = {track.track_id: track for track in findings.tracks}

    def _count(self, points: Points) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        shares = points / self._size
        counts = np.ones(len(points), bool) if self._camera is None else self._camera.counts(shares)
        return counts if self._polygon is None else counts & inside(self._polygon, shares)

    def box(self, box: Box | None) -> bool:
        """Whether the middle of a box counts; what could not be located counts everywhere."""
        if box is None:
            return True
        return bool(self._count(np.array([[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]]))[0])

    def person(self, track_id: int, start_s: float, end_s: float) -> bool:
        """Whether a person's feet are where it counts, in at least half of the frames of an interval."""
        if self._camera is None:
            return True
        rows = self.feet(self._tracks[track_id])
        inside_interval = (self._tracks[track_id].times_s >= start_s) & (
            self._tracks[track_id].times_s <= end_s
        )
        return bool(inside_interval.any() and rows[inside_interval].mean() >= 0.5)

    def feet(self, track: Track) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """[N] whether the person stands where it counts."""
        boxes = track.boxes.astype(np.float64)
        return self._count(np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1))


def _activities(
    label: str, threshold: float, findings: SceneFindings, gap_s: float, where: _Where
) -> list[Signal]:
    by_track: dict[int, list[ActivityScore]] = defaultdict(list)
    for activity in findings.activities:
        if activity.probability(label) >= threshold and where.person(
            activity.track_id, activity.start_s, activity.end_s
        ):
            by_track[activity.track_id].append(activity)
    signals = []
    for track_id, parts in by_track.items():
        for run in _runs(sorted(parts, key=lambda a: a.start_s), gap_s):
            peak = max(a.probability(label) for a in run)
            start_s, end_s = run[0].start_s, max(a.end_s for a in run)
            text = (
                f"person {track_id}: {label} with probability up to {peak:.2f} from {start_s:.1f} s to {end_s:.1f} s "
                f"({len(run)} segment{'s' if len(run) > 1 else ''} at or above {threshold:.2f})"
            )
            signals.append(
                Signal(start_s, end_s, peak, frozenset({track_id}), (Evidence("activity", text, peak),))
            )
    return signals


def _interactions(
    label: str, thresholds: tuple[float, float | None], findings: SceneFindings, gap_s: float, where: _Where
) -> list[Signal]:
    """Pairs at or above the first threshold; away from them in time, people alone at or above the second."""
    threshold, alone = thresholds
    found = find_interactions(label, findings.activities, findings.tracks, counts=where.feet)
    pairs = [item for item in found if len(item.track_ids) == 2 and item.probability >= threshold]
    pairs = [pair for pair in pairs if not any(_passes_by(pair, other) for other in pairs)]
    singles = [
        item
        for item in found
        if len(item.track_ids) == 1 and alone is not None and item.probability >= alone
        # what a pair does needs no support from one of them, and ends with the pair
        if all(item.start_s > pair.end_s + gap_s or pair.start_s > item.end_s + gap_s for pair in pairs)
    ]
    return [
        Signal(item.start_s, item.end_s, item.probability, frozenset(item.track_ids), _evidence(label, item))
        for item in (*pairs, *singles)
    ]


def _passes_by(pair: Interaction, other: Interaction) -> bool:
    """Whether a pair is but a moment of somebody who passes one of `other`."""
    together = other.start_s <= pair.end_s and pair.start_s <= other.end_s
    shares_one = len({*pair.track_ids, *other.track_ids}) == 3
    longer = other.end_s - other.start_s > _PASSING * (pair.end_s - pair.start_s)
    return together and shares_one and longer


def _evidence(label: str, item: Interaction) -> tuple[Evidence, ...]:
    """What each of the people does, and how near they are to each other."""
    when = f"from {item.start_s:.1f} s to {item.end_s:.1f} s"
    each = [
        Evidence(
            "activity",
            f"person {track_id}: {label} with probability up to {peak:.2f} {when}, mean of overlapping segments",
            peak,
        )
        for track_id, peak in zip(item.track_ids, item.peaks, strict=True)
    ]
    if len(item.track_ids) == 2:
        first, second = item.track_ids
        text = (
            f"people {first} and {second}: within reach of each other in {item.reach_share:.0%} of the frames {when}, "
            f"their nearest joints {item.gap:.2f} body sizes apart; both together {label} with {item.probability:.2f}"
        )
        return (*each, Evidence("proximity", text, item.reach_share))
    text = (
        f"person {item.track_ids[0]}: nobody else was followed within reach {when}, so this rests on one person "
        "(where bodies lock, two are often found as one)"
    )
    return (*each, Evidence("proximity", text, 0.0))


def _runs(parts: Sequence[ActivityScore], gap_s: float) -> list[list[ActivityScore]]:
    runs: list[list[ActivityScore]] = []
    end_s = 0.0
    for part in parts:
        if runs and part.start_s <= end_s + gap_s:
            runs[-1].append(part)
        else:
            runs.append([part])
        end_s = max(end_s, part.end_s) if len(runs[-1]) > 1 else part.end_s
    return runs


def _weapons(held: bool, threshold: float, episodes: Iterable[Episode], where: _Where) -> list[Signal]:
    signals = []
    for whole in episodes:
        episode = _restricted(whole, where)
        if episode is None or episode.score < threshold:
            continue
        holder, share = episode.holder()
        if held and (holder is None or share < _HELD_SHARE):
            continue
        start_s, end_s = episode.sightings[0].time_s, episode.sightings[-1].time_s
        best = max(sighting.score for sighting in episode.sightings)
        text = (
            f"weapon: seen in {len(episode.sightings)} frame{'s' if len(episode.sightings) > 1 else ''} from "
            f"{start_s:.1f} s to {end_s:.1f} s, detector's score up to {best:.2f}"
        )
        evidence = [Evidence("weapon", text, episode.score)]
        if holder is not None:
            evidence.append(_holder_evidence(holder, share, episode.holders))
        people = frozenset() if holder is None else frozenset({holder})
        signals.append(Signal(start_s, end_s, episode.score, people, tuple(evidence)))
    return signals


def _restricted(episode: Episode, where: _Where) -> Episode | None:
    keep = [where.box(sighting.box) for sighting in episode.sightings]
    if not any(keep):
        return None
    times = {s.time_s for s, kept in zip(episode.sightings, keep, strict=True) if kept}
    return Episode(
        [s for s, kept in zip(episode.sightings, keep, strict=True) if kept],
        [link for link in episode.holders if link.time_s in times],
        episode.needed,
    )


def _holder_evidence(holder: int, share: float, links: Sequence[HolderLink]) -> Evidence:
    """Who holds it, by what, and what boxes alone would have said."""
    mine = [link for link in links if link.track_id == holder]
    distances = [
        candidate.hand_distance
        for link in mine
        for candidate in link.candidates
        if candidate.track_id == holder and candidate.hand_distance is not None
    ]
    parts = [f"holder: person {holder} in {len(mine)} of {len(links)} sightings"]
    if distances:
        parts.append(f"the hand is {float(np.median(distances)):.2f} of the person's size from the weapon")
    rules = sorted({link.rule.replace("_", " ") for link in mine})
    parts.append(f"decided by {' and '.join(rules)}")
    otherwise = sum(link.track_id_by_iou != holder for link in mine)
    if otherwise:
        parts.append(f"overlap of boxes alone would have said otherwise in {otherwise}")
    probability = float(np.mean([link.probability for link in mine]))
    return Evidence("holder", ", ".join(parts), min(1.0, share * probability))


def _fires(threshold: float, episodes: Iterable[Episode], where: _Where) -> list[Signal]:
    signals = []
    for whole in episodes:
        episode = _restricted(whole, where)
        if episode is None or episode.score < threshold:
            continue
        start_s, end_s = episode.sightings[0].time_s, episode.sightings[-1].time_s
        best = max(sighting.score for sighting in episode.sightings)
        text = (
            f"fire: seen in {len(episode.sightings)} examined frame{'s' if len(episode.sightings) > 1 else ''} from "
            f"{start_s:.1f} s to {end_s:.1f} s, probability up to {best:.2f}"
        )
        signals.append(
            Signal(start_s, end_s, episode.score, frozenset(), (Evidence("fire", text, episode.score),))
        )
    return signals


def _crowds(least: int, tracks: Sequence[Track], where: _Where) -> list[Signal]:
    changes: list[tuple[float, int]] = []
    for track in tracks:
        times = track.times_s[where.feet(track)]
        if len(times):
            changes += [(float(times[0]), 1), (float(times[-1]), -1)]
    signals, people, begin, most = [], 0, 0.0, 0
    for time_s, change in sorted(changes, key=lambda item: (item[0], -item[1])):
        if people < least <= people + change:
            begin, most = time_s, least
        if people >= least > people + change:
            text = f"people: up to {most} in view from {begin:.1f} s to {time_s:.1f} s, at least {least} asked for"
            signals.append(Signal(begin, time_s, 1.0, frozenset(), (Evidence("people", text, 1.0),)))
        people += change
        most = max(most, people)
    return signals
