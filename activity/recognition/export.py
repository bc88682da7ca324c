"""A recogniser as one ONNX file that says of itself what it needs to be used."""

from __future__ import annotations

import json
from pathlib import Path

from activity.errors import OutputError
from activity.networks.onnx_graph import to_int8
from activity.recognition.architectures import architecture_of
from activity.recognition.checkpoint import METADATA_KEY, RecognizerCheckpoint
from activity.recognition.fused import fused_onnx
from activity.structures import COCO_KEYPOINT_NAMES


def export_onnx(checkpoint: RecognizerCheckpoint, path: Path, *, int8: bool = False) -> int:
    """Write the fused form, whole or not at all; a file of that name is replaced.

    The file reads `grids` [B, 5, 2, T, 3, 3] float32 and gives `logits` [B, C]. Its metadata holds one JSON object
    under ``activity.recognizer``: `architecture`, `classes` in the order of the logits, `skeleton`, `tubelets` (how
    tracks must be cut), `int8`, and `source_sha256` of the checkpoint.

    Args:
        checkpoint: What is exported.
        path: The file.
        int8: Whether weights are 8-bit integers.

    Returns:
        The file's size in bytes.

    Raises:
        ConfigurationError: If the network has no fused form.
        OutputError: If the file cannot be written.
    """
    header = {
        "architecture": architecture_of(checkpoint.config),
        "classes": list(checkpoint.classes),
        "skeleton": list(COCO_KEYPOINT_NAMES),
        "tubelets": dict(checkpoint.tubelet_settings),
        "int8": int8,
        "source_sha256": checkpoint.sha256,
    }
    content = fused_onnx(checkpoint.network, metadata={METADATA_KEY: json.dumps(header, allow_nan=False)})
    if int8:
        content = to_int8(content)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: the network cannot be written: {error.strerror}") from error
    return len(content)
