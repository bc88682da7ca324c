"""What an ONNX detector reads: one picture, at a size that its file fixes, that is asked for, or that fits the picture."""

from __future__ import annotations

from pathlib import Path

from activity.detection.boxes import fitted_size
from activity.errors import CheckpointError, ConfigurationError
from activity.networks.onnx import OnnxModel

InputSize = tuple[int, int] | int
"""Rows and columns, or the input pixels along the longer side of a picture of 16:9: see `fitted_size`."""
_STRIDE = 32  # the coarsest of all these networks


def open_model(checkpoint: Path | str | OnnxModel, *, threads: int) -> OnnxModel:
    """The network of a file, which may be open already.

    Raises:
        CheckpointError: If the file is missing, damaged, or does not read one picture [1, 3, H, W].
    """
    model = checkpoint if isinstance(checkpoint, OnnxModel) else OnnxModel(checkpoint, threads=threads)
    shapes = list(model.input_shapes.values())
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] != 3 or shapes[0][0] not in (1, None):
        raise CheckpointError(
            f"{model.path}: expected one input of shape [1, 3, H, W], the file has {model.input_shapes}; "
            "it is no detector of a kind known here"
        )
    return model


def input_name(model: OnnxModel) -> str:
    """What the one input is called."""
    return next(iter(model.input_shapes))


def fixed_size(model: OnnxModel) -> tuple[int, int] | None:
    """Rows and columns that the file fixes; `None` where it takes any."""
    rows, columns = model.input_shapes[input_name(model)][2:]
    return (rows, columns) if rows and columns else None


def choose_input_size(
    model: OnnxModel, asked: InputSize | None, *, stated: InputSize | None = None
) -> InputSize:
    """The size of the input.

    Args:
        model: Its file may fix the size; asking for the longer side that it has is then all the same.
        asked: By whoever opens the file.
        stated: By the file's metadata.

    Raises:
        ConfigurationError: If the file fixes another size than is asked for, no size is known, or one is no multiple
            of 32.
    """
    fixed = fixed_size(model)
    size = asked or fixed or stated
    if size is None:
        raise ConfigurationError(f"input_size: {model.path} states none; name one, such as 640")
    if size != fixed and any(
        length < _STRIDE or length % _STRIDE for length in ((size,) if isinstance(size, int) else size)
    ):
        raise ConfigurationError(f"input_size: expected multiples of {_STRIDE}, got {size}")
    if fixed is not None and size not in (fixed, max(fixed)):
        raise ConfigurationError(
            f"input_size: {model.path} takes {fixed[0]}x{fixed[1]} only, got {size}; ask for none, "
            "or export the network with a free input size"
        )
    return fixed or size


def size_for(size: InputSize, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the input for a picture of `height` rows and `width` columns."""
    return fitted_size(height, width, long_side=size) if isinstance(size, int) else size
