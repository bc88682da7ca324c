"""The top-down estimator on networks whose answer is known, and on the shipped one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.pose.estimator import PoseEstimator
from activity.pose.topdown import load_topdown
from activity.structures import COCO_FLIP, Detections

HEIGHT, WIDTH, STRIDE = 32, 24, 4


def write_network(
    path: Path,
    *,
    joints: int = 17,
    stride: int = STRIDE,
    value: float | None = None,
    metadata: dict[str, str] | None = None,
    batch: int | str = "people",
) -> Path:
    """A network whose 17 maps are all the crop's red channel, averaged over 4x4 pixels and scaled to [0, 1].

    A bright red spot in the picture is then every joint, and its place is known.
    """
    nodes = [
        helper.make_node("Cast", ["crops"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["channels"], ["pooled"], kernel_shape=[stride] * 2, strides=[stride] * 2
        ),
        helper.make_node("Conv", ["pooled", "pick"], ["heatmaps" if value is None else "maps"]),
    ]
    weights = np.zeros((joints, 3, 1, 1), np.float32)
    weights[:, 0] = 1 / 255
    constants = [helper.make_tensor("pick", TensorProto.FLOAT, weights.shape, weights.ravel())]
    if value is not None:
        nodes.append(helper.make_node("Add", ["maps", "shift"], ["heatmaps"]))
        constants.append(helper.make_tensor("shift", TensorProto.FLOAT, [1], [value]))
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, [batch, HEIGHT, WIDTH, 3])],
        [helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entries = {"kind": "topdown-heatmaps", "stride": str(STRIDE), "padding": "1.0"}
    helper.set_model_props(model, entries if metadata is None else metadata)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "red.onnx")


def people(*boxes: tuple[float, float, float, float], label: str = "person") -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.8), (label,) * len(boxes)
    )


def picture_with_spot(
    x: float, y: float, *, height: int = 96, width: int = 96, sigma: float = 5.0
) -> np.ndarray:
    columns, rows = np.arange(width), np.arange(height)
    spot = np.exp(-((columns - x) ** 2) / (2 * sigma**2)) * np.exp(
        -((rows[:, None] - y) ** 2) / (2 * sigma**2)
    )
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = (255 * spot).astype(np.uint8)
    return image


def test_it_is_a_pose_estimator_that_wants_boxes(network: Path) -> None:
    estimator = load_topdown(network)
    assert isinstance(estimator, PoseEstimator)
    assert estimator.uses_person_boxes


def test_a_spot_is_found_where_it_is_in_the_frame(network: Path) -> None:
    box = (20.0, 10.0, 68.0, 74.0)  # 48x64: two pixels of the frame per pixel of the crop
    poses = load_topdown(network).estimate(picture_with_spot(47.3, 36.8, sigma=12), people(box))
    np.testing.assert_allclose(poses.keypoints[0, :, :2], [[47.3, 36.8]] * 17, atol=0.3)
    assert (poses.keypoints[0, :, 2] > 0.9).all()
    np.testing.assert_allclose(poses.boxes, [box])


def test_a_person_scores_as_the_detector_times_the_joints(network: Path) -> None:
    poses = load_topdown(network).estimate(picture_with_spot(47.0, 36.0, sigma=12), people((20, 10, 68, 74)))
    np.testing.assert_allclose(poses.scores, 0.8 * poses.keypoints[:, :, 2].mean(axis=1), rtol=1e-5)


def test_people_keep_the_detectors_order_and_other_labels_are_passed_over(network: Path) -> None:
    image = picture_with_spot(30, 30)
    detections = Detections(
        np.array([[50, 50, 74, 82], [0, 0, 9, 9], [20, 14, 44, 46]], np.float32),
        np.array([0.5, 0.9, 0.7]),
        ("person", "weapon", "person"),
    )
    poses = load_topdown(network).estimate(image, detections)
    np.testing.assert_allclose(poses.boxes, detections.boxes[[0, 2]])
    assert poses.scores[0] == 0  # nobody under the first box
    assert poses.scores[1] > 0.5


def test_nobody_makes_no_poses(network: Path) -> None:
    image = picture_with_spot(30, 30)
    assert len(load_topdown(network).estimate(image, Detections.empty())) == 0
    assert len(load_topdown(network).estimate(image, people((1, 1, 9, 9), label="weapon"))) == 0


def test_a_crowd_is_seen_in_several_calls(network: Path) -> None:
    one = picture_with_spot(32, 30)
    boxes = [(20.0 + i * one.shape[1], 14.0, 44.0 + i * one.shape[1], 46.0) for i in range(37)]
    estimator = load_topdown(network)
    image = np.ascontiguousarray(np.tile(one, (1, 37, 1)))
    together = estimator.estimate(image, people(*boxes))
    alone = [estimator.estimate(image, people(box)).keypoints[0] for box in boxes]
    np.testing.assert_allclose(together.keypoints, alone, atol=1e-4)


def test_of_two_boxes_around_one_person_only_the_surer_one_keeps_its_score(network: Path) -> None:
    image = picture_with_spot(32, 30)
    boxes = np.array([(20, 14, 44, 46), (21, 14, 45, 46)], np.float32)
    alone = load_topdown(network).estimate(image, Detections(boxes[1:], np.array([0.9]), ("person",)))
    both = load_topdown(network).estimate(
        image, Detections(boxes, np.array([0.4, 0.9], np.float32), ("person",) * 2)
    )
    assert both.scores[1] == alone.scores[0]
    assert both.scores[0] < 0.1 * alone.scores[0]
    np.testing.assert_array_equal(both.boxes, boxes)


def test_a_box_partly_outside_the_frame_finds_what_is_inside(network: Path) -> None:
    poses = load_topdown(network).estimate(picture_with_spot(14, 30), people((-8, 14, 24, 46)))
    np.testing.assert_allclose(poses.keypoints[0, 0, :2], [14, 30], atol=0.5)
    assert poses.keypoints[0, 0, 2] > 0.5


def test_a_joint_beyond_the_edge_has_no_confidence(network: Path) -> None:
    """The fill beyond the frame is brighter than the black picture: every peak lies outside."""
    poses = load_topdown(network).estimate(np.zeros((40, 40, 3), np.uint8), people((-30, -30, 20, 30)))
    np.testing.assert_array_equal(poses.keypoints[0, :, 2], 0)
    assert (poses.keypoints[0, :, :2] >= 0).all()
    assert poses.scores[0] == 0


def test_joints_below_the_threshold_have_no_confidence(network: Path) -> None:
    image = picture_with_spot(47, 36, sigma=12) // 2
    box = people((20, 10, 68, 74))
    assert (load_topdown(network, keypoint_threshold=0.4).estimate(image, box).keypoints[..., 2] > 0.4).all()
    assert (load_topdown(network, keypoint_threshold=0.6).estimate(image, box).keypoints[..., 2] == 0).all()


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [
        (1, 1, (0, 0, 1, 1)),
        (1, 1, (0, 0, 0, 0)),
        (1, 500, (100, 0, 300, 1)),
        (4320, 7680, (0, 0, 7680, 4320)),
        (4320, 7680, (7600, 4200, 7680, 4320)),
    ],
    ids=["one pixel", "a box without area", "one line", "8k, all of it", "8k, a corner"],
)
def test_frames_of_any_size_are_taken(
    network: Path, height: int, width: int, box: tuple[float, float, float, float]
) -> None:
    poses = load_topdown(network).estimate(np.full((height, width, 3), 90, np.uint8), people(box))
    assert len(poses) == 1
    assert (poses.keypoints[..., 0] <= width - 1).all()
    assert (poses.keypoints[..., 1] <= height - 1).all()


def test_looking_at_the_mirror_image_too_changes_nothing_for_a_symmetric_network(network: Path) -> None:
    image, box = picture_with_spot(47.3, 36.8, sigma=12), people((20, 10, 68, 74))
    once = load_topdown(network).estimate(image, box)
    twice = load_topdown(network, flip_test=True).estimate(image, box)
    np.testing.assert_allclose(once.keypoints, twice.keypoints[:, COCO_FLIP], atol=1e-3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3)),
    ],
    ids=["gray", "alpha", "float", "empty"],
)
def test_a_picture_of_another_kind_is_refused(network: Path, image: np.ndarray) -> None:
    with pytest.raises(StructureError, match="expected \\[H, W, 3\\] uint8"):
        load_topdown(network).estimate(image, people((0, 0, 2, 2)))


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_a_threshold_out_of_bounds_is_refused(network: Path, threshold: float) -> None:
    with pytest.raises(ConfigurationError, match="keypoint_threshold"):
        load_topdown(network, keypoint_threshold=threshold)


def test_a_missing_and_a_damaged_file_are_named(network: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.onnx"):
        load_topdown(tmp_path / "absent.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(network.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"damaged\.onnx"):
        load_topdown(damaged)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, r"expected one input \[any, 3, height, width\]"),  # not ours, nor another project's
        ({"kind": "detector"}, "got 'detector'"),
        ({"kind": "topdown-heatmaps", "stride": "4"}, "padding"),
        ({"kind": "topdown-heatmaps", "stride": "four", "padding": "1"}, "no numbers"),
        ({"kind": "topdown-heatmaps", "stride": "5", "padding": "1"}, "do not fit crops of 32x24"),
        ({"kind": "topdown-heatmaps", "stride": "4", "padding": "0.5"}, "do not fit"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path, metadata: dict[str, str], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        load_topdown(write_network(tmp_path / "other.onnx", metadata=metadata))


def test_a_checkpoint_for_one_person_at_a_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected one input"):
        load_topdown(write_network(tmp_path / "one.onnx", batch=1))


@pytest.mark.parametrize(("joints", "stride"), [(16, 4), (17, 2)], ids=["16 joints", "another stride"])
def test_heat_maps_of_another_shape_are_refused(tmp_path: Path, joints: int, stride: int) -> None:
    estimator = load_topdown(write_network(tmp_path / "x.onnx", joints=joints, stride=stride))
    with pytest.raises(CheckpointError, match=r"expected heat maps \[1, 17, 8, 6\]"):
        estimator.estimate(np.zeros((9, 9, 3), np.uint8), people((0, 0, 9, 9)))


def test_weights_that_give_nan_are_named(tmp_path: Path) -> None:
    estimator = load_topdown(write_network(tmp_path / "nan.onnx", value=float("nan")))
    with pytest.raises(CheckpointError, match="NaN"):
        estimator.estimate(np.zeros((9, 9, 3), np.uint8), people((0, 0, 9, 9)))


def test_two_estimators_with_different_settings_live_side_by_side(network: Path) -> None:
    image, box = picture_with_spot(47, 36, sigma=12) // 2, people((20, 10, 68, 74))
    strict, lax = load_topdown(network, keypoint_threshold=0.6), load_topdown(network)
    assert strict.estimate(image, box).scores[0] == 0
    assert lax.estimate(image, box).scores[0] > 0
    assert strict.estimate(image, box).scores[0] == 0


def test_inference_needs_no_torch() -> None:
    code = "import sys, activity.pose.topdown; sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603  # a fixed command
    assert done.returncode == 0
