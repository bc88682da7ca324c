"""Windows of T frames that slide over one person's track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import ConfigurationError
from activity.structures import Track, Tubelet
from activity.tubelets.filling import fill_empty_frames, resample
from activity.tubelets.grids import to_part_grids
from activity.tubelets.normalization import normalize_bodies, normalize_body
from activity.tubelets.settings import TubeletSettings

LEAST_TRACK_FRAMES: Final = 6
"""Half a second at 12 frames a second: who was seen for less shows no motion that could be told from noise."""


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


def make_tubelets_together(
    times_s: npt.NDArray[np.float64],
    keypoints: npt.NDArray[np.float32],
    settings: TubeletSettings,
    *,
    ids: Sequence[int],
) -> list[list[Tubelet]] | None:
    """What `make_tubelets` makes of each of P people who were seen in the same frames, with one pass over all of them.

    Args:
        times_s: [N] float64, strictly increasing, in seconds.
        keypoints: [P, N, 17, 3] float32: x px, y px, confidence.
        settings: The rules.
        ids: `track_id` of the people.

    Returns:
        For each person the tubelets in order of time; `None` where the people cannot be cut together: with ``paper``
        normalisation, where somebody has a frame without a joint, or where there is a gap of more than `max_gap_s`.
    """
    if settings.normalization == "paper" or not len(times_s):
        return None
    seen = keypoints[..., 2] > settings.keypoint_threshold
    if not seen.any(axis=2).all() or (np.diff(times_s) > settings.max_gap_s + 1e-9).any():
        return None
    return _cut_together(times_s, keypoints, settings, ids=ids)


def whole_track(track: Track, settings: TubeletSettings) -> Tubelet | None:
    """A whole track as one tubelet of as many frames as it lasts at `frame_rate_hz`.

    Gaps are filled as `make_tubelets` fills them; a frame in which the person stays unseen is empty, and no stretch is
    left out. One origin and one size serve the whole track.

    Returns:
        The tubelet; `None` for a track of less than `LEAST_TRACK_FRAMES` frames, or without a joint that was seen.

    Raises:
        ConfigurationError: If `settings` take a track's frames one by one (``paper``): these have no common rate.
    """
    if settings.frame_rate_hz is None:
        raise ConfigurationError("tubelets: whole tracks need a frame_rate_hz, got normalization 'paper'")
    keypoints = track.keypoints.astype(np.float64)
    seen = keypoints[:, :, 2] > settings.keypoint_threshold
    if not seen.any():
        return None
    poses = resample(
        track.times_s,
        keypoints[:, :, :2],
        seen,
        frame_rate_hz=settings.frame_rate_hz,
        max_gap_s=settings.max_gap_s,
    )
    positions = normalize_body(poses.positions, poses.present)
    if len(poses.times_s) < LEAST_TRACK_FRAMES or positions is None:
        return None
    return Tubelet(
        track_id=track.track_id,
        start_s=float(poses.times_s[0]),
        end_s=float(poses.times_s[-1]),
        grids=to_part_grids(positions, padding="constant"),
        observed=float(poses.observed.mean()),
    )


def whole_tracks(
    tracks: Sequence[Track], settings: TubeletSettings, *, edges_s: Sequence[float] = ()
) -> Iterator[tuple[Tubelet, ...]]:
    """The whole tracks of a clip's people, cut where one window of time ends and the next begins.

    Args:
        tracks: Of one clip, of any number of people.
        settings: As for `whole_track`.
        edges_s: Times between two windows, rising; a frame on an edge begins a window.

    Yields:
        For each of the windows, one more than there are edges, what `whole_track` makes of each person in it.

    Raises:
        ConfigurationError: As `whole_track`.
    """
    number_of = [np.searchsorted(edges_s, track.times_s, side="right") for track in tracks]
    for number in range(len(edges_s) + 1):
        window = []
        for track, numbers in zip(tracks, number_of, strict=True):
            rows = np.flatnonzero(numbers == number)
            if len(rows) and (tubelet := whole_track(_rows_of(track, rows), settings)) is not None:
                window.append(tubelet)
        yield tuple(window)


def _rows_of(track: Track, rows: npt.NDArray[np.int64]) -> Track:
    if len(rows) == len(track.times_s):
        return track
    return Track(
        track_id=track.track_id,
        frame_indices=track.frame_indices[rows],
        times_s=track.times_s[rows],
        keypoints=track.keypoints[rows],
        boxes=track.boxes[rows],
        scores=track.scores[rows],
    )


def _stretches(track: Track, settings: TubeletSettings) -> list[npt.NDArray[np.int64]]:
    """Rows of the track between two absences of more than `max_gap_s`; frames without any joint are absences."""
    rows = np.flatnonzero((track.keypoints[:, :, 2] > settings.keypoint_threshold).any(axis=1))
    if not len(rows):
        return []
    gaps_s = np.diff(track.times_s[rows])
    ends = np.flatnonzero(gaps_s > settings.max_gap_s + 1e-9) + 1
    return [np.asarray(part, dtype=np.int64) for part in np.split(rows, ends)]


def _body_tubelets(track: Track, rows: npt.NDArray[np.int64], settings: TubeletSettings) -> list[Tubelet]:
    (tubelets,) = _cut_together(
        track.times_s[rows], track.keypoints[rows][None], settings, ids=[track.track_id]
    )
    return tubelets


def _cut_together(
    times_s: npt.NDArray[np.float64],
    keypoints: npt.NDArray[np.float32],
    settings: TubeletSettings,
    *,
    ids: Sequence[int],
) -> list[list[Tubelet]]:
    """Cut one stretch of each of P people who were seen in the same frames, with one pass over all of them.

    Args:
        times_s: [N], strictly increasing, no two further apart than `max_gap_s`.
        keypoints: [P, N, 17, 3], each frame with a joint of each person.
        settings: Of ``body`` normalisation.
        ids: `track_id` of the people.

    Returns:
        For each person the tubelets in order of time.
    """
    assert settings.frame_rate_hz is not None  # noqa: S101  (TubeletSettings holds this)
    count, stretch, joints, _ = keypoints.shape
    side_by_side = keypoints.swapaxes(0, 1).reshape(stretch, count * joints, 3).astype(np.float64)
    poses = resample(
        times_s,
        side_by_side[:, :, :2],
        side_by_side[:, :, 2] > settings.keypoint_threshold,
        frame_rate_hz=settings.frame_rate_hz,
        max_gap_s=settings.max_gap_s,
    )
    length = len(poses.times_s)
    frames = settings.frames
    tubelets: list[list[Tubelet]] = [[] for _ in ids]
    if length < frames and settings.short_tracks == "drop":
        return tubelets
    positions = poses.positions.reshape(length, count, joints, 2).swapaxes(0, 1)  # (P, F, 17, 2)
    present = poses.present.reshape(length, count, joints).swapaxes(0, 1)
    observed = poses.observed.reshape(length, count, joints).swapaxes(0, 1)
    starts = list(range(0, max(length - frames, 0) + 1, settings.stride))
    if length > frames and starts[-1] != length - frames:
        starts.append(length - frames)
    for start in starts:
        window = slice(start, start + frames)
        shares = observed[:, window].sum(axis=(1, 2)) / (frames * joints)
        enough = np.flatnonzero(shares >= settings.min_observed)
        if not len(enough):
            continue
        bodies, sized = normalize_bodies(positions[enough, window], present[enough, window])
        held = frames - bodies.shape[1]
        if held:
            bodies = np.concatenate([bodies, np.repeat(bodies[:, -1:], held, axis=1)], axis=1)
        grids = to_part_grids(bodies.reshape(-1, joints, 2), padding=settings.padding)
        grids = grids.reshape(*grids.shape[:2], len(bodies), frames, *grids.shape[3:])  # (5, 2, P, T, 3, 3)
        start_s, end_s = float(poses.times_s[start]), float(poses.times_s[min(start + frames, length) - 1])
        for place, person in enumerate(enough.tolist()):
            if sized[place]:
                share = float(shares[person])
                tubelets[person].append(Tubelet(ids[person], start_s, end_s, grids[:, :, place], share))
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
