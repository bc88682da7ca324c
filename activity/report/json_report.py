"""Write and read `report.json`; a report is streamed, so that memory does not grow with the clip."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, JsonValue, ValidationError

from activity import __version__
from activity.errors import OutputError
from activity.report.analysis import PARTS, ClipAnalysis, Part
from activity.report.attention import tubelet_weights
from activity.report.files import open_atomically, readable_text
from activity.report.schema import (
    SCHEMA_VERSION,
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
    Report,
    SkeletonEntry,
    SummaryEntry,
)
from activity.structures import BODY_PARTS, COCO_KEYPOINT_NAMES, ActivityScore, Track

_CHUNK: Final = 256  # frames of a track that are turned into text at a time


def write_json(analysis: ClipAnalysis, path: Path) -> None:
    """Write `report.json`, whole or not at all; the folder is made if it is missing.

    Raises:
        OutputError: If the folder cannot be written.
    """
    with open_atomically(path) as stream:
        stream.write("{")
        for position, (key, pieces) in enumerate(_sections(analysis)):
            stream.write(("" if position == 0 else ",") + f"\n{json.dumps(key)}: ")
            _write_pieces(stream, pieces)
        stream.write("\n}\n")


def read_report(path: Path) -> Report:
    """Read a report back.

    Raises:
        OutputError: If the file is missing, or is not a report of this version.
    """
    try:
        return Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise OutputError(
            f"{path}: not a report of schema version {SCHEMA_VERSION}: {where}: {first['msg']}"
        ) from error


def report_schema() -> dict[str, Any]:
    """The JSON Schema of `report.json`; the committed `report.schema.json` is this."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Report.model_json_schema()}


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


def _write_pieces(stream: TextIO, pieces: Iterable[str]) -> None:
    for piece in pieces:
        stream.write(piece)


def _sections(analysis: ClipAnalysis) -> Iterator[tuple[str, Iterable[str]]]:
    yield "schema_version", [json.dumps(SCHEMA_VERSION)]
    yield "generator", [json.dumps(f"activity {__version__}")]
    yield "created_at", [json.dumps(analysis.created_at)]
    yield "clip", [_clip(analysis).model_dump_json()]
    yield "summary", [_summary(analysis).model_dump_json()]
    coverage = {part: _coverage(analysis, part).model_dump() for part in PARTS}
    yield "coverage", [json.dumps(coverage)]
    yield "alerts", _array(_alerts(analysis))
    yield "warnings", [json.dumps([readable_text(warning) for warning in analysis.warnings])]
    skeleton = SkeletonEntry(
        name="coco-17", keypoints=COCO_KEYPOINT_NAMES, body_parts=tuple(part.name for part in BODY_PARTS)
    )
    yield "skeleton", [skeleton.model_dump_json()]
    yield "tracks", _tracks(analysis.tracks)
    yield "activities", _array(_activity(score) for score in analysis.activities)
    frames = 0 if analysis.detections is None else analysis.frames_analysed
    yield "detections", _section(analysis, "detections", _detections(analysis), frames_analysed=frames)
    yield "holders", _section(analysis, "holders", _holders(analysis))
    frames = len(analysis.fire or ())
    yield "fire", _section(analysis, "fire", _fire(analysis), frames_analysed=frames)
    yield (
        "models",
        _array(
            ModelEntry(
                name=model.name,
                role=model.role,
                file=None if model.file is None else readable_text(model.file),
                sha256=model.sha256,
                note=model.note,
            )
            for model in analysis.models
        ),
    )
    timing = {stage: round(float(seconds), 4) for stage, seconds in analysis.timing_s.items()}
    yield "timing_s", [json.dumps(timing)]
    yield "settings", [json.dumps(plain_settings(analysis.settings))]


def _section(analysis: ClipAnalysis, part: Part, items: Iterable[BaseModel], **facts: int) -> Iterator[str]:
    head = json.dumps(_coverage(analysis, part).model_dump() | facts)
    yield head[:-1] + ', "items": '
    yield from _array(items)
    yield "}"


def _array(entries: Iterable[BaseModel]) -> Iterator[str]:
    yield "["
    for position, entry in enumerate(entries):
        yield ("\n" if position == 0 else ",\n") + entry.model_dump_json()
    yield "]"


def _coverage(analysis: ClipAnalysis, part: Part) -> CoverageEntry:
    reason = analysis.not_analysed.get(part)
    return CoverageEntry(status="analysed" if reason is None else "not_analysed", reason=reason)


def _clip(analysis: ClipAnalysis) -> ClipEntry:
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


def _summary(analysis: ClipAnalysis) -> SummaryEntry:
    summary = analysis.summary
    return SummaryEntry(
        label=summary.label,
        score=None if summary.score is None else round(float(summary.score), 6),
        probabilities={name: round(float(value), 6) for name, value in summary.probabilities.items()},
        rule=summary.rule,
        reason=summary.reason,
        track_ids=list(summary.track_ids),
    )


def _tracks(tracks: Sequence[Track]) -> Iterator[str]:
    yield "["
    for position, track in enumerate(tracks):
        head = {
            "track_id": track.track_id,
            "start_s": round(track.start_s, 6),
            "end_s": round(track.end_s, 6),
            "frames": len(track),
        }
        yield ("\n" if position == 0 else ",\n") + json.dumps(head)[:-1]
        yield from _rows("frame_indices", track.frame_indices, decimals=0)
        yield from _rows("times_s", track.times_s, decimals=6)
        yield from _rows("boxes", track.boxes, decimals=1)
        yield from _rows("scores", track.scores, decimals=3)
        yield from _rows("keypoints", track.keypoints, decimals=1)
        yield "}"
    yield "]"


def _rows(name: str, values: npt.NDArray[Any], *, decimals: int) -> Iterator[str]:
    yield f', "{name}": ['
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK]
        if decimals == 0:
            rounded = chunk
        elif name == "keypoints":
            rounded = round_keypoints(chunk)
        else:
            rounded = chunk.astype(np.float64).round(decimals)
        text = json.dumps(rounded.tolist(), separators=(",", ":"), allow_nan=False)
        yield ("," if start else "") + text[1:-1]
    yield "]"


def round_keypoints(keypoints: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Pixels to 0.1 and confidences to 0.001, [..., 3]; a joint that was seen keeps at least 0.001."""
    exact = keypoints.astype(np.float64)
    rounded = exact.round(1)
    confidence = exact[..., 2]
    rounded[..., 2] = np.where(confidence > 0, np.maximum(confidence.round(3), 0.001), 0.0)
    return rounded


def _activity(score: ActivityScore) -> ActivityEntry:
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


def _detections(analysis: ClipAnalysis) -> Iterator[DetectionEntry]:
    for frame_index, time_s, objects in analysis.detections or ():
        for box, score, label in zip(objects.boxes, objects.scores, objects.labels, strict=True):
            yield DetectionEntry(
                frame_index=frame_index,
                time_s=round(time_s, 6),
                label=label,
                score=_unit(score),
                box=_box(box),
            )


def _holders(analysis: ClipAnalysis) -> Iterator[HolderEntry]:
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
                )
                for candidate in link.candidates
            ],
        )


def _fire(analysis: ClipAnalysis) -> Iterator[FireEntry]:
    for reading in analysis.fire or ():
        yield FireEntry(
            frame_index=reading.frame_index,
            time_s=round(reading.time_s, 6),
            probability=_unit(reading.probability),
            present=reading.present,
            box=None if reading.box is None else _box(reading.box),
        )


def _alerts(analysis: ClipAnalysis) -> Iterator[AlertEntry]:
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
