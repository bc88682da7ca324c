"""Which part of a data set is kept apart from training, decided once and for every trainer."""

from __future__ import annotations

import hashlib

from activity.errors import DatasetError


def is_held_out(source: str) -> bool:
    """Whether a clip source is kept apart from training.

    A hash decides, not a random draw: the answer never changes when sources are added, and every
    trainer agrees on it without a shared file. About one source in five is held out.

    Args:
        source: Name of the video from which clips were cut, never that of a clip: clips of one source
            show the same room and people.

    Raises:
        DatasetError: If the name is empty.

    >>> is_held_out("s38"), is_held_out("s01")
    (True, False)
    """
    if not source:
        raise DatasetError("source: expected the name of a clip's source video, got an empty string")
    return int(hashlib.sha256(source.encode()).hexdigest(), 16) % 5 == 0


def is_in_held_out_tail(index: int, count: int, *, share: float = 0.15) -> bool:
    """Whether entry `index` of a data set of `count` entries lies in its last `share`.

    For collections of unrelated pictures that name no source.

    Args:
        index: Position in the data set's own order, from 0.
        count: Length of the data set.
        share: Part that is held out, in (0, 1).

    Raises:
        DatasetError: If `index` is not in `0 .. count - 1`.

    >>> [is_in_held_out_tail(i, 100) for i in (0, 84, 85, 99)]
    [False, False, True, True]
    """
    if not 0 <= index < count:
        raise DatasetError(f"index: expected 0 to {count - 1}, got {index}")
    return index >= count - round(count * share)
