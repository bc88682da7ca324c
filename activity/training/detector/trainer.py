"""Train the person and weapon detector from YOLOX-nano's COCO weights."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from activity.detection import COCO_LABELS
from activity.errors import ConfigurationError
from activity.networks.yolox import Yolox, load_onnx_weights
from activity.training.detector.augmentation import compose
from activity.training.detector.calibration import calibrate_thresholds
from activity.training.detector.export import export_detector, state_thresholds
from activity.training.detector.labels import prepare_labels
from activity.training.detector.loss import Cells, Objects, cells_of_input, detection_loss
from activity.training.detector.samples import LABELS, DetectorSample, read_samples
from activity.training.run_state import TrainingRun, parameter_groups

LOG = logging.getLogger(__name__)

REPORT_EVERY_STEPS: Final = 20
_FROZEN: Final = ("backbone.stem", "backbone.dark2", "backbone.dark3")
MAY_CHANGE: Final = (
    "checkpoint",
    "labels",
    "steps",
    "max_minutes",
    "calibration_pictures",
    "threads",
    "save_every",
)
"""Settings that may differ when a run goes on."""
_COCO_ANCESTORS: Final = {"person": "person", "weapon": "knife"}
"""The COCO class whose output layer each of our classes starts from."""


class DetectorConfig(BaseModel):
    """Settings of `activity train detector`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["detector"] = "detector"
    data: Path = Field(description="folder with weapons/, clips/, people/, fire/, single17/ and lspet/")
    labels: Path = Field(
        description="folder where frames and photographs are kept with the people found in them"
    )
    initial_weights: Path = Field(description="YOLOX-nano trained on COCO, an ONNX file with 80 classes")
    checkpoint: Path = Field(description="where the trained network is written, an ONNX file")
    sure_score: float = Field(
        0.45, ge=0, le=1, description="a found person of this score or above is a label"
    )
    rendered_scenes: int = Field(300, ge=1, le=100_000, description="rendered scenes to learn from")
    shares: dict[str, float] = Field(description="how often each collection is drawn, relative to the others")
    canvases: list[tuple[int, int]] = Field(
        description="rows and columns of training pictures, multiples of 32"
    )
    steps: int = Field(ge=1, description="optimizer steps of the whole schedule")
    max_minutes: float = Field(
        gt=0, description="the schedule is shortened so that it ends after these minutes"
    )
    batch_size: int = Field(8, ge=1, le=256, description="training pictures a step")
    learning_rate: float = Field(5e-4, gt=0, le=0.1, description="peak rate of the neck and the heads")
    backbone_rate: float = Field(2e-4, gt=0, le=0.1, description="peak rate of the backbone")
    weight_decay: float = Field(1e-3, ge=0, le=1, description="decoupled, on weights, not on biases")
    averaging: float = Field(
        0.998, ge=0, lt=1, description="decay a step of the averaged weights that are kept"
    )
    input_long_side: int = Field(
        640, ge=32, multiple_of=32, description="pixels along an image's longer side"
    )
    calibration_pictures: int = Field(
        400,
        ge=1,
        description="training pictures of the collections weapons and clips that choose the thresholds",
    )
    threads: int = Field(1, ge=1, description="threads of the training process")
    seed: int = Field(0, ge=0, description="of every random choice")
    save_every: int = Field(50, ge=1, description="steps between two resumable states")


def train(config: DetectorConfig, *, run_directory: Path) -> Path:
    """Train, or go on training where `run_directory` holds a state, and write the checkpoint.

    Args:
        config: All settings.
        run_directory: Where the resumable state and the TensorBoard curves go.

    Returns:
        The ONNX file, with the score thresholds inside.

    Raises:
        DatasetError: If a collection is missing or damaged.
        CheckpointError: If the initial weights are not YOLOX-nano's.
        ConfigurationError: If a share names no collection, or a canvas has an odd size.
    """
    for size in config.canvases:
        if size[0] % 32 or size[1] % 32:
            raise ConfigurationError(f"canvases: expected multiples of 32, got {size[0]}x{size[1]}")
    torch.set_num_threads(config.threads)
    cv2.setNumThreads(config.threads)
    prepare_labels(
        config.data,
        config.labels,
        teacher=config.initial_weights,
        rendered_scenes=config.rendered_scenes,
        seed=config.seed,
        threads=config.threads,
    )
    pools = _pools(config)
    training = _Training(config, run_directory)
    cells = {size: cells_of_input(*size) for size in config.canvases}
    with training.run as run:
        while training.progress < 1:
            losses = training.step(pools, cells)
            if run.step % REPORT_EVERY_STEPS == 0:
                run.report(losses, until=f"{config.steps} or {config.max_minutes:g} min")
            if run.step % config.save_every == 0:
                run.save()
        run.save()
    export_detector(
        training.averaged,
        config.checkpoint,
        labels=LABELS,
        score_thresholds=dict.fromkeys(LABELS, 0.3),
        input_long_side=config.input_long_side,
    )
    thresholds = calibrate_thresholds(
        config.checkpoint,
        [sample for pool in pools.values() for sample in pool],
        count=config.calibration_pictures,
        seed=config.seed,
        threads=config.threads,
    )
    state_thresholds(config.checkpoint, thresholds)
    return config.checkpoint


def initial_network(weights: Path) -> Yolox:
    """YOLOX-nano for `LABELS`, started from the COCO network's own classes.

    Raises:
        CheckpointError: If the file is not YOLOX-nano with 80 classes.
    """
    coco, network = Yolox(len(COCO_LABELS)), Yolox(len(LABELS))
    load_onnx_weights(coco, weights)
    state = coco.state_dict()
    rows = [COCO_LABELS.index(_COCO_ANCESTORS[label]) for label in LABELS]
    for name, tensor in state.items():
        if ".class_logits." in name:
            state[name] = tensor[rows]
    network.load_state_dict(state)
    return network


class _Training:
    """The steps of one training."""

    def __init__(self, config: DetectorConfig, directory: Path) -> None:
        self._config = config
        self._random = np.random.default_rng(config.seed)
        network = initial_network(config.initial_weights)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self.averaged = initial_network(config.initial_weights).eval().requires_grad_(requires_grad=False)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(not name.startswith(_FROZEN))
        groups = parameter_groups(
            network,
            backbone="backbone.dark",
            backbone_rate=config.backbone_rate,
            rate=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.run = TrainingRun(
            directory,
            config,
            network=network,
            averaged=self.averaged,
            optimizer=torch.optim.AdamW(groups, betas=(0.9, 0.99)),
            may_change=MAY_CHANGE,
            random=self._random,
        )

    @property
    def progress(self) -> float:
        """Share of the schedule that is over: of the steps or of the time, whichever is further."""
        return max(self.run.step / self._config.steps, self.run.elapsed_s / 60 / self._config.max_minutes)

    def step(
        self, pools: dict[str, list[DetectorSample]], cells: dict[tuple[int, int], Cells]
    ) -> dict[str, float]:
        """Draw a batch, learn from it, and return its losses."""
        run, config = self.run, self._config
        with run.clock():
            size = config.canvases[self._random.integers(len(config.canvases))]
            images, objects = draw_batch(pools, config, size=size, random=self._random)
            warm_up = min(1.0, (run.step + 1) / 60)
            run.set_rate(warm_up * (0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, self.progress)))))
            losses = detection_loss(run.network(images), objects, cells[size])
            run.optimizer.zero_grad(set_to_none=True)
            losses.total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(run.network.parameters(), 20.0)
            run.optimizer.step()
            run.advance(average_decay=config.averaging)
        return {name: float(value.detach()) for name, value in losses._asdict().items()}


def draw_batch(
    pools: dict[str, list[DetectorSample]],
    config: DetectorConfig,
    *,
    size: tuple[int, int],
    random: np.random.Generator,
) -> tuple[Tensor, list[Objects]]:
    """Draw training pictures: [B, 3, H, W] float32, BGR in 0-255, and their objects."""
    names = sorted(pools)
    shares = np.array([config.shares[name] for name in names])
    images, objects = [], []
    for _ in range(config.batch_size):
        count = int(random.choice([1, 2, 4], p=[0.6, 0.2, 0.2]))
        drawn = []
        for name in random.choice(names, size=count, p=shares / shares.sum()):
            pool = pools[str(name)]
            drawn.append(pool[random.integers(len(pool))])
        canvas = compose(drawn, height=size[0], width=size[1], random=random)
        images.append(torch.from_numpy(np.ascontiguousarray(canvas.image.transpose(2, 0, 1))))
        arrays: list[Any] = [canvas.boxes, canvas.classes, canvas.ignored]
        objects.append(Objects(*(torch.from_numpy(array) for array in arrays)))
    return torch.stack(images).float().contiguous(memory_format=torch.channels_last), objects


def _pools(config: DetectorConfig) -> dict[str, list[DetectorSample]]:
    pools: dict[str, list[DetectorSample]] = {}
    for sample in read_samples(config.data, config.labels, sure_score=config.sure_score):
        if not sample.held_out:
            pools.setdefault(sample.origin, []).append(sample)
    unknown = set(config.shares) - set(pools)
    if unknown:
        raise ConfigurationError(f"shares: {sorted(unknown)} name no collection; known are {sorted(pools)}")
    for name, pool in pools.items():
        LOG.info("%s: %d pictures, %d objects", name, len(pool), sum(len(sample.boxes) for sample in pool))
    return {name: pools[name] for name, share in config.shares.items() if share > 0}
