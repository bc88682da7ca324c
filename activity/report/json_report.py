"""Write and read `report.json`; a report is streamed, so that memory does not grow with the clip."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from activity import __version__
from activity.errors import OutputError
from activity.report.analysis import PARTS, ClipAnalysis, Part
from activity.report.entries import (
    activity_entry,
    alert_entries,
    clip_entry,
    coverage_entry,
    detection_entries,
    fire_entries,
    holder_entries,
    model_entries,
    plain_settings,
    round_keypoints,
    summary_entry,
)
from activity.report.files import open_atomically, readable_text
from activity.report.schema import SCHEMA_VERSION, Report, ReportHead, SkeletonEntry
from activity.structures import BODY_PARTS, COCO_KEYPOINT_NAMES, MOTION_MEASURES, SceneMotion, Track

_FIRST_ITEMS: Final = '"tracks": '
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
    """Read a report back, whole.

    Raises:
        OutputError: If the file is missing, or is not a report of this version.
    """
    with _translated(path):
        return Report.model_validate_json(path.read_bytes())


def read_head(path: Path) -> ReportHead:
    """Read verdict, alerts, models and settings of a report without its poses, however long the clip.

    Raises:
        OutputError: As `read_report`.
    """
    with _translated(path), path.open(encoding="utf-8") as stream:
        # `write_json` begins each key on a line of its own, and no JSON string holds a bare line break
        lines = list(itertools.takewhile(lambda line: not line.startswith(_FIRST_ITEMS), stream))
        text = "".join(lines).rstrip()
        return ReportHead.model_validate_json(text.removesuffix(",") + "}" if text.endswith(",") else text)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise OutputError(f"{path}: not a report: expected UTF-8 ({error.reason})") from error
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


def _write_pieces(stream: TextIO, pieces: Iterable[str]) -> None:
    for piece in pieces:
        stream.write(piece)


def _sections(analysis: ClipAnalysis) -> Iterator[tuple[str, Iterable[str]]]:
    yield "schema_version", [json.dumps(SCHEMA_VERSION)]
    yield "generator", [json.dumps(f"activity {__version__}")]
    yield "created_at", [json.dumps(analysis.created_at)]
    yield "clip", [clip_entry(analysis).model_dump_json()]
    yield "summary", [summary_entry(analysis).model_dump_json()]
    coverage = {part: coverage_entry(analysis, part).model_dump() for part in PARTS}
    yield "coverage", [json.dumps(coverage)]
    yield "alerts", _array(alert_entries(analysis))
    yield "warnings", [json.dumps([readable_text(warning) for warning in analysis.warnings])]
    yield "models", _array(model_entries(analysis))
    timing = {stage: round(float(seconds), 4) for stage, seconds in analysis.timing_s.items()}
    yield "timing_s", [json.dumps(timing)]
    yield "settings", [json.dumps(plain_settings(analysis.settings))]
    skeleton = SkeletonEntry(
        name="coco-17", keypoints=COCO_KEYPOINT_NAMES, body_parts=tuple(part.name for part in BODY_PARTS)
    )
    yield "skeleton", [skeleton.model_dump_json()]
    yield "tracks", _tracks(analysis.tracks)
    yield "activities", _array(activity_entry(score) for score in analysis.activities)
    frames = 0 if analysis.detections is None else analysis.frames_analysed
    yield "detections", _section(analysis, "detections", detection_entries(analysis), frames_analysed=frames)
    yield "holders", _section(analysis, "holders", holder_entries(analysis))
    frames = len(analysis.fire or ())
    yield "fire", _section(analysis, "fire", fire_entries(analysis), frames_analysed=frames)
    yield "scene_motion", ["null"] if analysis.motion is None else _motion(analysis.motion)


def _section(analysis: ClipAnalysis, part: Part, items: Iterable[BaseModel], **facts: int) -> Iterator[str]:
    head = json.dumps(coverage_entry(analysis, part).model_dump() | facts)
    yield head[:-1] + ', "items": '
    yield from _array(items)
    yield "}"


def _array(entries: Iterable[BaseModel]) -> Iterator[str]:
    yield "["
    for position, entry in enumerate(entries):
        yield ("\n" if position == 0 else ",\n") + entry.model_dump_json()
    yield "]"


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


def _motion(motion: SceneMotion) -> Iterator[str]:
    yield json.dumps({"measures": MOTION_MEASURES})[:-1]
    yield from _rows("times_s", motion.times_s, decimals=6)
    yield ', "values": ['
    for position, row in enumerate(motion.measures.tolist()):
        digits = (float(f"{value:.4g}") for value in row)
        yield ("\n" if position == 0 else ",\n") + json.dumps(list(digits), separators=(",", ":"))
    yield "]}"


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
