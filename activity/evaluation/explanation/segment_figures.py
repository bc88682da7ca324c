"""One segment on its real frames: what the class token looked at, and what mattered when it was taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from activity.evaluation.explanation.attention_figures import TOKENS, frame_ticks
from activity.evaluation.explanation.gallery import (
    ATTENTION_MAP,
    EFFECT_MAP,
    PART_COLORS,
    SHARE_MAP,
    new_figure,
)
from activity.structures import BODY_PARTS, COCO_LIMBS, AttentionMap

_BLOB_AREA: Final = 2600.0
"""Square points of a blob that stands for all of the weight, before it is shared among the part's joints."""

_NAMES: Final = tuple(part.name for part in BODY_PARTS)


@dataclass(frozen=True, slots=True, eq=False)
class PosedFrame:
    """The person in one picture of the clip.

    Attributes:
        frame: Number in the segment, from 0.
        tubelet: Index of the tubelet in time that covers it.
        time_s: In the clip.
        image: [H, W, 3] uint8, cut out around the person.
        keypoints: [17, 3], pixels of `image` and confidence.
    """

    frame: int
    tubelet: int
    time_s: float
    image: npt.NDArray[np.uint8]
    keypoints: npt.NDArray[np.float32]


def skeleton_figure(
    frames: Sequence[PosedFrame],
    part_weights: npt.NDArray[np.floating],
    drops: npt.NDArray[np.floating],
    *,
    subject: str,
    label: str,
) -> Figure:
    """Blobs on the person's joints: above by the class token's attention, below by occlusion.

    Args:
        frames: In order of time.
        part_weights: [5], the class token's attention on each part in the last layer, mean over heads.
        drops: [5, n] of `occlusion_drops`.
        subject: Whose segment.
        label: The class that the drops are of.
    """
    figure = new_figure(
        1.75 * len(frames) + 0.6,
        5.6,
        title=f"Where it looked, and what mattered: {subject}",
        caption="Above: the area of a part's blobs is the class token's attention on it (last layer, mean over heads), one "
        f"value for the whole segment. Below: the area is how much the log-odds of {label} change when the part is "
        "hidden around that frame; full blobs spoke for it, rings against it.",
    )
    axes = figure.subplots(2, len(frames), squeeze=False)
    largest = max(float(np.abs(drops).max()), 1e-9)
    for column, posed in enumerate(frames):
        for row, values in enumerate((part_weights, drops[:, posed.tubelet] / largest)):
            axis = axes[row][column]
            _person(axis, posed)
            _blobs(
                axis,
                posed,
                np.asarray(values, dtype=np.float64),
                scale=_BLOB_AREA * (1.0 if row == 0 else 0.45),
            )
        held = column > 0 and posed.time_s == frames[column - 1].time_s
        when = "pose held" if held else f"{posed.time_s:.2f} s"
        axes[0][column].set_title(f"frame {posed.frame + 1}\n{when}", fontsize=8)
    axes[0][0].set_ylabel("attention", fontsize=9)
    axes[1][0].set_ylabel("occlusion", fontsize=9)
    _part_legend(figure)
    return figure


def relevance_figure(
    relevance: npt.NDArray[np.floating],
    drops: npt.NDArray[np.floating],
    spans: Sequence[tuple[int, int]],
    *,
    subject: str,
    label: str,
    verdict: str,
) -> Figure:
    """Roll-out and occlusion of every tubelet side by side, and one against the other.

    Args:
        relevance: [5, n], of `tubelet_relevance`.
        drops: [5, n], of `occlusion_drops`.
        spans: First and last frame of each tubelet.
        subject: Whose segment.
        label: The class that the drops are of.
        verdict: The agreement in words.
    """
    figure = new_figure(
        12.2,
        3.9,
        title=f"Attention against occlusion: {subject}",
        caption="Left: each tubelet's share in the class token by attention roll-out; 1 is an even share, green more, brown less. "
        f"Middle: what the log-odds of {label} lose without it (red spoke for it, blue against). {verdict}",
    )
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.15, 1.15, 1))
    even = np.asarray(relevance) * relevance.size
    reach = max(float(np.abs(even - 1).max()), 1e-9)
    image = left.imshow(even, cmap=SHARE_MAP, vmin=1 - reach, vmax=1 + reach, aspect="auto")
    figure.colorbar(image, ax=left, label="share / even share", shrink=0.85)
    bound = max(float(np.abs(drops).max()), 1e-9)
    effects = middle.imshow(drops, cmap=EFFECT_MAP, vmin=-bound, vmax=bound, aspect="auto")
    figure.colorbar(effects, ax=middle, label="drop of the log-odds", shrink=0.85)
    for axis, title in ((left, "roll-out"), (middle, "occlusion")):
        axis.set_yticks(range(len(_NAMES)), _NAMES)
        frame_ticks(axis, spans, both=False)
        axis.set_xlabel("frames")
        axis.set_title(title)
    for part, name in enumerate(_NAMES):
        right.scatter(
            even[part],
            np.abs(drops[part]),
            s=22,
            color=PART_COLORS[part],
            label=name,
            edgecolor="white",
            linewidth=0.5,
        )
    right.set_xlabel("roll-out, share / even share")
    right.set_ylabel("size of the drop")
    right.set_title("one tubelet a point")
    right.spines[["top", "right"]].set_visible(False)
    right.legend(fontsize=7, loc="best", handletextpad=0.2)
    return figure


def overview_figure(
    frames: Sequence[PosedFrame],
    attention: AttentionMap,
    spans: Sequence[tuple[int, int]],
    *,
    subject: str,
) -> Figure:
    """The paper's Figure 4 of one segment: last-layer maps of every head above the frames with their blobs."""
    weights = attention.part_weights()
    chosen = sorted(np.argsort(weights)[::-1][:3].tolist())
    heads = attention.body_parts.shape[1]
    figure = new_figure(
        max(8.4, 1.3 * heads + 1.6),
        9.6,
        title=f"Self-attention: {subject}",
        caption="Last layer, one column a head, each row of maps on a scale of its own. (a) Between body parts; the top row is the class token's. (b) to (d) Between "
        "the tubelets of the three parts that the class token looks at most, axes in frames. (e) Blobs by the class "
        "token's attention. After Figure 4 of Joseph, Ullah and Talavera (2024).",
    )
    halves: Any = figure.subfigures(2, 1, height_ratios=(2.35, 1))
    above, below = halves
    rows = above.subplots(4, heads, squeeze=False)
    maps = [("(a) parts", attention.body_parts[-1])]
    maps += [
        (f"({letter}) {_NAMES[part]}", attention.tubelets[part, -1])
        for letter, part in zip("bcd", chosen, strict=True)
    ]
    for number, (row, (name, values)) in enumerate(zip(rows, maps, strict=True)):
        for head, axis in enumerate(row):
            axis.imshow(values[head], cmap=ATTENTION_MAP, vmin=0, vmax=float(values.max()))
            axis.tick_params(length=2, labelsize=7)
            if number == 0:
                axis.set_title(f"head {head + 1}", fontsize=8)
                axis.set_xticks(range(len(TOKENS)), TOKENS, rotation=90)
                axis.set_yticks(range(len(TOKENS)), TOKENS)
            else:
                frame_ticks(axis, spans, both=True)
            if 0 < number < len(maps) - 1:
                axis.set_xticklabels([])
            if head:
                axis.set_yticklabels([])
        row[0].set_ylabel(name, fontsize=9)
    people = below.subplots(1, len(frames), squeeze=False)[0]
    for axis, posed in zip(people, frames, strict=True):
        _person(axis, posed)
        _blobs(axis, posed, np.asarray(weights, dtype=np.float64), scale=_BLOB_AREA)
        axis.set_title(f"frame {posed.frame + 1}", fontsize=8)
    people[0].set_ylabel("(e) blobs", fontsize=9)
    _part_legend(below)
    return figure


def _person(axis: Any, posed: PosedFrame) -> None:
    axis.imshow(posed.image)
    points = posed.keypoints
    for first, second in COCO_LIMBS:
        if points[first, 2] > 0 and points[second, 2] > 0:
            ends = points[[first, second]]
            axis.plot(ends[:, 0], ends[:, 1], color="#1f2328", linewidth=2.6, solid_capstyle="round")
            axis.plot(ends[:, 0], ends[:, 1], color="white", linewidth=1.2, solid_capstyle="round")
    axis.set_xlim(0, posed.image.shape[1] - 1)
    axis.set_ylim(posed.image.shape[0] - 1, 0)
    axis.set_xticks([])
    axis.set_yticks([])


def _blobs(axis: Any, posed: PosedFrame, values: npt.NDArray[np.float64], *, scale: float) -> None:
    """A part's blobs together have an area of `scale` times its value; negative ones are rings.

    The torso has one blob in the middle of its joints, the other parts one on each joint.
    """
    for part, value, color in zip(BODY_PARTS, values, PART_COLORS, strict=True):
        points = posed.keypoints[list(part.joints)]
        points = points[points[:, 2] > 0]
        if not len(points):
            continue
        if part.name == "torso":
            points = points.mean(axis=0, keepdims=True)
        area = scale * abs(float(value)) / len(points)
        axis.scatter(
            points[:, 0],
            points[:, 1],
            s=area,
            facecolor=color if value >= 0 else "none",
            edgecolor="white" if value >= 0 else color,
            linewidth=0.9 if value >= 0 else 1.8,
            alpha=0.82,
            zorder=3,
        )


def _part_legend(figure: Any) -> None:
    marks = [
        Line2D([], [], marker="o", linestyle="", markersize=7, color=color, label=name)
        for name, color in zip(_NAMES, PART_COLORS, strict=True)
    ]
    figure.legend(handles=marks, loc="outside upper right", ncols=len(marks), fontsize=8, handletextpad=0.1)
