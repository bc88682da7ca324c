from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from activity.datasets.nw_ucla import read_nw_ucla
from activity.datasets.sbu import SBU_CLASSES, read_sbu
from activity.datasets.sequences import SequenceReport, clean_sequence
from activity.errors import DatasetError

RANDOM = np.random.default_rng(0)


def write_sbu(path: Path, **changes: object) -> Path:
    skeletons = np.zeros((6, 3, 10, 15, 2), np.float32)
    for row in range(6):
        skeletons[row, :, : 3 + row] = RANDOM.random((3, 3 + row, 15, 2)) + 0.1
    arrays = {"skeletons": skeletons, "labels": np.arange(6) % 8, "folds": np.array([1, 2, 3, 1, 2, 3])}
    np.savez(path, **{**arrays, **changes})  # type: ignore[arg-type]
    return path


def write_nw_ucla(path: Path, **changes: object) -> Path:
    lengths = np.array([4, 1, 6])
    arrays = {
        "skeletons": RANDOM.random((11, 20, 3)).astype(np.float32) + 0.1,
        "lengths": lengths,
        "names": np.array(["a01_s01_e00_v01", "a02_s01_e00_v03", "a12_s01_e00_v02"]),
        "labels": np.array([1, 2, 10]),
    }
    np.savez(path, **{**arrays, **changes})  # type: ignore[arg-type]
    return path


def test_sbu_frames_end_where_the_padding_begins(tmp_path: Path) -> None:
    dataset = read_sbu(write_sbu(tmp_path / "sbu.npz"))
    assert [sequence.positions.shape for sequence in dataset.sequences] == [
        (length, 2, 15, 2) for length in range(3, 9)
    ]
    assert (dataset.report.shortest, dataset.report.longest) == (3, 8)
    assert dataset.classes == SBU_CLASSES
    assert dataset.people == 2


def test_each_official_fold_of_sbu_is_tested_once(tmp_path: Path) -> None:
    dataset = read_sbu(write_sbu(tmp_path / "sbu.npz"))
    assert [test for _, test in dataset.folds] == [(0, 3), (1, 4), (2, 5)]
    assert all(not set(train) & set(test) and len(train) + len(test) == 6 for train, test in dataset.folds)


def test_only_x_and_y_of_sbu_are_used(tmp_path: Path) -> None:
    path = write_sbu(tmp_path / "sbu.npz")
    skeletons = np.load(path)["skeletons"]
    dataset = read_sbu(path)
    np.testing.assert_array_equal(dataset.sequences[0].positions[1, 1, 7], skeletons[0, :2, 1, 7, 1])


def test_nw_ucla_is_tested_on_the_third_view_and_y_points_down(tmp_path: Path) -> None:
    path = write_nw_ucla(tmp_path / "nw.npz")
    dataset = read_nw_ucla(path)
    assert dataset.folds == (((0, 2), (1,)),)
    assert dataset.report.single_frame == 1
    assert [sequence.label for sequence in dataset.sequences] == [0, 1, 9]
    skeletons = np.load(path)["skeletons"]
    np.testing.assert_allclose(dataset.sequences[2].positions[0, 0, 3], skeletons[5, 3, :2] * [1, -1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"skeletons": np.zeros((6, 3, 10, 17, 2))},
            r"expected skeletons \[N, 3, F, 15, 2\], got \[6, 3, 10, 17, 2\]",
        ),
        ({"labels": np.arange(5)}, "6 skeletons, 5 labels and 6 folds"),
        ({"labels": np.full(6, 8)}, r"expected labels 0 to 7, got \[8\]"),
    ],
)
def test_an_archive_that_is_not_sbu_is_named(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read_sbu(write_sbu(tmp_path / "sbu.npz", **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skeletons": np.zeros((11, 17, 3))}, "expected skeletons .*20, 3.*got .*17, 3"),
        ({"labels": np.array([0, 1, 2])}, "expected labels 1 to 10"),
        ({"names": np.array(["a", "b", "c"])}, "expected names like a01_s01_e00_v01, got 'a'"),
        ({"lengths": np.array([4, 1])}, "expected skeletons"),
    ],
)
def test_an_archive_that_is_not_nw_ucla_is_named(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(DatasetError, match=words):
        read_nw_ucla(write_nw_ucla(tmp_path / "nw.npz", **changes))


def test_a_missing_file_a_damaged_one_and_one_without_the_arrays_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        read_sbu(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(DatasetError, match="expected a NumPy archive"):
        read_sbu(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", labels=np.zeros(1))
    with pytest.raises(DatasetError, match="without folds, skeletons"):
        read_sbu(tmp_path / "other.npz")


def test_nan_and_people_who_are_never_seen_are_left_out_and_counted() -> None:
    report = SequenceReport()
    good = np.ones((4, 2, 15, 2))
    bad = good.copy()
    bad[1, 0, 3, 0] = np.nan
    alone = good.copy()
    alone[:, 1] = 0
    assert clean_sequence("good", 0, good, report) is not None
    assert clean_sequence("bad", 0, bad, report) is None
    assert clean_sequence("alone", 0, alone, report) is None
    assert report.sequences == 3
    assert report.damaged == {
        "bad": "1 of 240 coordinates are NaN or infinite",
        "alone": "person 2 of 2 is never seen",
    }


def test_an_empty_frame_takes_the_nearest_pose_and_is_counted() -> None:
    report = SequenceReport()
    positions = np.arange(1, 6, dtype=float)[:, None, None, None] * np.ones((5, 1, 15, 2))
    positions[[0, 3]] = 0
    sequence = clean_sequence("gaps", 0, positions, report)
    assert sequence is not None
    assert sequence.positions[:, 0, 0, 0].tolist() == [2, 2, 3, 3, 5]
    assert report.empty_frames == 2


@pytest.mark.real_data
def test_the_real_archives_are_read_whole(shared_data: Path) -> None:
    sbu = read_sbu(shared_data / "skeletons" / "sbu.npz")
    assert len(sbu.sequences) == 282
    assert [len(test) for _, test in sbu.folds] == [55, 52, 56, 54, 65]
    ucla = read_nw_ucla(shared_data / "skeletons" / "nw_ucla.npz")
    assert [(len(train), len(test)) for train, test in ucla.folds] == [(1020, 464)]
    assert not sbu.report.damaged
    assert not ucla.report.damaged
