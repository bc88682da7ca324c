"""An armed-posture machine in one safetensors file: tensors, and in the header everything that gives them meaning.

The header's metadata holds one JSON object under ``activity.armed_posture``: `format_version`, `features` and `skeleton`
(names in order), `gamma`, `bias`, `slope`, `offset`, `quality` (measured) and `training` (provenance).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save

from activity.association.posture import POSTURE_FEATURES, ArmedPosture
from activity.errors import CheckpointError
from activity.networks.described_file import read_described, write_whole
from activity.structures import COCO_KEYPOINT_NAMES

METADATA_KEY: Final = "activity.armed_posture"
FORMAT_VERSION: Final = 1
_MAKER: Final = "activity train holder"
_TENSORS: Final = ("mean", "spread", "support_vectors", "weights")
_NUMBERS: Final = ("gamma", "bias", "slope", "offset")
_REQUIRED: Final[Mapping[str, type]] = {
    "format_version": int,
    "features": list,
    "skeleton": list,
    **dict.fromkeys(_NUMBERS, float),
    "quality": dict,
    "training": dict,
}


def save_armed_posture(path: Path, machine: ArmedPosture) -> None:
    """Write `path` whole or not at all; a file of that name is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    header = {
        "format_version": FORMAT_VERSION,
        "features": list(POSTURE_FEATURES),
        "skeleton": list(COCO_KEYPOINT_NAMES),
        **{name: float(getattr(machine, name)) for name in _NUMBERS},
        "quality": dict(machine.quality),
        "training": dict(machine.training),
    }
    tensors = {name: np.ascontiguousarray(getattr(machine, name), np.float64) for name in _TENSORS}
    content = save(tensors, metadata={METADATA_KEY: json.dumps(header, allow_nan=False)})
    write_whole(path, content)


def load_armed_posture(path: Path) -> ArmedPosture:
    """Read a machine and check that its parts fit each other and this version.

    Raises:
        CheckpointError: If the file is missing or damaged, or holds something else.
    """
    header, tensors = read_described(
        path, metadata_key=METADATA_KEY, required=_REQUIRED, format_version=FORMAT_VERSION, maker=_MAKER
    )
    _check_names(path, header)
    if sorted(tensors) != sorted(_TENSORS):
        raise CheckpointError(
            f"{path}: expected the tensors {', '.join(_TENSORS)}, got {', '.join(sorted(tensors)) or 'none'}; take an "
            "intact copy"
        )
    parts = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    try:
        return ArmedPosture(
            mean=parts["mean"],
            spread=parts["spread"],
            support_vectors=parts["support_vectors"],
            weights=parts["weights"],
            **{name: header[name] for name in _NUMBERS},
            quality=header["quality"],
            training=header["training"],
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _check_names(path: Path, header: Mapping[str, Any]) -> None:
    for key, names in (("features", POSTURE_FEATURES), ("skeleton", COCO_KEYPOINT_NAMES)):
        if tuple(header[key]) != names:
            raise CheckpointError(
                f"{path}: its {key} are {header[key]}, this version computes {list(names)}; train it again with "
                "`activity train holder`"
            )
