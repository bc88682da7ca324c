"""One-shot pose estimation: an OpenPifPaf field network, decoded by OpenPifPaf's C++ decoder.

Kreiss, Bertoni, Alahi, "OpenPifPaf: Composite Fields for Semantic Keypoint Detection and Spatio-Temporal
Association" (IEEE T-ITS 2021). The network and the decoder are called directly, one image at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch

from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.pose.openpifpaf_network import IMAGE_MEAN, IMAGE_STD, load_checkpoint
from activity.pose.openpifpaf_onnx import OnnxFieldNetwork
from activity.pose.openpifpaf_runtime import DecoderSettings, decoder_settings, openpifpaf
from activity.structures import KEYPOINT_COUNT, Detections, Poses

PAD_COLOUR: Final = (124, 116, 104)
PAD_MULTIPLE_PX: Final = 16

_NORMALIZED: Final = np.ascontiguousarray(
    (
        (np.arange(256, dtype=np.float32)[:, None] / 255 - np.array(IMAGE_MEAN, np.float32))
        / np.array(IMAGE_STD, np.float32)
    ).T
)
"""[3, 256]: what each byte of each channel becomes. Looking it up takes a fifteenth of the time of computing it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a scaled and padded copy of an image holds which pixel of it.

    Attributes:
        scale_x: Pixels of the copy per pixel of the image, across.
        scale_y: The same, down.
        left: Columns of padding before the scaled image.
        top: Rows of padding above the scaled image.
    """

    scale_x: float
    scale_y: float
    left: int
    top: int

    def to_image(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Map points [..., 2], x and y px of the copy, to pixels of the image. Pixel centres are integers."""
        moved = points - (self.left, self.top)
        return np.asarray((moved + 0.5) / (self.scale_x, self.scale_y) - 0.5, dtype=np.float64)


def prepare_image(image: npt.NDArray[np.uint8], *, long_edge_px: int) -> tuple[torch.Tensor, Placement]:
    """Scale an image to a longer side, pad it to a multiple of 16 plus 1, and normalise it.

    Args:
        image: [H, W, 3] uint8, RGB.
        long_edge_px: Longer side of the scaled image, in pixels.

    Returns:
        [1, 3, H', W'] float32, and where the image lies in it.
    """
    height, width = image.shape[:2]
    scale = long_edge_px / max(height, width)
    scaled_width, scaled_height = max(1, round(width * scale)), max(1, round(height * scale))
    if (scaled_width, scaled_height) != (width, height):
        shrinks = scale < 1
        image = cv2.resize(
            image,
            (scaled_width, scaled_height),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )
    pad_x = math.ceil((scaled_width - 1) / PAD_MULTIPLE_PX) * PAD_MULTIPLE_PX + 1 - scaled_width
    pad_y = math.ceil((scaled_height - 1) / PAD_MULTIPLE_PX) * PAD_MULTIPLE_PX + 1 - scaled_height
    left, top = pad_x // 2, pad_y // 2
    padded = cv2.copyMakeBorder(
        image, top, pad_y - top, left, pad_x - left, cv2.BORDER_CONSTANT, value=PAD_COLOUR
    )
    return normalize_image(np.asarray(padded, dtype=np.uint8))[None], Placement(
        scaled_width / width, scaled_height / height, left, top
    )


def normalize_image(image: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Turn [H, W, 3] uint8 RGB into [3, H, W] float32 with ImageNet's statistics."""
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel, plane in enumerate(cv2.split(image)):
        cv2.LUT(plane, _NORMALIZED[channel], planes[channel])
    return torch.from_numpy(planes)


class FieldDecoder:
    """OpenPifPaf's C++ decoder under settings of its own.

    Args:
        head_metas: OpenPifPaf's descriptions of the CIF and the CAF head, in this order, with their strides.
        settings: Thresholds of this decoder alone.
    """

    def __init__(self, head_metas: Sequence[Any], settings: DecoderSettings) -> None:
        self.settings = settings
        cif, caf = head_metas
        self._decode = openpifpaf.decoder.CifCaf(
            [cif], [caf], cif_visualizers=[], cifhr_visualizers=[], caf_visualizers=[]
        )
        self._new_decoder = partial(
            torch.classes.openpifpaf_decoder.CifCaf,
            len(cif.keypoints),
            torch.tensor(caf.skeleton, dtype=torch.int64) - 1,
        )

    def __call__(self, fields: Sequence[torch.Tensor], placement: Placement | None = None) -> Poses:
        """Turn the fields of one image into people.

        Args:
            fields: CIF [17, 5, h, w] and CAF [19, 8, h, w], float32, in cells.
            placement: Where the image lies in the network's input; `None` leaves the input's pixels.

        Returns:
            Poses in the pixels of the image, the same whatever was decoded before. A joint that was not found has
            confidence 0 and x = y = 0. Boxes enclose the joints and their widths.
        """
        with decoder_settings(self.settings):
            # a used one adds to what it summed before and subtracts that again, at the loss of digits
            self._decode.cpp_decoder = self._new_decoder()
            annotations = self._decode(_widened(fields, self.settings.width_factor))
        if not annotations:
            return Poses.empty()
        placement = placement or Placement(1, 1, 0, 0)
        keypoints = np.stack([annotation.data for annotation in annotations]).astype(np.float64)
        keypoints[..., 2] = np.clip(keypoints[..., 2], 0, 1)
        keypoints[..., :2] = placement.to_image(keypoints[..., :2])
        keypoints[keypoints[..., 2] == 0] = 0
        bounds = np.array([annotation.bbox() for annotation in annotations], dtype=np.float64)  # x, y, w, h
        corners = placement.to_image(np.stack((bounds[:, :2], bounds[:, :2] + bounds[:, 2:]), axis=1))
        scores = np.clip([annotation.score for annotation in annotations], 0, 1)
        return Poses(
            keypoints.astype(np.float32), corners.reshape(-1, 4).astype(np.float32), scores.astype(np.float32)
        )


def _widened(fields: Sequence[torch.Tensor], factor: float) -> list[torch.Tensor]:
    """Scale the joint widths, the last components: one of CIF [17, 5, h, w], two of CAF [19, 8, h, w]."""
    cif, caf = (field.clone() for field in fields)
    cif[:, 4:] *= factor
    caf[:, 6:] *= factor
    return [cif, caf]


class OpenPifPafEstimator:
    """Finds people and their joints in one pass, with an OpenPifPaf network run on the CPU.

    Estimators with different checkpoints and settings live side by side in one process.

    Args:
        checkpoint: A ``.safetensors`` file of ours, or the name of an official checkpoint
            (``shufflenetv2k16``), which OpenPifPaf downloads once.
        long_edge: Longer side in pixels to which images are scaled before the network; `None` takes what the
            checkpoint was trained for.
        threads: Threads that the network may use; those of torch are the process's. `None` leaves torch's, and
            lets ONNX Runtime use as many.
        runtime: ``onnx`` runs the network by ONNX Runtime, ``torch`` by torch; the poses are the same.
        seed_threshold: See `DecoderSettings`, as for the rest; `None` takes what the checkpoint says.
        cif_threshold: Least confidence of a cell that votes for a joint.
        caf_threshold: Least confidence of a cell that connects two joints.
        keypoint_threshold: Least confidence of a joint.
        instance_threshold: Least score of a person.
        width_factor: Factor on the predicted widths of joints.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged or does not describe a COCO pose network.
        ConfigurationError: If a setting is out of bounds.
    """

    def __init__(
        self,
        checkpoint: Path | str,
        *,
        long_edge: int | None = None,
        threads: int | None = None,
        runtime: Literal["onnx", "torch"] = "onnx",
        seed_threshold: float | None = None,
        cif_threshold: float | None = None,
        caf_threshold: float | None = None,
        keypoint_threshold: float | None = None,
        instance_threshold: float | None = None,
        width_factor: float | None = None,
    ) -> None:
        if long_edge is not None and long_edge < 1:
            raise ConfigurationError(f"long_edge: expected a length of at least 1 px, got {long_edge}")
        if threads is not None:
            if threads < 1:
                raise ConfigurationError(f"threads: expected at least 1, got {threads}")
            torch.set_num_threads(threads)
        if runtime not in ("onnx", "torch"):
            raise ConfigurationError(f"runtime: expected onnx or torch, got {runtime!r}")
        network, description = load_checkpoint(checkpoint)
        self._long_edge_px = long_edge or description.long_edge_px
        asked = {
            "seed_threshold": seed_threshold,
            "cif_threshold": cif_threshold,
            "caf_threshold": caf_threshold,
            "keypoint_threshold": keypoint_threshold,
            "instance_threshold": instance_threshold,
            "width_factor": width_factor,
        }
        settings = replace(
            description.decoder, **{name: value for name, value in asked.items() if value is not None}
        )
        metas = network.head_metas
        if [type(meta).__name__ for meta in metas[:2]] != ["Cif", "Caf"] or metas[
            0
        ].n_fields != KEYPOINT_COUNT:
            raise CheckpointError(
                f"{checkpoint}: expected a CIF and a CAF head of {KEYPOINT_COUNT} COCO joints, "
                f"got {[meta.name for meta in metas]}"
            )
        self._decoder = FieldDecoder(metas[:2], settings)
        self._network: Callable[[torch.Tensor], Sequence[torch.Tensor]] = network
        if runtime == "onnx":
            self._network = OnnxFieldNetwork(
                network, name=str(checkpoint), threads=threads or torch.get_num_threads()
            )

    @property
    def uses_person_boxes(self) -> bool:
        """False: this estimator finds people itself."""
        return False

    @property
    def settings(self) -> DecoderSettings:
        """The decoder's settings in force."""
        return self._decoder.settings

    @property
    def long_edge_px(self) -> int:
        """Longer side to which images are scaled, in pixels."""
        return self._long_edge_px

    def estimate(self, image: npt.NDArray[np.uint8], people: Detections) -> Poses:  # noqa: ARG002
        """Return the people of `image`, in its pixels.

        Args:
            image: [H, W, 3] uint8, RGB.
            people: Not looked at.

        Raises:
            StructureError: If `image` has another shape or type.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise StructureError(
                f"image: expected uint8 of shape [H, W, 3], got {image.dtype} {list(image.shape)}"
            )
        batch, placement = prepare_image(image, long_edge_px=self._long_edge_px)
        with torch.inference_mode():
            cif, caf = self._network(batch)[:2]
            return self._decoder((cif[0], caf[0]), placement)
