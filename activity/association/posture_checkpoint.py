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
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from activity.association.posture import POSTURE_FEATURES, ArmedPosture, Float
from activity.errors import CheckpointError, OutputError
from activity.structures import COCO_KEYPOINT_NAMES

METADATA_KEY: Final = "activity.armed_posture"
FORMAT_VERSION: Final = 1
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
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: the checkpoint cannot be written: {error.strerror}") from error


def load_armed_posture(path: Path) -> ArmedPosture:
    """Read a machine and check that its parts fit each other and this version.

    Raises:
        CheckpointError: If the file is missing or damaged, or holds something else.
    """
    header, tensors = _read(path)
    _check_header(path, header)
    if sorted(tensors) != sorted(_TENSORS):
        raise CheckpointError(
            f"{path}: expected the tensors {', '.join(_TENSORS)}, got {', '.join(sorted(tensors)) or 'none'}; take an "
            "intact copy"
        )
    try:
        return ArmedPosture(
            mean=tensors["mean"],
            spread=tensors["spread"],
            support_vectors=tensors["support_vectors"],
            weights=tensors["weights"],
            **{name: header[name] for name in _NUMBERS},
            quality=header["quality"],
            training=header["training"],
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read(path: Path) -> tuple[Any, dict[str, Float]]:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; name one made by `activity train holder`")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
    except (
        SafetensorError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
    ) as error:  # a type that numpy lacks, too
        raise CheckpointError(
            f"{path}: expected a whole safetensors file, got {path.stat().st_size} bytes that cannot be read "
            f"({error}); the file is damaged or of another kind: take an intact copy"
        ) from error
    if METADATA_KEY not in metadata:
        raise CheckpointError(
            f"{path}: a safetensors file without the header {METADATA_KEY!r} (it has {sorted(metadata) or 'none'}); "
            "name one made by `activity train holder`"
        )
    try:
        return json.loads(metadata[METADATA_KEY]), tensors
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f"{path}: the header {METADATA_KEY!r} is no JSON: {error}; take an intact copy"
        ) from error


def _check_header(path: Path, header: Any) -> None:
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header {METADATA_KEY!r} is no JSON object; take an intact copy")
    for key, kind in _REQUIRED.items():
        if not isinstance(header.get(key), kind):
            raise CheckpointError(
                f"{path}: the header's {key!r} should be a {kind.__name__}, got {header.get(key)!r}; the file was made "
                "by another version: train it again with `activity train holder`"
            )
    if header["format_version"] != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format {header['format_version']}, this version reads {FORMAT_VERSION}; train it again"
        )
    for key, names in (("features", POSTURE_FEATURES), ("skeleton", COCO_KEYPOINT_NAMES)):
        if tuple(header[key]) != names:
            raise CheckpointError(
                f"{path}: its {key} are {header[key]}, this version computes {list(names)}; train it again with "
                "`activity train holder`"
            )
