"""What the HTML report shows of the clip as a whole: words, colours and chart geometry, no raw arrays."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from activity.report.analysis import ClipAnalysis, Part
from activity.report.charts import Line, Span, TimeAxis, probability_line, span
from activity.report.files import readable_text
from activity.report.keyframes import KeyFrame
from activity.report.palette import class_colors, css, is_calm, severity_color, track_color
from activity.report.people import PersonView, most_notable
from activity.report.wording import clock, clock_range, count, percent, seconds
from activity.structures import ActivityScore, SceneAlert

_AGENCIES: Final = {"police": "Police", "fire_department": "Fire department"}
_VOTERS: Final = {
    "network": "By the network",
    "people": "By how the people moved",
    "scene": "By how the picture moved",
}
_PART_NAMES: Final[dict[Part, str]] = {
    "activities": "Activity of each person",
    "detections": "Weapons",
    "holders": "Who holds a weapon",
    "fire": "Fire",
    "alerts": "Alert rules",
}
_KEY_FRAME_MARGIN_S: Final = 0.5
_MOST_PERSON_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """A named share: percent wide, with its text and colour."""

    name: str
    width: float
    text: str
    color: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A key frame as a data URI."""

    source: str
    time_s: float
    time: str
    caption: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence: its sentence, and its weight in words and as percent of a bar."""

    kind: str
    text: str
    weight: str
    width: float


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert with its reasons and its pictures."""

    label: str
    score: str
    severity: str
    color: str
    agency: str
    rule: str
    when: str
    length: str
    start_s: float
    people: list[tuple[int, str]]
    reasons: list[Reason]
    pictures: list[Picture]
    band: Span


@dataclass(frozen=True, slots=True)
class PartView:
    """Whether a part of the analysis was run, and what it gave."""

    name: str
    analysed: bool
    text: str


def facts_of_clip(analysis: ClipAnalysis) -> list[tuple[str, str]]:
    """Name and value of everything worth knowing of the file."""
    video = analysis.video
    frames = f"{analysis.frames_decoded:,} decoded, {analysis.frames_analysed:,} analysed"
    turned = f", turned by {video.rotation_deg}°" if video.rotation_deg else ""
    return [
        ("Length", seconds(analysis.duration_s)),
        ("Picture", f"{video.width} × {video.height} px{turned}"),
        ("Frame rate", f"{video.frame_rate_hz:.4g} Hz, {video.codec}"),
        ("Frames", frames),
    ]


def summary_bars(analysis: ClipAnalysis) -> list[Bar]:
    """Class probabilities of the clip, most probable first."""
    colors = class_colors(analysis.classes)
    ordered = sorted(analysis.summary.probabilities.items(), key=lambda item: -item[1])
    return [Bar(name, round(100 * p, 2), percent(p), css(colors[name])) for name, p in ordered]


def summary_votes(analysis: ClipAnalysis) -> list[str]:
    """What each judge of the clip as a whole says by itself of the summary's class, in a sentence; empty without judges."""
    label = analysis.summary.label
    return [
        f"{_VOTERS.get(judge, judge)}: {label} {percent(vote[label])}"
        for judge, vote in analysis.summary.votes.items()
        if label is not None and label in vote
    ]


def coverage_views(analysis: ClipAnalysis) -> list[PartView]:
    """Every part of the analysis, whether it was run or not."""
    people = PartView("People and poses", True, _people_found(analysis))
    if analysis.frames_analysed == 0:
        people = PartView("People and poses", False, "No frame could be analysed.")
    found: dict[Part, str] = {
        "activities": f"{count(len(analysis.activities), 'segment')} judged",
        "detections": _objects_found(analysis),
        "holders": count(len(analysis.holders or ()), "weapon sighting"),
        "fire": f"{count(sum(r.present for r in analysis.fire or ()), 'frame')} with fire",
        "alerts": count(len(analysis.alerts), "alert"),
    }
    return [
        people,
        *(
            PartView(name, part not in analysis.not_analysed, analysis.not_analysed.get(part, found[part]))
            for part, name in _PART_NAMES.items()
        ),
    ]


def alert_views(analysis: ClipAnalysis, axis: TimeAxis, key_frames: Sequence[KeyFrame]) -> list[AlertView]:
    """Alerts, most certain first, with the key frame of each; without one, with those taken during it of no other."""
    ordered = sorted(enumerate(analysis.alerts), key=lambda item: (-item[1].score, item[1].start_s))
    views = []
    for number, alert in ordered:
        own = [frame for frame in key_frames if frame.alert == number]
        during = [frame for frame in key_frames if frame.alert is None and is_during(frame, alert)]
        views.append(_alert(alert, axis, own or during))
    return views


def picture(frame: KeyFrame) -> Picture:
    """A key frame, embedded."""
    source = "data:image/jpeg;base64," + base64.b64encode(frame.jpeg).decode("ascii")
    return Picture(source, frame.time_s, clock(frame.time_s), frame.caption)


def is_during(frame: KeyFrame, alert: SceneAlert) -> bool:
    """Whether a key frame shows an alert."""
    return alert.start_s - _KEY_FRAME_MARGIN_S <= frame.time_s <= alert.end_s + _KEY_FRAME_MARGIN_S


def clip_chart(analysis: ClipAnalysis, axis: TimeAxis) -> tuple[str | None, list[Line], int]:
    """The probability of the clip's most notable class for each person over time.

    Returns:
        The class, a line for each of the people in whom it is most probable, and how many have none.
    """
    names = [name for name in analysis.classes if not is_calm(name)] or list(analysis.classes)
    if not analysis.activities:
        return None, [], 0
    label = analysis.summary.label
    if label not in names:
        label = max(names, key=lambda name: max(score.probability(name) for score in analysis.activities))
    segments: dict[int, list[ActivityScore]] = defaultdict(list)
    for score in analysis.activities:
        segments[score.track_id].append(score)
    ordered = sorted(segments, key=lambda id_: -max(score.probability(label) for score in segments[id_]))
    lines = [
        probability_line(
            axis, segments[id_], class_name=label, name=f"Person {id_}", color=css(track_color(id_))
        )
        for id_ in ordered[:_MOST_PERSON_LINES]
    ]
    return label, lines, len(ordered) - len(lines)


def timing_bars(analysis: ClipAnalysis) -> tuple[list[Bar], str]:
    """Seconds by stage, and their sum in words."""
    total_s = sum(analysis.timing_s.values())
    longest_s = max(analysis.timing_s.values(), default=0.0)
    bars = [
        Bar(
            stage,
            round(100 * spent_s / longest_s, 2) if longest_s else 0.0,
            seconds(spent_s),
            "var(--accent)",
        )
        for stage, spent_s in analysis.timing_s.items()
    ]
    words = seconds(total_s)
    if analysis.duration_s > 0:
        words += f", {total_s / analysis.duration_s:.2g} times the length of the clip"
    return bars, words


def nothing_raised(analysis: ClipAnalysis) -> str:
    """What it means that there is no alert."""
    if "alerts" in analysis.not_analysed:
        return f"Alerts were not analysed. {analysis.not_analysed['alerts']}"
    if not analysis.activities:
        return f"No alert was raised, but this is no all-clear: nobody's activity could be judged. {analysis.not_analysed['activities']}"
    nearest = max(analysis.activities, key=most_notable)
    probability, name = most_notable(nearest)
    people = len({score.track_id for score in analysis.activities})
    return (
        f"No alert rule applied to the {count(len(analysis.activities), 'segment')} of "
        f"{count(people, 'person', 'people')} that were judged. The nearest to one was person {nearest.track_id} "
        f"at {clock_range(nearest.start_s, nearest.end_s)}, with {name} {percent(probability)}."
    )


def unjudged(people: Sequence[PersonView]) -> int:
    """How many people have no segment."""
    return sum(person.label is None for person in people)


def _alert(alert: SceneAlert, axis: TimeAxis, key_frames: Sequence[KeyFrame]) -> AlertView:
    color = css(severity_color(alert.severity))
    when = clock_range(alert.start_s, alert.end_s)
    return AlertView(
        label=alert.label,
        score=percent(alert.score),
        severity=alert.severity,
        color=color,
        agency=_AGENCIES[alert.agency],
        rule=alert.rule,
        when=when,
        length=seconds(alert.end_s - alert.start_s),
        start_s=alert.start_s,
        people=[(id_, css(track_color(id_))) for id_ in alert.track_ids],
        reasons=[
            Reason(item.kind, item.text, percent(item.weight), round(100 * item.weight, 2))
            for item in sorted(alert.explanation, key=lambda item: -item.weight)
        ],
        pictures=[picture(frame) for frame in key_frames[:2]],
        band=span(
            axis,
            alert.start_s,
            alert.end_s,
            label=alert.label,
            title=f"{alert.label} {percent(alert.score)}, {when}",
        ),
    )


def _people_found(analysis: ClipAnalysis) -> str:
    return f"{count(len(analysis.tracks), 'person', 'people')} in {count(analysis.frames_analysed, 'frame')}"


def _objects_found(analysis: ClipAnalysis) -> str:
    frames = sum(bool(set(objects.labels) - {"person"}) for _, _, objects in analysis.detections or ())
    return f"seen in {count(frames, 'frame')}" if frames else "none seen"


def file_name(analysis: ClipAnalysis) -> str:
    """The clip's name without folders, as text that UTF-8 can hold."""
    return readable_text(analysis.video.path.name)
