"""How sure a detector must be, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from activity.errors import ConfigurationError


def class_thresholds(
    labels: Sequence[str], asked: float | Mapping[str, float] | None, *, stated: object
) -> npt.NDArray[np.float32]:
    """The least score of a detection of each class.

    Args:
        labels: The classes.
        asked: One number for all, or one for each class that shall have another than is stated; `None` takes what
            is stated.
        stated: What the checkpoint states: a mapping from class to number, or anything else for nothing.

    Returns:
        [C], in the order of `labels`.

    Raises:
        ConfigurationError: If a class is left without a number, an unknown class has one, or one is not in [0, 1].
    """
    chosen: object = stated
    if isinstance(asked, (int, float)):
        chosen = dict.fromkeys(labels, float(asked))
    elif asked is not None:
        chosen = {**(stated if isinstance(stated, Mapping) else {}), **asked}
    if not isinstance(chosen, Mapping) or set(chosen) != set(labels):
        raise ConfigurationError(
            f"score_threshold: expected one number, or one for each of {list(labels)}, got {chosen!r}"
        )
    thresholds = np.array([float(chosen[label]) for label in labels], np.float32)
    if not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise ConfigurationError(f"score_threshold: expected values in [0, 1], got {dict(chosen)}")
    return thresholds
