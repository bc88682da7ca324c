from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from activity.config import read_yaml
from activity.datasets.generated import HR_CRIME_CLASSES, write_generated
from activity.errors import ConfigurationError, DatasetError
from activity.evaluation.complexity import REFERENCE_MODELS
from activity.training.recognizer.benchmark_config import BenchmarkConfig
from activity.training.recognizer.config import RecognizerConfig
from activity.training.recognizer.protocols import splits
from activity.training.recognizer.table1 import ROWS, as_benchmark, count_parameters, read_rows, run_table
from activity.training.recognizer.validation import TrainingData, load_training_data

CONFIGS = Path(__file__).parents[2] / "configs"
REFERENCE = {
    "bpt_v2": ("BPT-V2 (2,3,3) T=24", 4_922_733),
    "bpt_replicate": ("BPT-V2 (2,3,3) T=24", 4_922_733),
    "bpt_v1": ("BPT-V1 (1,3,3) T=24", 19_102_893),
    "bpt_v3": ("BPT-V3 (4,3,3) T=24", 1_375_917),
    "bpt_v4": ("BPT-V4 (5,3,3) T=24", 718_893),
    "bpt_k8": ("BPT (8,3,3) T=24", 495_885),
    "bpt_t60": ("BPT (2,3,3) T=60", 29_736_237),
    "bpt_8_inferred": ("BPT-8 (8,2,2)/(8,1,1) T=24", 4_927_213),
    "st_tran": ("ST-Tran T=60", 9_570_669),
    "st_tran_t24": ("ST-Tran T=24", 9_551_085),
    "t_tran": ("T-Tran c=256 T=24", 2_127_885),
}


def test_every_file_is_a_row_and_every_row_a_file() -> None:
    assert sorted(path.stem for path in (CONFIGS / "table1").glob("*.yaml")) == sorted(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_the_papers_settings(name: str) -> None:
    config = read_rows(CONFIGS / "table1", (name,))[name]
    optimization, tubelets = config.optimization, config.tubelet_settings
    assert (optimization.learning_rate, optimization.betas, optimization.epsilon) == (1e-3, (0.9, 0.98), 1e-9)
    assert (optimization.epochs, optimization.patience, optimization.weight_decay) == (100, 3, 0)
    assert optimization.clips_per_batch * optimization.segments_per_clip == 1000
    assert (optimization.schedule, optimization.warmup, optimization.label_smoothing) == ("constant", 0, 0)
    assert (tubelets.normalization, tubelets.stride, tubelets.short_tracks) == ("paper", 1, "drop")
    assert (config.protocol, config.folds, config.data.skip_normal) == ("paper", 3, True)
    assert config.augmentation.model_dump() == {
        "mirror": 0, "rotation_rad": 0, "scale": 0, "squeeze": 0, "shift": 0, "joint_noise": 0, "joint_dropout": 0,
        "joint_offset": 0, "person_scale": 0, "person_shift": 0, "shortest_crop": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", REFERENCE)
def test_a_row_is_the_network_whose_size_and_cost_the_reference_table_holds(name: str) -> None:
    model, parameters = REFERENCE[name]
    shape = read_rows(CONFIGS / "table1", (name,))[name].network_config(13)
    assert shape == dict(REFERENCE_MODELS)[model]  # its operations are counted in test_complexity
    assert count_parameters(shape) == parameters


@pytest.mark.parametrize(("name", "tubelets"), [("bpt_8_v1", 48), ("bpt_8_v2", 92)])
def test_the_rows_that_are_printed_with_small_kernels_are_as_printed(name: str, tubelets: int) -> None:
    shape = read_rows(CONFIGS / "table1", (name,))[name].network_config(13)
    assert getattr(shape, "tubelets", None) == tubelets  # 12 x 2 x 2, and 23 x 2 x 2
    assert count_parameters(shape) > 70_000_000


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("data", ["sbu", "nw_ucla"])
def test_a_row_runs_on_recorded_actions_too(name: str, data: str) -> None:
    config = read_rows(CONFIGS / "table1", (name,))[name]
    benchmark = as_benchmark(config, data=data, path=Path("x.npz"))  # type: ignore[arg-type]
    assert benchmark.network_config(8, "sbu15", 2).frames == config.tubelet_settings.frames


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("benchmark_*.yaml")), ids=lambda path: path.stem)
def test_the_configurations_of_the_benchmarks_are_read(path: Path) -> None:
    assert read_yaml(path, BenchmarkConfig).seeds == (0, 1, 2)


def test_an_unknown_row_is_named() -> None:
    with pytest.raises(ConfigurationError, match="unknown bpt_v9; known are st_tran"):
        read_rows(CONFIGS / "table1", ("bpt_v9",))


def small(tmp_path: Path, **changes: object) -> RecognizerConfig:
    if not (tmp_path / "data").exists():
        write_generated(tmp_path / "data", videos=3, people=1, frames=30)
    content = yaml.safe_load((CONFIGS / "table1" / "bpt_v4.yaml").read_text())
    content["data"]["trajectories"] = str(tmp_path / "data")
    content["network"] |= {"channels": 8, "heads": 2, "part_depth": 1, "body_depth": 1}
    content["optimization"] |= {"epochs": 1}
    return RecognizerConfig.model_validate({**content, **changes})


def everybody(data: TrainingData) -> int:
    return sum(len(video.tubelets) for video in data.dense.values())


def test_the_papers_split_leaves_a_fifth_of_the_people_and_cuts_the_rest_by_segment(tmp_path: Path) -> None:
    config = small(tmp_path)
    data = load_training_data(config)
    folds = list(splits(config, data))
    assert len(folds) == 3
    tested = [{video.video for video in fold.test} for fold in folds]
    assert tested[0] == tested[1] == tested[2]
    assert len(tested[0]) == 8  # a fifth of 39
    for fold in folds:
        counts = [sum(len(v.tubelets) for v in side) for side in fold]
        assert sum(counts) == everybody(data)
        assert counts[1] == pytest.approx((counts[0] + counts[1]) / 3, abs=1)
        # the leak: the same person is learned from and decides when to stop
        assert {v.video for v in fold.train} & {v.video for v in fold.validation}


def test_splitting_by_video_shares_nothing(tmp_path: Path) -> None:
    config = small(tmp_path, protocol="by_video")
    data = load_training_data(config)
    folds = list(splits(config, data))
    assert sorted(video.video for fold in folds for video in fold.test) == sorted(data.dense)
    for fold in folds:
        assert not {v.group for v in fold.train} & {v.group for v in fold.test}


def test_too_few_people_for_the_papers_split_are_counted(tmp_path: Path) -> None:
    config = small(tmp_path)
    data = load_training_data(config)
    few = TrainingData(data.classes, data.dense, data.videos[:4], (), data.dataset)
    with pytest.raises(DatasetError, match="expected 10 trajectories"):
        list(splits(config, few))


def test_a_table_is_written_row_by_row_and_not_run_twice(tmp_path: Path) -> None:
    rows = {"bpt_v4": small(tmp_path)}
    epochs: list[str] = []
    table = run_table(
        rows,
        data="trajectories",
        path=tmp_path / "data",
        out=tmp_path / "out",
        epochs=1,
        on_epoch=lambda name, *_: epochs.append(name),
    )
    assert len(epochs) == 3
    row = table["rows"][0]
    assert row["published"] == "0.4768 ± 0.0017"
    assert row["kernel"] == [5, 3, 3]
    assert len(row["segment"]["values"]) == 3
    assert "windows overlap" in table["leaks"]
    assert json.loads((tmp_path / "out" / "table1.json").read_text()) == table
    text = (tmp_path / "out" / "table1.md").read_text()
    assert "| BPT-V4 (5,3,3) | (5, 3, 3) | (5, 3, 3) | 24 |" in text
    assert "M1.2" in text
    assert "trial of the machinery" in text
    epochs.clear()
    again = run_table(
        rows,
        data="trajectories",
        path=tmp_path / "data",
        out=tmp_path / "out",
        epochs=1,
        on_epoch=lambda name, *_: epochs.append(name),
    )
    assert not epochs
    assert again == table


def test_the_generated_classes_are_those_of_hr_crime(tmp_path: Path) -> None:
    assert load_training_data(small(tmp_path)).classes == tuple(sorted(HR_CRIME_CLASSES))
