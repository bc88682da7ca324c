"""Safetensors files that describe themselves: tensors, and one JSON object in the header that gives them meaning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from activity.errors import CheckpointError, OutputError


def write_whole(path: Path, content: bytes) -> None:
    """Write a checkpoint whole or not at all; a file of that name is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: the checkpoint cannot be written: {error.strerror}") from error


def read_described(
    path: Path, *, metadata_key: str, required: Mapping[str, type], format_version: int, maker: str
) -> tuple[dict[str, Any], dict[str, npt.NDArray[np.generic]]]:
    """Read the description and the tensors of a file.

    Args:
        path: The file.
        metadata_key: Under which the header's metadata hold the description.
        required: What the description must have, and of which type; ``format_version`` among them.
        format_version: The only one that this version reads.
        maker: The command that makes such files, for errors.

    Returns:
        The description, and every tensor by name.

    Raises:
        CheckpointError: If the file is missing or damaged, is of another kind, or was made by another version.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; name one made by `{maker}`")
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
    if metadata_key not in metadata:
        raise CheckpointError(
            f"{path}: a safetensors file without the header {metadata_key!r} (it has {sorted(metadata) or 'none'}); "
            f"name one made by `{maker}`"
        )
    try:
        header = json.loads(metadata[metadata_key])
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f"{path}: the header {metadata_key!r} is no JSON: {error}; take an intact copy"
        ) from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header {metadata_key!r} is no JSON object; take an intact copy")
    for key, kind in required.items():
        if not isinstance(header.get(key), kind):
            raise CheckpointError(
                f"{path}: the header's {key!r} should be a {kind.__name__}, got {header.get(key)!r}; the file was made "
                f"by another version: train it again with `{maker}`"
            )
    if header["format_version"] != format_version:
        raise CheckpointError(
            f"{path}: format {header['format_version']}, this version reads {format_version}; train it again"
        )
    return header, tensors
