"""From an analysis to the entries of `report.json`, rounded to what the numbers are worth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from activity.report.analysis import ClipAnalysis, Part
from activity.report.attention import tubelet_weights
from activity.report.files import readable_text
from activity.report.schema import (
    ActivityEntry,
    AlertEntry,
    AttentionEntry,
    CandidateEntry,
    ClipEntry,
    CoverageEntry,
    DetectionEntry,
    EvidenceEntry,
    FireEntry,
    HolderEntry,
    ModelEntry,
    SummaryEntry,
)
from activity.structures import BODY_PARTS, ActivityScore


def plain_settings(value: object) -> JsonValue:
    """Settings as JSON can hold them: what JSON does not know, NaN included, becomes readable text."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {readable_text(key): plain_settings(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain_settings(item) for item in value]
        case _:
            return readable_text(value)


def coverage_entry(analysis: ClipAnalysis, part: Part) -> CoverageEntry:
    """Whether a part was run, and why not."""
    reason = analysis.not_analysed.get(part)
    return CoverageEntry(status="analysed" if reason is None else "not_analysed", reason=reason)


def clip_entry(analysis: ClipAnalysis) -> ClipEntry:
    """The analysed file."""
    video = analysis.video
    return ClipEntry(
        path=readable_text(video.path),
        sha256=analysis.sha256,
        width=video.width,
        height=video.height,
        frame_rate_hz=round(video.frame_rate_hz, 6),
        frames=analysis.frames_decoded,
        frames_analysed=analysis.frames_analysed,
        duration_s=round(analysis.duration_s, 6),
        codec=video.codec,
        rotation_deg=video.rotation_deg,
        damage=None if analysis.damage is None else readable_text(analysis.damage),
        notice=analysis.notice,
    )


def summary_entry(analysis: ClipAnalysis) -> SummaryEntry:
    """The clip as a whole."""
    summary = analysis.summary
    return SummaryEntry(
        label=summary.label,
        score=None if summary.score is None else round(float(summary.score), 6),
        probabilities={name: round(float(value), 6) for name, value in summary.probabilities.items()},
        rule=summary.rule,
        reason=summary.reason,
        track_ids=list(summary.track_ids),
        votes={
            judge: {name: round(float(value), 6) for name, value in vote.items()}
            for judge, vote in summary.votes.items()
        },
    )


def round_keypoints(keypoints: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Pixels to 0.1 and confidences to 0.001, [..., 3]; a joint that was seen keeps at least 0.001."""
    exact = keypoints.astype(np.float64)
    rounded = exact.round(1)
    confidence = exact[..., 2]
    rounded[..., 2] = np.where(confidence > 0, np.maximum(confidence.round(3), 0.001), 0.0)
    return rounded


def activity_entry(score: ActivityScore) -> ActivityEntry:
    """One segment, with attention where it was recorded."""
    attention = None
    if score.attention is not None:
        names = [part.name for part in BODY_PARTS]
        parts, tubelets = score.attention.part_weights(), tubelet_weights(score.attention)
        attention = AttentionEntry(
            body_parts={name: _unit(weight) for name, weight in zip(names, parts, strict=True)},
            tubelets={name: [_unit(w) for w in row] for name, row in zip(names, tubelets, strict=True)},
        )
    return ActivityEntry(
        track_id=score.track_id,
        start_s=round(score.start_s, 6),
        end_s=round(score.end_s, 6),
        label=score.label,
        score=_unit(score.score, 6),
        probabilities={
            name: _unit(value, 6) for name, value in zip(score.classes, score.probabilities, strict=True)
        },
        attention=attention,
    )


def _unit(value: float, decimals: int = 4) -> float:
    return min(1.0, max(0.0, round(float(value), decimals)))


def detection_entries(analysis: ClipAnalysis) -> Iterator[DetectionEntry]:
    """Every object of every frame."""
    for frame_index, time_s, objects in analysis.detections or ():
        for box, score, label in zip(objects.boxes, objects.scores, objects.labels, strict=True):
            yield DetectionEntry(
                frame_index=frame_index,
                time_s=round(time_s, 6),
                label=label,
                score=_unit(score),
                box=_box(box),
            )


def holder_entries(analysis: ClipAnalysis) -> Iterator[HolderEntry]:
    """Every weapon of every frame."""
    for link in analysis.holders or ():
        yield HolderEntry(
            frame_index=link.frame_index,
            time_s=round(link.time_s, 6),
            weapon_box=_box(link.weapon_box),
            weapon_score=_unit(link.weapon_score),
            track_id=link.track_id,
            rule=link.rule,
            candidates=[
                CandidateEntry(
                    track_id=candidate.track_id,
                    iou=_unit(candidate.iou),
                    hand_distance=None
                    if candidate.hand_distance is None
                    else round(candidate.hand_distance, 4),
                    hand_deviation=None
                    if candidate.hand_deviation is None
                    else round(candidate.hand_deviation, 4),
                    probability=_unit(candidate.probability),
                )
                for candidate in link.candidates
            ],
            posture=None if link.posture is None else _unit(link.posture),
        )


def fire_entries(analysis: ClipAnalysis) -> Iterator[FireEntry]:
    """Every examined frame."""
    for reading in analysis.fire or ():
        yield FireEntry(
            frame_index=reading.frame_index,
            time_s=round(reading.time_s, 6),
            probability=_unit(reading.probability),
            present=reading.present,
            box=None if reading.box is None else _box(reading.box),
            activation_map=None
            if reading.activation_map is None
            else [[_unit(value, 2) for value in row] for row in reading.activation_map.tolist()],
        )


def alert_entries(analysis: ClipAnalysis) -> Iterator[AlertEntry]:
    """Every alert."""
    for alert in analysis.alerts:
        yield AlertEntry(
            rule=alert.rule,
            label=alert.label,
            agency=alert.agency,
            severity=alert.severity,
            start_s=round(alert.start_s, 6),
            end_s=round(alert.end_s, 6),
            score=_unit(alert.score),
            track_ids=list(alert.track_ids),
            explanation=[
                EvidenceEntry(kind=item.kind, text=item.text, weight=_unit(item.weight))
                for item in alert.explanation
            ],
        )


def _box(values: Iterable[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (round(float(value), 1) for value in values)
    return x0, y0, x1, y1


def model_entries(analysis: ClipAnalysis) -> Iterator[ModelEntry]:
    """Every model that took part."""
    for model in analysis.models:
        yield ModelEntry(
            name=model.name,
            role=model.role,
            file=None if model.file is None else readable_text(model.file),
            sha256=model.sha256,
            note=model.note,
        )
