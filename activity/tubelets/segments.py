"""Windows of T frames that slide over one person's track."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from activity.structures import Track, Tubelet
from activity.tubelets.filling import fill_empty_frames, resample
from activity.tubelets.grids import to_part_grids
from activity.tubelets.normalization import normalize_body
from activity.tubelets.settings import TubeletSettings


def make_tubelets(track: Track, settings: TubeletSettings) -> list[Tubelet]:
    """Cut a track into tubelets, in order of time.

    ``body`` normalisation: the track is split where the person was unseen for more than `max_gap_s`; each
    stretch is resampled to `frame_rate_hz`, with every joint filled over its own gaps; windows of T frames start
    every `stride` frames, and a last one ends with the stretch, so that no end of a stretch goes unseen. A
    stretch under T frames is held on its last pose or dropped, as `short_tracks` says. Windows in which less
    than `min_observed` of the joints were seen, or in which all joints lie at one point, are left out.

    ``paper`` normalisation: raw pixels, frames taken one by one whatever the time between them, an empty frame
    filled from its neighbours by `fill_empty_frames`, windows every `stride` frames, tracks under T frames
    dropped.

    Returns:
        Tubelets whose `observed` is the share of joints that were seen. `end_s` of a held tubelet is the time of
        the last real sample. The list is empty where the track yields no segment.
    """
    if settings.normalization == "paper":
        return _paper_tubelets(track, settings)
    return [
        tubelet
        for stretch in _stretches(track, settings)
        for tubelet in _body_tubelets(track, stretch, settings)
    ]


def _stretches(track: Track, settings: TubeletSettings) -> list[npt.NDArray[np.int64]]:
    """Rows of the track between two absences of more than `max_gap_s`; frames without any joint are absences."""
    rows = np.flatnonzero((track.keypoints[:, :, 2] > settings.keypoint_threshold).any(axis=1))
    if not len(rows):
        return []
    gaps_s = np.diff(track.times_s[rows])
    ends = np.flatnonzero(gaps_s > settings.max_gap_s + 1e-9) + 1
    return [np.asarray(part, dtype=np.int64) for part in np.split(rows, ends)]


def _body_tubelets(track: Track, rows: npt.NDArray[np.int64], settings: TubeletSettings) -> list[Tubelet]:
    assert settings.frame_rate_hz is not None  # noqa: S101  (TubeletSettings holds this)
    keypoints = track.keypoints[rows].astype(np.float64)
    poses = resample(
        track.times_s[rows],
        keypoints[:, :, :2],
        keypoints[:, :, 2] > settings.keypoint_threshold,
        frame_rate_hz=settings.frame_rate_hz,
        max_gap_s=settings.max_gap_s,
    )
    length = len(poses.times_s)
    frames = settings.frames
    if length < frames and settings.short_tracks == "drop":
        return []
    starts = list(range(0, max(length - frames, 0) + 1, settings.stride))
    if length > frames and starts[-1] != length - frames:
        starts.append(length - frames)
    tubelets = []
    for start in starts:
        window = slice(start, start + frames)
        held = frames - min(frames, length - start)
        observed = poses.observed[window].sum() / (frames * poses.observed.shape[1])
        if observed < settings.min_observed:
            continue
        positions = normalize_body(poses.positions[window], poses.present[window])
        if positions is None:
            continue
        if held:
            positions = np.concatenate([positions, np.repeat(positions[-1:], held, axis=0)])
        tubelets.append(
            Tubelet(
                track_id=track.track_id,
                start_s=float(poses.times_s[start]),
                end_s=float(poses.times_s[min(start + frames, length) - 1]),
                grids=to_part_grids(positions, padding=settings.padding),
                observed=float(observed),
            )
        )
    return tubelets


def _paper_tubelets(track: Track, settings: TubeletSettings) -> list[Tubelet]:
    seen = track.keypoints[:, :, 2] > settings.keypoint_threshold
    raw = np.where(seen[:, :, None], track.keypoints[:, :, :2], 0).astype(np.float64)
    filled = fill_empty_frames(raw.reshape(len(raw), -1)).reshape(raw.shape)
    tubelets = []
    for start in range(0, len(filled) - settings.frames + 1, settings.stride):
        window = slice(start, start + settings.frames)
        observed = float(seen[window].mean())
        if observed < settings.min_observed:
            continue
        tubelets.append(
            Tubelet(
                track_id=track.track_id,
                start_s=float(track.times_s[start]),
                end_s=float(track.times_s[start + settings.frames - 1]),
                grids=to_part_grids(filled[window], padding=settings.padding),
                observed=observed,
            )
        )
    return tubelets
