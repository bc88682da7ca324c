"""Where pictures go: each as a PNG file and in TensorBoard under the same name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from activity.errors import OutputError

STYLE: Final[Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.edgecolor": "#8b949e",
    "axes.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": "#424a53",
    "ytick.color": "#424a53",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "legend.frameon": False,
}
PART_COLORS: Final = ("#0072b2", "#009e73", "#d52f00", "#9b5fc0", "#e6b800")
"""Of torso, elbows, wrists, knees and ankles: blue, green, red, purple and yellow as in the paper's Figure 4."""

ATTENTION_MAP: Final = "Blues"
EFFECT_MAP: Final = "RdBu_r"
SHARE_MAP: Final = "BrBG"
_DPI: Final = 120


class Gallery:
    """A folder of pictures that is also a TensorBoard run; figures made while it is open are in the house style.

    Args:
        folder: Made where it is missing; gets the event file and ``pictures/<name>.png``.

    Attributes:
        files: The pictures written so far.

    Raises:
        OutputError: If the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: list[Path] = []
        try:
            (folder / "pictures").mkdir(parents=True, exist_ok=True)
            self._writer = SummaryWriter(str(folder))
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot be written: {error.strerror}; name another folder"
            ) from error

    def __enter__(self) -> Self:
        self._style = rc_context(STYLE)
        self._style.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._style.__exit__(kind, error, trace)
        self._writer.close()

    def add(self, name: str, figure: Figure) -> Path:
        """Keep one figure; slashes in its name group pictures in TensorBoard."""
        canvas = FigureCanvasAgg(figure)
        figure.set_dpi(_DPI)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]  # type: ignore[no-untyped-call]
        path = self.folder / "pictures" / f"{name.replace('/', '_')}.png"
        try:
            figure.savefig(path, dpi=_DPI)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        self._writer.add_image(name, pixels, dataformats="HWC")
        self.files.append(path)
        return path

    def add_text(self, name: str, text: str) -> None:
        """Keep a text, in Markdown."""
        self._writer.add_text(name, text)

    def add_embedding(
        self,
        name: str,
        vectors: npt.NDArray[np.float32],
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
    ) -> None:
        """Keep points for the projector.

        Args:
            name: What the projector calls them.
            vectors: [N, W].
            columns: Names of what is known of each point.
            rows: [N][columns].
        """
        self._writer.add_embedding(
            vectors, metadata=[list(row) for row in rows], metadata_header=list(columns), tag=name
        )


def new_figure(width: float, height: float, *, title: str, caption: str) -> Figure:
    """An empty figure of `width` by `height` inches with what it shows written under it."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(
        wrapped(title, int(width * 9.5)), x=0.01, ha="left", fontsize=11, fontweight="bold", color="#1f2328"
    )
    letters = int(width * 16.5)
    figure.supxlabel(wrapped(caption, letters), x=0.01, ha="left", fontsize=8, color="#57606a")
    return figure


def wrapped(text: str, letters: int) -> str:
    """Break a text into lines of at most `letters` letters, at spaces."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
