"""Trains the heat-map network of the top-down estimator and exports it to ONNX."""

from __future__ import annotations

import copy
import math
import shutil
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import nn

from activity.datasets.person_crops import PersonCrops
from activity.errors import OutputError
from activity.networks.yolox import load_onnx_weights
from activity.pose.heatmap_network import HEATMAP_STRIDE, HeatmapNetwork
from activity.training.heatmaps.config import TopDownConfig
from activity.training.heatmaps.export import export_heatmap_network
from activity.training.heatmaps.loss import heatmap_loss
from activity.training.heatmaps.measurement import measure_crops
from activity.training.heatmaps.people import stored_people
from activity.training.heatmaps.samples import CropSampler
from activity.training.heatmaps.sheet import draw_crops
from activity.training.heatmaps.warm_start import load_exported
from activity.training.run_state import TrainingRun, parameter_groups

MEASURED_ORIGINS = ("clips", "lspet", "single17", "rendered")
"""Collections with held-out people, in the order in which they are reported."""
REPORT_EVERY_STEPS = 50
WARM_START_CROPS = 256
"""Crops from which the norms of a network that is gone on from take their statistics."""
MAY_CHANGE = ("checkpoint", "cache", "stages", "evaluate_every_s", "evaluation_people", "threads")
"""Settings that may differ when a run goes on."""


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
    crops = stored_people(config)
    trainer = HeatmapTraining(config, run_directory=run_directory, crops=crops)
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


class HeatmapTraining:
    """One training run.

    Args:
        config: All settings.
        run_directory: Where its state lives.
        crops: Stored people.
        console: For messages to people; by default on stderr.

    Attributes:
        averaged: The running average of the network.
        final_size: Height and width of the crops that the shipped network expects.
    """

    def __init__(
        self,
        config: TopDownConfig,
        *,
        run_directory: Path,
        crops: PersonCrops,
        console: Console | None = None,
    ) -> None:
        self._config = config
        self._crops = crops
        self._sampler = self._sampler_from(0)
        network = HeatmapNetwork()
        if config.initial is not None:
            first = config.stages[0]
            crops_seen, _ = self._sampler.draw(WARM_START_CROPS, size=(first.height, first.width))
            load_exported(network, config.initial, crops=torch.from_numpy(crops_seen))
        elif config.backbone is not None:
            load_onnx_weights(network.backbone, config.backbone)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster for depthwise convolutions
        self.averaged = copy.deepcopy(network)
        self.final_size = (config.stages[-1].height, config.stages[-1].width)
        self._total_steps = sum(stage.steps for stage in config.stages)
        groups = parameter_groups(
            network,
            backbone="backbone.",
            backbone_rate=config.backbone_learning_rate,
            rate=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self._run = TrainingRun(
            run_directory,
            config,
            network=network,
            averaged=self.averaged,
            optimizer=torch.optim.AdamW(groups),
            may_change=MAY_CHANGE,
            console=console,
        )
        self._sampler = self._sampler_from(self._run.step)

    def _sampler_from(self, step: int) -> CropSampler:
        """A sampler whose chance follows from the step at which a process begins."""
        config = self._config
        return CropSampler(
            self._crops, shares=config.data.shares, padding=config.padding, seed=config.seed + step
        )

    def run(self) -> None:
        """Train to the last step, measuring and saving on the way."""
        config = self._config
        terms: list[npt.NDArray[np.float64]] = []
        with self._run as run:
            measured = reported = time.monotonic()
            while run.step < self._total_steps:
                with run.clock():
                    terms.append(self._one_step())
                if run.step % REPORT_EVERY_STEPS == 0:
                    self._report(terms, seconds=time.monotonic() - reported)
                    run.save()
                    terms, reported = [], time.monotonic()
                if time.monotonic() - measured > config.evaluate_every_s or run.step == self._total_steps:
                    run.save()
                    self._measure()
                    measured = reported = time.monotonic()
                    terms = []

    def _report(self, terms: list[npt.NDArray[np.float64]], *, seconds: float) -> None:
        rows, columns = self._size()
        rate = len(terms) * self._config.batch_size / max(seconds, 1e-6)
        self._run.report(
            dict(zip(("loss", "presence", "location"), np.mean(terms, axis=0).tolist(), strict=True)),
            until=str(self._total_steps),
            note=f"on {rows}x{columns}, {rate:.1f} crops/s",
        )

    def _size(self) -> tuple[int, int]:
        """Crop size of the current step."""
        done = 0
        for stage in self._config.stages:
            done += stage.steps
            if self._run.step < done:
                return stage.height, stage.width
        return self.final_size

    def _one_step(self) -> npt.NDArray[np.float64]:
        config, run = self._config, self._run
        images, joints = self._sampler.draw(config.batch_size, size=self._size())
        run.set_rate(learning_rate_share(run.step, warm_up=config.warm_up_steps, total=self._total_steps))
        run.network.train()
        loss, presence, location = heatmap_loss(
            run.network(torch.from_numpy(images)),
            torch.from_numpy(joints),
            stride=HEATMAP_STRIDE,
            sigma_cells=config.sigma_cells,
            location_weight=config.location_weight,
        )
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(run.network.parameters(), 5.0)
        run.optimizer.step()
        run.advance(average_decay=config.ema_decay)
        return np.array([loss.item(), presence.item(), location.item()])

    def _heatmaps(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            maps = torch.sigmoid(self.averaged(torch.from_numpy(images)))
        return np.asarray(maps.numpy(), np.float32)

    def _measure(self) -> None:
        self.averaged.eval()
        size = self._size()
        figures: dict[str, Any] = {"size": list(size)}
        for origin in MEASURED_ORIGINS:
            found = measure_crops(
                self._heatmaps,
                self._crops,
                origin=origin,
                size=size,
                stride=HEATMAP_STRIDE,
                padding=self._config.padding,
                at_most=self._config.evaluation_people,
            )
            if found:
                figures[origin] = {name: round(value, 4) for name, value in found.items()}
        self._run.record(figures)
        sheet = draw_crops(
            self._heatmaps,
            self._crops,
            size=size,
            stride=HEATMAP_STRIDE,
            padding=self._config.padding,
            seed=self._config.seed,
        )
        if sheet is not None:
            self._run.curves.add_image("training_crops", sheet, self._run.step, dataformats="HWC")
            self._run.curves.flush()


def learning_rate_share(step: int, *, warm_up: int, total: int) -> float:
    """Share of the peak rate at a step: a linear warm-up, then half a cosine down to 1 %.

    >>> [round(learning_rate_share(step, warm_up=10, total=110), 3) for step in (0, 9, 60, 110)]
    [0.1, 1.0, 0.505, 0.01]
    """
    if step < warm_up:
        return (step + 1) / warm_up
    progress = min((step - warm_up) / max(total - warm_up, 1), 1.0)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
