"""How well tracks follow people whose true boxes and ids are known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import DatasetError
from activity.structures import Track, box_iou

_MATCH_IOU: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TrueBoxes:
    """The true people of one frame.

    Attributes:
        ids: [P] int64, one number per person, the same in every frame.
        boxes: [P, 4] float64, x0, y0, x1, y1 in pixels.
    """

    ids: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]


def load_mot_ground_truth(path: Path) -> dict[int, TrueBoxes]:
    """Read a ``gt.txt`` of the MOTChallenge: frame from 1, id, left, top, width, height, considered, class, seen.

    Rows that are not considered (0) and rows of another class than 1, pedestrian, are left out.

    Returns:
        The people of every frame from the first to the last that is named, by index of the frame from 0.

    Raises:
        DatasetError: If the file is missing, empty or not of that form.
    """
    try:
        table = np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected a MOTChallenge ground truth, {error}") from error
    if table.shape[0] == 0 or table.shape[1] < 6 or not np.isfinite(table).all():
        raise DatasetError(
            f"{path}: expected rows of frame, id, left, top, width, height[, considered[, class]], "
            f"got a table of {table.shape[0]} rows and {table.shape[1]} columns"
        )
    kept = np.ones(len(table), bool)
    for column, wanted in ((6, table[:, 6:7] != 0), (7, table[:, 7:8] == 1)):
        if table.shape[1] > column:
            kept &= wanted[:, 0]
    frames = table[:, 0].astype(np.int64) - 1
    truth = {}
    for frame in range(int(frames.min()), int(frames.max()) + 1):
        rows = table[kept & (frames == frame)]
        truth[frame] = TrueBoxes(
            ids=rows[:, 1].astype(np.int64), boxes=np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])
        )
    return truth


def evaluate_tracking(
    tracks: Sequence[Track],
    truth: Mapping[int, TrueBoxes],
    *,
    frame_indices: Collection[int] | None = None,
) -> dict[str, float | int]:
    """Compare tracks with the truth by HOTA, CLEAR MOT and identity measures.

    Sources: Luiten et al., "HOTA" (2021); Bernardin & Stiefelhagen, "CLEAR MOT" (2008); Ristani et al.
    (2016) for IDF1; computed by `trackers.eval`, which keeps parity with TrackEval. Boxes match from an
    overlap of 0.5 on; HOTA averages over 0.05 to 0.95.

    Args:
        tracks: What a tracker found.
        truth: The true people by index of the decoded frame.
        frame_indices: The frames that were analysed, where that was not all: the others do not count.

    Returns:
        ``hota``, ``idf1``, ``mota`` (shares; MOTA may be below 0), ``id_switches``, and beside them
        ``detection_accuracy``, ``association_accuracy``, ``precision``, ``recall``, ``fragmentations``,
        ``frames``, ``people``, ``boxes``, ``tracks``.

    Raises:
        DatasetError: If no frame of the truth was analysed, or none of them has a person.
    """
    from trackers.eval import (  # noqa: PLC0415  # takes seconds to load
        compute_clear_metrics,
        compute_hota_metrics,
        compute_identity_metrics,
    )

    frames = sorted(truth if frame_indices is None else truth.keys() & set(frame_indices))
    if not any(len(truth[frame].ids) for frame in frames):
        raise DatasetError(
            f"expected frames with true people among those analysed, got {len(frames)} frames without any"
        )
    found_ids, found_boxes = _by_frame(tracks, frames)
    true_numbers = _renumber([truth[frame].ids for frame in frames])
    found_numbers = _renumber(found_ids)
    overlaps = [box_iou(truth[frame].boxes, boxes) for frame, boxes in zip(frames, found_boxes, strict=True)]
    clear = compute_clear_metrics(true_numbers, found_numbers, overlaps, threshold=_MATCH_IOU)
    hota = compute_hota_metrics(true_numbers, found_numbers, overlaps)
    identity = compute_identity_metrics(true_numbers, found_numbers, overlaps, threshold=_MATCH_IOU)
    return {
        "hota": float(hota["HOTA"]),
        "idf1": float(identity["IDF1"]),
        "mota": float(clear["MOTA"]),
        "id_switches": int(clear["IDSW"]),
        "detection_accuracy": float(hota["DetA"]),
        "association_accuracy": float(hota["AssA"]),
        "precision": float(clear["CLR_Pr"]),
        "recall": float(clear["CLR_Re"]),
        "fragmentations": int(clear["Frag"]),
        "frames": len(frames),
        "people": len(np.unique(np.concatenate([truth[frame].ids for frame in frames]))),
        "boxes": sum(len(truth[frame].ids) for frame in frames),
        "tracks": len({int(number) for ids in found_ids for number in ids}),
    }


def _by_frame(
    tracks: Sequence[Track], frames: Sequence[int]
) -> tuple[list[npt.NDArray[np.int64]], list[npt.NDArray[np.float64]]]:
    """Ids and boxes of the tracks in each of the frames."""
    rows: dict[int, list[tuple[int, npt.NDArray[np.float32]]]] = {frame: [] for frame in frames}
    for track in tracks:
        for frame, box in zip(track.frame_indices.tolist(), track.boxes, strict=True):
            if frame in rows:
                rows[frame].append((track.track_id, box))
    ids = [np.array([number for number, _ in rows[frame]], np.int64) for frame in frames]
    boxes = [np.array([box for _, box in rows[frame]], np.float64).reshape(-1, 4) for frame in frames]
    return ids, boxes


def _renumber(ids: Sequence[npt.NDArray[np.int64]]) -> list[npt.NDArray[np.int64]]:
    """The same people numbered 0, 1, 2 ... without gaps, as the measures want them."""
    names = np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64)
    return [np.searchsorted(names, frame) for frame in ids]
