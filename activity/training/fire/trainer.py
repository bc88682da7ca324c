"""Train a fire classifier: the small one on a detector's backbone, or that of CSIS."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from activity.errors import ConfigurationError
from activity.networks.yolox import load_onnx_weights
from activity.training.fire.augmentation import CELL, TrainingPicture
from activity.training.fire.calibration import fit_platt
from activity.training.fire.config import FireConfig
from activity.training.fire.draws import Pools, draw_picture, training_pools
from activity.training.fire.export import export_fire
from activity.training.fire.loss import FireLoss, fire_loss
from activity.training.fire.networks import CSIS_SIDE, FireActivationNetwork, FireDetectionNet
from activity.training.fire.pictures import (
    FirePicture,
    read_clip_frames,
    read_fire_pictures,
    read_people,
    read_rendered,
)
from activity.training.fire.validation import validate_fire
from activity.training.run_state import TrainingRun, parameter_groups

LOG = logging.getLogger(__name__)
THRESHOLD: Final = 0.5
REPORT_EVERY_STEPS: Final = 20
MAY_CHANGE: Final = ("checkpoint", "cache", "steps", "max_minutes", "threads", "save_every")
"""Settings that may differ when a run goes on."""
_PEOPLE: Final = 250  # photographs from each folder
Network = FireActivationNetwork | FireDetectionNet


def train(config: FireConfig, *, run_directory: Path) -> Path:
    """Train, or go on training where `run_directory` holds a state, and write the calibrated checkpoint.

    What it reaches on the held-out scenes is written to `validation.json` in `run_directory`.

    Raises:
        DatasetError: If a collection is missing or damaged.
        CheckpointError: If the initial weights are not YOLOX-nano's.
        ConfigurationError: If a share names no kind of picture, or a canvas does not fit the network.
    """
    check_canvases(config)
    torch.set_num_threads(config.threads)
    cv2.setNumThreads(config.threads)
    pictures = read_all_pictures(config)
    pools = training_pools(config, pictures)
    training = _Training(config, run_directory)
    with training.run as run:
        while training.progress < 1:
            losses = training.step(pools)
            if run.step % REPORT_EVERY_STEPS == 0:
                run.report(losses, until=f"{config.steps} or {config.max_minutes:g} min")
            if run.step % config.save_every == 0:
                run.save()
        run.save()
    checkpoint = write_checkpoint(training.averaged, config, pictures)
    figures = validate_fire(checkpoint, pictures, threads=config.threads)
    training.run.say(f"held out: {figures}")
    (run_directory / "validation.json").write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return checkpoint


def write_checkpoint(network: Network, config: FireConfig, pictures: Sequence[FirePicture]) -> Path:
    """Calibrate a network on the held-out labelled pictures and export it.

    Two numbers are fitted there; everything else comes from the training side.
    """
    held_out = [p for p in pictures if p.held_out and p.origin in ("fire", "no_fire")]
    logits = np.array([logit_of(network, picture, config) for picture in held_out])
    burns = np.array([picture.burns for picture in held_out])
    scale, offset = fit_platt(logits, burns, [picture.scene for picture in held_out])
    LOG.info("probability = sigmoid(%.3f logit %+.3f) from %d pictures", scale, offset, len(held_out))
    return export_fire(
        network,
        config.checkpoint,
        scale=scale,
        offset=offset,
        threshold=THRESHOLD,
        input_long_side=config.input_long_side,
    )


def read_all_pictures(config: FireConfig) -> list[FirePicture]:
    """Read every collection that the settings need, on both sides of the split."""
    pictures = read_fire_pictures(config.data / "fire", weights=config.initial_weights)
    if config.shares.get("clips"):
        pictures += read_clip_frames(config.data / "clips", cache=config.cache / "clips")
    if config.shares.get("people") or config.shares.get("gray"):
        pictures += read_people(config.data, count=_PEOPLE)
    if config.shares.get("rendered_fire") or config.shares.get("rendered_quiet"):
        pictures += read_rendered(config.cache / "rendered", count=config.rendered_scenes, seed=config.seed)
    for origin in sorted({picture.origin for picture in pictures}):
        own = [picture for picture in pictures if picture.origin == origin]
        LOG.info("%s: %d pictures, %d held out", origin, len(own), sum(p.held_out for p in own))
    return pictures


def check_canvases(config: FireConfig) -> None:
    """Require canvases that the network can take."""
    for size in config.canvases:
        fits = size == (CSIS_SIDE, CSIS_SIDE) or config.kind != "fire_detection_net"
        if size[0] % 32 or size[1] % 32 or not fits:
            raise ConfigurationError(
                f"canvases: expected multiples of 32, {CSIS_SIDE}x{CSIS_SIDE} for fire_detection_net, "
                f"got {size[0]}x{size[1]}"
            )


def logit_of(network: Network, picture: FirePicture, config: FireConfig) -> float:
    """The network's logit of one picture, at the size at which it is used."""
    from activity.detection.boxes import fitted_size  # noqa: PLC0415

    rows, columns = picture.image.shape[:2]
    size = (CSIS_SIDE, CSIS_SIDE)
    if config.kind == "activation":
        size = fitted_size(rows, columns, long_side=config.input_long_side)
    image = cv2.resize(picture.image, size[::-1], interpolation=cv2.INTER_LINEAR)
    with torch.inference_mode():
        return float(network.eval()(torch.from_numpy(image.transpose(2, 0, 1)[None]).float()).logits[0])


def make_network(config: FireConfig) -> Network:
    """A new network; the small one starts from COCO."""
    torch.manual_seed(config.seed)
    if config.kind == "fire_detection_net":
        return FireDetectionNet()
    network = FireActivationNetwork()
    load_onnx_weights(network.backbone, config.initial_weights)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith(("backbone.stem", "backbone.dark2", "backbone.dark3")))
    return network


class _Training:
    """The steps of one training."""

    def __init__(self, config: FireConfig, directory: Path) -> None:
        self._config = config
        self._random = np.random.default_rng(config.seed)
        network, self.averaged = make_network(config), make_network(config).eval()
        self.run = TrainingRun(
            directory,
            config,
            network=network,
            averaged=self.averaged,
            optimizer=_make_optimizer(network, config),
            may_change=MAY_CHANGE,
            random=self._random,
        )

    @property
    def progress(self) -> float:
        """Share of the schedule that is over: of the steps or of the time, whichever is further."""
        return max(self.run.step / self._config.steps, self.run.elapsed_s / 60 / self._config.max_minutes)

    def step(self, pools: Pools) -> dict[str, float]:
        """Draw a batch, learn from it, and return its losses."""
        run, config = self.run, self._config
        with run.clock():
            size = config.canvases[self._random.integers(len(config.canvases))]
            batch = [draw_picture(pools, config, self._random, size=size) for _ in range(config.batch_size)]
            run.set_rate(self._rate())
            losses = loss_of_batch(run.network.train(), batch)
            run.optimizer.zero_grad(set_to_none=True)
            losses.total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(run.network.parameters(), 5.0)
            run.optimizer.step()
            run.advance(average_decay=config.averaging)
        return {name: float(value.detach()) for name, value in losses._asdict().items()}

    def _rate(self) -> float:
        """Share of the peak rate: warm-up and cosine, or the hyperbola that the CSIS classifier's authors took."""
        if self._config.kind == "fire_detection_net":
            return 1 / (1 + 2e-4 * self.run.step)
        warm_up = min(1.0, (self.run.step + 1) / 50)
        return warm_up * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, self.progress))))


def loss_of_batch(network: torch.nn.Module, batch: Sequence[TrainingPicture]) -> FireLoss:
    """Run a network over training pictures of one size and compare it with their truth."""
    images = np.stack([picture.image for picture in batch]).transpose(0, 3, 1, 2)
    output = network(torch.from_numpy(np.ascontiguousarray(images)).float())
    cells: Tensor | None = None
    if isinstance(network, FireActivationNetwork):
        cells = torch.from_numpy(np.stack([picture.cells for picture in batch]))
        assert output.cells.shape[1] * CELL == images.shape[2]  # noqa: S101
    return fire_loss(
        output,
        burns=torch.tensor([float(picture.burns) for picture in batch]),
        cells=cells,
        is_sure=torch.tensor([picture.is_sure for picture in batch]),
    )


def _make_optimizer(network: Network, config: FireConfig) -> torch.optim.Optimizer:
    if isinstance(network, FireDetectionNet):
        groups = [{"params": list(network.parameters()), "peak_lr": config.learning_rate}]
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9)
    own = parameter_groups(
        network,
        backbone="backbone",
        backbone_rate=config.learning_rate / 3,
        rate=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    return torch.optim.AdamW(own, lr=config.learning_rate, betas=(0.9, 0.99))
