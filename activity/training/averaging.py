"""Averages the weights of networks of which one went on from the other, or both from a third.

A network that is trained on from another at a low rate stays in the same valley of the loss, where the mean of their
weights keeps most of what each is good at, at the cost of running one (Wortsman et al., "Robust fine-tuning of zero-shot
models", CVPR 2022). Trainings that went far apart have no such mean: measure it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError, ConfigurationError
from activity.training.onnx_export import write_model
from activity.training.provenance import commit_of_code

if TYPE_CHECKING:
    import onnx


def average_networks(paths: Sequence[Path], out: Path) -> Path:
    """Write the mean of the weights of ONNX networks that differ in nothing else.

    Args:
        paths: Two or more ``.onnx`` files, as trainings export them.
        out: The file to write: the first one's graph and metadata, the mean weights, and under ``averaged_of`` the
            sha256 of each.

    Raises:
        ConfigurationError: If there are fewer than two.
        CheckpointError: If a file cannot be read, or differs in more than its weights.
        OutputError: If the file cannot be written.
    """
    from onnx import numpy_helper  # noqa: PLC0415  # only training needs it

    if len(paths) < 2:
        raise ConfigurationError(f"expected two or more networks to average, got {len(paths)}")
    first, *others = (_load(path) for path in paths)
    for other in others:
        _check_alike(first, other)
    for stored in first.model.graph.initializer:
        values = first.weights[stored.name]
        if np.issubdtype(values.dtype, np.floating):
            same = [values, *(other.weights[stored.name] for other in others)]
            mean = np.mean(same, axis=0, dtype=np.float64).astype(values.dtype)
            stored.CopyFrom(numpy_helper.from_array(mean, stored.name))
    metadata = {entry.key: entry.value for entry in first.model.metadata_props}
    digests = " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    return write_model(
        first.model, out, metadata={**metadata, "averaged_of": digests, "commit": commit_of_code()}
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Network:
    path: Path
    model: onnx.ModelProto
    weights: Mapping[str, npt.NDArray[Any]]

    @property
    def operations(self) -> list[tuple[Any, ...]]:
        """What is computed of what, without the notes of the exporter."""
        return [
            (
                node.op_type,
                tuple(node.input),
                tuple(node.output),
                tuple(attribute.SerializeToString(deterministic=True) for attribute in node.attribute),
            )
            for node in self.model.graph.node
        ]


def _load(path: Path) -> _Network:
    import onnx  # noqa: PLC0415

    try:
        model = onnx.load(str(path))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); name an .onnx file") from error
    except Exception as error:  # protobuf's own, without a common base
        raise CheckpointError(f"{path}: expected an ONNX network ({error})") from error
    weights = {stored.name: onnx.numpy_helper.to_array(stored) for stored in model.graph.initializer}
    return _Network(path, model, weights)


def _check_alike(first: _Network, other: _Network) -> None:
    def refuse(what: str) -> CheckpointError:
        return CheckpointError(
            f"{other.path}: expected the network of {first.path} with other weights, got {what}; average networks of one "
            "kind that went on from the same one"
        )

    if first.operations != other.operations or first.weights.keys() != other.weights.keys():
        raise refuse("other operations")
    for name, values in first.weights.items():
        theirs = other.weights[name]
        if values.shape != theirs.shape or values.dtype != theirs.dtype:
            raise refuse(f"{name} of shape {list(theirs.shape)} instead of {list(values.shape)}")
        if not np.issubdtype(values.dtype, np.floating) and not np.array_equal(values, theirs):
            raise refuse(f"another {name}, which is no weight")
