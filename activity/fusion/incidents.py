"""From signals to alerts: all that a rule needs at the same time is an incident, and one incident is one alert."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from activity.errors import ConfigurationError
from activity.fusion.cameras import Camera, check_camera
from activity.fusion.findings import SceneFindings
from activity.fusion.rule_book import Condition, Rule, check_rules
from activity.fusion.signals import Signal, find_signals
from activity.structures import Evidence, SceneAlert


@dataclass(frozen=True, slots=True)
class _Incident:
    """Signals of all needed conditions, near each other in time."""

    needed: tuple[tuple[Condition, Signal], ...]

    @property
    def start_s(self) -> float:
        return min(signal.start_s for _, signal in self.needed)

    @property
    def end_s(self) -> float:
        return max(signal.end_s for _, signal in self.needed)


def raise_alerts(
    findings: SceneFindings,
    rules: Sequence[Rule],
    *,
    camera: Camera | None = None,
    started_at: datetime | None = None,
) -> list[SceneAlert]:
    """Apply every rule to what was found in a clip.

    The score of an alert is that of the weakest kind of evidence that the rule needs (of each kind, the strongest
    signal); each strengthening condition takes its weight times its strength of the remaining doubt away.

    Args:
        findings: What the stages found.
        rules: With distinct names.
        camera: Where the clip comes from, if that matters.
        started_at: When the clip's first frame was recorded, local to the camera.

    Returns:
        Alerts ordered by begin, then by rule. The explanation begins with what was needed, strongest first.

    Raises:
        ConfigurationError: If names repeat, a rule asks for a zone and there is no such zone, or for the time of day
            and `started_at` is not known.
    """
    try:
        check_rules(rules)
    except ValueError as error:
        raise ConfigurationError(f"rules: {error}") from error
    alerts: dict[str, list[SceneAlert]] = {}
    _check_place_and_time(rules, camera, started_at)
    for rule in rules:
        incidents = _incidents(rule, findings, camera)
        if rule.hours is not None and started_at is not None:
            incidents = [
                i for i in incidents if rule.is_at((started_at + timedelta(seconds=i.start_s)).time())
            ]
        raised = [_alert(rule, incident, findings, camera) for incident in incidents]
        alerts[rule.name] = _cooled_down(rule, raised)
    _absorb(rules, alerts)
    return sorted(
        itertools.chain.from_iterable(alerts.values()), key=lambda alert: (alert.start_s, alert.rule)
    )


def check_applicable(
    rules: Sequence[Rule],
    *,
    camera: Camera | None,
    camera_name: str | None,
    started_at: datetime | None,
    classes: Collection[str],
    floors: Mapping[str, float],
) -> None:
    """Refuse, before a clip is analysed, what `raise_alerts` would refuse after it, and what could have no effect.

    Args:
        rules: The rules that will be applied.
        camera: Where the clip comes from, if that is known.
        camera_name: Its name.
        started_at: When the clip's first frame was recorded.
        classes: As for `check_camera`.
        floors: As for `check_camera`.

    Raises:
        ConfigurationError: As `raise_alerts` and `check_camera`.
    """
    _check_place_and_time(rules, camera, started_at)
    if camera is not None:
        check_camera(camera_name or "", camera, rules, classes=classes, floors=floors)


def _check_place_and_time(rules: Sequence[Rule], camera: Camera | None, started_at: datetime | None) -> None:
    for rule in rules:
        if rule.zone is not None and (camera is None or rule.zone not in camera.zones):
            raise ConfigurationError(
                f"rule {rule.name}: asks for the zone {rule.zone!r}; name the camera that has it"
            )
        if rule.hours is not None and started_at is None:
            raise ConfigurationError(
                f"rule {rule.name}: asks for the time of day; say when the recording starts (--recorded-at)"
            )


def _incidents(rule: Rule, findings: SceneFindings, camera: Camera | None) -> list[_Incident]:
    """Groups of signals: each has all needed conditions, and groups closer than the merge gap are one."""
    found = [
        (condition, find_signals(condition, findings, rule=rule, camera=camera)) for condition in rule.needs
    ]
    if not all(signals for _, signals in found):
        return []
    labelled = [(condition, signal) for condition, signals in found for signal in signals]
    kept = [
        (condition, signal)
        for condition, signal in labelled
        if all(
            any(_near(signal, other, rule.within_s) for other in others)
            for c, others in found
            if c is not condition
        )
    ]
    kept.sort(key=lambda item: (item[1].start_s, item[1].end_s))
    groups: list[list[tuple[Condition, Signal]]] = []
    end_s = 0.0
    for item in kept:
        if groups and item[1].start_s <= end_s + max(rule.merge_gap_s, rule.within_s):
            groups[-1].append(item)
            end_s = max(end_s, item[1].end_s)
        else:
            groups.append([item])
            end_s = item[1].end_s
    return [_Incident(tuple(group)) for group in groups if _suffices(rule, group)]


def _suffices(rule: Rule, group: Sequence[tuple[Condition, Signal]]) -> bool:
    if any(all(found is not condition for found, _ in group) for condition in rule.needs):
        return False
    actors = {track_id for condition, s in group if condition.kind == "activity" for track_id in s.track_ids}
    return rule.people == 1 or len(actors) >= rule.people


def _near(first: Signal, second: Signal, within_s: float) -> bool:
    return first.start_s <= second.end_s + within_s and second.start_s <= first.end_s + within_s


def _alert(rule: Rule, incident: _Incident, findings: SceneFindings, camera: Camera | None) -> SceneAlert:
    score = min(
        max(signal.strength for found, signal in incident.needed if found is condition)
        for condition in rule.needs
    )
    people = frozenset(itertools.chain.from_iterable(signal.track_ids for _, signal in incident.needed))
    needed = [item for _, signal in incident.needed for item in signal.evidence]
    needed.sort(key=lambda item: -item.weight)
    support: list[Evidence] = []
    span = Signal(incident.start_s, incident.end_s, 1.0, people, ())
    for condition in rule.strengthened_by:
        signals = [
            signal
            for signal in find_signals(condition, findings, rule=rule, camera=camera)
            if _near(signal, span, rule.within_s)
            and (condition.kind != "posture" or signal.track_ids & people)
        ]
        if not signals:
            continue
        best = max(signals, key=lambda signal: signal.strength)
        count = condition.weight * best.strength
        score = 1 - (1 - score) * (1 - count)
        support += [replace(item, weight=min(1.0, condition.weight * item.weight)) for item in best.evidence]
    return SceneAlert(
        rule=rule.name,
        label=rule.label,
        agency=rule.agency,
        severity=rule.severity,
        start_s=incident.start_s,
        end_s=incident.end_s,
        score=min(1.0, score),
        track_ids=tuple(sorted(people)),
        explanation=(*needed, *support),
    )


def _cooled_down(rule: Rule, alerts: Sequence[SceneAlert]) -> list[SceneAlert]:
    """What comes again within the cool-down belongs to the alert before."""
    kept: list[SceneAlert] = []
    for alert in alerts:
        if kept and alert.start_s - kept[-1].end_s <= rule.cool_down_s:
            text = (
                f"again from {alert.start_s:.1f} s to {alert.end_s:.1f} s, within the cool-down of "
                f"{rule.cool_down_s:g} s: score {alert.score:.2f}"
            )
            kept[-1] = _joined(kept[-1], alert, (Evidence("again", text, alert.score),))
        else:
            kept.append(alert)
    return kept


def _absorb(rules: Sequence[Rule], alerts: dict[str, list[SceneAlert]]) -> None:
    for rule in rules:
        for name in rule.absorbs:
            for position, alert in enumerate(alerts[rule.name]):
                inside = [o for o in alerts[name] if o.start_s <= alert.end_s and alert.start_s <= o.end_s]
                for other in inside:
                    alerts[rule.name][position] = alert = _joined(alert, other, other.explanation)  # noqa: PLW2901
                alerts[name] = [other for other in alerts[name] if other not in inside]


def _joined(first: SceneAlert, second: SceneAlert, evidence: Sequence[Evidence]) -> SceneAlert:
    return replace(
        first,
        start_s=min(first.start_s, second.start_s),
        end_s=max(first.end_s, second.end_s),
        score=max(first.score, second.score),
        track_ids=tuple(sorted({*first.track_ids, *second.track_ids})),
        explanation=(*first.explanation, *(item for item in evidence if item not in first.explanation)),
    )
