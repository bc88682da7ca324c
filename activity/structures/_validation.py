"""Checks shared by the structures: each raises `StructureError` with what was expected and what came."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError

Scalar = TypeVar("Scalar", bound=np.generic)


def frozen_array(
    name: str,
    values: npt.ArrayLike,
    shape: tuple[int | None, ...],
    dtype: type[Scalar],
) -> npt.NDArray[Scalar]:
    """Return `values` as a read-only array of `dtype`, after checking its shape and that it is finite.

    Args:
        name: What the array is called in the error.
        values: Anything numpy turns into an array. A writable array is copied, so that a later
            change by its owner cannot reach the structure.
        shape: The expected shape; `None` admits any length on that axis.
        dtype: The stored type.

    Raises:
        StructureError: On a wrong shape, or on NaN or infinity.
    """
    try:
        array: npt.NDArray[Scalar] = np.array(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise StructureError(f"{name}: expected an array of {np.dtype(dtype)}, got {error}") from error
    if array.ndim != len(shape) or any(
        want is not None and want != got for want, got in zip(shape, array.shape, strict=False)
    ):
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise StructureError(f"{name}: expected shape [{wanted}], got {list(array.shape)}")
    check_finite(name, array)
    array.flags.writeable = False
    return array


def check_finite(name: str, values: npt.NDArray[np.generic]) -> None:
    """Require that no value is NaN or infinite."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int(values.size - np.isfinite(values).sum())
        raise StructureError(
            f"{name}: {bad} of {values.size} values are NaN or infinite; "
            "mark what is missing with confidence 0 instead"
        )


def check_boxes(name: str, boxes: npt.NDArray[np.floating]) -> None:
    """Require x0 <= x1 and y0 <= y1 of every box, [N, 4] in pixels."""
    wrong = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise StructureError(f"{name}[{first}]: expected x0 <= x1 and y0 <= y1, got {boxes[first].tolist()}")


def check_unit_interval(name: str, values: npt.NDArray[np.float32] | float) -> None:
    """Require every value to lie in [0, 1]."""
    if isinstance(values, float) and 0 <= values <= 1:
        return
    array = np.asarray(values)
    if array.size and not (array.min() >= 0 and array.max() <= 1):  # NaN is neither
        raise StructureError(
            f"{name}: expected values in [0, 1], got {float(np.min(array))} to {float(np.max(array))}"
        )


def check_increasing(name: str, values: npt.NDArray[np.generic]) -> None:
    """Require every value to be greater than the one before."""
    steps = np.diff(values.astype(np.float64))
    if (steps <= 0).any():
        first = int(np.flatnonzero(steps <= 0)[0])
        raise StructureError(
            f"{name}: expected strictly increasing values, got {values[first]} then {values[first + 1]}"
        )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Require one of a few words."""
    if value not in choices:
        raise StructureError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def check_frame_position(index: int, time_s: float) -> None:
    """Require a frame index of 0 or more and a finite time in seconds."""
    if index < 0:
        raise StructureError(f"frame_index: expected 0 or more, got {index}")
    if not math.isfinite(time_s):
        raise StructureError(f"time_s: expected a finite time, got {time_s}")


def check_interval(name: str, start_s: float, end_s: float) -> None:
    """Require two finite times with start <= end, in seconds."""
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s <= end_s):
        raise StructureError(f"{name}: expected finite start_s <= end_s, got {start_s} and {end_s}")
