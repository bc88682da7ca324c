"""`activity explain` from a clip with exact people to its pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from activity.config import Settings
from activity.errors import CheckpointError, DatasetError, StructureError, VideoError
from activity.evaluation.explanation import explain as explanation
from activity.evaluation.explanation.clips import FollowedClip, frame_times, posed_frames
from activity.evaluation.explanation.explain import explain, load_explainable, read_population
from activity.evaluation.explanation.population import Population, embed, silhouettes
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.bptubeformer import BPTubeFormer, BPTubeFormerConfig
from activity.recognition.checkpoint import save_checkpoint
from activity.recognition.t_tran import TTranConfig
from activity.structures import Track, Tubelet
from activity.structures.geometry import boxes_around_keypoints

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "docs" / "demo"
SMALL = BPTubeFormerConfig(
    classes=2, kernel=(4, 3, 3), stride=(4, 3, 3), channels=8, heads=2, part_depth=1, body_depth=2
)


def save(
    path: Path, config: NetworkConfig = SMALL, classes: tuple[str, ...] = ("Fighting", "Normal")
) -> Path:
    torch.manual_seed(3)
    tubelets = {"frames": 24, "stride": 24, "frame_rate_hz": 12.0}
    save_checkpoint(
        path, build_network(config), config, classes=classes, tubelet_settings=tubelets, training={}
    )
    return path


@pytest.fixture(scope="module")
def people() -> list[Track]:
    """The demo's five people with their exact joints."""
    truth = json.loads((DEMO / "truth.json").read_text(encoding="utf-8"))
    frames = {image["id"]: image for image in truth["images"]}
    tracks = []
    for who in range(1, 6):
        mine = [person for person in truth["annotations"] if person.get("track_id") == who]
        joints = np.array([person["keypoints"] for person in mine], np.float32).reshape(-1, 17, 3)
        joints[..., 2] = joints[..., 2] > 0
        joints[joints[..., 2] == 0] = 0
        tracks.append(
            Track(
                who,
                np.array([frames[person["image_id"]]["frame"] for person in mine]),
                np.array([frames[person["image_id"]]["time_s"] for person in mine]),
                joints,
                boxes_around_keypoints(joints),
                np.ones(len(mine), np.float32),
            )
        )
    return tracks


@pytest.fixture
def clip(people: list[Track], monkeypatch: pytest.MonkeyPatch) -> FollowedClip:
    followed = FollowedClip(DEMO / "demo.mp4", people, 1920, 1.2)
    monkeypatch.setattr(explanation, "follow_clip", lambda *_arguments, **_options: followed)
    return followed


def run(tmp_path: Path, **options: Any) -> dict[str, Any]:
    return explain(
        DEMO / "demo.mp4", save(tmp_path / "small.safetensors"), tmp_path / "run", Settings(), **options
    )


def test_one_command_makes_every_picture_and_the_projector(clip: FollowedClip, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo_trajectories.py"), str(tmp_path / "people")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603
    result = run(tmp_path, person=1, at_s=5.0, trajectories=tmp_path / "people")
    segment = result["segment"]
    assert segment["track_id"] == 1
    assert segment["start_s"] < 5.0 < segment["end_s"]
    assert sum(segment["part_attention"].values()) == pytest.approx(1, abs=1e-5)
    assert -1 <= result["agreement"]["rank_correlation"] <= 1
    assert result["agreement"]["people"] == 5
    names = {Path(path).stem for path in result["pictures"]}
    assert names == {
        *("segment_overview", "segment_body_parts", "segment_skeletons", "segment_relevance"),
        *(f"segment_tubelets_{part}" for part in ("torso", "elbows", "wrists", "knees", "ankles")),
        *("population_tsne", "population_silhouettes", "population_confusion"),
    }
    for path in result["pictures"]:
        picture = cv2.imread(path)
        assert picture is not None
        assert picture.std() > 5, path  # drawn on
        assert (picture[:, -2:] > 250).all(), path  # nothing is cut at the right edge
    assert list((tmp_path / "run").rglob("events.out.*"))
    (table,) = (tmp_path / "run").rglob("metadata.tsv")
    assert table.read_text(encoding="utf-8").startswith("truth\tanswer\tsegment")


def test_the_surest_notable_segment_is_explained_unless_one_is_named(
    clip: FollowedClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation, "_draw_segment", lambda *_arguments, **_options: None)
    checkpoint, network = load_explainable(save(tmp_path / "small.safetensors"))
    explained = explanation.explain_segments(
        checkpoint, network, [tubelet(seed) for seed in range(8)], threads=1
    )
    chosen = explanation._choose(explained, person=None, at_s=None, source=Path("x"))
    notable = [one.score.score for one in explained if one.score.label == "Fighting"]
    everyone = [one.score.score for one in explained]
    assert chosen.score.score == max(notable or everyone)
    with pytest.raises(StructureError, match=r"person 9 has no segment; people 1, 2, 3, 4, 5 have"):
        run(tmp_path, person=9)


def tubelet(seed: int) -> Tubelet:
    values = np.random.default_rng(seed).normal(size=(5, 2, 24, 3, 3)).astype(np.float32)
    return Tubelet(1, 2.0, 3.5, values, 1.0)


def test_a_clip_without_a_segment_and_another_network_are_named(
    people: list[Track], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        explanation,
        "follow_clip",
        lambda *_arguments, **_options: FollowedClip(DEMO / "demo.mp4", [], 1920, 1.2),
    )
    with pytest.raises(StructureError, match="0 people, none seen long enough for a segment of 24 frames"):
        run(tmp_path)
    with pytest.raises(CheckpointError, match="expected a BPTubeFormer, got TTran"):
        load_explainable(save(tmp_path / "t.safetensors", TTranConfig(classes=2, width=16, depth=1)))


def test_frames_of_a_held_segment_stay_at_the_last_real_one() -> None:
    times = frame_times(tubelet(0), 12.0)
    np.testing.assert_allclose(times[:3], [2, 2 + 1 / 12, 2 + 2 / 12])
    assert (times[18:] == 3.5).all()
    np.testing.assert_allclose(frame_times(tubelet(0), None)[[0, -1]], [2.0, 3.5])


def test_joints_stay_on_the_person_when_the_picture_is_cut_out(people: list[Track]) -> None:
    clip = FollowedClip(DEMO / "demo.mp4", people, 1920, 1.2)
    spans = [(at, at + 3) for at in range(0, 24, 4)]
    frames = posed_frames(clip, people[0], np.arange(24) / 12 + 3.0, spans, most=3)
    assert [(posed.frame, posed.tubelet) for posed in frames] == [(1, 0), (9, 2), (21, 5)]
    assert len({posed.image.shape for posed in frames}) == 1
    for posed in frames:
        assert abs(posed.time_s - (3.0 + posed.frame / 12)) <= 0.5 / 15 + 1e-6
        inside = posed.keypoints[posed.keypoints[:, 2] > 0]
        assert (inside[:, :2] >= 0).all()
        assert (inside[:, 0] <= posed.image.shape[1]).all()
        assert (inside[:, 1] <= posed.image.shape[0]).all()


def test_a_report_whose_clip_has_moved_says_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no_such"):
        posed_frames(
            FollowedClip(tmp_path / "no_such.mp4", [], 1920, 1.2),
            Track(
                1,
                np.array([0]),
                np.array([0.0]),
                np.ones((1, 17, 3), np.float32),
                np.array([[0, 0, 1, 1]], np.float32),
                np.ones(1, np.float32),
            ),
            np.zeros(24),
            [(0, 23)],
        )


def test_class_tokens_are_what_the_last_layer_reads() -> None:
    network = build_network(SMALL).eval()
    assert isinstance(network, BPTubeFormer)
    grids = [tubelet(seed).grids for seed in range(3)]
    tokens, answers = embed(network, grids)
    with torch.inference_mode():
        logits = network.head(torch.from_numpy(tokens))
        expected = network(torch.from_numpy(np.stack(grids)))
    torch.testing.assert_close(logits, expected)
    assert answers.tolist() == expected.argmax(dim=1).tolist()
    assert not network.head._forward_pre_hooks


def test_silhouettes_by_hand() -> None:
    # a: 0 and 1, b: 4 and 5. Of the first: own 1, other 4.5, so (4.5 - 1) / 4.5; of the second (3.5 - 1) / 3.5
    points = np.array([[0.0], [1.0], [4.0], [5.0]], np.float32)
    labels = np.array([0, 0, 1, 1])
    population = Population(points, labels, labels, ("a", "b"), ("",) * 4)
    np.testing.assert_allclose(
        silhouettes(population), [3.5 / 4.5, 2.5 / 3.5, 2.5 / 3.5, 3.5 / 4.5], atol=1e-6
    )


def test_too_few_segments_and_unknown_classes_are_named(tmp_path: Path) -> None:
    labels = np.zeros(5, np.int64)
    with pytest.raises(DatasetError, match=r"at least 2 classes, got \{'a': 5, 'b': 0\}"):
        Population(np.zeros((5, 2), np.float32), labels, labels, ("a", "b"), ("",) * 5)
    row = ",".join(["0", *(str(at) for at in range(34))])
    (tmp_path / "data" / "Arson" / "v").mkdir(parents=True)
    (tmp_path / "data" / "Arson" / "v" / "1.csv").write_text(row + "\n")
    checkpoint, network = load_explainable(save(tmp_path / "small.safetensors"))
    with pytest.raises(CheckpointError, match="knows Fighting, Normal, not Arson"):
        read_population(checkpoint, network, tmp_path / "data")
