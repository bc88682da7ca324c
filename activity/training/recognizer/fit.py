"""Fit one recogniser to a set of videos.

The label belongs to the clip, not to the person, so part of the loss asks the clip as a whole: the mean of the
segments that stand out most must name the clip (multiple-instance learning, as the clip summary does in use).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from activity.evaluation.recognition import LabelledVideo
from activity.fusion.clip_summary import BACKGROUND
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.checkpoint import RecognizerCheckpoint
from activity.recognition.recognizer import Recognizer
from activity.training.recognizer.config import RecognizerConfig
from activity.training.recognizer.samples import GridArranger, SegmentSet, augment, draw_batches

OnEpoch = Callable[[str, int, int, float], None]
"""Called with the run's name, the epochs done, all epochs, and the mean loss of the epoch."""


def fit(
    config: RecognizerConfig,
    videos: Sequence[LabelledVideo],
    classes: Sequence[str],
    *,
    seed: int,
    name: str = "train",
    on_epoch: OnEpoch | None = None,
) -> tuple[nn.Module, NetworkConfig]:
    """Train one network and return the moving average of its weights, in evaluation mode."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    shape = config.network_config(len(classes))
    network = build_network(shape).train()
    average = copy.deepcopy(network).eval()
    segments = SegmentSet.from_videos(videos, classes)
    arrange = GridArranger(config.tubelet_settings.padding)
    background = classes.index(BACKGROUND) if BACKGROUND in classes else None
    settings = config.optimization
    steps = settings.epochs * max(1, round(len(segments.clips) / settings.clips_per_batch))
    optimizer = torch.optim.AdamW(
        _decay_groups(network, settings.weight_decay), lr=settings.learning_rate, betas=settings.betas
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, settings.warmup))
    step = 0
    for epoch in range(settings.epochs):
        losses = []
        for batch in draw_batches(
            segments,
            clips_per_batch=settings.clips_per_batch,
            segments_per_clip=settings.segments_per_clip,
            generator=generator,
        ):
            logits = network(arrange(augment(batch.joints, config.augmentation, generator)))
            loss = _loss(
                logits.unflatten(0, (-1, batch.segments)),
                batch.labels,
                background=background,
                clip_share=settings.clip_loss,
                leading_segments=settings.leading_segments,
                smoothing=settings.label_smoothing,
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_norm)
            optimizer.step()
            schedule.step()
            step += 1
            _follow(average, network, min(settings.average_decay, step / (step + 10)))
            losses.append(float(loss.detach()))
        if on_epoch is not None:
            on_epoch(name, epoch + 1, settings.epochs, float(np.mean(losses)))
    return average, shape


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


def _rate(step: int, steps: int, warmup: float) -> float:
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
