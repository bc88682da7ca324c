"""Training segments of a recogniser: drawn by clip and varied at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from activity.evaluation.recognition import LabelledVideo
from activity.recognition.joints import joints_from_grids
from activity.structures import COCO_FLIP, KEYPOINT_COUNT
from activity.training.recognizer.config import AugmentationSection
from activity.tubelets import to_part_grids
from activity.tubelets.settings import Padding


@dataclass(frozen=True, slots=True)
class SegmentSet:
    """All training segments.

    Attributes:
        joints: [N, T, 17, 2], normalised; 0, 0 where a joint is missing.
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
            joints=joints_from_grids(grids).contiguous(),
            clips=tuple(torch.arange(end - len(v.tubelets), end) for v, end in zip(used, ends, strict=True)),
            labels=torch.tensor([classes.index(video.category) for video in used]),
        )


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Segments of a few clips.

    Attributes:
        joints: [K x S, T, 17, 2], S segments of the first clip, S of the second, ...
        labels: [K], class of each clip.
        segments: S.
    """

    joints: Tensor
    labels: Tensor
    segments: int


def draw_batches(
    segments: SegmentSet, *, clips_per_batch: int, segments_per_clip: int, generator: torch.Generator
) -> Iterator[ClipBatch]:
    """One epoch: about as many clips as there are, every class as often as every other.

    A clip counts as one however many people it shows. Its segments are drawn without replacement as far as they go.
    """
    counts = torch.bincount(segments.labels)
    weights = (1 / counts.clamp(min=1).double())[segments.labels]
    steps = max(1, round(len(segments.clips) / clips_per_batch))
    for _ in range(steps):
        chosen = torch.multinomial(weights, clips_per_batch, replacement=True, generator=generator)
        rows = torch.cat([_draw_rows(segments.clips[int(k)], segments_per_clip, generator) for k in chosen])
        yield ClipBatch(segments.joints[rows], segments.labels[chosen], segments_per_clip)


def _draw_rows(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    repeats = -(-count // len(rows))
    order = torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(repeats)])
    return rows[order[:count]]


def augment(joints: Tensor, settings: AugmentationSection, generator: torch.Generator) -> Tensor:
    """Vary segments [B, T, 17, 2]; a joint that was missing (0, 0) stays missing."""
    batch, frames = joints.shape[:2]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    joints = _crop_time(joints, settings.shortest_crop, uniform(batch), uniform(batch))
    present = (joints != 0).any(dim=-1, keepdim=True)  # (B, T, 17, 1)
    present = present & (uniform(batch, 1, KEYPOINT_COUNT, 1) >= settings.joint_dropout)

    angle = (2 * uniform(batch) - 1) * settings.rotation_rad
    size = 1 + (2 * uniform(batch) - 1) * settings.scale
    cosine, sine = size * angle.cos(), size * angle.sin()
    rotation = torch.stack(
        [torch.stack([cosine, sine], -1), torch.stack([-sine, cosine], -1)], -2
    )  # (B, 2, 2)
    joints = torch.einsum("btjx,bxy->btjy", joints, rotation)
    joints = joints + settings.joint_noise * torch.randn(
        batch, frames, KEYPOINT_COUNT, 2, generator=generator
    )

    flipped = joints[:, :, torch.from_numpy(COCO_FLIP.copy())] * torch.tensor([-1.0, 1.0])
    flipped_present = present[:, :, torch.from_numpy(COCO_FLIP.copy())]
    mirrored = (uniform(batch) < settings.mirror)[:, None, None, None]
    return torch.where(mirrored, flipped * flipped_present, joints * present)


def _crop_time(joints: Tensor, shortest: float, length: Tensor, offset: Tensor) -> Tensor:
    """Stretch a random part of each segment to its whole length; `length` and `offset` are uniform draws, [B]."""
    frames = joints.shape[1]
    share = shortest + (1 - shortest) * length
    begin = (1 - share) * offset
    at = (begin[:, None] + share[:, None] * torch.linspace(0, 1, frames)) * (frames - 1)  # (B, T)
    low = at.floor().long().clamp(max=frames - 2)
    weight = (at - low)[:, :, None, None]
    rows = torch.arange(len(joints))[:, None]
    before, after = joints[rows, low], joints[rows, low + 1]
    blended = before + weight * (after - before)
    whole = (before != 0).any(-1, keepdim=True) & (after != 0).any(-1, keepdim=True)
    return torch.where(whole, blended, torch.where(weight < 0.5, before, after))


class GridArranger:
    """`to_part_grids` for batches of tensors."""

    def __init__(self, padding: Padding) -> None:
        # joint numbers from 1, so that a padded 0 is told from joint 0
        numbers = np.repeat(np.arange(1, KEYPOINT_COUNT + 1, dtype=np.float32)[None, :, None], 2, axis=2)
        self._cells = torch.from_numpy(to_part_grids(numbers, padding=padding)[:, 0, 0]).long()  # (5, 3, 3)

    def __call__(self, joints: Tensor) -> Tensor:
        """Arrange [B, T, 17, 2] as [B, 5, 2, T, 3, 3]."""
        padded = torch.cat([joints.new_zeros(*joints.shape[:2], 1, 2), joints], dim=2)
        return padded[:, :, self._cells].permute(0, 2, 5, 1, 3, 4)  # (B, T, 5, 3, 3, 2) -> (B, 5, 2, T, 3, 3)
