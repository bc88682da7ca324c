"""Runs that are broken off: the same weights as in one go, old states, other settings, damaged files, full disks."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydantic import BaseModel
from rich.console import Console
from torch import nn
from torch.nn import functional

from activity.errors import CheckpointError, ConfigurationError, OutputError
from activity.training.run_state import TrainingRun, parameter_groups


class Config(BaseModel):
    """Settings of a run of these tests."""

    rate: float = 0.1
    width: int = 4
    steps: int = 8
    data: Path = Path("data")


def network(width: int = 4) -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.5), nn.Linear(width, 1))


def open_run(folder: Path, **changes: object) -> TrainingRun:
    config = Config.model_validate(changes)
    trained = network(config.width)
    groups = parameter_groups(
        trained, backbone="0.", backbone_rate=config.rate / 2, rate=config.rate, weight_decay=0.01
    )
    return TrainingRun(
        folder,
        config,
        network=trained,
        averaged=network(config.width).eval(),
        optimizer=torch.optim.AdamW(groups),
        may_change=("steps",),
        random=np.random.default_rng(1),
        console=Console(quiet=True),
    )


def take_steps(run: TrainingRun, count: int) -> None:
    assert run.random is not None
    for _ in range(count):
        with run.clock():
            batch = torch.from_numpy(run.random.normal(size=(5, 3)).astype(np.float32))
            run.set_rate(1 / (1 + run.step))
            loss = functional.mse_loss(run.network(batch), batch[:, :1])
            run.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            run.optimizer.step()
            run.advance(average_decay=0.9)


def test_a_run_that_is_broken_off_ends_with_the_weights_of_one_that_is_not(tmp_path: Path) -> None:
    whole = open_run(tmp_path / "whole")
    torch.manual_seed(5)
    take_steps(whole, 6)

    parted = open_run(tmp_path / "parted")
    torch.manual_seed(5)
    take_steps(parted, 2)
    parted.save()
    take_steps(parted, 3)  # lost by a kill
    torch.manual_seed(99)
    again = open_run(tmp_path / "parted", steps=100)
    assert (again.step, again.best) == (2, -1.0)
    assert again.elapsed_s > 0
    take_steps(again, 4)
    for part in ("network", "averaged"):
        for name, value in getattr(whole, part).state_dict().items():
            torch.testing.assert_close(getattr(again, part).state_dict()[name], value, rtol=0, atol=0)


def test_the_average_follows_faster_at_first(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    before = run.averaged.state_dict()["0.weight"].clone()
    with torch.no_grad():
        run.network.state_dict()["0.weight"].add_(1)
        run.network.state_dict()["1.num_batches_tracked"].fill_(7)
    run.advance(average_decay=0.9)  # (1 + 0) / (10 + 0) = 0.1 stays
    torch.testing.assert_close(run.averaged.state_dict()["0.weight"], before + 0.9)
    assert run.averaged.state_dict()["1.num_batches_tracked"] == 7
    assert run.step == 1
    run.step = 1000
    run.advance(average_decay=0.9)  # a tenth of what is left
    torch.testing.assert_close(run.averaged.state_dict()["0.weight"], before + 0.91)


def test_rates_are_those_of_the_settings_and_biases_do_not_decay(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    run.set_rate(0.5)
    groups = run.optimizer.param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.025, 0.025, 0.05, 0.05])
    assert [group["weight_decay"] for group in groups] == [0.01, 0, 0.01, 0]
    assert [len(group["params"]) for group in groups] == [1, 1, 1, 3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 0.2}, r"rate was 0\.1, is 0\.2\. Go on with"),
        ({"width": 5, "data": "other"}, r"data was 'data', is 'other'; width was 4, is 5"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    open_run(tmp_path).save()
    with pytest.raises(ConfigurationError, match=message):
        open_run(tmp_path, **changes)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["rate"] == 0.1


def test_a_setting_that_came_since_had_its_default(tmp_path: Path) -> None:
    with open_run(tmp_path, rate=0.2) as run:
        run.save()
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["settings"]["data"]
    torch.save(state, tmp_path / "state.pt")
    open_run(tmp_path, rate=0.2)
    with pytest.raises(ConfigurationError, match="data was 'data', is 'other'"):
        open_run(tmp_path, rate=0.2, data="other")


def test_parts_of_old_states_have_their_old_names(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    take_steps(run, 1)
    state = {
        "network": run.network.state_dict(),
        "average": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "steps_done": 1,
        "seconds": 60.0,
    }
    torch.save(state, tmp_path / "state.pt")
    again = open_run(tmp_path, rate=0.3)  # settings were not kept then
    assert (again.step, again.elapsed_s) == (1, 60.0)
    assert [group["peak_lr"] for group in again.optimizer.param_groups] == pytest.approx(
        [0.15, 0.15, 0.3, 0.3]
    )


def test_damaged_and_foreign_states_are_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    open_run(tmp_path).save()
    whole = path.read_bytes()
    for content in (b"", b"no state", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"state\.pt: .*delete the file to begin anew"):
            open_run(tmp_path)
    torch.save({"network": {}}, path)
    with pytest.raises(CheckpointError, match="another network"):
        open_run(tmp_path)


def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    run.save()
    before = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt.unfinished").mkdir()  # in the way
    take_steps(run, 1)
    with pytest.raises(OutputError, match=r"state\.pt: the state of the run cannot be written"):
        run.save()
    assert (tmp_path / "state.pt").read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot hold the run"):
        open_run(tmp_path / "file")


def test_figures_are_told_and_kept(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    with pytest.raises(RuntimeError, match="expected the run as a context"):
        run.record({})
    with run:
        take_steps(run, 2)
        run.report({"total": 0.25}, until="8")
        run.record({"size": [64, 48], "clips": {"oks": 0.5, "people": 3}})
    (entry,) = [json.loads(line) for line in (tmp_path / "measurements.jsonl").read_text().splitlines()]
    assert entry == {"step": 2, "minutes": 0.0, "size": [64, 48], "clips": {"oks": 0.5, "people": 3}}
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    curves = reader.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(curves.Tags()["scalars"]) == {"loss/total", "held_out/clips/oks", "held_out/clips/people"}
    assert [(event.step, event.value) for event in curves.Scalars("loss/total")] == [(2, 0.25)]
