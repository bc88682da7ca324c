"""OpenPifPaf through ONNX Runtime gives the poses of the torch path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from activity.errors import CheckpointError, ConfigurationError
from activity.lookahead import work_ahead
from activity.pose.openpifpaf import OpenPifPafEstimator, normalize_image
from activity.pose.openpifpaf_network import IMAGE_MEAN, IMAGE_STD, NetworkDescription, build_network
from activity.pose.openpifpaf_onnx import MOST_SIZES, OnnxFieldNetwork, export_fields
from activity.pose.openpifpaf_runtime import openpifpaf
from activity.structures import Detections
from activity.video import VideoReader

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "checkpoints/openpifpaf_rendered.safetensors"


def test_the_poses_are_those_of_the_torch_path_within_half_a_pixel() -> None:
    by_torch, by_onnx = (
        OpenPifPafEstimator(CHECKPOINT, runtime=runtime, threads=1, long_edge=417)
        for runtime in ("torch", "onnx")
    )
    found = 0
    with VideoReader(ROOT / "docs/demo/demo.mp4", sample_rate_hz=0.5) as reader:
        for frame in reader:
            expected = by_torch.estimate(frame.image, Detections.empty())
            poses = by_onnx.estimate(frame.image, Detections.empty())
            assert len(poses) == len(expected)
            np.testing.assert_allclose(poses.keypoints[..., :2], expected.keypoints[..., :2], atol=0.5)
            np.testing.assert_allclose(poses.scores, expected.scores, atol=0.01)
            found += len(poses)
    assert found >= 5


def test_two_threads_at_once_find_what_one_finds() -> None:
    estimator = OpenPifPafEstimator(CHECKPOINT, threads=1, long_edge=257)
    with VideoReader(ROOT / "docs/demo/demo.mp4", sample_rate_hz=0.5) as reader:
        images = [frame.image for frame in reader]
    with work_ahead(lambda image: estimator.estimate(image, Detections.empty()), images, workers=2) as poses:
        at_once = [found for _, found in poses]  # the first two make the graph
    for image, found in zip(images, at_once, strict=True):
        alone = estimator.estimate(image, Detections.empty())
        np.testing.assert_array_equal(found.keypoints, alone.keypoints)
        np.testing.assert_array_equal(found.scores, alone.scores)
    assert sum(map(len, at_once)) >= 2


def test_every_byte_is_normalised_as_by_the_formula() -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    mean, deviation = np.array(IMAGE_MEAN, np.float32), np.array(IMAGE_STD, np.float32)
    expected = (image.astype(np.float32) / 255 - mean) / deviation
    np.testing.assert_array_equal(normalize_image(image).numpy(), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("upsample_stride", [1, 2])
def test_fields_of_either_stride_are_equal(upsample_stride: int) -> None:
    network = build_network(NetworkDescription("shufflenetv2k_small", upsample_stride=upsample_stride)).eval()
    fields = OnnxFieldNetwork(network, name="small", threads=1)
    image = torch.rand(1, 3, 97, 129)
    with torch.inference_mode():
        expected = network(image)
    for ours, theirs in zip(fields(image), expected, strict=False):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_pictures_of_many_sizes_are_taken_and_few_graphs_kept() -> None:
    fields = OnnxFieldNetwork(_Fields(), name="fields", threads=1)
    for height in range(17, 17 + 16 * (MOST_SIZES + 2), 16):
        cif, caf = fields(torch.rand(1, 3, height, 33))
        assert (cif.shape[2], caf.shape[2]) == (height, height)
    assert len(fields._models) == MOST_SIZES


class _Fields(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images * 2, images + 1


class _Unknown(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.special.airy_ai(images), images


def test_a_network_without_counterpart_in_onnx_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"odd: cannot be turned into an ONNX graph .*run it by torch"):
        export_fields(_Unknown(), (17, 17), name="odd")


def test_the_heads_are_as_before_after_an_export() -> None:
    assert openpifpaf.network.heads.CompositeField4.inplace_ops is True
    with pytest.raises(CheckpointError):
        export_fields(_Unknown(), (17, 17), name="odd")
    assert openpifpaf.network.heads.CompositeField4.inplace_ops is True


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="expected onnx or torch"):
        OpenPifPafEstimator(CHECKPOINT, runtime="tensorrt")  # type: ignore[arg-type]
