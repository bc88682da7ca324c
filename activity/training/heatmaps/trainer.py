"""Trains the heat-map network of the top-down estimator and exports it to ONNX."""

from __future__ import annotations

import copy
import json
import math
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from activity.datasets.coco_keypoints import LabelledPerson, read_lspet, read_single17, read_teacher_people
from activity.datasets.person_crops import PersonCrops, cut_people, store_person_crops
from activity.datasets.rendered_crops import render_people
from activity.errors import CheckpointError, ConfigurationError, OutputError
from activity.networks.yolox import load_onnx_weights
from activity.pose.heatmap_network import HEATMAP_STRIDE, HeatmapNetwork
from activity.pose.heatmaps import decode_heatmaps
from activity.structures import COCO_LIMBS
from activity.training.heatmaps.config import PoseDataConfig, TopDownConfig
from activity.training.heatmaps.export import export_heatmap_network
from activity.training.heatmaps.loss import heatmap_loss
from activity.training.heatmaps.measurement import measure_crops
from activity.training.heatmaps.samples import CropSampler

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

MEASURED_ORIGINS = ("clips", "lspet", "single17", "rendered")
"""Collections with held-out people, in the order in which they are reported."""
SHOWN_ORIGINS = ("single17", "rendered")
"""Collections whose pictures may go into the log: studio photographs and rendered people, none from a camera."""
REPORT_EVERY_STEPS = 50
_STATE = "state.pt"


def train(config: TopDownConfig, *, run_directory: Path) -> Path:
    """Train, or go on where an earlier call in the same folder stopped, and export the averaged weights.

    Args:
        config: All settings.
        run_directory: For the state, the TensorBoard log, `measurements.jsonl` and the ONNX file.

    Returns:
        The exported checkpoint.

    Raises:
        DatasetError: If a data set is missing or damaged.
        CheckpointError: If the backbone's file or the stored state does not fit.
        OutputError: If the finished network cannot be put where the configuration says.
    """
    torch.set_num_threads(config.threads)
    cv2.setNumThreads(config.threads)
    torch.manual_seed(config.seed)
    run_directory.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    crops = stored_people(config)
    trainer = HeatmapTraining(config, run_directory=run_directory, crops=crops, console=console)
    trainer.run()
    exported = export_heatmap_network(
        trainer.averaged, run_directory / "pose_topdown.onnx", size=trainer.final_size, padding=config.padding
    )
    if config.checkpoint is None:
        return exported
    try:
        config.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(exported, config.checkpoint)
    except OSError as error:
        raise OutputError(
            f"{config.checkpoint}: cannot be written ({error.strerror}); the network is in {exported}"
        ) from error
    return config.checkpoint


def stored_people(config: TopDownConfig) -> PersonCrops:
    """Cut out the people of every collection that the configuration names, or open those cut out before."""
    labelled, rendered = config.cache / "labelled", config.cache / f"rendered{config.data.rendered_frames}"
    people = _read_people(config.data)
    if people and not labelled.is_dir():
        store_person_crops(cut_people(people, masked_origins=("single17",)), labelled)
    if config.data.rendered_frames and not rendered.is_dir():
        store_person_crops(render_people(config.data.rendered_frames, seed=config.seed), rendered)
    parts = [labelled] if people else []
    return PersonCrops([*parts, rendered] if config.data.rendered_frames else parts)


def _read_people(data: PoseDataConfig) -> list[LabelledPerson]:
    people: list[LabelledPerson] = []
    if data.people is not None:
        if data.clips is None or data.weapons is None:
            raise ConfigurationError("data.people: expected data.clips and data.weapons beside it")
        people += read_teacher_people(
            data.people, clips=data.clips, weapons=data.weapons, least_agreement=data.least_agreement
        )
    if data.single17 is not None:
        people += read_single17(data.single17)
    if data.lspet is not None:
        people += read_lspet(data.lspet)
    return people


class HeatmapTraining:
    """One training run.

    Args:
        config: All settings.
        run_directory: Where its state lives.
        crops: Stored people.
        console: For messages to people.

    Attributes:
        averaged: The exponentially averaged network.
        final_size: Height and width of the crops that the shipped network expects.
    """

    def __init__(
        self, config: TopDownConfig, *, run_directory: Path, crops: PersonCrops, console: Console
    ) -> None:
        self._config = config
        self._directory = run_directory
        self._crops = crops
        self._console = console
        self._network = HeatmapNetwork()
        if config.backbone is not None:
            load_onnx_weights(self._network.backbone, config.backbone)
        self.averaged = copy.deepcopy(self._network)
        self.final_size = (config.stages[-1].height, config.stages[-1].width)
        self._optimizer = _optimizer(self._network, config)
        self._total_steps = sum(stage.steps for stage in config.stages)
        self._step = 0
        self._elapsed_s = 0.0
        self._resume()
        self._sampler = CropSampler(
            crops, shares=config.data.shares, padding=config.padding, seed=config.seed + self._step
        )

    def run(self) -> None:
        """Train to the last step, measuring and saving on the way."""
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  # only training needs it

        config = self._config
        writer = SummaryWriter(str(self._directory / "tensorboard"), purge_step=self._step)
        measured = reported = time.monotonic()
        terms: list[npt.NDArray[np.float64]] = []
        while self._step < self._total_steps:
            started = time.monotonic()
            terms.append(self._one_step())
            self._elapsed_s += time.monotonic() - started
            if self._step % REPORT_EVERY_STEPS == 0:
                self._report(writer, terms, seconds=time.monotonic() - reported)
                self._save()
                terms, reported = [], time.monotonic()
            if time.monotonic() - measured > config.evaluate_every_s or self._step == self._total_steps:
                self._save()
                self._measure(writer)
                measured = reported = time.monotonic()
                terms = []
        writer.close()

    def _report(self, writer: SummaryWriter, terms: list[npt.NDArray[np.float64]], *, seconds: float) -> None:
        loss, presence, location = np.mean(terms, axis=0)
        for name, value in (("loss", loss), ("presence", presence), ("location", location)):
            writer.add_scalar(f"train/{name}", value, self._step)
        self._console.print(
            f"{time.strftime('%H:%M:%S')} step {self._step}/{self._total_steps} {self._size()} loss {loss:.3f} "
            f"presence {presence:.3f} location {location:.3f} "
            f"{len(terms) * self._config.batch_size / max(seconds, 1e-6):.1f} crops/s"
        )

    def _size(self) -> tuple[int, int]:
        """Crop size of the current step."""
        done = 0
        for stage in self._config.stages:
            done += stage.steps
            if self._step < done:
                return stage.height, stage.width
        return self.final_size

    def _one_step(self) -> npt.NDArray[np.float64]:
        config = self._config
        images, joints = self._sampler.draw(config.batch_size, size=self._size())
        share = learning_rate_share(self._step, warm_up=config.warm_up_steps, total=self._total_steps)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share
        self._network.train()
        loss, presence, location = heatmap_loss(
            self._network(torch.from_numpy(images)),
            torch.from_numpy(joints),
            stride=HEATMAP_STRIDE,
            sigma_cells=config.sigma_cells,
            location_weight=config.location_weight,
        )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._optimizer.step()
        self._step += 1
        self._average()
        return np.array([loss.item(), presence.item(), location.item()])

    @torch.no_grad()
    def _average(self) -> None:
        # Early on, a long memory would hold mostly the start.
        decay = min(self._config.ema_decay, (1 + self._step) / (10 + self._step))
        for mean, value in zip(
            self.averaged.state_dict().values(), self._network.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def _heatmaps(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            maps = torch.sigmoid(self.averaged(torch.from_numpy(images)))
        return np.asarray(maps.numpy(), np.float32)

    def _measure(self, writer: SummaryWriter) -> None:
        self.averaged.eval()
        record: dict[str, Any] = {"step": self._step, "minutes": round(self._elapsed_s / 60, 1)}
        size = self._size()
        record["size"] = list(size)
        for origin in MEASURED_ORIGINS:
            figures = measure_crops(
                self._heatmaps,
                self._crops,
                origin=origin,
                size=size,
                stride=HEATMAP_STRIDE,
                padding=self._config.padding,
                at_most=self._config.evaluation_people,
            )
            if not figures:
                continue
            record[origin] = {name: round(value, 4) for name, value in figures.items()}
            for name, value in figures.items():
                writer.add_scalar(f"held_out/{origin}/{name}", value, self._step)
        with (self._directory / "measurements.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._console.print(json.dumps(record))
        sheet = self._sheet(size)
        if sheet is not None:
            writer.add_image("training_crops", sheet, self._step, dataformats="HWC")
        writer.flush()

    def _sheet(self, size: tuple[int, int]) -> npt.NDArray[np.uint8] | None:
        """Training crops with the network's skeletons, side by side: of people who agreed to be seen, or of none."""
        if not np.isin(self._crops.origins[~self._crops.held_out], SHOWN_ORIGINS).any():
            return None
        sampler = CropSampler(
            self._crops,
            shares=dict.fromkeys(SHOWN_ORIGINS, 1.0),
            padding=self._config.padding,
            seed=self._config.seed,
        )
        images, _ = sampler.draw(8, size=size)
        found = decode_heatmaps(self._heatmaps(images))
        for image, joints in zip(images, found, strict=True):
            places = ((joints[:, :2] + 0.5) * HEATMAP_STRIDE - 0.5).round().astype(int)
            for first, second in COCO_LIMBS:
                if min(joints[first, 2], joints[second, 2]) > 0.2:
                    cv2.line(
                        image, tuple(map(int, places[first])), tuple(map(int, places[second])), (0, 255, 0), 1
                    )
        return np.concatenate(list(images), axis=1)

    def _save(self) -> None:
        state = {
            "network": self._network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self._step,
            "elapsed_s": self._elapsed_s,
        }
        unfinished = self._directory / (_STATE + ".unfinished")
        torch.save(state, unfinished)
        unfinished.replace(self._directory / _STATE)

    def _resume(self) -> None:
        path = self._directory / _STATE
        if not path.is_file():
            return
        try:
            state = torch.load(path, weights_only=True)
            self._network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            peaks = [group["peak_lr"] for group in self._optimizer.param_groups]
            self._optimizer.load_state_dict(state["optimizer"])
            for group, peak in zip(self._optimizer.param_groups, peaks, strict=True):
                group["peak_lr"] = peak
            self._step, self._elapsed_s = int(state["step"]), float(state["elapsed_s"])
        except (RuntimeError, KeyError, ValueError, EOFError) as error:
            raise CheckpointError(
                f"{path}: expected the state of an earlier run of this network ({error}); "
                "delete the file to begin anew"
            ) from error
        self._console.print(f"goes on from step {self._step} of {path}")


def learning_rate_share(step: int, *, warm_up: int, total: int) -> float:
    """Share of the peak rate at a step: a linear warm-up, then half a cosine down to 1 %.

    >>> [round(learning_rate_share(step, warm_up=10, total=110), 3) for step in (0, 9, 60, 110)]
    [0.1, 1.0, 0.505, 0.01]
    """
    if step < warm_up:
        return (step + 1) / warm_up
    progress = min((step - warm_up) / max(total - warm_up, 1), 1.0)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2


def _optimizer(network: HeatmapNetwork, config: TopDownConfig) -> torch.optim.AdamW:
    groups = []
    for of_backbone, rate in ((True, config.backbone_learning_rate), (False, config.learning_rate)):
        for decays in (True, False):
            chosen = [
                parameter
                for name, parameter in network.named_parameters()
                if name.startswith("backbone.") == of_backbone and (parameter.ndim > 1) == decays
            ]
            groups.append(
                {
                    "params": chosen,
                    "lr": rate,
                    "peak_lr": rate,
                    "weight_decay": config.weight_decay if decays else 0.0,
                }
            )
    return torch.optim.AdamW(groups)
