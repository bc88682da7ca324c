"""A recogniser in one safetensors file: the weights, and in the header everything that gives them meaning.

The header's metadata holds one JSON object under ``activity.recognizer``: `format_version`, `architecture`,
`network` (its configuration), `classes`, `skeleton` (joint names in order), `tubelets` (the settings that cut the
training segments) and `training` (provenance). A file may hold a model of whole clips beside the network: then
`clip_model` has `tracks` (how they are resampled), `window_s`, `temperature` (1 where it lacks), `network` (whether the
network votes; not where it lacks), `forests` (their names and numbers of features) and `training`, and tensors ``clip_model.<forest>.<part>`` hold the forests. Nothing is
guessed from the weights, and a file whose parts contradict each other is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save
from torch import Tensor, nn

from activity.errors import CheckpointError, ConfigurationError
from activity.networks.described_file import read_described, write_whole
from activity.recognition.architectures import NetworkConfig, architecture_of, build_network, network_config
from activity.recognition.clip_model import ClipModel
from activity.recognition.forest import Forest
from activity.structures import COCO_KEYPOINT_NAMES

METADATA_KEY: Final = "activity.recognizer"
FORMAT_VERSION: Final = 1
_CLIP_MODEL: Final = "clip_model"
_FORESTS: Final = ("people", "scene")
_FOREST_TENSORS: Final[Mapping[str, torch.dtype]] = {
    "roots": torch.int32,
    "features": torch.int16,
    "thresholds": torch.float64,
    "children": torch.int32,
    "shares": torch.float32,
}
"""The parts of a forest, and the smallest type that holds each."""
_REQUIRED: Final[Mapping[str, type]] = {
    "format_version": int,
    "architecture": str,
    "network": dict,
    "classes": list,
    "skeleton": list,
    "tubelets": dict,
    "training": dict,
}


@dataclass(frozen=True, slots=True, eq=False)
class RecognizerCheckpoint:
    """What a checkpoint file holds.

    Attributes:
        path: The file.
        sha256: 64 hexadecimal digits of the file.
        network: In evaluation mode, on the CPU.
        config: The network's shape.
        classes: The C class names, in the order of the logits.
        tubelet_settings: How the training segments were cut, as plain values.
        training: Where the weights come from: data, commit, seed, command, figures.
        clip_model: What judges whole clips; `None` where the file has none.
    """

    path: Path
    sha256: str
    network: nn.Module
    config: NetworkConfig
    classes: tuple[str, ...]
    tubelet_settings: Mapping[str, Any]
    training: Mapping[str, Any]
    clip_model: ClipModel | None = None


def save_checkpoint(
    path: Path,
    network: nn.Module,
    config: NetworkConfig,
    *,
    classes: Sequence[str],
    tubelet_settings: Mapping[str, Any],
    training: Mapping[str, Any],
    clip_model: ClipModel | None = None,
) -> None:
    """Write `path` whole or not at all; a file of that name is replaced.

    Raises:
        CheckpointError: If the class names do not fit the network.
        OutputError: If the file cannot be written.
    """
    _check_classes(path, classes, config)
    header = {
        "format_version": FORMAT_VERSION,
        "architecture": architecture_of(config),
        "network": asdict(config),
        "classes": list(classes),
        "skeleton": list(COCO_KEYPOINT_NAMES),
        "tubelets": dict(tubelet_settings),
        "training": dict(training),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if clip_model is not None:
        if clip_model.classes != tuple(classes):
            raise CheckpointError(
                f"{path}: the model of clips knows {list(clip_model.classes)}, the network {list(classes)}"
            )
        forests = {
            name: getattr(clip_model, name) for name in _FORESTS if getattr(clip_model, name) is not None
        }
        header[_CLIP_MODEL] = {
            "tracks": dict(clip_model.track_settings),
            "window_s": clip_model.window_s,
            "temperature": clip_model.temperature,
            "network": clip_model.network,
            "forests": {name: forest.feature_count for name, forest in forests.items()},
            "training": dict(clip_model.training),
        }
        for name, forest in forests.items():
            for part, kind in _FOREST_TENSORS.items():
                tensors[f"{_CLIP_MODEL}.{name}.{part}"] = torch.from_numpy(getattr(forest, part)).to(kind)
    content = save(tensors, metadata={METADATA_KEY: json.dumps(header, allow_nan=False)})
    write_whole(path, content)


def load_checkpoint(path: Path) -> RecognizerCheckpoint:
    """Read a recogniser and check that its parts fit each other.

    Raises:
        CheckpointError: If the file is missing or damaged, is no recogniser, or its header, classes, skeleton,
            tubelet settings and weights contradict each other; the message says which, and the way out.
    """
    header, arrays = read_described(
        path,
        metadata_key=METADATA_KEY,
        required=_REQUIRED,
        format_version=FORMAT_VERSION,
        maker="activity train recognizer",
    )
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    try:
        config = network_config(header["architecture"], header["network"])
    except ConfigurationError as error:
        raise CheckpointError(f"{path}: its header describes no network of this version: {error}") from error
    classes = tuple(header["classes"])
    _check_classes(path, classes, config)
    if tuple(header["skeleton"]) != COCO_KEYPOINT_NAMES:
        raise CheckpointError(
            f"{path}: trained on joints {header['skeleton']}, this package reads the COCO-17 joints "
            f"{list(COCO_KEYPOINT_NAMES)}; retrain with `activity train recognizer`"
        )
    if header["tubelets"].get("frames") != config.frames:
        raise CheckpointError(
            f"{path}: its tubelets have {header['tubelets'].get('frames')} frames, its network reads {config.frames}; "
            "the file contradicts itself: train it again or take an intact copy"
        )
    clip_model = _clip_model(path, header, classes, tensors)
    network = build_network(config)
    _load_weights(path, network, tensors)
    return RecognizerCheckpoint(
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        network=network.eval(),
        config=config,
        classes=classes,
        tubelet_settings=header["tubelets"],
        training=header["training"],
        clip_model=clip_model,
    )


def _check_classes(path: Path, classes: Sequence[str], config: NetworkConfig) -> None:
    if len(classes) != config.classes:
        raise CheckpointError(
            f"{path}: {len(classes)} class names ({', '.join(map(str, classes))}), the network has {config.classes} "
            "outputs; use the configuration stored in the checkpoint"
        )
    if len(set(classes)) != len(classes) or not all(isinstance(name, str) and name for name in classes):
        raise CheckpointError(f"{path}: expected distinct class names, got {list(classes)}")


def _clip_model(
    path: Path, header: Mapping[str, Any], classes: tuple[str, ...], tensors: dict[str, Tensor]
) -> ClipModel | None:
    """Take the model of whole clips, and its tensors, out of what was read."""
    if _CLIP_MODEL not in header:
        return None
    described = header[_CLIP_MODEL]
    if (
        not isinstance(described, dict)
        or not isinstance(described.get("tracks"), dict)
        or not isinstance(described.get("window_s"), float)
        or not isinstance(described.get("temperature", 1.0), float)
        or not isinstance(described.get("network", False), bool)
        or not isinstance(described.get("training"), dict)
        or not isinstance(described.get("forests"), dict)
        or not set(described["forests"]) <= set(_FORESTS)
    ):
        raise CheckpointError(
            f"{path}: its model of whole clips lacks a part of tracks, window_s, temperature, network, training and forests; take an intact copy "
            "or train it again with this version"
        )
    try:
        forests = {
            name: _forest(path, name, feature_count, tensors)
            for name, feature_count in described["forests"].items()
        }
        return ClipModel(
            classes,
            track_settings=described["tracks"],
            window_s=described["window_s"],
            people=forests.get("people"),
            scene=forests.get("scene"),
            training=described["training"],
            temperature=described.get("temperature", 1.0),
            network=described.get("network", False),
        )
    except CheckpointError as error:
        raise error if str(error).startswith(str(path)) else CheckpointError(f"{path}: {error}") from error


def _forest(path: Path, name: str, feature_count: Any, tensors: dict[str, Tensor]) -> Forest:
    parts = {part: tensors.pop(f"{_CLIP_MODEL}.{name}.{part}", None) for part in _FOREST_TENSORS}
    lost = [part for part, tensor in parts.items() if tensor is None]
    if lost or not isinstance(feature_count, int):
        raise CheckpointError(
            f"{path}: its model of whole clips lacks {', '.join(lost) or 'the number of features'} of the forest {name!r}; "
            "take an intact copy or train it again"
        )
    arrays = {
        part: (tensor.double() if tensor.is_floating_point() else tensor.long()).numpy()
        for part, tensor in parts.items()
        if tensor is not None
    }
    return Forest(**arrays, feature_count=feature_count)


def _load_weights(path: Path, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    wanted = network.state_dict()
    missing, unknown = sorted(set(wanted) - set(tensors)), sorted(set(tensors) - set(wanted))
    if missing or unknown:
        raise CheckpointError(
            f"{path}: the weights do not fit the stored configuration: {len(missing)} missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}; take an intact copy or train it again"
        )
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise CheckpointError(
                f"{path}: {name} has shape {list(tensor.shape)}, the stored configuration makes it "
                f"{list(wanted[name].shape)}; take an intact copy or train it again"
            )
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{path}: {name} holds NaN or infinity; the training diverged, train it again"
            )
    network.load_state_dict(dict(tensors))
