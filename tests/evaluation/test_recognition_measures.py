from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from activity.datasets.hr_crime import read_hr_crime
from activity.errors import CheckpointError, DatasetError
from activity.evaluation.labelled_videos import (
    LabelledVideo,
    Prediction,
    cut_videos,
    predict,
)
from activity.evaluation.recognition import (
    balanced_accuracy,
    confusion_matrix,
    evaluate_recognizer,
    macro_f1,
    measure,
)
from activity.recognition.architectures import build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.checkpoint import save_checkpoint
from activity.recognition.recognizer import Recognizer
from activity.structures import ActivityScore, Tubelet
from activity.tubelets import TubeletSettings

CLASSES = ("Fighting", "Normal")
SETTINGS = TubeletSettings(frame_rate_hz=12.0, min_observed=0.15)


def prediction(category: str, *people: tuple[float, ...], group: str = "g", video: str = "v") -> Prediction:
    """A video whose people have, in each segment, the given probability of fighting."""
    tubelet = Tubelet(
        track_id=1, start_s=0, end_s=2, grids=np.zeros((5, 2, 24, 3, 3), dtype=np.float32), observed=1
    )
    scores = tuple(
        tuple(ActivityScore(number, 0, 2, CLASSES, np.array([p, 1 - p], dtype=np.float32)) for p in person)
        for number, person in enumerate(people, start=1)
    )
    return Prediction(
        LabelledVideo(video, category, group, tuple((tubelet,) * len(p) for p in people)), scores
    )


def test_figures_of_three_levels_by_hand() -> None:
    figures = measure(
        [
            prediction(
                "Fighting", (0.9, 0.2), (0.3,)
            ),  # segments 1 of 3, people 1 of 2, clip (0.55 + 0.3) / 2: wrong
            prediction("Fighting", (0.8,)),  # all right
            prediction(
                "Normal", (0.1,), (0.6, 0.2)
            ),  # segments 2 of 3, people 2 of 2, clip (0.4 + 0.1) / 2: right
        ],
        CLASSES,
    )
    # fighting segments 2 of 4 right, normal 2 of 3
    assert figures["segment"]["balanced_accuracy"] == pytest.approx((2 / 4 + 2 / 3) / 2)
    assert figures["segment"]["accuracy"] == pytest.approx(4 / 7)
    # fighting: 2 hits, 2 misses, 1 false alarm; normal: 2 hits, 1 miss, 2 false alarms
    assert figures["segment"]["macro_f1"] == pytest.approx((4 / 7 + 4 / 7) / 2)
    assert figures["segment"]["n"] == 7
    assert figures["track"]["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["track"]["n"] == 5
    assert figures["clip"]["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert figures["confusion"] == [[1, 1], [0, 1]]
    assert figures["classes"] == ["Fighting", "Normal"]
    assert figures["without_tracks"] == 0
    assert json.dumps(figures, allow_nan=False)


def test_a_clip_without_a_segment_counts_as_no_alarm_and_is_counted() -> None:
    figures = measure(
        [prediction("Fighting"), prediction("Normal", ()), prediction("Fighting", (0.9,))], CLASSES
    )
    assert figures["without_tracks"] == 2
    assert figures["confusion"] == [[1, 1], [0, 1]]
    assert figures["clip"]["n"] == 3
    assert figures["segment"]["n"] == 1


def test_without_a_background_class_a_clip_without_a_segment_is_a_wrong_answer() -> None:
    empty = Prediction(LabelledVideo("v", "Arson", "g", ()), ())
    figures = measure([empty], ("Arson", "Robbery"))
    assert figures["clip"]["accuracy"] == 0
    assert figures["confusion"] == [[0, 0], [0, 0]]
    assert figures["segment"] == {
        "balanced_accuracy": None,
        "accuracy": None,
        "macro_f1": None,
        "interval": None,
        "n": 0,
    }


def test_a_category_that_the_recogniser_does_not_know_is_named() -> None:
    with pytest.raises(
        DatasetError, match="categories Arson are not among the recogniser's classes Fighting, Normal"
    ):
        measure([prediction("Arson", (0.5,))], CLASSES)


def test_the_interval_resamples_groups_not_segments() -> None:
    # two sources, one all right and one all wrong: resampling them gives 0, 0.5 and 1 whatever they hold
    right = [prediction(c, (p,) * 50, group="right") for c, p in (("Fighting", 0.9), ("Normal", 0.1))]
    wrong = [prediction(c, (p,) * 50, group="wrong") for c, p in (("Fighting", 0.1), ("Normal", 0.9))]
    figures = measure([*right, *wrong], CLASSES)["segment"]
    assert figures["balanced_accuracy"] == 0.5
    assert figures["interval"] == [0, 1]


def test_an_interval_is_the_same_for_the_same_seed_and_holds_the_figure() -> None:
    generator = np.random.default_rng(0)
    videos = [
        prediction(
            CLASSES[k % 2], (float(np.clip(generator.normal(0.7 - 0.4 * (k % 2), 0.3), 0, 1)),), group=str(k)
        )
        for k in range(60)
    ]
    first, second = measure(videos, CLASSES), measure(videos, CLASSES)
    assert first == second
    low, high = first["clip"]["interval"]
    assert 0 <= low < first["clip"]["balanced_accuracy"] < high <= 1
    assert high - low < 0.35


def test_measures_of_a_confusion_matrix_by_hand() -> None:
    matrix = confusion_matrix([("", 0, 0), ("", 0, 1), ("", 1, 1), ("", 1, -1)], 3)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]
    assert balanced_accuracy(matrix) == 0.5  # the class that never occurs does not count
    assert macro_f1(matrix) == pytest.approx((2 / 3 + 2 / 4) / 2)


def write_person(path: Path, seed: int, frames: int) -> None:
    generator = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    base = generator.uniform(10, 100, size=34)
    rows = [
        ",".join([str(frame), *(f"{v:.4f}" for v in base + generator.normal(size=34))])
        for frame in range(frames)
    ]
    path.write_text("\n".join(rows) + "\n")


@pytest.fixture
def trajectories(tmp_path: Path) -> Path:
    root = tmp_path / "trajectories"
    for number in range(6):
        category = CLASSES[number % 2]
        for person in range(number % 3 + 1):
            write_person(root / category / f"v{number}" / f"{person}.csv", 10 * number + person, 60)
    write_person(root / "Fighting" / "short" / "0.csv", 99, 3)
    (root / "Normal" / "nobody").mkdir()
    return root


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    config = BPTubeFormerConfig(
        classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, part_depth=1, body_depth=1, heads=2
    )
    torch.manual_seed(0)
    path = tmp_path / "small.safetensors"
    save_checkpoint(
        path,
        build_network(config),
        config,
        classes=CLASSES,
        tubelet_settings=SETTINGS.to_mapping(),
        training={"videos": ["v0", "v1", "other"], "cross_validation": {"clip": {"balanced_accuracy": 0.5}}},
    )
    return path


def test_every_video_is_measured_whether_it_has_people_or_not(trajectories: Path, checkpoint: Path) -> None:
    figures = evaluate_recognizer(trajectories, checkpoint)
    assert figures["clip"]["n"] == 8
    assert figures["track"]["n"] == 12
    assert figures["segment"]["n"] == 12  # 2 s at 30 Hz are one segment at 12 Hz
    assert figures["without_tracks"] == 2
    assert figures["seen_in_training"] == 2
    assert figures["cross_validation"] == {"clip": {"balanced_accuracy": 0.5}}
    assert figures["unlabelled_videos"] == 0
    assert figures["reading"]["files"] == 13
    for level in ("segment", "track", "clip"):
        assert set(figures[level]) == {"balanced_accuracy", "accuracy", "macro_f1", "interval", "n"}
    assert np.sum(figures["confusion"]) == 8
    assert json.dumps(figures, allow_nan=False)


def test_sources_group_the_videos_and_label_those_without_a_folder(
    trajectories: Path, checkpoint: Path
) -> None:
    (trajectories / "videos.json").write_text(
        '{"lost": {"frame_rate_hz": 30}, "gone": {"frame_rate_hz": 30}}'
    )
    videos = [("fight", f"v{n}") for n in (0, 2, 4)] + [("calm", f"v{n}") for n in (1, 3, 5)]
    videos += [("fight", "short"), ("calm", "nobody"), ("fight", "lost")]
    table = trajectories.parent / "sources.csv"
    table.write_text(
        "clip,source\n" + "".join(f"{folder}/{name}.mp4,s{name[-1]}\n" for folder, name in videos)
    )
    figures = evaluate_recognizer(trajectories, checkpoint, sources=table)
    assert figures["clip"]["n"] == 9
    assert figures["without_tracks"] == 3
    assert figures["unlabelled_videos"] == 1


def test_a_video_without_a_source_is_named(trajectories: Path, checkpoint: Path) -> None:
    table = trajectories.parent / "sources.csv"
    table.write_text("clip,source\nfight/v0.mp4,s1\n")
    with pytest.raises(DatasetError, match="no source is known of 7 videos: nobody, short, v1"):
        evaluate_recognizer(trajectories, checkpoint, sources=table)


def test_scores_come_back_to_the_people_they_belong_to(trajectories: Path, checkpoint: Path) -> None:
    recognizer = Recognizer.load(checkpoint)
    videos = cut_videos(read_hr_crime(trajectories), SETTINGS)
    together = predict(recognizer, videos)
    for video, (same, scores, verdict) in zip(videos, together, strict=True):
        assert verdict is None  # the checkpoint has no model of whole clips
        assert same is video
        for person, answers in zip(video.people, scores, strict=True):
            alone = recognizer.recognize(person)
            assert len(alone) == len(answers)
            for a, b in zip(alone, answers, strict=True):
                np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-5)


def test_people_whose_files_share_an_id_stay_two_people(trajectories: Path, checkpoint: Path) -> None:
    dataset = read_hr_crime(trajectories)
    alike = replace(
        dataset,
        trajectories=tuple(
            replace(one, track=replace(one.track, track_id=7)) for one in dataset.trajectories
        ),
    )
    known, shared = (cut_videos(data, SETTINGS) for data in (dataset, alike))
    ids = [[tubelet.track_id for tubelet in video.tubelets] for video in shared]
    assert any(len(set(numbers)) > 1 for numbers in ids)
    recognizer = Recognizer.load(checkpoint)
    assert measure(predict(recognizer, shared), CLASSES) == measure(predict(recognizer, known), CLASSES)


def test_a_damaged_checkpoint_ends_the_evaluation(trajectories: Path, checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="damaged"):
        evaluate_recognizer(trajectories, checkpoint)
