"""Trains an OpenPifPaf field network on people that are rendered while it trains, and on labelled pictures."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.datasets.rendered import RenderedScene
from activity.errors import CheckpointError
from activity.evaluation.pose import PosedPicture, PoseMetrics, measure_poses
from activity.networks.yolox import load_onnx_weights
from activity.pose.openpifpaf import FieldDecoder, prepare_image
from activity.pose.openpifpaf_network import build_network, load_checkpoint, save_checkpoint
from activity.pose.openpifpaf_runtime import openpifpaf
from activity.structures import Poses
from activity.training.openpifpaf.config import OpenPifPafConfig
from activity.training.openpifpaf.fields import (
    MEASURED_CUTS,
    Sample,
    TrainingFields,
    photographed_sample,
    vector_errors,
)
from activity.training.openpifpaf.photographs import Photographs
from activity.training.openpifpaf.samples import HELD_OUT_SEED, FieldEncoder, render_numbered_scene
from activity.training.run_state import TrainingRun

__all__ = ["OpenPifPafConfig", "train"]

BATCH_STATISTICS_MOMENTUM: Final = 0.1
"""Of batch norms while training; OpenPifPaf's 0.01 is for long runs on pre-trained networks."""
LOG_EVERY_STEPS: Final = 20
MAY_CHANGE: Final = ("checkpoint", "steps", "evaluate_every_s", "threads", "loader_processes")
"""Settings that may differ when a run goes on."""


def train(config: OpenPifPafConfig, *, run_directory: Path) -> Path:
    """Train, and write the averaged weights to `config.checkpoint` whenever they measure better.

    A run that was broken off goes on from its last measurement when the same directory is given again.
    Losses and held-out figures are written there for TensorBoard.

    Args:
        config: All settings.
        run_directory: For the training state, the rendered scenes and the TensorBoard log.

    Returns:
        The checkpoint: the best so far on held-out scenes, with `photographs` on pictures of sources kept apart.

    Raises:
        DatasetError: If the pictures cannot be read.
        CheckpointError: If the backbone's file or the stored state does not fit the network.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    (run_directory / "scenes").mkdir(parents=True, exist_ok=True)
    training = FieldTraining(config, run_directory=run_directory)
    training.run()
    return config.checkpoint


class FieldTraining:
    """One run: the network, its running average, and how far it is.

    Args:
        config: All settings.
        run_directory: Where the state is kept; what is there is gone on with.
    """

    def __init__(self, config: OpenPifPafConfig, *, run_directory: Path) -> None:
        self._config = config
        self._run_directory = run_directory
        network, average = build_network(config.description()), build_network(config.description())
        _prepare_for_training(config, network)
        if config.initial_checkpoint is not None:
            _start_from(config.initial_checkpoint, network)
        average.load_state_dict(network.state_dict())
        average.eval()
        self._loss = _build_loss(config, network.head_metas)
        self._metas = network.head_metas
        self._run = TrainingRun(
            run_directory,
            config,
            network=network,
            averaged=average,
            optimizer=_build_optimizer(config, network),
            may_change=MAY_CHANGE,
        )

    @property
    def network(self) -> torch.nn.Module:
        """The network that is trained; the checkpoint holds its running average."""
        return self._run.network

    def run(self) -> None:
        """Train to the last step, measuring on the way."""
        config, run = self._config, self._run
        held_out = [
            render_numbered_scene(config, HELD_OUT_SEED + number) for number in range(config.held_out_scenes)
        ]
        photographs = (
            None
            if config.photographs is None
            else Photographs(config.photographs, folder=self._run_directory / "pictures")
        )
        cuts = self._cuts_apart(photographs)
        samples = TrainingFields(
            config,
            self._metas,
            photographs=photographs,
            folder=self._run_directory / "scenes",
            first=run.step * config.batch_size,
            end=config.steps * config.batch_size,
        )
        loader = DataLoader(samples, batch_size=config.batch_size, num_workers=config.loader_processes)
        measured_at = time.monotonic()
        with run:
            for batch in loader:
                with run.clock():
                    losses = self.learn(batch)
                if run.step % LOG_EVERY_STEPS == 0:
                    run.report(losses, until=str(config.steps))
                if run.step == config.steps or time.monotonic() - measured_at >= config.evaluate_every_s:
                    self._keep(self._measure(held_out), self._measure_photographs(photographs, cuts))
                    measured_at = time.monotonic()

    def learn(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> dict[str, float]:
        """Take one step; returns the losses by name, sums over an image's cells."""
        images, cif, caf = batch
        run = self._run
        run.set_rate(_schedule(self._config, run.step))
        fields = run.network.train()(images.contiguous(memory_format=torch.channels_last))
        total, parts = self._loss(tuple(_without_log_width(field) for field in fields), (cif, caf))
        run.optimizer.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(run.network.parameters(), self._config.gradient_norm)
        run.optimizer.step()
        run.advance(average_decay=self._config.average_decay)
        names = [*self._loss.field_names, "gradient_norm"]
        return {name: float(value.detach()) for name, value in zip(names, [*parts, norm], strict=True)}

    def _measure(self, scenes: list[RenderedScene]) -> PoseMetrics:
        decoder = FieldDecoder(self._metas, self._config.description().decoder)
        pictures = []
        for scene in scenes:
            batch, placement = prepare_image(scene.image, long_edge_px=max(scene.image.shape))
            with torch.no_grad():
                cif, caf = self._run.averaged(batch)
            pictures.append(PosedPicture(_labelled(scene), decoder((cif[0], caf[0]), placement)))
        return measure_poses(pictures)

    def _cuts_apart(self, photographs: Photographs | None) -> list[Sample]:
        if photographs is None:
            return []
        encoder, generator = FieldEncoder(self._metas), np.random.default_rng(0)
        return [
            photographed_sample(photographs, encoder, generator, self._config, apart=True)
            for _ in range(MEASURED_CUTS)
        ]

    def _measure_photographs(
        self, photographs: Photographs | None, cuts: list[Sample]
    ) -> tuple[PoseMetrics, dict[str, float]] | None:
        if photographs is None:
            return None
        decoder = FieldDecoder(self._metas, self._config.description().decoder)

        def find(image: npt.NDArray[np.uint8], _boxes: npt.NDArray[np.float32]) -> Poses:
            batch, placement = prepare_image(image, long_edge_px=self._config.long_edge_px)
            with torch.no_grad():
                cif, caf = self._run.averaged(batch)
            return decoder((cif[0], caf[0]), placement)

        figures = measure_poses(photographs.measured(find), min_agreement=photographs.least_agreement)
        return figures, vector_errors(self._run.averaged, cuts)

    def _keep(self, rendered: PoseMetrics, photographed: tuple[PoseMetrics, dict[str, float]] | None) -> None:
        """Store the checkpoint if it is the best so far, and the state."""
        config, run = self._config, self._run
        figures, errors = (rendered, {}) if photographed is None else photographed
        recall, precision = figures.recall_oks50, figures.precision_oks50
        score = 2 * recall * precision / max(recall + precision, 1e-9)
        if score >= run.best:
            run.best = score
            notes = {
                "license": "AGPL-3.0-or-later",
                "trained_on": "people rendered by activity.datasets.rendered"
                + (
                    ""
                    if config.photographs is None
                    else f"; people labelled in {config.photographs.annotations}"
                )
                + ("; backbone from YOLOX-nano (Apache-2.0)" if config.backbone_weights is not None else ""),
                "training_size": f"{config.image_width_px}x{config.image_height_px} of {config.scene_width_px}x{config.scene_height_px}",
                "samples": str(run.step * config.batch_size),
                "seed": str(config.seed),
                "held_out_recall_oks50": f"{recall:.4f}",
                "held_out_precision_oks50": f"{precision:.4f}",
            }
            save_checkpoint(config.checkpoint, run.averaged, config.description(), notes=notes)
        run.save()
        names = ("recall_oks50", "precision_oks50", "mean_oks")
        record: dict[str, Any] = {name: getattr(rendered, name) for name in names}
        if photographed is not None:
            record["photographs"] = {**{name: getattr(figures, name) for name in names}, **errors}
        run.record(record)


def _labelled(scene: RenderedScene) -> list[LabelledPerson]:
    """The people of a rendered scene as the evaluation takes them; hidden joints count as well as seen ones."""
    height, width = scene.image.shape[:2]
    image = ImageReference(Path(), None, width, height, "rendered")
    weights = (scene.keypoints[..., 2:] > 0).astype("float32")
    return [
        LabelledPerson(
            image=image,
            keypoints=keypoints,
            box=box,
            area=float(area),
            weight=1,
            origin="rendered",
            held_out=True,
        )
        for keypoints, box, area in zip(
            np.concatenate((scene.keypoints[..., :2], weights), axis=2), scene.boxes, scene.areas, strict=True
        )
    ]


def _prepare_for_training(config: OpenPifPafConfig, network: Any) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = BATCH_STATISTICS_MOMENTUM
    if config.backbone_weights is not None:
        backbone = network.base_net.backbone
        load_onnx_weights(backbone, config.backbone_weights)
        for module in (backbone.stem, backbone.dark2, backbone.dark3):
            module.requires_grad_(False)  # edges are edges, and their gradients cost most
    network.to(memory_format=torch.channels_last)


def _start_from(checkpoint: Path, network: torch.nn.Module) -> None:
    """Take over the weights of a checkpoint of the same architecture.

    Raises:
        CheckpointError: If it is of another.
    """
    weights = load_checkpoint(checkpoint)[0].state_dict()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{checkpoint}: is of another network than the configuration describes; "
            "name one that was trained with the same base_network and upsample_stride"
        ) from error


def _build_loss(config: OpenPifPafConfig, metas: list[Any]) -> Any:
    """OpenPifPaf's losses without their soft clamp, which starves the far-off vectors of a fresh network."""
    losses = [openpifpaf.LOSSES[type(meta)](meta) for meta in metas]
    for loss in losses:
        for components in loss.loss_components.values():
            for component in components:
                component.soft_clamp = None
    weights = [config.confidence_loss_weight, 1.0, config.scale_loss_weight] * len(metas)
    return openpifpaf.network.losses.multi_head.MultiHeadLoss(losses, weights)


def _without_log_width(field: torch.Tensor) -> torch.Tensor:
    """Hold the predicted log-width, component 0 of [B, F, C, h, w], at zero.

    OpenPifPaf lets each cell weigh down its own losses, vectors and confidence alike, by a width that it
    predicts. A network that starts from scratch learns the greatest width first and then hardly anything: its
    confidences stay low. The decoder does not read this component.
    """
    return torch.cat((torch.zeros_like(field[:, :, :1]), field[:, :, 1:]), 2)


def _build_optimizer(config: OpenPifPafConfig, network: Any) -> torch.optim.Optimizer:
    """AdamW, with a lower rate for a backbone that is already trained."""
    trained = set(network.base_net.backbone.parameters()) if config.backbone_weights is not None else set()
    fresh = [parameter for parameter in network.parameters() if parameter not in trained]
    groups = [{"params": fresh, "peak_lr": config.learning_rate}]
    if trained:
        kept = [
            parameter
            for parameter in network.parameters()
            if parameter in trained and parameter.requires_grad
        ]
        groups.append({"params": kept, "peak_lr": config.backbone_learning_rate})
    return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=1e-4)


def _schedule(config: OpenPifPafConfig, step: int) -> float:
    """Share of the greatest learning rate: a linear rise, then a cosine down to a hundredth."""
    rise = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / config.steps)))
