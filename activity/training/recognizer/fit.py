"""Fit one recogniser to a set of videos.

The label belongs to the clip, not to the person, so part of the loss asks the clip as a whole: the mean of the
segments that stand out most must name the clip (multiple-instance learning, as the clip summary does in use).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from activity.errors import ConfigurationError
from activity.evaluation.labelled_videos import (
    LabelledVideo,
)
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.checkpoint import RecognizerCheckpoint
from activity.recognition.pair_bptubeformer import PairBPTubeFormerConfig
from activity.recognition.recognizer import Recognizer
from activity.structures import BACKGROUND
from activity.structures.layouts import COCO_LAYOUT, SkeletonLayout
from activity.training.recognizer.augmentation import GridArranger, augment, crop_time
from activity.training.recognizer.config import AugmentationSection, OptimizationSection, RecognizerConfig
from activity.training.recognizer.early_stopping import EarlyStopping
from activity.training.recognizer.processes import add_gradients, own_share, total
from activity.training.recognizer.samples import ClipBatch, SegmentSet, draw_batches, pass_batches
from activity.training.recognizer.sequences import left_to_right
from activity.training.recognizer.streams import Stream, as_stream
from activity.tubelets.settings import Padding

SEGMENTS_AT_ONCE = 64
"""Segments that go through the network together; larger batches go in parts."""

OnEpoch = Callable[[str, int, int, float], None]
"""Called with the run's name, the epochs done, all epochs, and the mean loss of the epoch."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the weights, but for the segments.

    Attributes:
        shape: The network.
        augmentation: How segments vary.
        optimization: How weights follow.
        layout: Skeleton of the joints.
        padding: Of the part grids.
        stream: What the network is shown of the skeleton.
        left_to_right: Show people in the order in which they stand.
        background: Index of the class that stands for "nothing happens", for pooling over a clip's segments.
        seed: Of weights, batches and variations.
    """

    shape: NetworkConfig
    augmentation: AugmentationSection
    optimization: OptimizationSection
    layout: SkeletonLayout = COCO_LAYOUT
    padding: Padding = "constant"
    stream: Stream = "joints"
    left_to_right: bool = False
    background: int | None = None
    seed: int = 0


def fit(
    config: RecognizerConfig,
    videos: Sequence[LabelledVideo],
    classes: Sequence[str],
    *,
    seed: int,
    name: str = "train",
    on_epoch: OnEpoch | None = None,
    validation: Sequence[LabelledVideo] = (),
) -> tuple[nn.Module, NetworkConfig]:
    """Train one network and return the moving average of its weights, in evaluation mode.

    Where early stopping is asked for without `validation`, a tenth of the groups is taken from `videos` for it.
    """
    torch.set_num_threads(config.threads)
    if config.optimization.patience is not None and not validation:
        videos, validation = _set_apart(videos, seed=seed)
    recipe = Recipe(
        shape=config.network_config(len(classes)),
        augmentation=config.augmentation,
        optimization=config.optimization,
        padding=config.tubelet_settings.padding,
        background=classes.index(BACKGROUND) if BACKGROUND in classes else None,
        seed=seed,
    )
    network = fit_segments(
        recipe,
        SegmentSet.from_videos(videos, classes),
        name=name,
        on_epoch=on_epoch,
        validation=SegmentSet.from_videos(validation, classes) if validation else None,
    )
    return network, recipe.shape


def fit_segments(
    recipe: Recipe,
    segments: SegmentSet,
    *,
    name: str = "train",
    on_epoch: OnEpoch | None = None,
    validation: SegmentSet | None = None,
) -> nn.Module:
    """Train one network and return the moving average of its weights, in evaluation mode.

    Where the recipe has a patience, `validation` decides when to stop and which weights are kept.

    Raises:
        ConfigurationError: If the recipe has a patience and there are no validation segments, or the loss is no
            longer finite.
    """
    settings = recipe.optimization
    if settings.patience is not None and validation is None:
        raise ConfigurationError("optimization.patience: early stopping needs validation segments, got none")
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    network = build_network(recipe.shape).train()
    average = copy.deepcopy(network).eval()
    prepare = SegmentPreparation(recipe)
    steps = settings.epochs * _steps_per_epoch(segments, settings)
    optimizer = torch.optim.AdamW(
        _decay_groups(network, settings.weight_decay),
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, steps, settings.warmup, settings.schedule)
    )
    stopping = EarlyStopping(settings.patience)
    step = 0
    for epoch in range(settings.epochs):
        losses = []
        for batch in _batches(segments, settings, generator):
            grids = prepare.varied(batch.joints, generator)
            grids = rearrange(grids, "(clip segment) ... -> clip segment ...", segment=batch.segments)
            own, share = own_share(len(batch.labels))
            optimizer.zero_grad()
            own_loss = share * _add_own_gradients(network, grids[own], batch.labels[own], recipe, share=share)
            loss = total(own_loss)
            if not torch.isfinite(loss):
                raise ConfigurationError(
                    f"{name}: the loss is {float(loss)} in epoch {epoch + 1}; lower optimization.learning_rate "
                    f"(now {settings.learning_rate})"
                )
            add_gradients(network)
            nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_norm)
            optimizer.step()
            schedule.step()
            step += 1
            _follow(average, network, min(settings.average_decay, step / (step + 10)))
            losses.append(float(loss))
        if on_epoch is not None:
            on_epoch(name, epoch + 1, settings.epochs, float(np.mean(losses)))
        if validation is not None and stopping.is_over(
            average, _validation_loss(average, validation, prepare)
        ):
            break
    return stopping.best(average)


def _add_own_gradients(
    network: nn.Module, grids: Tensor, labels: Tensor, recipe: Recipe, *, share: float
) -> Tensor:
    """Add `share` times the gradients of the mean loss over clips [K, S, ...], and return that loss.

    The clips go through in parts: a batch of the paper's 1,000 segments would keep 14 GB of activations, and no batch norm
    needs to see it whole. The sum of the parts' gradients is the batch's, but for rounding and for dropout's draws.
    """
    settings = recipe.optimization
    clips = max(1, SEGMENTS_AT_ONCE // grids.shape[1])
    mean = torch.zeros(())
    for part, part_labels in zip(torch.split(grids, clips), torch.split(labels, clips), strict=True):
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16"):
            logits = network(part.flatten(0, 1))
        loss = _loss(
            logits.float().unflatten(0, (-1, grids.shape[1])),
            part_labels,
            background=recipe.background,
            clip_share=settings.clip_loss if settings.draw == "clips" else 0,
            leading_segments=settings.leading_segments,
            smoothing=settings.label_smoothing,
        )
        loss = loss * (len(part_labels) / len(labels))
        (share * loss).backward()  # type: ignore[no-untyped-call]
        mean = mean + loss.detach()
    return mean


class SegmentPreparation:
    """Brings segments of joints into the form that a recipe's network reads."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._arrange = GridArranger(recipe.padding, recipe.layout)
        self._one_person = not isinstance(recipe.shape, PairBPTubeFormerConfig)

    def varied(self, joints: Tensor, generator: torch.Generator) -> Tensor:
        """Grids of segments [B, M, S, J, 2], augmented."""
        recipe = self._recipe
        return self.grids(
            augment(
                joints, recipe.augmentation, generator, frames=recipe.shape.frames, flip=recipe.layout.flip
            )
        )

    def still(self, joints: Tensor) -> Tensor:
        """Segments [B, M, S, J, 2] at the network's length, as they are."""
        every = torch.ones(len(joints))
        return crop_time(joints, 1.0, every, 0 * every, frames=self._recipe.shape.frames)

    def grids(self, joints: Tensor) -> Tensor:
        """Arrange segments [B, M, T, J, 2]; a network of one person gets no axis of people."""
        if self._recipe.left_to_right:
            joints = left_to_right(joints)
        grids = self._arrange(as_stream(joints, self._recipe.stream, self._recipe.layout))
        return grids[:, 0] if self._one_person else grids


def _set_apart(
    videos: Sequence[LabelledVideo], *, seed: int, share: float = 0.1
) -> tuple[list[LabelledVideo], list[LabelledVideo]]:
    """Split off the videos of some groups, at least one of them, for early stopping."""
    groups = sorted({video.group for video in videos if video.tubelets})
    count = max(1, round(share * len(groups)))
    chosen = set(np.random.default_rng(seed).permutation(groups)[:count].tolist())
    return [v for v in videos if v.group not in chosen], [v for v in videos if v.group in chosen]


def _batches(
    segments: SegmentSet, settings: OptimizationSection, generator: torch.Generator
) -> Iterator[ClipBatch]:
    if settings.draw == "segments":
        size = settings.clips_per_batch * settings.segments_per_clip
        return pass_batches(segments, size=size, generator=generator)
    return draw_batches(
        segments,
        clips_per_batch=settings.clips_per_batch,
        segments_per_clip=settings.segments_per_clip,
        generator=generator,
        balance_classes=settings.balance_classes,
    )


def _steps_per_epoch(segments: SegmentSet, settings: OptimizationSection) -> int:
    if settings.draw == "segments":
        return -(-len(segments.joints) // (settings.clips_per_batch * settings.segments_per_clip))
    return max(1, round(len(segments.clips) / settings.clips_per_batch))


@torch.inference_mode()
def _validation_loss(network: nn.Module, segments: SegmentSet, prepare: SegmentPreparation) -> float:
    total, count = 0.0, 0
    for batch in pass_batches(segments, size=256, generator=torch.Generator().manual_seed(0)):
        logits = network(prepare.grids(prepare.still(batch.joints)))
        total += float(functional.cross_entropy(logits, batch.labels, reduction="sum"))
        count += len(batch.labels)
    return total / count


def as_recognizer(
    config: RecognizerConfig, network: nn.Module, shape: NetworkConfig, classes: Sequence[str]
) -> Recognizer:
    """A recogniser of a network in memory."""
    checkpoint = RecognizerCheckpoint(
        path=config.checkpoint,
        sha256="",
        network=network,
        config=shape,
        classes=tuple(classes),
        tubelet_settings=config.tubelet_settings.to_mapping(),
        training={},
    )
    return Recognizer(checkpoint, threads=config.threads)


def _loss(
    logits: Tensor,
    labels: Tensor,
    *,
    background: int | None,
    clip_share: float,
    leading_segments: int,
    smoothing: float,
) -> Tensor:
    """Cross entropy of single segments and of the pooled clip; logits [K, S, C], labels [K]."""
    segments = logits.shape[1]
    single = functional.cross_entropy(
        logits.flatten(0, 1), labels.repeat_interleave(segments), label_smoothing=smoothing
    )
    if clip_share == 0:
        return single
    log_odds = logits.log_softmax(dim=2)
    salience = log_odds.amax(dim=2) if background is None else -log_odds[:, :, background]
    leading = salience.topk(min(leading_segments, segments), dim=1).indices  # (K, leading)
    pooled = logits.gather(1, leading[:, :, None].expand(-1, -1, logits.shape[2])).mean(dim=1)
    whole = functional.cross_entropy(pooled, labels, label_smoothing=smoothing)
    return clip_share * whole + (1 - clip_share) * single


def _decay_groups(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight matrices decay; biases, norms, tokens and positions do not."""
    kept = {
        name for name, p in network.named_parameters() if p.ndim < 2 or "positions" in name or "token" in name
    }
    return [
        {"params": [p for n, p in network.named_parameters() if n not in kept], "weight_decay": decay},
        {"params": [p for n, p in network.named_parameters() if n in kept], "weight_decay": 0.0},
    ]


def _rate(step: int, steps: int, warmup: float, schedule: str) -> float:
    rising = round(steps * warmup)
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - decay)
