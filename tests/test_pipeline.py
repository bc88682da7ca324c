"""The whole chain on real files, with the embedded checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from activity.assembly import RECOGNIZER_CHECKPOINT, load_networks
from activity.config import Settings, VideoSettings, embedded_checkpoint
from activity.errors import CheckpointError, OutputError, VideoError
from activity.pipeline import Pipeline
from activity.recognition.checkpoint import load_checkpoint
from activity.recognition.clip_model import CLIP_FEATURES, CLIP_RULE, SCENE_FEATURES, ClipModel
from activity.recognition.forest import LEAF, Forest
from activity.recognition.recognizer import Recognizer
from activity.report import ClipAnalysis, write_json
from activity.video import VideoReader, VideoWriter

DEMO = Path(__file__).parents[1] / "docs" / "demo" / "demo.mp4"


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.from_settings(Settings(threads=1))


@pytest.fixture(scope="module")
def demo(pipeline: Pipeline) -> ClipAnalysis:
    return pipeline.analyze(DEMO)


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    def make(
        name: str = "clip.mp4", *, size: tuple[int, int] = (320, 240), frames: int = 30, gray: int = 90
    ) -> Path:
        width, height = size
        path = tmp_path / name
        rng = np.random.default_rng(0)
        with VideoWriter(path, width=width, height=height, frame_rate_hz=15) as writer:
            for index in range(frames):
                noise = rng.integers(-6, 6, (height, width, 1))
                image = np.clip(gray + noise, 0, 255).astype(np.uint8).repeat(3, axis=2)
                writer.write(image, index / 15)
        return path

    return make


def test_a_recogniser_with_a_model_of_whole_clips_gives_the_summary_by_it() -> None:
    settings = Settings(threads=1)
    checkpoint = load_checkpoint(embedded_checkpoint(RECOGNIZER_CHECKPOINT))

    def always(share: float, features: int) -> Forest:
        one = np.zeros(1, np.int64)
        shares = np.array([[share, 1 - share]])
        return Forest(one, one + LEAF, np.zeros(1), np.zeros((1, 2), np.int64), shares, features)

    blind = ClipModel(
        classes=checkpoint.classes,
        track_settings={"frame_rate_hz": 12.0, "max_gap_s": 0.5, "keypoint_threshold": 0.1},
        window_s=5.0,
        people=always(0.9, CLIP_FEATURES),
        scene=always(0.6, SCENE_FEATURES),
        training={},
    )
    judging = Recognizer(replace(checkpoint, clip_model=blind), threads=1)
    pipeline = Pipeline(settings, replace(load_networks(settings), recognizer=judging))
    seen = pipeline.observe(DEMO, most_frames=30)
    assert seen.motion is not None
    assert seen.motion.times_s[0] == pytest.approx(2 / 15)  # every second frame of 15 a second
    assert len(seen.motion) == 14
    summary = pipeline.conclude(seen, pipeline.recognize(seen.tracks), sha256="0" * 64).summary
    assert summary.rule == CLIP_RULE
    assert summary.probabilities == pytest.approx({"Fighting": 0.75, "Normal": 0.25})
    assert summary.votes["people"]["Fighting"] == pytest.approx(0.9)
    assert summary.votes["scene"]["Fighting"] == pytest.approx(0.6)
    still = pipeline.conclude(replace(seen, motion=None), pipeline.recognize(seen.tracks), sha256="0" * 64)
    assert still.summary.rule != CLIP_RULE  # nothing for the scene's forest to go by
    nobody = pipeline.conclude(replace(seen, tracks=[]), [], sha256="0" * 64).summary
    assert nobody.rule != CLIP_RULE


def test_the_demo_clip_gives_people_activities_and_all_three_files(
    pipeline: Pipeline, demo: ClipAnalysis, tmp_path: Path
) -> None:
    analysis = demo
    assert len(analysis.tracks) >= 3
    assert analysis.activities
    assert analysis.summary.label in analysis.classes
    assert set(analysis.summary.track_ids) <= {track.track_id for track in analysis.tracks}
    pipeline.write(analysis, tmp_path / "demo", alerts_file=tmp_path / "alerts.jsonl")
    report = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert report["clip"]["sha256"] == analysis.sha256
    assert report["clip"]["frames"] == analysis.frames_decoded
    assert {track["track_id"] for track in report["tracks"]} == {t.track_id for t in analysis.tracks}
    assert report["holders"]["status"] == "analysed"
    assert sorted(alert["rule"] for alert in report["alerts"]) == ["fighting", "fire", "weapon_held"]
    armed = next(alert for alert in report["alerts"] if alert["rule"] == "weapon_held")
    assert (armed["agency"], len(armed["track_ids"])) == ("police", 1)
    assert {evidence["kind"] for evidence in armed["explanation"]} >= {"weapon", "holder"}
    assert 3.4 <= armed["start_s"] <= armed["end_s"] <= 8.0, "as the demo's script has it"
    gunman = next(track for track in report["tracks"] if track["track_id"] in armed["track_ids"])
    assert all(box[2] < 260 for t, box in zip(gunman["times_s"], gunman["boxes"], strict=True) if 4 < t < 7)
    fight = next(alert for alert in report["alerts"] if alert["rule"] == "fighting")
    assert abs(fight["start_s"] - 2.6) < 1.0, "as staged"
    assert abs(fight["end_s"] - 8.6) < 1.0
    assert len(fight["track_ids"]) == 2
    assert {people_staged_at(fight["track_ids"], analysis, time_s) for time_s in (3.0, 5.0, 7.0)} == {(1, 2)}
    assert "within reach of each other" in " ".join(evidence["text"] for evidence in fight["explanation"])
    with VideoReader(DEMO) as original, VideoReader(tmp_path / "demo" / "annotated.mp4") as annotated:
        times = [frame.time_s for frame in original]
        drawn = [frame.time_s for frame in annotated]
    np.testing.assert_allclose(drawn, times, atol=1e-3)
    assert (tmp_path / "demo" / "report.html").read_text().lower().startswith("<!doctype html>")
    lines = (tmp_path / "alerts.jsonl").read_text().splitlines() if analysis.alerts else []
    assert [json.loads(line)["label"] for line in lines] == [alert.label for alert in analysis.alerts]


def people_staged_at(track_ids: list[int], analysis: ClipAnalysis, time_s: float) -> tuple[int, ...]:
    """Which of the demo's people the tracks stand on at a time: the nearest by the middle of the box."""
    truth = json.loads((DEMO.parent / "truth.json").read_text())
    frame = round(time_s * 15) + 1
    staged = [a for a in truth["annotations"] if a["category_id"] == 1 and a["image_id"] == frame]
    found = []
    for track in analysis.tracks:
        if track.track_id in track_ids:
            box = track.boxes[np.abs(track.times_s - time_s).argmin()]
            middle = (box[:2] + box[2:]) / 2
            away = [
                np.hypot(*(np.array(a["bbox"][:2]) + np.array(a["bbox"][2:]) / 2 - middle)) for a in staged
            ]
            found.append(int(staged[int(np.argmin(away))]["track_id"]))
    return tuple(sorted(found))


def test_one_frame_at_a_time_and_two_at_once_give_the_same_report(demo: ClipAnalysis, tmp_path: Path) -> None:
    two_at_once = Pipeline.from_settings(Settings(threads=2)).analyze(DEMO)
    reports = []
    for number, analysis in enumerate((demo, two_at_once), start=1):
        write_json(analysis, tmp_path / f"{number}.json")
        report = json.loads((tmp_path / f"{number}.json").read_text())
        assert report["settings"].pop("threads") == number
        assert report.pop("timing_s").keys() == demo.timing_s.keys()
        report.pop("created_at")
        reports.append(report)
    assert reports[0] == reports[1]


def test_a_clip_without_people_is_reported_as_such(
    pipeline: Pipeline, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    analysis = pipeline.analyze(make_video())
    assert len(analysis.tracks) == 0
    assert analysis.summary.label is None
    assert analysis.alerts == []
    assert any("no person" in warning.lower() for warning in analysis.warnings)
    pipeline.write(analysis, tmp_path / "empty")
    assert "no person" in (tmp_path / "empty" / "report.html").read_text().lower()


@pytest.mark.parametrize("frames", [1, 3], ids=["one frame", "fewer frames than a segment"])
def test_very_short_clips_give_an_honest_report(
    pipeline: Pipeline, make_video: Callable[..., Path], tmp_path: Path, frames: int
) -> None:
    analysis = pipeline.analyze(make_video(frames=frames))
    assert analysis.frames_decoded == frames
    assert analysis.summary.label is None
    pipeline.write(analysis, tmp_path / "short")
    assert (tmp_path / "short" / "annotated.mp4").stat().st_size > 0


def test_a_clip_of_one_pixel_is_analysed(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "pixel.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=15)
        stream.width = stream.height = 1
        stream.pix_fmt = "bgr0"
        for _ in range(3):
            container.mux(
                stream.encode(VideoFrame.from_ndarray(np.zeros((1, 1, 3), np.uint8), format="rgb24"))
            )
        container.mux(stream.encode(None))
    analysis = pipeline.analyze(path)
    assert (analysis.video.width, analysis.video.height) == (1, 1)
    assert len(analysis.tracks) == 0
    pipeline.write(analysis, tmp_path / "pixel")
    assert (tmp_path / "pixel" / "report.html").is_file()


def test_8k_frames_are_scaled_to_the_longest_side_that_settings_allow(
    pipeline: Pipeline, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    analysis = pipeline.analyze(make_video(size=(7680, 4320), frames=2))
    assert max(analysis.video.width, analysis.video.height) == VideoSettings().max_side_px
    assert any("7680x4320" in warning for warning in analysis.warnings)
    pipeline.write(analysis, tmp_path / "8k")


def _truncated(path: Path, share: float) -> Path:
    content = path.read_bytes()
    target = path.with_name(f"cut-{path.name}")
    target.write_bytes(content[: int(len(content) * share)])
    return target


def test_a_truncated_clip_is_refused_unless_the_user_allows_its_good_frames(
    make_video: Callable[..., Path], pipeline: Pipeline, tmp_path: Path
) -> None:
    cut = _truncated(make_video(frames=45), 0.6)
    with pytest.raises(VideoError, match=r"cut-clip\.mp4"):
        pipeline.analyze(cut)
    lenient = Pipeline.from_settings(Settings(threads=1, video=VideoSettings(allow_damaged=True)))
    analysis = lenient.analyze(cut)
    assert 0 < analysis.frames_decoded < 45
    assert analysis.damage
    lenient.write(analysis, tmp_path / "cut")
    assert json.loads((tmp_path / "cut" / "report.json").read_text())["clip"]["damage"] == analysis.damage


def test_a_file_that_is_no_video_names_what_was_found(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("these are notes")
    with pytest.raises(VideoError, match=r"notes\.mp4.*text"):
        pipeline.analyze(path)


def test_an_output_folder_that_cannot_be_made_is_an_error(
    pipeline: Pipeline, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    analysis = pipeline.analyze(make_video(frames=2))
    with pytest.raises(OutputError, match="file"):
        pipeline.write(analysis, blocked / "out")


@pytest.mark.parametrize("content", [b"", b"not a network"], ids=["empty", "damaged"])
@pytest.mark.parametrize("section", ["detector", "recognition"])
def test_damaged_checkpoints_are_named(tmp_path: Path, section: str, content: bytes) -> None:
    broken = tmp_path / ("broken.onnx" if section == "detector" else "broken.safetensors")
    broken.write_bytes(content)
    with pytest.raises(CheckpointError, match="broken"):
        Pipeline.from_settings(Settings.model_validate({section: {"checkpoint": broken}, "threads": 1}))


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path) -> None:
    detector = Path(__file__).parents[1] / "checkpoints" / "detector_person_weapon.onnx"
    with pytest.raises(CheckpointError, match="detector_person_weapon"):
        Pipeline.from_settings(Settings.model_validate({"pose": {"checkpoint": str(detector)}, "threads": 1}))
    pose = Path(__file__).parents[1] / "checkpoints" / "pose_topdown.onnx"
    with pytest.raises(CheckpointError, match="pose_topdown"):
        Pipeline.from_settings(Settings.model_validate({"detector": {"checkpoint": pose}, "threads": 1}))


def test_the_openpifpaf_checkpoint_analyses_the_demo_clip(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"pose": {"estimator": "openpifpaf"}, "threads": 1, "video": {"sample_rate_hz": 5}}
    )
    analysis = Pipeline.from_settings(settings).analyze(DEMO)
    assert len(analysis.tracks) >= 3
    assert any(model.role == "pose" and "openpifpaf" in (model.file or "") for model in analysis.models)


@pytest.mark.real_data
def test_real_clips_end_to_end(pipeline: Pipeline, shared_data: Path, tmp_path: Path) -> None:
    for name in ("fight/fi001.mp4", "fight/fi087.mp4", "no_fight/nofi001.mp4"):
        clip = shared_data / "clips" / name
        analysis = pipeline.analyze(clip)
        assert len(analysis.tracks) >= 1, name
        pipeline.write(analysis, tmp_path / clip.stem)
        assert (tmp_path / clip.stem / "report.html").is_file()
