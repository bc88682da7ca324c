"""Darknet networks (YOLOv2, v3, v4 and their tiny kin), run by OpenCV from their ``.cfg`` and ``.weights``."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.detection.boxes import kept_detections
from activity.detection.thresholds import class_thresholds
from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.structures import Detections

USUAL_SCORE: Final = 0.5
"""The least score that OpenCV's users ask for."""
_LAYERS_WITH_WEIGHTS = ("Convolution", "BatchNorm", "InnerProduct")


class DarknetDetector:
    """Finds objects with a Darknet network.

    The image is stretched over the whole input, as OpenCV's users and Darknet's own trainer do, in RGB and 0-1.

    Args:
        configuration: The ``.cfg`` file; its ``[net]`` section gives the input size.
        weights: The ``.weights`` file.
        labels: Class names in the order of the outputs, or a ``.names`` file with one a line.
        score_threshold: The least score: one number for all classes, or one for each class that shall have another
            than `USUAL_SCORE`.
        iou_threshold: Of two boxes of one class that overlap more, the weaker is dropped.

    Raises:
        CheckpointError: If a file is missing, damaged, or no Darknet detector with these classes.
        ConfigurationError: If a threshold is out of bounds.
    """

    def __init__(
        self,
        configuration: Path | str,
        weights: Path | str,
        *,
        labels: tuple[str, ...] | Path,
        score_threshold: float | Mapping[str, float] | None = None,
        iou_threshold: float = 0.4,
    ) -> None:
        self._path = Path(weights)
        text = _read(Path(configuration))
        content = _read(self._path)
        self._height, self._width = _input_size(Path(configuration), text)
        self._lock = threading.Lock()
        self._labels = read_label_file(labels) if isinstance(labels, Path) else labels
        self._sha256 = hashlib.sha256(text + content).hexdigest()
        try:
            self._network = cv2.dnn.readNetFromDarknet(
                np.frombuffer(text, np.uint8), np.frombuffer(content, np.uint8)
            )
            self._outputs = self._network.getUnconnectedOutLayersNames()
        except cv2.error as error:
            raise CheckpointError(
                f"{configuration}, {weights}: OpenCV refuses them as a Darknet network ({_reason(error)}); "
                "take the weights that belong to the configuration"
            ) from error
        self._check_length(content)
        if not 0 <= iou_threshold <= 1:
            raise ConfigurationError(f"iou_threshold: expected a value in [0, 1], got {iou_threshold}")
        self._iou_threshold = iou_threshold
        usual = dict.fromkeys(self._labels, USUAL_SCORE)
        self._thresholds = class_thresholds(self._labels, score_threshold, stated=usual)
        self._forward(
            np.zeros((self._height, self._width, 3), np.uint8)
        )  # says now what would be wrong later

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that the network can find, in the order of its outputs."""
        return self._labels

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of configuration and weights, for reports."""
        return self._sha256

    @property
    def score_thresholds(self) -> dict[str, float]:
        """The least score of a detection of each class."""
        return dict(zip(self._labels, self._thresholds.tolist(), strict=True))

    @property
    def input_is_fixed(self) -> bool:
        """Always: the configuration names the size."""
        return True

    def input_size(self, height: int, width: int) -> tuple[int, int]:  # noqa: ARG002 - whatever the image's
        """Rows and columns of the input, over which any image is stretched."""
        return self._height, self._width

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Find the objects of one image.

        Args:
            image: [H, W, 3] uint8, RGB.

        Returns:
            Boxes in pixels of `image`, cut at its border, best score first.

        Raises:
            StructureError: If `image` is not a colour image of at least one pixel.
            CheckpointError: If the network fails, or gives NaN.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise StructureError(
                f"image: expected uint8 of shape [H, W, 3] with at least one pixel, "
                f"got {image.dtype} {list(image.shape)}"
            )
        rows = self._forward(image)
        height, width = image.shape[:2]
        halves = rows[:, 2:4] / 2
        boxes = np.concatenate([rows[:, :2] - halves, rows[:, :2] + halves], 1)
        classes = rows[:, 5:].argmax(1)
        return kept_detections(
            boxes * np.array([width, height, width, height], np.float32),
            rows[np.arange(len(rows)), 5 + classes],  # OpenCV has multiplied by the objectness
            classes,
            thresholds=self._thresholds,
            iou_threshold=self._iou_threshold,
            labels=self._labels,
            height=height,
            width=width,
        )

    def _check_length(self, content: bytes) -> None:
        """OpenCV reads past the end of a file that is cut off, and says nothing."""
        layers = (self._network.getLayer(name) for name in self._network.getLayerNames())
        numbers = sum(
            blob.size for layer in layers if layer.type in _LAYERS_WITH_WEIGHTS for blob in layer.blobs
        )
        major, minor = np.frombuffer(content[:8].ljust(8, b"\0"), np.int32)
        header = 20 if major * 10 + minor >= 2 else 16  # the count of seen images grew to 64 bits
        if len(content) < header + 4 * numbers:
            raise CheckpointError(
                f"{self._path}: the configuration asks for {header + 4 * numbers} bytes of weights, the file has "
                f"{len(content)}; take the weights that belong to it, whole"
            )

    def _forward(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Rows of all output layers, [N, 5 + C]: centre, width and height as shares, objectness, class scores."""
        try:
            with self._lock:  # OpenCV's network holds its input between the two calls
                self._network.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (self._width, self._height)))
                outputs = self._network.forward(self._outputs)
        except cv2.error as error:
            raise CheckpointError(f"{self._path}: the network failed ({_reason(error)})") from error
        widths = {output.shape[-1] for output in outputs}
        if widths != {5 + len(self._labels)}:
            raise CheckpointError(
                f"{self._path}: {len(self._labels)} classes give rows of {5 + len(self._labels)} numbers, the network "
                f"gave {sorted(widths)}; name its own classes"
            )
        rows = np.concatenate([output.reshape(-1, output.shape[-1]) for output in outputs])
        if not np.isfinite(rows).all():
            raise CheckpointError(f"{self._path}: the network gave NaN or infinity; its weights are damaged")
        return np.asarray(rows, np.float32)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror}); name a .cfg and its .weights"
        ) from error


def read_label_file(path: Path) -> tuple[str, ...]:
    """The class names in a ``.names`` file, one a line.

    Raises:
        CheckpointError: If it cannot be read.
    """
    names = _read(path).decode("utf-8", "replace").splitlines()
    return tuple(name.strip() for name in names if name.strip())


def _input_size(path: Path, text: bytes) -> tuple[int, int]:
    """Rows and columns in the ``[net]`` section."""
    found: dict[str, int] = {}
    section = ""
    for line in text.decode("utf-8", "replace").splitlines():
        content = line.split("#")[0].strip()
        if content.startswith("["):
            section = content
        elif section in ("[net]", "[network]") and "=" in content:
            key, value = (part.strip() for part in content.split("=", 1))
            if key in ("width", "height") and value.isdigit():
                found[key] = int(value)
    if len(found) != 2 or min(found.values()) < 1:
        raise CheckpointError(
            f"{path}: expected width and height in a section [net]; it is no Darknet configuration"
        )
    return found["height"], found["width"]


def _reason(error: cv2.error) -> str:
    return str(error).strip().splitlines()[0]
