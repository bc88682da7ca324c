"""People of the same videos as another tracker saw them: learned from, never measured on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activity.errors import DatasetError
from activity.training.recognizer.config import RecognizerConfig
from activity.training.recognizer.trainer import load_training_data
from activity.training.recognizer.validation import TrainingData
from tests.training.test_recognizer_training import config_for, write_people


def config(root: Path, *, also: Path, **changes: Any) -> RecognizerConfig:
    return config_for(
        root,
        data={"trajectories": root / "data", "train_stride": 6, "also": [{"trajectories": also}]},
        **changes,
    )


def learned(data: TrainingData) -> dict[str, int]:
    return {name: len(video.people) for name, video in data.dense.items()}


def measured(data: TrainingData) -> dict[str, int]:
    return {video.video: len(video.people) for video in data.videos}


def test_people_of_both_sets_are_learned_from_and_those_of_the_first_measured_on(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=2)
    write_people(tmp_path / "other", per_class=3)  # F2 and N2 are not in the first set
    shutil.rmtree(tmp_path / "other" / "Normal" / "N1")
    data = load_training_data(config(tmp_path, also=tmp_path / "other"))
    assert learned(data) == {"F0": 2, "F1": 2, "N0": 2, "N1": 1}
    assert measured(data) == {"F0": 1, "F1": 1, "N0": 1, "N1": 1}


def test_a_video_in_which_the_first_set_saw_nobody_is_learned_from_all_the_same(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=2)
    write_people(tmp_path / "other", per_class=2)
    (tmp_path / "data" / "Fighting" / "F0" / "1.csv").unlink()
    data = load_training_data(config(tmp_path, also=tmp_path / "other"))
    assert learned(data)["F0"] == 1
    assert measured(data)["F0"] == 0


def test_sets_that_share_no_video_are_refused(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=2)
    write_people(tmp_path / "other", per_class=1)
    for video in ("Fighting/F0", "Normal/N0"):
        (tmp_path / "other" / video).rename(tmp_path / "other" / f"{video}_of_another_camera")
    with pytest.raises(DatasetError, match="same videos as the first set, got none of them"):
        load_training_data(config(tmp_path, also=tmp_path / "other"))


def test_sets_that_disagree_on_a_class_are_refused(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=2)
    write_people(tmp_path / "other", per_class=2)
    (tmp_path / "other" / "Fighting" / "F1").rename(tmp_path / "other" / "Normal" / "F1")
    with pytest.raises(DatasetError, match="F1 is Normal here and Fighting in the first set"):
        load_training_data(config(tmp_path, also=tmp_path / "other"))


def test_the_papers_protocol_takes_one_set(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"data\.also: the paper's protocol"):
        config(tmp_path, also=tmp_path / "other", protocol="paper")
