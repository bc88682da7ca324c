"""The one-shot estimator from image and fields to people, under settings of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from activity.errors import ConfigurationError, StructureError
from activity.pose.estimator import PoseEstimator
from activity.pose.openpifpaf import FieldDecoder, OpenPifPafEstimator, Placement, prepare_image
from activity.pose.openpifpaf_network import NetworkDescription, build_network, save_checkpoint
from activity.pose.openpifpaf_runtime import DecoderSettings, decoder_settings, openpifpaf
from activity.structures import Detections, Poses

Fields = tuple[torch.Tensor, torch.Tensor]

UPRIGHT = np.array(
    [
        (0, 9.3), (-0.35, 9.7), (0.35, 9.7), (-0.7, 9.5), (0.7, 9.5), (-1.4, 8), (1.4, 8), (-1.75, 6), (1.75, 6.2),
        (-1.75, 4), (1.75, 4.2), (-1.26, 4), (1.26, 4), (-1.4, 2), (1.4, 2.1), (-1.4, 0), (1.4, 0.1),
    ],
    dtype=np.float32,
)  # fmt: skip
"""A standing person, x and y up, ten units tall."""


def person(*, x: float, ground: float, height: float) -> npt.NDArray[np.float32]:
    """Keypoints [17, 3] in pixels of a standing person, all labelled visible."""
    joints = UPRIGHT * height / 10
    return np.column_stack((x + joints[:, 0], ground - joints[:, 1], np.full(17, 2))).astype(np.float32)


def fields_of(people: list[npt.NDArray[np.float32]], *, stride: int, width: int, height: int) -> Fields:
    """What a perfect network would give: OpenPifPaf's encoders, written as a network's output."""
    cif_meta, caf_meta = head_metas(stride)
    annotations = [
        {
            "keypoints": one,
            "bbox": np.concatenate((one[:, :2].min(0), np.ptp(one[:, :2], axis=0))),
            "iscrowd": False,
        }
        for one in people
    ]
    image = torch.zeros(3, height, width)
    cif = openpifpaf.encoder.Cif(cif_meta)(image, annotations, {})  # confidence, x, y, least width, width
    caf = openpifpaf.encoder.Caf(caf_meta)(
        image, annotations, {}
    )  # confidence, 2 x (x, y), 2 least widths, 2 widths
    rows, columns = cif.shape[-2:]
    cell = torch.from_numpy(np.stack(np.meshgrid(np.arange(columns), np.arange(rows))).astype(np.float32))
    zero_cif, zero_caf = torch.zeros_like(cif[:, :1]), torch.zeros_like(caf[:, :1])
    return (
        torch.nan_to_num(torch.cat((zero_cif, cif[:, :1], cif[:, 1:3] + cell, cif[:, 4:]), 1)),
        torch.nan_to_num(
            torch.cat((zero_caf, caf[:, :1], caf[:, 1:3] + cell, caf[:, 3:5] + cell, caf[:, 7:]), 1)
        ),
    )


def head_metas(stride: int) -> list[object]:
    upsample = 16 // stride
    network = build_network(NetworkDescription("shufflenetv2k_small", upsample_stride=upsample))
    metas: list[object] = network.head_metas
    return metas


@pytest.fixture(scope="module")
def write_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a checkpoint of a fresh network whose description may be changed."""

    def write(**changes: object) -> Path:
        torch.manual_seed(0)
        description = NetworkDescription(**{"base_network": "yolox_nano", "long_edge_px": 129, **changes})  # type: ignore[arg-type]
        path = tmp_path_factory.mktemp("checkpoints") / "fresh.safetensors"
        save_checkpoint(path, build_network(description), description, notes={"license": "AGPL-3.0-or-later"})
        return path

    return write


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("count", [1, 3])
def test_true_fields_decode_to_the_people_they_were_made_of(stride: int, count: int) -> None:
    truth = [person(x=60 + 90 * i, ground=220, height=110 + 30 * i) for i in range(count)]
    poses = FieldDecoder(head_metas(stride), DecoderSettings())(
        fields_of(truth, stride=stride, width=321, height=257)
    )
    assert len(poses) == count
    for one in truth:
        distances = np.abs(poses.keypoints[:, :, :2] - one[None, :, :2]).max(axis=(1, 2))
        assert distances.min() < 1
        found = int(distances.argmin())
        assert poses.scores[found] > 0.9
        assert (poses.keypoints[found, :, 2] > 0.5).all()
        x0, y0, x1, y1 = poses.boxes[found]
        assert x0 <= one[:, 0].min() < one[:, 0].max() <= x1
        assert y0 <= one[:, 1].min() < one[:, 1].max() <= y1


def test_fields_of_a_scaled_and_padded_image_decode_to_pixels_of_the_image() -> None:
    # 640x360 scaled by 1/2 is 320x180, padded to 321x193: left 0, top 6
    image = np.zeros((360, 640, 3), np.uint8)
    batch, placement = prepare_image(image, long_edge_px=320)
    assert tuple(batch.shape) == (1, 3, 193, 321)
    assert placement == Placement(scale_x=0.5, scale_y=0.5, left=0, top=6)
    seen = person(x=300, ground=330, height=220)
    scaled = seen.copy()
    scaled[:, :2] = (seen[:, :2] + 0.5) / 2 - 0.5 + (0, 6)
    poses = FieldDecoder(head_metas(8), DecoderSettings())(
        fields_of([scaled], stride=8, width=321, height=193), placement
    )
    assert len(poses) == 1
    np.testing.assert_allclose(poses.keypoints[0, :, :2], seen[:, :2], atol=1)


def test_the_predicted_log_width_has_no_part_in_decoding() -> None:
    cif, caf = fields_of([person(x=80, ground=220, height=150)], stride=8, width=161, height=257)
    metas = head_metas(8)
    plain = FieldDecoder(metas, DecoderSettings())((cif, caf))
    generator = torch.Generator().manual_seed(1)
    for field in (cif, caf):
        field[:, 0] = 3 * torch.randn(field[:, 0].shape, generator=generator)
    other = FieldDecoder(metas, DecoderSettings())((cif, caf))
    np.testing.assert_array_equal(plain.keypoints, other.keypoints)
    np.testing.assert_array_equal(plain.scores, other.scores)


def test_wider_votes_find_a_person_whose_vectors_are_imprecise() -> None:
    cif, caf = fields_of([person(x=80, ground=220, height=150)], stride=8, width=161, height=257)
    cif[:, 1] *= 0.5
    cif[:, 2:4] += 0.6 * torch.randn(cif[:, 2:4].shape, generator=torch.Generator().manual_seed(1))
    caf[:, 2:6] += 0.3 * torch.randn(caf[:, 2:6].shape, generator=torch.Generator().manual_seed(2))
    before = cif.clone()
    narrow, wide = (
        FieldDecoder(head_metas(8), DecoderSettings(cif_threshold=0.1, width_factor=factor))
        for factor in (1, 3)
    )
    found_narrow, found_wide = ((decode((cif, caf)).keypoints[..., 2] > 0).sum() for decode in (narrow, wide))
    assert found_narrow < 12 <= found_wide  # shoulders to ankles; eyes stay narrower than the error
    torch.testing.assert_close(cif, before)  # the caller's fields are left alone


def test_fields_without_people_decode_to_nobody() -> None:
    poses = FieldDecoder(head_metas(8), DecoderSettings())(fields_of([], stride=8, width=161, height=129))
    assert len(poses) == 0
    assert poses.keypoints.shape == (0, 17, 3)


def test_two_decoders_keep_their_own_settings_in_one_process() -> None:
    metas = head_metas(8)
    cif, caf = fields_of(
        [person(x=60, ground=220, height=150), person(x=220, ground=220, height=150)],
        stride=8,
        width=321,
        height=257,
    )
    weak = cif.clone()
    weak[:, 1, :, 20:] *= 0.4  # the second person's joints lie right of column 20
    easy = FieldDecoder(
        metas, DecoderSettings(seed_threshold=0.2, cif_threshold=0.1, instance_threshold=0.05)
    )
    strict = FieldDecoder(
        metas, DecoderSettings(seed_threshold=0.6, cif_threshold=0.5, instance_threshold=0.5)
    )
    for _ in range(2):  # in turn, each after the other
        assert len(easy((weak, caf))) == 2
        assert len(strict((weak, caf))) == 1


def test_decoding_leaves_the_settings_of_the_process_as_they_were() -> None:
    seeds = torch.classes.openpifpaf_decoder_utils.CifSeeds
    before = seeds.get_threshold()
    with decoder_settings(DecoderSettings(seed_threshold=0.77)):
        assert seeds.get_threshold() == pytest.approx(0.77)
        with decoder_settings(DecoderSettings(seed_threshold=0.33)):
            assert seeds.get_threshold() == pytest.approx(0.33)
        assert seeds.get_threshold() == pytest.approx(0.77)
    assert seeds.get_threshold() == before
    with pytest.raises(KeyError), decoder_settings(DecoderSettings(seed_threshold=0.77)):
        raise KeyError
    assert seeds.get_threshold() == before


def test_two_estimators_of_different_checkpoints_keep_their_own_networks_and_sizes(
    write_checkpoint: Callable[..., Path],
) -> None:
    coarse = OpenPifPafEstimator(write_checkpoint(base_network="shufflenetv2k_small", long_edge_px=65))
    fine = OpenPifPafEstimator(write_checkpoint(), seed_threshold=0.9, long_edge=97)
    assert (coarse.long_edge_px, fine.long_edge_px) == (65, 97)
    assert (coarse.settings.seed_threshold, fine.settings.seed_threshold) == (0.2, 0.9)
    image = np.full((40, 60, 3), 128, np.uint8)
    for estimator in (coarse, fine, coarse):
        assert isinstance(estimator.estimate(image, Detections.empty()), Poses)


def test_the_estimator_is_one_shot(write_checkpoint: Callable[..., Path]) -> None:
    estimator = OpenPifPafEstimator(write_checkpoint())
    assert isinstance(estimator, PoseEstimator)
    assert not estimator.uses_person_boxes


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 300), (300, 1), (4320, 7680), (17, 33)],
    ids=["pixel", "row", "column", "8k", "small"],
)
def test_images_of_any_size_are_scaled_and_do_not_fail(
    shape: tuple[int, int], write_checkpoint: Callable[..., Path]
) -> None:
    estimator = OpenPifPafEstimator(write_checkpoint(), seed_threshold=0.99, instance_threshold=0.99)
    poses = estimator.estimate(np.full((*shape, 3), 90, np.uint8), Detections.empty())
    assert len(poses) == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((20, 20, 3), np.float32),
        np.zeros((0, 20, 3), np.uint8),
    ],
)
def test_an_image_of_another_shape_or_type_is_refused(
    image: npt.NDArray[np.uint8], write_checkpoint: Callable[..., Path]
) -> None:
    estimator = OpenPifPafEstimator(write_checkpoint())
    with pytest.raises(StructureError, match=r"uint8 of shape \[H, W, 3\]"):
        estimator.estimate(image, Detections.empty())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"seed_threshold": 1.5}, "in \\[0, 1\\]"),
        ({"cif_threshold": float("nan")}, "in \\[0, 1\\]"),
        ({"seed_threshold": 0.05}, "below keypoint_threshold"),
        ({"width_factor": 0.0}, "in \\(0, 16\\]"),
        ({"long_edge": 0}, "at least 1 px"),
        ({"threads": 0}, "at least 1"),
    ],
)
def test_settings_out_of_bounds_are_refused(
    settings: dict[str, float], reason: str, write_checkpoint: Callable[..., Path]
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        OpenPifPafEstimator(write_checkpoint(), **settings)  # type: ignore[arg-type]


def test_building_a_network_leaves_openpifpafs_own_defaults_alone() -> None:
    before = {base.__name__: getattr(base, "pretrained", None) for base in openpifpaf.BASE_TYPES}
    build_network(NetworkDescription("mobilenetv3small"))
    assert {base.__name__: getattr(base, "pretrained", None) for base in openpifpaf.BASE_TYPES} == before
    assert openpifpaf.network.Factory.base_name is None
    assert openpifpaf.network.Factory.checkpoint is None


def test_the_pose_package_and_its_protocol_import_without_torch() -> None:
    code = (
        "import sys, activity.pose.estimator; sys.exit('torch' in sys.modules or 'openpifpaf' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
