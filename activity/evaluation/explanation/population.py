"""How many segments lie to each other in the space of the class token, and how they were answered.

References:
    van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008.
    Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", 1987.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_samples
from torch import Tensor

from activity.errors import DatasetError
from activity.evaluation.explanation.gallery import ATTENTION_MAP, new_figure
from activity.recognition.bptubeformer import BPTubeFormer

_BATCH: Final = 64
_CLASS_COLORS: Final = (
    "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e6b800", "#56b4e9", "#882255", "#44aa99", "#999933", "#332288",
    "#117733", "#aa4499", "#6e7781",
)  # fmt: skip
_MOST_CELLS_WITH_NUMBERS: Final = 15


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Labelled segments with their answers.

    Attributes:
        embeddings: [N, D] float32, the class token before the last linear layer.
        truth: [N], index of the true class.
        answers: [N], index of the most probable class.
        classes: C names.
        names: [N], which segment.
    """

    embeddings: npt.NDArray[np.float32]
    truth: npt.NDArray[np.int64]
    answers: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.truth) < 4 or len(set(self.truth.tolist())) < 2:
            counts = {name: int((self.truth == row).sum()) for row, name in enumerate(self.classes)}
            raise DatasetError(
                f"expected at least 4 segments of at least 2 classes, got {counts}; give more trajectories"
            )


def embed(
    network: BPTubeFormer, grids: Sequence[npt.NDArray[np.float32]]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The class token of every segment as the last layer reads it, [N, D], and the answers, [N]."""
    tokens: list[Tensor] = []
    answers: list[Tensor] = []
    hook = network.head.register_forward_pre_hook(lambda _module, inputs: tokens.append(inputs[0]))
    try:
        with torch.inference_mode():
            for start in range(0, len(grids), _BATCH):
                batch = torch.from_numpy(np.stack(grids[start : start + _BATCH]))
                answers.append(network(batch).argmax(dim=1))
    finally:
        hook.remove()
    return torch.cat(tokens).numpy(), torch.cat(answers).numpy()


def silhouettes(population: Population) -> npt.NDArray[np.float64]:
    """Silhouette of each segment among the true classes, [N] in [-1, 1]; 0 for the only one of its class."""
    return np.asarray(silhouette_samples(population.embeddings, population.truth), dtype=np.float64)


def neighbours_map(population: Population, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """t-SNE of the class tokens, [N, 2]; perplexity 30, or a third of the segments where there are few."""
    perplexity = min(30.0, (len(population.truth) - 1) / 3)
    model = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(population.embeddings), dtype=np.float32)


def neighbours_figure(population: Population, places: npt.NDArray[np.float32], *, subject: str) -> Figure:
    """The t-SNE map: colour is the true class, a cross marks a wrong answer."""
    figure = new_figure(
        7.6,
        6.0,
        title=f"t-SNE of the class tokens: {subject}",
        caption="Each mark is one segment of one person. Colour is the true class; a cross was answered wrongly. Near "
        "marks are alike to the network; the axes, the sizes of clusters and the space between them mean nothing.",
    )
    axis = figure.subplots()
    for row, name in _occurring(population):
        mine, right = population.truth == row, population.answers == population.truth
        color, count = _CLASS_COLORS[row % len(_CLASS_COLORS)], int(mine.sum())
        (x, y), (wrong_x, wrong_y) = places[mine & right].T, places[mine & ~right].T
        axis.scatter(x, y, s=26, color=color, alpha=0.75, linewidth=0, label=f"{name} ({count})")
        axis.scatter(wrong_x, wrong_y, s=30, color=color, marker="x", linewidth=1.3)
    axis.set_xticks([])
    axis.set_yticks([])
    figure.legend(loc="outside right upper", title="true class", fontsize=8)
    return figure


def silhouette_figure(population: Population, widths: npt.NDArray[np.float64], *, subject: str) -> Figure:
    """Silhouettes of every segment by true class, and their average."""
    figure = new_figure(
        7.6,
        5.4,
        title=f"Silhouettes: {subject}",
        caption="How much nearer a segment's class token lies to its own class than to the next one: 1 is deep inside, 0 on "
        "the border, under 0 among another class. The dashed line is the average over all segments; the number beside "
        "a class is its own.",
    )
    axis = figure.subplots()
    gap, top = max(2, len(widths) // 40), 0
    ticks = []
    for row, name in _occurring(population):
        mine = np.sort(widths[population.truth == row])
        axis.barh(
            np.arange(top, top + len(mine)), mine, height=1.0, color=_CLASS_COLORS[row % len(_CLASS_COLORS)]
        )
        ticks.append((top + len(mine) / 2, f"{name}\n{mine.mean():+.2f}"))
        top += len(mine) + gap
    average = float(widths.mean())
    axis.axvline(average, color="#1f2328", linestyle="--", linewidth=1)
    axis.text(average, top, f" average {average:+.2f}", va="bottom", ha="left", fontsize=8)
    axis.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
    axis.set_ylim(-gap, top + gap * 3)
    axis.set_xlabel("silhouette")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def confusion_figure(population: Population, *, subject: str) -> Figure:
    """Confusion matrix of segments: counts, coloured by the share of the true class."""
    size = len(population.classes)
    matrix = np.zeros((size, size), np.int64)
    np.add.at(matrix, (population.truth, population.answers), 1)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    recalls = np.diagonal(shares)[totals[:, 0] > 0]
    side = max(3.4, 0.5 * size + 1.2)
    figure = new_figure(
        side + 2.2,
        side + 1.0,
        title=f"Confusion: {subject}",
        caption="Rows are true classes, columns answers, numbers segments; the colour is the share of the row. Balanced "
        f"accuracy of these segments: {recalls.mean():.2f}, chance {1 / len(recalls):.2f}.",
    )
    axis = figure.subplots()
    image = axis.imshow(shares, cmap=ATTENTION_MAP, vmin=0, vmax=1)
    axis.set_xticks(
        range(size), population.classes, rotation=45 if size > 3 else 0, ha="right" if size > 3 else "center"
    )
    axis.set_yticks(range(size), population.classes)
    axis.set_xlabel("answer")
    axis.set_ylabel("truth")
    if size <= _MOST_CELLS_WITH_NUMBERS:
        for row in range(size):
            for column in range(size):
                color = "white" if shares[row, column] > 0.55 else "#1f2328"
                axis.text(column, row, str(matrix[row, column]), ha="center", va="center", color=color)
    figure.colorbar(image, ax=axis, label="share of the true class", shrink=0.8)
    return figure


def _occurring(population: Population) -> list[tuple[int, Any]]:
    present = set(population.truth.tolist())
    return [(row, name) for row, name in enumerate(population.classes) if row in present]
