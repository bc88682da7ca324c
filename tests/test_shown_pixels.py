"""What `--skeleton-only` and `--redact` promise, held in every file that an analysis leaves behind.

The pictures are of one analysis, drawn over clips that differ in every pixel: what shows no pixel of a clip cannot
tell the two apart.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from activity.assembly import Networks, load_networks
from activity.cli.analyze import with_scene
from activity.config import Settings
from activity.pipeline import Pipeline
from activity.report import ClipAnalysis
from activity.structures import Track
from activity.video import VideoReader, VideoWriter

Image = npt.NDArray[np.uint8]
DEMO = Path(__file__).parents[1] / "docs" / "demo" / "demo.mp4"
SETTINGS = {"threads": 1, "video": {"sample_rate_hz": 5}}
FRAMES = 130  # of the demo's 150: a fight, a pistol and a fire are all in them
_HEAD_PX = 9
"""Half the side of a square that lies inside the smallest head of the demo."""

_PICTURE = re.compile(r"data:(image|video)/([a-z0-9]+);base64,([A-Za-z0-9+/=]+)")


@pytest.fixture(scope="module")
def networks() -> Networks:
    return load_networks(Settings.model_validate(SETTINGS))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / DEMO.name
    with VideoReader(DEMO) as reader, writer_of(path) as writer:
        for frame in islice(reader, FRAMES):
            writer.write(frame.image, frame.time_s)
    return path


@pytest.fixture(scope="module")
def analysis(networks: Networks, clip: Path) -> ClipAnalysis:
    settings = Settings.model_validate({**SETTINGS, "output": {"redact": True}})
    found = Pipeline(settings, networks).analyze(clip)
    assert {alert.rule for alert in found.alerts} >= {"weapon_held", "fire"}
    return found


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's size and times; each pixel is full magenta or full green, in stripes that move."""
    path = tmp_path_factory.mktemp("stripes") / DEMO.name
    with writer_of(path) as writer:
        for index in range(FRAMES):
            image = np.zeros((360, 640, 3), np.uint8)
            image[..., 1] = 255
            image[:, (np.arange(640) + 7 * index) // 40 % 2 == 0] = (255, 0, 255)
            writer.write(image, index / 15)
    return path


def writer_of(path: Path) -> VideoWriter:
    return VideoWriter(path, width=640, height=360, frame_rate_hz=15, crf=8)


def write(
    analysis: ClipAnalysis, clip: Path, folder: Path, networks: Networks, **output: bool
) -> dict[str, bytes]:
    """Every file that the analysis leaves behind when its clip is `clip`."""
    settings = Settings.model_validate({**SETTINGS, "output": output})
    shown = replace(analysis, video=replace(analysis.video, path=clip), settings={})
    Pipeline(settings, networks).write(shown, folder, alerts_file=folder / "alerts.jsonl")
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def pictures_in(files: Mapping[str, bytes]) -> Iterator[Image]:
    """Every still picture that the page embeds, RGB."""
    for kind, _, data in _PICTURE.findall(files["report.html"].decode()):
        if kind == "image":
            picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
            assert picture is not None
            yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def frames_of(folder: Path) -> list[Image]:
    with VideoReader(folder / "annotated.mp4") as reader:
        return [frame.image for frame in reader]


def is_garish(image: Image) -> npt.NDArray[np.bool_]:
    """[H, W] where a pixel is nearly full magenta or full green, as no label or skeleton is."""
    r, g, b = (image[..., channel].astype(int) for channel in range(3))
    return ((r > 225) & (g < 30) & (b > 225)) | ((r < 30) & (g > 225) & (b < 30))


def without_numbers(content: bytes) -> str:
    """A text without its figures: seconds of work and the clip's folder differ from run to run."""
    text = _PICTURE.sub("", content.decode())
    return re.sub(r"[\d.]+", "", re.sub(r"[^\s\"'<>]*demo\.mp4", "", text))


def test_with_skeleton_only_no_file_depends_on_a_pixel_of_the_clip(
    analysis: ClipAnalysis, clip: Path, stripes: Path, networks: Networks, tmp_path: Path
) -> None:
    first = write(analysis, clip, tmp_path / "clip", networks, skeleton_only=True)
    second = write(analysis, stripes, tmp_path / "stripes", networks, skeleton_only=True)
    assert set(first) == set(second) == {"alerts.jsonl", "annotated.mp4", "report.html", "report.json"}
    assert first["annotated.mp4"] == second["annotated.mp4"]
    pictures = _PICTURE.findall(first["report.html"].decode())
    assert {kind for kind, _, _ in pictures} == {"image", "video"}, "else there is nothing to compare"
    assert pictures == _PICTURE.findall(second["report.html"].decode())
    for name in ("alerts.jsonl", "report.html", "report.json"):
        assert without_numbers(first[name]) == without_numbers(second[name]), name
    drawn = [*frames_of(tmp_path / "stripes"), *pictures_in(second)]
    assert not any(is_garish(image).any() for image in drawn)
    assert all(np.ptp(image, axis=(0, 1)).max() > 100 for image in drawn), "skeletons and words are there"
    for content in (first["report.json"], *first["alerts.jsonl"].splitlines()):
        longest = max(len(text) for text in texts_in(json.loads(content)))
        assert longest < 600, "no text is long enough for a picture"


def test_without_it_the_clips_pixels_are_in_the_video_and_in_the_pictures(
    analysis: ClipAnalysis, stripes: Path, networks: Networks, tmp_path: Path
) -> None:
    files = write(analysis, stripes, tmp_path / "plain", networks)
    for image in (*frames_of(tmp_path / "plain"), *pictures_in(files)):
        assert is_garish(image).mean() > 0.3


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from texts_in(item)
        case list():
            for item in value:
                yield from texts_in(item)


def test_skeleton_only_goes_before_redact_and_the_command_line_sets_both() -> None:
    settings = with_scene(
        Settings(), rules=None, camera=None, recorded_at=None, redact=True, skeleton_only=True
    )
    assert settings.output.skeleton_only
    assert settings.output.redact


@pytest.fixture(scope="module")
def marked_heads(
    clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[list[tuple[int, int]]]]:
    """The clip with a chessboard on every head whose face is in view, and the heads' middles by frame."""
    truth = json.loads((DEMO.parent / "truth.json").read_text())
    heads: list[list[tuple[int, int]]] = [[] for _ in range(FRAMES)]
    for person in truth["annotations"]:
        if person["category_id"] != 1 or person["image_id"] > FRAMES:
            continue
        face = np.array(person["keypoints"], float).reshape(17, 3)[:5]
        seen = face[face[:, 2] == 2]
        if len(seen) >= 2:
            x, y = seen[:, :2].mean(axis=0).round().astype(int).tolist()
            if _HEAD_PX <= x < 640 - _HEAD_PX and _HEAD_PX <= y < 360 - _HEAD_PX:
                heads[person["image_id"] - 1].append((x, y))
    path = tmp_path_factory.mktemp("heads") / DEMO.name
    with VideoReader(clip) as reader, writer_of(path) as writer:
        for frame, middles in zip(reader, heads, strict=True):
            image = frame.image.copy()
            for x, y in middles:
                image[square(x, y)] = np.where(chessboard()[..., None] > 0, 255, 0)
            writer.write(image, frame.time_s)
    return path, heads


def square(x: int, y: int) -> tuple[slice, slice]:
    return slice(y - _HEAD_PX, y + _HEAD_PX), slice(x - _HEAD_PX, x + _HEAD_PX)


def chessboard() -> npt.NDArray[np.float64]:
    """[18, 18] of 1 and -1, in fields of three pixels."""
    field = np.arange(2 * _HEAD_PX) // 3
    return np.where((field[:, None] + field[None]) % 2 == 0, 1.0, -1.0)


def legibility(image: Image, x: int, y: int) -> float:
    """How much of the chessboard is left: 1 is all of its contrast, 0 none."""
    grey = image[square(x, y)].astype(np.float64).mean(axis=2)
    return float((chessboard() * grey).mean() / 127.5)


def seen_seldom(track: Track) -> Track:
    """The same person, missed by three of four analysed frames."""
    keep = np.unique([*range(0, len(track.times_s), 4), len(track.times_s) - 1])
    return Track(
        track.track_id,
        track.frame_indices[keep],
        track.times_s[keep],
        track.keypoints[keep],
        track.boxes[keep],
        track.scores[keep],
    )


def legibilities(folder: Path, heads: list[list[tuple[int, int]]]) -> npt.NDArray[np.float64]:
    """Of every marked head in every frame of an annotated video."""
    return np.array(
        [legibility(image, x, y) for image, at in zip(frames_of(folder), heads, strict=True) for x, y in at]
    )


def test_redact_leaves_no_head_legible_even_where_most_frames_missed_the_person(
    analysis: ClipAnalysis,
    marked_heads: tuple[Path, list[list[tuple[int, int]]]],
    networks: Networks,
    tmp_path: Path,
) -> None:
    clip, heads = marked_heads
    # Nobody is drawn into the control: a skeleton on a head hides some of its mark, covered or not.
    bare = replace(analysis, tracks=[], activities=[], alerts=[], holders=[], detected_people=())
    write(bare, clip, tmp_path / "plain", networks)
    assert np.mean(legibilities(tmp_path / "plain", heads) > 0.4) > 0.95, "without it they are legible"
    write(analysis, clip, tmp_path / "redacted", networks, redact=True)
    assert legibilities(tmp_path / "redacted", heads).max() < 0.2
    tracks = [seen_seldom(track) for track in analysis.tracks]
    missed = replace(analysis, tracks=tracks, detected_people=())  # tracks alone must do
    write(missed, clip, tmp_path / "missed", networks, redact=True)
    assert legibilities(tmp_path / "missed", heads).max() < 0.2
