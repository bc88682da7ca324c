"""Weapons, their holders and fire, as the HTML report lists them and draws them on the timeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from activity.report.analysis import ClipAnalysis
from activity.report.charts import Line, Span, TimeAxis, span, value_line
from activity.report.palette import FIRE, css
from activity.report.wording import clock, clock_range, count, percent


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a table of detections, holders or fire."""

    name: str
    facts: list[str]
    time: str
    time_s: float


def weapon_spans(analysis: ClipAnalysis, axis: TimeAxis) -> list[Span]:
    """When objects other than people were detected."""
    step_s = analysis.duration_s / max(1, analysis.frames_analysed)
    sightings = []
    for _, time_s, objects in analysis.detections or ():
        scores = [
            float(score)
            for label, score in zip(objects.labels, objects.scores, strict=True)
            if label != "person"
        ]
        if scores:
            sightings.append((time_s, max(scores)))
    return _merged(axis, sightings, step_s, "seen, score")


def held_spans(analysis: ClipAnalysis, track_id: int, axis: TimeAxis) -> list[Span]:
    """When one person held a weapon."""
    step_s = analysis.duration_s / max(1, analysis.frames_analysed)
    links = sorted(analysis.holders or (), key=lambda link: link.time_s)
    sightings = [(link.time_s, link.weapon_score) for link in links if link.track_id == track_id]
    return _merged(axis, sightings, step_s, "holds a weapon, score")


def fire_spans(analysis: ClipAnalysis, axis: TimeAxis) -> list[Span]:
    """When frames counted as fire."""
    step_s = analysis.duration_s / max(1, len(analysis.fire or ()))
    burning = [(reading.time_s, reading.probability) for reading in analysis.fire or () if reading.present]
    return _merged(axis, burning, step_s, "fire")


def _merged(axis: TimeAxis, sightings: Sequence[tuple[float, float]], step_s: float, what: str) -> list[Span]:
    """Sightings in frames that follow each other, `step_s` apart, as one span each."""
    runs: list[list[tuple[float, float]]] = []
    for sighting in sightings:
        if runs and sighting[0] - runs[-1][-1][0] <= 1.5 * step_s:
            runs[-1].append(sighting)
        else:
            runs.append([sighting])
    spans = []
    for run in runs:
        best = percent(max(score for _, score in run))
        title = f"{clock_range(run[0][0], run[-1][0])}: {what} up to {best}"
        spans.append(span(axis, run[0][0], run[-1][0] + step_s, label="", title=title))
    return spans


def fire_line(analysis: ClipAnalysis, axis: TimeAxis) -> Line | None:
    """Probability of fire over time."""
    if not analysis.fire:
        return None
    times = [reading.time_s for reading in analysis.fire]
    return value_line(
        axis, times, [reading.probability for reading in analysis.fire], name="Fire", color=css(FIRE)
    )


def object_findings(analysis: ClipAnalysis) -> list[Finding]:
    """Detected objects other than people, by class."""
    sightings: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _, time_s, objects in analysis.detections or ():
        for label, score in zip(objects.labels, objects.scores, strict=True):
            if label != "person":
                sightings[label].append((time_s, float(score)))
    findings = []
    for label, seen in sightings.items():
        times = [time_s for time_s, _ in seen]
        peak_s, best = max(seen, key=lambda item: item[1])
        facts = [
            f"in {len(set(times))} of {count(analysis.frames_analysed, 'analysed frame')}",
            f"{clock_range(min(times), max(times))}",
            f"score up to {percent(best)}",
        ]
        findings.append(Finding(label, facts, clock(peak_s), peak_s))
    return findings


def holder_findings(analysis: ClipAnalysis) -> list[Finding]:
    """Weapon sightings by the person who holds the weapon."""
    by_person: dict[int | None, list[tuple[float, float, str]]] = defaultdict(list)
    postures: dict[int | None, list[float]] = defaultdict(list)
    for link in analysis.holders or ():
        by_person[link.track_id].append((link.time_s, link.weapon_score, link.rule))
        if link.posture is not None:
            postures[link.track_id].append(link.posture)
    findings = []
    for track_id, seen in by_person.items():
        times = [time_s for time_s, _, _ in seen]
        peak_s, best, _ = max(seen, key=lambda item: item[1])
        rules = sorted({rule.replace("_", " ") for _, _, rule in seen} - {"none"})
        facts = [
            count(len(seen), "sighting"),
            clock_range(min(times), max(times)),
            f"weapon score up to {percent(best)}",
            f"decided by {' and '.join(rules)}" if rules else "nobody's hand is near: probably no weapon",
        ]
        if judged := postures.get(track_id):
            facts.append(f"posture {sum(judged) / len(judged):.2f} armed (weak evidence)")
        name = "Nobody" if track_id is None else f"Person {track_id}"
        findings.append(Finding(name, facts, clock(peak_s), peak_s))
    return findings


def fire_findings(analysis: ClipAnalysis) -> list[Finding]:
    """One line if any frame counted as fire."""
    burning = [reading for reading in analysis.fire or () if reading.present]
    if not burning:
        return []
    peak = max(burning, key=lambda reading: reading.probability)
    facts = [
        f"in {len(burning)} of {count(len(analysis.fire or ()), 'examined frame')}",
        clock_range(burning[0].time_s, burning[-1].time_s),
        f"up to {percent(peak.probability)}",
    ]
    return [Finding("Fire", facts, clock(peak.time_s), peak.time_s)]
