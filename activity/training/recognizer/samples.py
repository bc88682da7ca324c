"""Training segments of a recogniser, drawn by clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from activity.evaluation.labelled_videos import (
    LabelledVideo,
)
from activity.recognition.joints import joints_from_grids


@dataclass(frozen=True, slots=True)
class SegmentSet:
    """All training segments.

    Attributes:
        joints: [N, M, S, J, 2], M people in S frames; 0, 0 where a joint is missing.
        clips: One index array a clip: its rows of `joints`.
        labels: [K], class of each clip.
    """

    joints: Tensor
    clips: tuple[Tensor, ...]
    labels: Tensor

    @classmethod
    def from_videos(cls, videos: Sequence[LabelledVideo], classes: Sequence[str]) -> SegmentSet:
        """Collect the segments of every video that has any."""
        used = [video for video in videos if video.tubelets]
        grids = torch.from_numpy(np.stack([tubelet.grids for video in used for tubelet in video.tubelets]))
        ends = np.cumsum([len(video.tubelets) for video in used])
        return cls(
            joints=joints_from_grids(grids)[:, None].contiguous(),
            clips=tuple(torch.arange(end - len(v.tubelets), end) for v, end in zip(used, ends, strict=True)),
            labels=torch.tensor([classes.index(video.category) for video in used]),
        )


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Segments of a few clips.

    Attributes:
        joints: [K x S, M, frames, J, 2], S segments of the first clip, S of the second, ...
        labels: [K], class of each clip.
        segments: S.
    """

    joints: Tensor
    labels: Tensor
    segments: int


def draw_batches(
    segments: SegmentSet,
    *,
    clips_per_batch: int,
    segments_per_clip: int,
    generator: torch.Generator,
    balance_classes: bool = True,
) -> Iterator[ClipBatch]:
    """One epoch: about as many clips as there are, with `balance_classes` every class as often as every other.

    A clip counts as one however many people it shows. Its segments are drawn without replacement as far as they go.
    """
    counts = torch.bincount(segments.labels)
    weights = (1 / counts.clamp(min=1).double())[segments.labels]
    if not balance_classes:
        weights = torch.ones_like(weights)
    steps = max(1, round(len(segments.clips) / clips_per_batch))
    for _ in range(steps):
        chosen = torch.multinomial(weights, clips_per_batch, replacement=True, generator=generator)
        rows = torch.cat([_draw_rows(segments.clips[int(k)], segments_per_clip, generator) for k in chosen])
        yield ClipBatch(segments.joints[rows], segments.labels[chosen], segments_per_clip)


def pass_batches(segments: SegmentSet, *, size: int, generator: torch.Generator) -> Iterator[ClipBatch]:
    """One epoch in which every segment comes once, whatever its clip, in batches of at most `size`."""
    labels = torch.empty(len(segments.joints), dtype=torch.int64)
    for rows, label in zip(segments.clips, segments.labels, strict=True):
        labels[rows] = label
    for rows in torch.split(torch.randperm(len(labels), generator=generator), size):
        yield ClipBatch(segments.joints[rows], labels[rows], 1)


def _draw_rows(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    repeats = -(-count // len(rows))
    order = torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(repeats)])
    return rows[order[:count]]
