from __future__ import annotations

import contextlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activity.errors import StructureError
from activity.observation import Observations
from activity.report import ClipAnalysis
from activity.service.jobs.serialization import decode_tree, read_structure, write_structure
from activity.service.jobs.steps import AlertList
from activity.structures import ActivityScore, AttentionMap, Detections, HolderCandidate, HolderLink, Track
from tests.service.jobs.fakes import ALERT


@dataclass(frozen=True)
class Inner:
    values: npt.NDArray[np.float32]
    name: str | None


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    pair: tuple[int, float]
    kinds: dict[str, list[float]]
    path: Path
    side: Literal["left", "right"]
    free: object
    flag: bool


def same(one: Any, other: Any) -> bool:
    """Equality through dataclasses and arrays, types and dtypes included."""
    if isinstance(one, np.ndarray):
        return bool(one.dtype == other.dtype and one.shape == other.shape and (one == other).all())
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            same(getattr(one, f), getattr(other, f)) for f in one.__dataclass_fields__
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return bool(one == other and type(one) is type(other))


def make_track(length: int, track_id: int = 1) -> Track:
    random = np.random.default_rng(length)
    return Track(
        track_id,
        np.arange(length) * 2,
        np.arange(length) / 7.5,
        random.random((length, 17, 3), np.float32),
        np.tile(np.array([1, 2, 3, 4], np.float32), (length, 1)),
        random.random(length, np.float32),
    )


def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    value = Outer(
        (Inner(np.zeros((0, 4), np.float32), None), Inner(np.array([[1, 2]], np.float32), "ä\u0000")),
        (1, 2.0),
        {"a": [0.1, 1e300]},
        Path("a/b.mp4"),
        "left",
        {"settings": [1, None, "x"]},
        True,
    )
    write_structure(tmp_path / "a.npz", value)

    assert same(read_structure(tmp_path / "a.npz", Outer), value)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_tracks_activities_detections_and_holders_come_back(tmp_path: Path, count: int) -> None:
    attention = AttentionMap(
        np.full((1, 2, 6, 6), 1 / 6, np.float32), np.full((5, 1, 2, 3, 3), 1 / 3, np.float32)
    )
    scores = [
        ActivityScore(
            n + 1,
            0.0,
            2.0,
            ("Normal", "Fighting"),
            np.array([0.3, 0.7], np.float32),
            attention if n else None,
        )
        for n in range(count)
    ]
    tracks = [make_track(n + 1, n + 1) for n in range(count)]
    weapons = [
        (n, n / 2, Detections(np.array([[0, 0, 1, 1]], np.float32), np.array([0.5], np.float32), ("weapon",)))
        for n in range(count)
    ]
    link = HolderLink(
        3,
        0.5,
        np.array([0, 0, 1, 1], np.float32),
        0.9,
        1,
        "iou",
        (HolderCandidate(1, 0.4, None), HolderCandidate(2, 0.1, 0.2)),
    )
    for value, kind in (
        (scores, list[ActivityScore]),
        (tracks, list[Track]),
        (weapons, list[tuple[int, float, Detections]]),
        ([link] * count, list[HolderLink]),
    ):
        write_structure(tmp_path / "a.npz", value)
        assert same(read_structure(tmp_path / "a.npz", kind), value)


def test_the_pipelines_own_types_can_all_be_read_by_their_hints() -> None:
    for kind in (Observations, ClipAnalysis):
        with pytest.raises(StructureError, match=r"missing .* required"):
            decode_tree({}, kind)


def test_alerts_come_back_from_plain_json() -> None:
    (alert,) = decode_tree(json.loads(json.dumps({"alerts": [ALERT]})), AlertList).alerts
    assert (alert.rule, alert.track_ids, alert.explanation[0].weight) == ("Fighting", (1,), 0.9)


def test_another_kind_than_was_written_is_refused(tmp_path: Path) -> None:
    write_structure(tmp_path / "a.npz", [make_track(2)])
    with pytest.raises(StructureError, match=r"a\.npz: expected"):
        read_structure(tmp_path / "a.npz", list[ActivityScore])


def test_a_structure_checks_its_contents_when_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="score"):
        decode_tree({"alerts": [ALERT | {"score": 1.5}]}, AlertList)


def test_a_file_with_pickled_objects_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "raw.npz").write_bytes(pickle.dumps(Evil()))
    np.savez(tmp_path / "wrapped.npz", tree=np.array([Evil()], object), allow_pickle=True)
    for name in ("raw.npz", "wrapped.npz"):
        with pytest.raises(StructureError):
            read_structure(tmp_path / name, Outer)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", [object(), {1: 2}, np.array([object()])])
def test_what_cannot_be_read_back_is_not_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(StructureError):
        write_structure(tmp_path / "a.npz", Inner(value, None))  # type: ignore[arg-type]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 3000), flip=st.integers(0, 3000))
def test_a_damaged_file_is_refused_or_reads_as_something_valid(tmp_path: Path, cut: int, flip: int) -> None:
    path = tmp_path / "a.npz"
    write_structure(path, [make_track(3)])
    content = bytearray(path.read_bytes())
    content[flip % len(content)] ^= 0x55
    path.write_bytes(content[: len(content) - cut % len(content)])
    with contextlib.suppress(StructureError):
        assert all(isinstance(track, Track) for track in read_structure(path, list[Track]))
