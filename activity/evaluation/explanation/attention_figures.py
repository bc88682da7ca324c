"""Attention maps per head, layer and part, as in Figure 4 (a) to (d) of Joseph et al., AVSS 2024."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from activity.evaluation.explanation.gallery import ATTENTION_MAP, PART_COLORS, new_figure
from activity.structures import BODY_PARTS, AttentionMap

TOKENS: Final = ("class", *(part.name for part in BODY_PARTS))
_TOKEN_COLORS: Final = ("#1f2328", *PART_COLORS)
_MOST_TICKS: Final = 7


def body_part_attention_figure(attention: AttentionMap, *, subject: str) -> Figure:
    """Attention between the class token and the five parts: a row of maps a layer, a column a head."""
    layers, heads = attention.body_parts.shape[:2]
    figure = new_figure(
        max(1.45 * heads + 1.7, 5.0),
        1.45 * layers + 1.75,
        title=f"Body-part attention: {subject}",
        caption="Each square is one head of one layer of the body-part transformer. A row is the token that looks, a "
        "column what it looks at; each row sums to 1, an even share is 0.17. The first row of the last layer is what "
        "the answer is made from.",
    )
    axes = figure.subplots(layers, heads, squeeze=False)
    image = _fill(axes, attention.body_parts)
    for axis in axes.flat:
        axis.set_xticks(range(len(TOKENS)), TOKENS, rotation=90)
        axis.set_yticks(range(len(TOKENS)), TOKENS)
        for label, color in zip(axis.get_yticklabels(), _TOKEN_COLORS, strict=True):
            label.set_color(color)
        for label, color in zip(axis.get_xticklabels(), _TOKEN_COLORS, strict=True):
            label.set_color(color)
        axis.label_outer()
    figure.colorbar(image, ax=axes, shrink=0.9, aspect=30, label="attention")
    return figure


def tubelet_attention_figure(
    attention: AttentionMap, part: int, spans: Sequence[tuple[int, int]], *, subject: str
) -> Figure:
    """Attention between the tubelets of one part, with the frames that each covers on both axes.

    Args:
        attention: Of one segment.
        part: Index of the part.
        spans: First and last frame of each tubelet, from 0.
        subject: Whose segment.
    """
    maps = attention.tubelets[part]
    layers, heads, count = maps.shape[:3]
    side = 1.45 if count <= 12 else 1.8
    figure = new_figure(
        max(side * heads + 1.9, 5.0),
        side * layers + 1.9,
        title=f"Tubelet attention of the {BODY_PARTS[part].name}: {subject}",
        caption=f"Each square is one head of one layer of the {BODY_PARTS[part].name}' transformer. Axes are frames of "
        f"the segment, counted from 1; a row looks at the columns and sums to 1, an even share is {1 / count:.2f}. "
        "A dark column is a moment that the whole segment looks at.",
    )
    axes = figure.subplots(layers, heads, squeeze=False)
    image = _fill(axes, maps)
    for axis in axes.flat:
        frame_ticks(axis, spans, both=True)
        axis.label_outer()
    figure.supylabel("frames that look", fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.9, aspect=30, label="attention")
    return figure


def frame_ticks(axis: Any, spans: Sequence[tuple[int, int]], *, both: bool) -> None:
    """Name tubelets by their frames, as many as can be read; frames count from 1."""
    step = -(-len(spans) // _MOST_TICKS)
    places = range(0, len(spans), step)
    names = [
        str(spans[place][0] + 1)
        if spans[place][0] == spans[place][1]
        else f"{spans[place][0] + 1}–{spans[place][1] + 1}"
        for place in places
    ]
    axis.set_xticks(places, names, rotation=90)
    if both:
        axis.set_yticks(places, names)


def _fill(axes: Any, maps: npt.NDArray[np.float32]) -> Any:
    """Draw [L, H, N, N] into a grid of axes on one common scale; returns one of the images for the colour bar."""
    layers, heads = maps.shape[:2]
    image = None
    for layer in range(layers):
        for head in range(heads):
            axis = axes[layer][head]
            image = axis.imshow(maps[layer, head], cmap=ATTENTION_MAP, vmin=0, vmax=float(maps.max()))
            axis.set_title(
                f"layer {layer + 1}, head {head + 1}" if head == 0 and layers > 1 else f"head {head + 1}",
                fontsize=8,
            )
            axis.tick_params(length=2)
    return image
