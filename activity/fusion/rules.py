"""From scores to alerts by rules that a person can read.

A rule speaks of one activity class. Every segment in which that class reaches the rule's threshold is evidence;
segments of all people that overlap or follow each other within `merge_gap_s` are one incident, and each incident
is one `SceneAlert` for the rule's agency. Nothing else decides: no rule, no alert.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from activity.errors import ConfigurationError
from activity.structures import ActivityScore, Agency, Evidence, SceneAlert, Severity


@dataclass(frozen=True, slots=True)
class ActivityRule:
    """When an activity becomes an alert.

    Attributes:
        label: The activity class, spelled as the recogniser spells it.
        agency: Whom the alert is for.
        severity: How grave it is, on CAP 1.2's scale.
        min_score: Probability from which a segment counts, in (0, 1].
        min_people: How many different people an incident needs.
        merge_gap_s: Segments no further apart than this belong to one incident, in seconds.
    """

    label: str
    agency: Agency
    severity: Severity
    min_score: float
    min_people: int = 1
    merge_gap_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.min_score <= 1:
            raise ConfigurationError(f"rule {self.label}: min_score must lie in (0, 1], got {self.min_score}")
        if self.min_people < 1:
            raise ConfigurationError(
                f"rule {self.label}: min_people must be 1 or more, got {self.min_people}"
            )
        if self.merge_gap_s < 0:
            raise ConfigurationError(
                f"rule {self.label}: merge_gap_s must be 0 or more, got {self.merge_gap_s}"
            )


def raise_alerts(activities: Iterable[ActivityScore], rules: Sequence[ActivityRule]) -> list[SceneAlert]:
    """Apply each rule to all segments of a clip.

    Args:
        activities: The segments of all people, in any order.
        rules: At most one rule a label.

    Returns:
        Alerts ordered by begin, then by rule. An alert's score is the highest probability among its segments;
        its explanation names each person with the interval and peak probability of the segments that counted,
        most probable first.

    Raises:
        ConfigurationError: If two rules name the same label.
    """
    labels = [rule.label for rule in rules]
    if len(set(labels)) != len(labels):
        raise ConfigurationError(f"rules: expected one rule a label, got {labels}")
    scored = list(activities)
    alerts = [
        _alert(rule, incident)
        for rule in rules
        for incident in _incidents(
            [a for a in scored if a.probability(rule.label) >= rule.min_score], rule.merge_gap_s
        )
        if len({a.track_id for a in incident}) >= rule.min_people
    ]
    return sorted(alerts, key=lambda alert: (alert.start_s, alert.rule))


def _incidents(activities: list[ActivityScore], merge_gap_s: float) -> list[list[ActivityScore]]:
    incidents: list[list[ActivityScore]] = []
    end_s = 0.0
    for activity in sorted(activities, key=lambda a: (a.start_s, a.end_s)):
        if incidents and activity.start_s <= end_s + merge_gap_s:
            incidents[-1].append(activity)
            end_s = max(end_s, activity.end_s)
        else:
            incidents.append([activity])
            end_s = activity.end_s
    return incidents


def _alert(rule: ActivityRule, incident: list[ActivityScore]) -> SceneAlert:
    by_track: dict[int, list[ActivityScore]] = {}
    for activity in incident:
        by_track.setdefault(activity.track_id, []).append(activity)
    evidence = [
        Evidence(
            kind="activity",
            text=(
                f"person {track_id}: {rule.label} with probability up to {peak:.2f} "
                f"from {min(a.start_s for a in parts):.1f} s to {max(a.end_s for a in parts):.1f} s "
                f"({len(parts)} segment{'s' if len(parts) > 1 else ''} at or above {rule.min_score:.2f})"
            ),
            weight=peak,
        )
        for track_id, parts in by_track.items()
        for peak in [max(a.probability(rule.label) for a in parts)]
    ]
    evidence.sort(key=lambda item: -item.weight)
    return SceneAlert(
        rule=f"activity:{rule.label}",
        label=rule.label,
        agency=rule.agency,
        severity=rule.severity,
        start_s=min(a.start_s for a in incident),
        end_s=max(a.end_s for a in incident),
        score=evidence[0].weight,
        track_ids=tuple(sorted(by_track)),
        explanation=tuple(evidence),
    )
