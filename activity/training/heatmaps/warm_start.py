"""Begins a training from a heat-map network that was exported before, such as the shipped one.

An export has its batch norms folded into the convolutions before them. They are unfolded here: a norm gets the
statistics of a batch of crops, and the scale and shift that undo it, so that the network answers as the file does
and its norms can be trained again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from activity.errors import CheckpointError
from activity.pose.heatmap_network import HeatmapNetwork

_ROOT: Final = "network"
"""What `HeatmapExport` calls the network, and the exporter puts before every name."""


def load_exported(network: HeatmapNetwork, path: Path, *, crops: UInt8[Tensor, "B H W 3"]) -> None:
    """Take over the weights of an exported network; blocks that the file lacks stay as they are.

    A block that was just made passes its input on unchanged, so a deeper network starts with the answers of the file.

    Args:
        network: What to load into; left in training mode.
        path: An ONNX file of `activity train pose`.
        crops: [B, H, W, 3] uint8, RGB: crops as they are trained on, a few hundred for steady statistics.

    Raises:
        CheckpointError: If the file cannot be read, or a convolution of it has no place in the network.
    """
    import onnx  # noqa: PLC0415  # only training needs it
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415
    from onnx import numpy_helper  # noqa: PLC0415

    try:
        graph = onnx.load(str(path)).graph
    except (OSError, DecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read as an ONNX network ({error})") from error
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    modules = dict(network.named_modules())
    norms = _norms_after(network)
    folded: dict[nn.BatchNorm2d, Tensor] = {}
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    for node in nodes:
        conv = modules.get(_module_name(node.name))
        if not isinstance(conv, nn.Conv2d) or len(node.input) < 3:
            raise CheckpointError(
                f"{path}: convolution {node.name!r} has no place in the heat-map network; start from a file that "
                "`activity train pose` of this version exported"
            )
        weight, bias = (
            torch.from_numpy(numpy_helper.to_array(tensors[key]).copy()) for key in node.input[1:3]
        )
        if weight.shape != conv.weight.shape:
            raise CheckpointError(
                f"{path}: convolution {node.name!r} is {list(weight.shape)}, the network's {list(conv.weight.shape)}; "
                "start from a file that `activity train pose` of this version exported"
            )
        with torch.no_grad():
            conv.weight.copy_(weight)
            if conv.bias is not None:
                conv.bias.copy_(bias)
            else:
                folded[norms[conv]] = bias
    if not nodes:
        raise CheckpointError(f"{path}: holds no convolution; expected a heat-map network")
    _unfold(network, folded, crops)


def _module_name(node: str) -> str:
    """The module that the exporter named a node after.

    >>> _module_name("/network/coarse/coarse.1/mix/Conv"), _module_name("/network/laterals.0/laterals.0.0/Conv")
    ('coarse.1.mix', 'laterals.0.0')
    >>> _module_name("/network/dark2/dark2.0/depthwise/conv/Conv")
    'backbone.dark2.0.depthwise.conv'
    """
    parts: list[str] = []
    for part in node.strip("/").split("/")[1:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts[-1] = part
        else:
            parts.append(part)
    name = ".".join(parts)
    # The backbone's methods are called from outside its own `forward`, so the exporter leaves its name out.
    own = ("laterals", "context", "coarse", "enlarge", "fine_lateral", "fine", "joints")
    return name if name.split(".")[0] in own else f"backbone.{name}"


def _norms_after(network: HeatmapNetwork) -> dict[nn.Module, nn.BatchNorm2d]:
    """The norm that follows each convolution without a bias."""
    following: dict[nn.Module, nn.BatchNorm2d] = {}
    waiting: nn.Conv2d | None = None
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is None:
            waiting = module
        elif isinstance(module, nn.BatchNorm2d) and waiting is not None:
            following[waiting], waiting = module, None
    return following


@torch.no_grad()
def _unfold(
    network: HeatmapNetwork, folded: dict[nn.BatchNorm2d, Tensor], crops: UInt8[Tensor, "B H W 3"]
) -> None:
    """Give each norm the statistics of `crops`, and the scale and shift after which only the folded bias is left."""

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101  # hooks are put on norms only
        assert norm.running_mean is not None  # noqa: S101  # norms track by default
        assert norm.running_var is not None  # noqa: S101  # as above
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.copy_(mean + folded[norm])

    network.eval()
    hooks = [norm.register_forward_pre_hook(measure) for norm in folded]
    try:
        network(crops)
    finally:
        for hook in hooks:
            hook.remove()
    network.train()
