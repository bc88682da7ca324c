from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from activity.training.recognizer.processes import joined, own_share, share_of
from tests.training.test_recognizer_benchmark import config, write_archive


@pytest.mark.parametrize(("clips", "processes"), [(1, 1), (8, 2), (7, 3), (3, 8)])
def test_every_clip_is_learned_from_by_one_process_and_counts_as_much_as_any_other(
    clips: int, processes: int
) -> None:
    shares = [share_of(clips, process=process, processes=processes) for process in range(processes)]
    learned = [row for own, share in shares if share for row in range(clips)[own]]
    assert sorted(learned) == list(range(clips))
    assert sum(share for _, share in shares) == pytest.approx(1)
    for own, share in shares:
        assert share == 0 or share == pytest.approx(len(range(clips)[own]) / clips)
        assert range(clips)[own]  # a network is never asked about nothing


def test_a_process_alone_learns_from_everything_and_writes_where_it_was_told(tmp_path: Path) -> None:
    assert own_share(5) == (slice(None), 1.0)
    with joined(tmp_path / "run") as folder:
        assert folder == tmp_path / "run"


@pytest.mark.slow
def test_two_processes_train_the_network_of_one(tmp_path: Path) -> None:
    settings = config(
        write_archive(tmp_path / "sbu.npz"),
        optimization={"epochs": 4, "clips_per_batch": 7, "segments_per_clip": 1, "average_decay": 0.5},
        network={
            "architecture": "pair_bptubeformer", "kernel": [4, 3, 3], "stride": [4, 3, 3], "channels": 8, "heads": 2,
            "part_depth": 1, "body_depth": 1, "dropout": 0.0,
        },
    )  # fmt: skip
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    answers = {}
    for name, launch in (("one", []), ("two", torchrun), ("again", torchrun)):
        place = tmp_path / ("two" if name == "again" else name)
        place.mkdir(exist_ok=True)
        done = subprocess.run(  # noqa: S603
            [sys.executable, *launch, "-m", "activity", "train", "recognizer", "--config", str(path)],
            capture_output=True, text=True, check=False, cwd=place, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("figures written") == 1  # the second process is silent
        assert ("fold 3" in done.stderr) == (name != "again")  # both know what is finished
        answers[name] = np.concatenate(
            [json.loads((place / "runs" / "small" / f"seed0_fold{fold}_network1.json").read_text())["probabilities"] for fold in (1, 2, 3)]
        )  # fmt: skip
    np.testing.assert_allclose(answers["two"], answers["one"], atol=1e-4)
