"""`overlay.json` and `overlay.jsonl`: what a player draws over the clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activity.errors import OutputError
from activity.report import ClipAnalysis, FireReading, read_layers, write_layers
from activity.report.layers import MAX_GAP_MS, PieceEntry
from activity.structures import BODY_PARTS, Track

Build = Callable[..., ClipAnalysis]


def piece_at(folder: Path, entry: PieceEntry) -> dict[str, Any]:
    """The bytes that a player asks for."""
    content = (folder / "overlay.jsonl").read_bytes()[entry.offset : entry.offset + entry.size_bytes]
    assert content.endswith(b"\n")
    piece: dict[str, Any] = json.loads(content)
    return piece


def moved(track: Track, by_s: float) -> Track:
    """The same person again, later."""
    frames = round(by_s * 30)
    return Track(
        track.track_id,
        np.concatenate([track.frame_indices, track.frame_indices + frames]),
        np.concatenate([track.times_s, track.times_s + by_s]),
        np.concatenate([track.keypoints, track.keypoints]),
        np.concatenate([track.boxes, track.boxes]),
        np.concatenate([track.scores, track.scores]),
    )


def test_people_segments_and_alerts_come_back_in_milliseconds(
    rich_analysis: ClipAnalysis, tmp_path: Path
) -> None:
    write_layers(rich_analysis, tmp_path)
    layers = read_layers(tmp_path / "overlay.json")
    assert (layers.width, layers.height, layers.duration_ms, layers.frame_rate_hz) == (320, 240, 10_000, 30.0)
    assert [person.id for person in layers.people] == [1, 2, 3]
    assert [person.seen_ms for person in layers.people] == [[(0, 9900)], [(500, 9400)], [(3000, 9900)]]
    # seen with a weapon in the frames from 4.0 s to 7.0 s, and a frame lasts a tenth of a second
    assert layers.weapons_ms == [(4000, 7100)]
    assert [person.held_ms for person in layers.people] == [[(4000, 7100)], [], []]
    (alert,) = layers.alerts
    assert (alert.label, alert.start_ms, alert.end_ms, alert.people) == ("Fighting", 3600, 7700, [1, 2])
    first = layers.people[0].segments[0]
    score = rich_analysis.activities[0]
    assert (first.start_ms, first.end_ms, first.label) == (0, 2300, score.label)
    assert first.probabilities == pytest.approx(
        dict(zip(score.classes, score.probabilities.tolist(), strict=True)), abs=1e-5
    )
    assert first.attention is not None
    assert score.attention is not None
    assert first.attention == [round(100 * float(w)) for w in score.attention.part_weights()]
    assert layers.attention
    assert list(layers.body_parts) == [part.name for part in BODY_PARTS]


def test_poses_are_whole_pixels_and_a_missing_joint_stays_missing(build: Build, tmp_path: Path) -> None:
    analysis = build()
    track = analysis.tracks[0]
    keypoints = track.keypoints.copy()
    keypoints[0, 3] = 0
    keypoints[0, 4] = (12.6, 7.4, 0.001)
    changed = Track(1, track.frame_indices, track.times_s, keypoints, track.boxes, track.scores)
    write_layers(build(tracks=[changed, *analysis.tracks[1:]]), tmp_path)
    (entry,) = read_layers(tmp_path / "overlay.json").pieces
    person = piece_at(tmp_path, entry)["people"][0]
    assert len(person["joints"]) == 51 * len(person["ms"]) == 51 * 100
    assert person["joints"][9:15] == [0, 0, 0, 13, 7, 1]  # seen, however unsure, is not missing
    assert person["joints"][15:18] == [*np.rint(keypoints[0, 5, :2]).astype(int).tolist(), 90]
    assert person["boxes"][:4] == np.rint(track.boxes[0]).astype(int).tolist()
    assert person["ms"][:3] == [0, 100, 200]


def test_a_long_clip_comes_in_pieces_that_overlap_by_the_gap_that_is_bridged(
    build: Build, tmp_path: Path
) -> None:
    base = build()
    analysis = build(
        tracks=[moved(base.tracks[0], 15.0), *base.tracks[1:]], duration_s=25.0, frames_decoded=750
    )
    write_layers(analysis, tmp_path)
    layers = read_layers(tmp_path / "overlay.json")
    assert [(piece.from_ms, piece.to_ms) for piece in layers.pieces] == [
        (0, 10_000), (10_000, 20_000), (20_000, 30_000)
    ]  # fmt: skip
    assert sum(piece.size_bytes for piece in layers.pieces) == (tmp_path / "overlay.jsonl").stat().st_size
    pieces = [piece_at(tmp_path, entry) for entry in layers.pieces]
    assert [{person["id"] for person in piece["people"]} for piece in pieces] == [{1, 2, 3}, {1, 3}, {1}]
    (second,) = (person for person in pieces[1]["people"] if person["id"] == 1)
    assert min(second["ms"]) == 10_000 - MAX_GAP_MS
    assert max(second["ms"]) == 20_000 + MAX_GAP_MS - 100  # the frame at the very end is in the next
    assert layers.people[0].seen_ms == [(0, 9900), (15_000, 24_900)]


def test_a_weapon_has_its_holder_and_fire_its_map(
    rich_analysis: ClipAnalysis, build: Build, tmp_path: Path
) -> None:
    grid = np.array([[0.0, 0.5], [0.25, 1.0]], np.float32)
    fire = [FireReading(180, 6.0, 0.9, True, (1, 2, 30.4, 40.6), grid), FireReading(210, 7.0, 0.1, False)]
    write_layers(
        build(detections=rich_analysis.detections, holders=rich_analysis.holders, fire=fire, not_analysed={}),
        tmp_path,
    )
    layers = read_layers(tmp_path / "overlay.json")
    (entry,) = layers.pieces
    piece = piece_at(tmp_path, entry)
    assert len(piece["objects"]) == 31
    assert {(item["label"], item["score"], item["held_by"]) for item in piece["objects"]} == {
        ("weapon", 81, 1)
    }
    assert piece["fire"] == [{"ms": 6000, "score": 90, "box": [1, 2, 30, 41], "map": [[0, 50], [25, 100]]}]
    assert layers.fire_ms == [(6000, 11_000)]  # two readings in ten seconds: each stands for five


def test_what_was_not_looked_for_is_null_and_not_empty(analysis: ClipAnalysis, tmp_path: Path) -> None:
    write_layers(analysis, tmp_path)
    layers = read_layers(tmp_path / "overlay.json")
    assert (layers.weapons_ms, layers.fire_ms) == (None, None)


def test_a_clip_without_people_has_empty_layers(empty_analysis: ClipAnalysis, tmp_path: Path) -> None:
    write_layers(empty_analysis, tmp_path)
    layers = read_layers(tmp_path / "overlay.json")
    assert (layers.people, layers.alerts, layers.attention) == ([], [], False)
    assert piece_at(tmp_path, layers.pieces[0])["people"] == []


def test_attention_that_was_not_recorded_is_null(build: Build, tmp_path: Path) -> None:
    analysis = build()
    write_layers(build(activities=[replace(s, attention=None) for s in analysis.activities]), tmp_path)
    layers = read_layers(tmp_path / "overlay.json")
    assert not layers.attention
    assert all(segment.attention is None for person in layers.people for segment in person.segments)


@pytest.mark.parametrize("content", ["", "{}", '{"version": 2}', "[]"])
def test_what_are_no_layers_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "overlay.json"
    path.write_text(content)
    with pytest.raises(OutputError, match=r"overlay\.json: no layers of version 1"):
        read_layers(path)
    with pytest.raises(OutputError, match="cannot be read"):
        read_layers(tmp_path / "none.json")
