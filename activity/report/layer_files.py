"""Writing `overlay.json` and `overlay.jsonl`, whose form is that of `activity.report.layers`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from activity.report.analysis import ClipAnalysis
from activity.report.files import open_atomically
from activity.report.interpolation import presence
from activity.report.layers import (
    FRAMES_FILE,
    LAYERS_FILE,
    MAX_GAP_MS,
    AlertLayer,
    FireFrame,
    Layers,
    ObjectFrame,
    PersonFrames,
    PersonLayer,
    Piece,
    PieceEntry,
    SegmentLayer,
)
from activity.report.palette import css, severity_color, track_color
from activity.structures import BODY_PARTS, ActivityScore, Detections, HolderLink, Track, box_iou

_PIECE_MS: Final = 10_000
_SAME_IOU: Final = 0.8

_Frame = TypeVar("_Frame", ObjectFrame, FireFrame)


def write_layers(analysis: ClipAnalysis, folder: Path) -> None:
    """Write `overlay.jsonl`, then `overlay.json`, which says that both are whole.

    Raises:
        OutputError: If the folder cannot be written.
    """
    entries: list[PieceEntry] = []
    offset = 0
    with open_atomically(folder / FRAMES_FILE) as stream:
        for from_ms, to_ms, piece in _pieces(analysis):
            line = piece.model_dump_json() + "\n"  # ASCII but for labels
            size = len(line.encode())
            stream.write(line)
            entries.append(PieceEntry(from_ms=from_ms, to_ms=to_ms, offset=offset, size_bytes=size))
            offset += size
    with open_atomically(folder / LAYERS_FILE) as stream:
        stream.write(_layers(analysis, entries).model_dump_json())


def _layers(analysis: ClipAnalysis, pieces: list[PieceEntry]) -> Layers:
    step_ms = 1000 * analysis.duration_s / max(1, analysis.frames_analysed)
    reach_ms = round(min(0.6 * step_ms + 1, MAX_GAP_MS / 2))
    readings = analysis.fire or ()
    fire_step_ms = 1000 * analysis.duration_s / max(1, len(readings))
    held: dict[int, list[float]] = defaultdict(list)
    for link in analysis.holders or ():
        if link.track_id is not None:
            held[link.track_id].append(link.time_s)
    segments: dict[int, list[SegmentLayer]] = defaultdict(list)
    for score in sorted(analysis.activities, key=lambda score: score.start_s):
        segments[score.track_id].append(_segment(score))
    return Layers(
        width=analysis.video.width,
        height=analysis.video.height,
        duration_ms=_ms(analysis.duration_s),
        frame_rate_hz=analysis.video.frame_rate_hz,
        max_gap_ms=MAX_GAP_MS,
        reach_ms=reach_ms,
        fire_reach_ms=max(reach_ms, round(0.6 * fire_step_ms)),
        body_parts={part.name: list(part.joints) for part in BODY_PARTS},
        attention=any(score.attention is not None for score in analysis.activities),
        weapons_ms=None
        if analysis.detections is None
        else _runs(
            [time_s for _, time_s, found in analysis.detections if set(found.labels) - {"person"}], step_ms
        ),
        fire_ms=None
        if analysis.fire is None
        else _runs([reading.time_s for reading in readings if reading.present], fire_step_ms),
        classes=list(analysis.classes),
        people=[
            PersonLayer(
                id=track.track_id,
                color=css(track_color(track.track_id)),
                seen_ms=[
                    (_ms(start), _ms(end)) for start, end in presence(track, max_gap_s=MAX_GAP_MS / 1000)
                ],
                held_ms=_runs(held[track.track_id], step_ms),
                segments=segments[track.track_id],
            )
            for track in analysis.tracks
        ],
        alerts=[
            AlertLayer(
                label=alert.label,
                rule=alert.rule,
                severity=alert.severity,
                color=css(severity_color(alert.severity)),
                start_ms=_ms(alert.start_s),
                end_ms=_ms(alert.end_s),
                people=list(alert.track_ids),
            )
            for alert in analysis.alerts
        ],
        pieces=pieces,
    )


def _segment(score: ActivityScore) -> SegmentLayer:
    return SegmentLayer(
        start_ms=_ms(score.start_s),
        end_ms=_ms(score.end_s),
        label=score.label,
        probabilities={
            name: min(1.0, round(float(value), 5))
            for name, value in zip(score.classes, score.probabilities, strict=True)
        },
        attention=None
        if score.attention is None
        else [_percent(weight) for weight in score.attention.part_weights()],
    )


def _pieces(analysis: ClipAnalysis) -> Iterator[tuple[int, int, Piece]]:
    objects, fire = _object_frames(analysis), _fire_frames(analysis)
    for from_ms in range(0, max(1, _ms(analysis.duration_s)), _PIECE_MS):
        to_ms = from_ms + _PIECE_MS
        low, high = from_ms - MAX_GAP_MS, to_ms + MAX_GAP_MS
        people = [_person(track, low / 1000, high / 1000) for track in analysis.tracks]
        yield (
            from_ms,
            to_ms,
            Piece(
                people=[person for person in people if person.ms],
                objects=_between(objects, low, high),
                fire=_between(fire, low, high),
            ),
        )


def _object_frames(analysis: ClipAnalysis) -> list[ObjectFrame]:
    links: dict[float, list[HolderLink]] = defaultdict(list)
    for link in analysis.holders or ():
        links[link.time_s].append(link)
    return [
        ObjectFrame(
            ms=_ms(time_s),
            label=label,
            score=_percent(score),
            box=_box(box),
            held_by=_holder(box, links[time_s]),
        )
        for _, time_s, found in sorted(analysis.detections or (), key=_time_of)
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True)
        if label != "person"
    ]


def _time_of(found: tuple[int, float, Detections]) -> float:
    return found[1]


def _holder(box: npt.NDArray[np.float32], links: Sequence[HolderLink]) -> int | None:
    """Who holds the weapon in this box: the holder of the link whose box is the same but for rounding."""
    for link in links:
        if box_iou(box[None], link.weapon_box[None])[0, 0] > _SAME_IOU:
            return link.track_id
    return None


def _fire_frames(analysis: ClipAnalysis) -> list[FireFrame]:
    return [
        FireFrame(
            ms=_ms(reading.time_s),
            score=_percent(reading.probability),
            box=None if reading.box is None else _box(np.array(reading.box)),
            map=None
            if reading.activation_map is None
            else [[_percent(cell) for cell in row] for row in reading.activation_map],
        )
        for reading in sorted(analysis.fire or (), key=lambda reading: reading.time_s)
        if reading.present
    ]


def _between(frames: Sequence[_Frame], low_ms: int, high_ms: int) -> list[_Frame]:
    """Frames by time, from `low_ms` to `high_ms`."""
    first = bisect_left(frames, low_ms, key=lambda frame: frame.ms)
    return list(frames[first : bisect_right(frames, high_ms, key=lambda frame: frame.ms)])


def _person(track: Track, from_s: float, to_s: float) -> PersonFrames:
    first, last = np.searchsorted(track.times_s, [from_s, to_s])
    within = slice(int(first), int(last))
    keypoints = track.keypoints[within].astype(np.float64)
    confidence = keypoints[..., 2]
    keypoints[..., 2] = np.where(confidence > 0, np.clip(100 * confidence, 1, 100), 0)
    return PersonFrames(
        id=track.track_id,
        ms=[_ms(time_s) for time_s in track.times_s[within]],
        boxes=np.rint(track.boxes[within]).astype(int).ravel().tolist(),
        joints=np.rint(keypoints).astype(int).ravel().tolist(),
    )


def _runs(times_s: Sequence[float], step_ms: float) -> list[tuple[int, int]]:
    """Times of frames that follow each other, `step_ms` apart, as one interval each; a frame lasts one step."""
    runs: list[tuple[int, int]] = []
    for time_s in sorted(set(times_s)):
        begin, end = _ms(time_s), _ms(time_s + step_ms / 1000)
        if runs and begin - runs[-1][1] <= 0.5 * step_ms:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((begin, end))
    return runs


def _ms(time_s: float) -> int:
    return max(0, round(1000 * float(time_s)))


def _percent(share: float) -> int:
    return min(100, max(0, round(100 * float(share))))


def _box(box: npt.NDArray[np.floating]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (round(float(value)) for value in box)
    return x0, y0, x1, y1
