"""A posture in numbers worked by hand, the machine's formula, and its file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load, save

from activity.association import ArmedPosture, load_armed_posture, posture_features, save_armed_posture
from activity.association.posture import POSTURE_FEATURES, mirrored
from activity.association.posture_checkpoint import METADATA_KEY
from activity.errors import CheckpointError, OutputError, StructureError

WIDTH = len(POSTURE_FEATURES)
BOX = [[60.0, 60.0, 140.0, 260.0]]


def person(**joints: tuple[float, float]) -> npt.NDArray[np.float64]:
    """[1, 17, 3]: shoulders 20 px apart around (100, 100), hips 60 px below, and more joints by name."""
    found = {
        "left_shoulder": (110, 100),
        "right_shoulder": (90, 100),
        "left_hip": (105, 160),
        "right_hip": (95, 160),
        "right_elbow": (85, 130),
    } | joints
    names = [name.partition(".")[0] for name in POSTURE_FEATURES[::2]]
    keypoints = np.zeros((1, 17, 3))
    for name, place in found.items():
        keypoints[0, names.index(name)] = (*place, 0.8)
    return keypoints


def at(features: npt.NDArray[np.float64], name: str) -> tuple[float, float]:
    column = POSTURE_FEATURES.index(f"{name}.x")
    return float(features[0, column]), float(features[0, column + 1])


def machine(**changes: Any) -> ArmedPosture:
    """One support vector: a left wrist one trunk to the left of the shoulders."""
    vector = np.zeros((1, WIDTH))
    vector[0, POSTURE_FEATURES.index("left_wrist.x")] = 1.0
    fields: dict[str, Any] = {
        "mean": np.zeros(WIDTH),
        "spread": np.ones(WIDTH),
        "support_vectors": vector,
        "weights": np.array([2.0]),
        "bias": -0.5,
        "gamma": 0.5,
        "slope": 2.0,
        "offset": 0.1,
        "quality": {"balanced_accuracy": 0.66},
    }
    return ArmedPosture(**{**fields, **changes})


def test_joints_are_counted_from_the_shoulders_in_trunk_lengths() -> None:
    features, judged = posture_features(person(left_wrist=(100, 190)), BOX)
    assert features.shape == (1, 34)
    assert judged.tolist() == [True]
    assert at(features, "left_wrist") == (0.0, 1.5)
    assert at(features, "right_elbow") == (-0.25, 0.5)
    assert at(features, "nose") == (0.0, 0.0), "missing"


def test_without_hips_the_box_gives_the_scale_and_without_shoulders_the_place() -> None:
    keypoints = person()
    keypoints[0, [11, 12]] = 0
    assert at(posture_features(keypoints, BOX)[0], "right_elbow") == pytest.approx(
        (-15 / 58, 30 / 58)
    )  # 0.29 x 200
    keypoints[0, [5, 6]] = 0
    features, judged = posture_features(keypoints, BOX)
    assert at(features, "right_elbow") == pytest.approx((-15 / 58, (130 - 104) / 58))  # 60 + 0.22 x 200
    assert judged.tolist() == [False], "one elbow is no posture"


def test_a_joint_of_nan_is_missing_and_one_of_somebody_else_is_held_near() -> None:
    broken = person(left_wrist=(math.nan, 100), left_elbow=(100, math.inf))
    features, _ = posture_features(broken, BOX)
    assert np.isfinite(features).all()
    np.testing.assert_array_equal(features, posture_features(person(), BOX)[0])
    assert at(posture_features(person(left_wrist=(5000, 100)), BOX)[0], "left_wrist") == (4.0, 0.0)
    assert np.isfinite(machine().judge(broken, BOX)).all()


def test_nobody_and_a_person_without_joints_or_size() -> None:
    features, judged = posture_features(np.zeros((0, 17, 3)), np.zeros((0, 4)))
    assert (features.shape, judged.shape) == ((0, 34), (0,))
    assert machine().judge(np.zeros((0, 17, 3)), np.zeros((0, 4))).shape == (0,)
    assert np.isnan(machine().judge(np.zeros((1, 17, 3)), np.zeros((1, 4)))).all()
    assert np.isfinite(posture_features(person(), [[100, 100, 100, 100]])[0]).all()


@pytest.mark.parametrize(
    ("keypoints", "boxes"),
    [
        (np.zeros((1, 13, 3)), BOX),
        (np.zeros((17, 3)), BOX),
        (np.zeros((2, 17, 3)), BOX),
        (np.zeros((1, 17, 3)), [[0, 0, 5, math.nan]]),
    ],
)
def test_other_shapes_are_refused(keypoints: Any, boxes: Any) -> None:
    with pytest.raises(StructureError, match="expected"):
        posture_features(keypoints, boxes)


def test_a_mirror_image_swaps_the_sides_and_is_its_own_inverse() -> None:
    left, right = person(left_wrist=(130, 110)), person(right_wrist=(70, 110), left_elbow=(115, 130))
    left[0, 8], right[0, 8] = 0, 0  # the elbows, one on each side
    left[0, 7], right[0, 7] = (115, 130, 0.8), 0
    right[0, 8] = (85, 130, 0.8)
    one, other = (posture_features(keypoints, BOX)[0] for keypoints in (left, right))
    np.testing.assert_allclose(mirrored(one), other)
    np.testing.assert_array_equal(mirrored(mirrored(one)), one)
    assert machine().judge(left, BOX) == pytest.approx(machine().judge(right, BOX))


def test_the_answer_is_that_of_the_formula() -> None:
    features = np.zeros((1, WIDTH))
    features[0, POSTURE_FEATURES.index("left_wrist.x")] = 3.0
    assert machine().decide(features) == pytest.approx([2 * math.exp(-0.5 * 4) - 0.5])
    # the mirror image's right wrist is at -3, so the support vector is sqrt(10) away
    mean = (2 * math.exp(-2) + 2 * math.exp(-5)) / 2 - 0.5
    assert machine().decide_both(features) == pytest.approx([mean])
    keypoints = person(left_wrist=(160, 100))
    scaled = machine(mean=np.full(WIDTH, 0.5), spread=np.full(WIDTH, 2.0))
    (probability,) = scaled.judge(keypoints, BOX)
    (decision,) = scaled.decide_both(posture_features(keypoints, BOX)[0])
    assert probability == pytest.approx(1 / (1 + math.exp(-(2 * decision + 0.1))))


def test_many_people_are_judged_as_each_alone() -> None:
    features = np.random.default_rng(0).normal(size=(600, WIDTH))
    together = machine().decide(features)
    np.testing.assert_allclose(
        together[[0, 255, 256, 599]], [machine().decide(features[[i]])[0] for i in (0, 255, 256, 599)]
    )


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "posture.safetensors"
    save_armed_posture(path, machine(training={"seed": 0}))
    read = load_armed_posture(path)
    features = np.random.default_rng(1).normal(size=(5, WIDTH))
    np.testing.assert_array_equal(read.decide(features), machine().decide(features))
    assert (read.quality, read.training, len(read.sha256)) == ({"balanced_accuracy": 0.66}, {"seed": 0}, 64)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        save_armed_posture(blocked / "posture.safetensors", machine())


def rewritten(path: Path, header: dict[str, Any], **tensors: Any) -> Path:
    """The file with another header, and with other tensors; `None` leaves one out."""
    arrays = {name: array for name, array in (load(path.read_bytes()) | tensors).items() if array is not None}
    path.write_bytes(save(arrays, metadata={METADATA_KEY: json.dumps(header)}))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": None}, "'gamma' should be a float"),
        ({"gamma": -1.0}, "more than 0"),
        ({"bias": math.nan}, "bias: expected a finite number"),
        ({"format_version": 9}, "format 9"),
        ({"features": ["nose.x"]}, "its features are"),
        ({"skeleton": ["nose"]}, "its skeleton are"),
        ({"quality": {}}, "balanced_accuracy in"),
        ({"quality": {"balanced_accuracy": 66.0}}, "balanced_accuracy in"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "posture.safetensors"
    save_armed_posture(path, machine())
    with pytest.raises(CheckpointError, match=message):
        load_armed_posture(rewritten(path, header_of(path) | change))


def header_of(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    found: dict[str, Any] = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][METADATA_KEY])
    return found


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"mean": np.zeros(3)}, r"mean: expected \[34\]"),
        ({"spread": np.zeros(WIDTH)}, "spread and gamma"),
        ({"weights": np.ones(2)}, r"support_vectors: expected \[2, 34\]"),
        ({"weights": np.array([np.nan])}, "weights: expected"),
        ({"support_vectors": np.zeros((0, WIDTH)), "weights": np.zeros(0)}, "support_vectors: expected"),
        ({"mean": None}, "expected the tensors"),
        ({"more": np.zeros(1)}, "expected the tensors"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, tensors: dict[str, Any], message: str) -> None:
    path = tmp_path / "posture.safetensors"
    save_armed_posture(path, machine())
    with pytest.raises(CheckpointError, match=message):
        load_armed_posture(rewritten(path, header_of(path), **tensors))


def test_files_that_are_missing_damaged_or_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "posture.safetensors"
    with pytest.raises(CheckpointError, match="no such file"):
        load_armed_posture(path)
    save_armed_posture(path, machine())
    whole = path.read_bytes()
    for part in (b"", whole[:7], whole[: len(whole) // 2], whole[:-3], b"\xff" * 64):
        path.write_bytes(part)
        with pytest.raises(CheckpointError, match="damaged or of another kind"):
            load_armed_posture(path)
    path.write_bytes(save({"mean": np.zeros(3)}))
    with pytest.raises(CheckpointError, match="without the header"):
        load_armed_posture(path)
    path.write_bytes(save({"mean": np.zeros(3)}, metadata={METADATA_KEY: "{"}))
    with pytest.raises(CheckpointError, match="no JSON"):
        load_armed_posture(path)
    path.write_bytes(save({"mean": np.zeros(3)}, metadata={METADATA_KEY: "[]"}))
    with pytest.raises(CheckpointError, match="no JSON object"):
        load_armed_posture(path)
