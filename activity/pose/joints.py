"""What every pose estimator does with joints once it has found them, and the checks that all of them make."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.networks.onnx import OnnxModel


def check_threshold(name: str, value: float) -> None:
    """Require a threshold in [0, 1).

    Raises:
        ConfigurationError: If it is another; the message has its `name`.
    """
    if not 0 <= value < 1:
        raise ConfigurationError(f"{name}: expected 0 <= value < 1, got {value}")


def check_image(image: npt.NDArray[np.uint8]) -> None:
    """Require a picture [H, W, 3] uint8 of at least one pixel.

    Raises:
        StructureError: If `image` has another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise StructureError(
            f"image: expected [H, W, 3] uint8 of at least one pixel, got {list(image.shape)} {image.dtype}"
        )


def joints_in_frame(
    found: npt.NDArray[np.float32], *, height: int, width: int, threshold: float
) -> npt.NDArray[np.float32]:
    """Take joints beyond the edge of the frame and those below the threshold as not found.

    Args:
        found: [P, 17, 3], x and y in pixels of the frame, confidence.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        threshold: Least confidence.

    Returns:
        [P, 17, 3]: such joints have confidence 0, their best guess stays in x and y; every place lies in the frame.
    """
    x, y, confidence = found[..., 0], found[..., 1], np.clip(found[..., 2], 0, 1)
    outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    kept = np.where(outside | (confidence < threshold), 0, confidence)
    return np.stack([np.clip(x, 0, width - 1), np.clip(y, 0, height - 1), kept], axis=2).astype(np.float32)


def image_input(model: OnnxModel) -> tuple[str, tuple[Any, ...]]:
    """Name and shape of the one input [any, 3, height, width] of a network of another project.

    Raises:
        CheckpointError: If the network has other inputs.
    """
    shapes = list(model.input_shapes.items())
    name, shape = shapes[0] if len(shapes) == 1 else ("", ())
    if len(shape) != 4 or shape[1] != 3:
        raise CheckpointError(
            f"{model.path}: expected one input [any, 3, height, width], got {dict(shapes)}; it is no pose network "
            "of a known layout (docs/poses.md)"
        )
    return name, shape
