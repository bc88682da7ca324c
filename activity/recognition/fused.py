"""The networks in a form that gives the same logits with fewer and larger operations, for ONNX Runtime.

What is merged, all of it exact but for rounding:

- The tubelet convolution is a matrix product of the cells that each tubelet covers; its bias joins the positions.
- The five part encoders run as one batched product.
- Scale and shift of each LayerNorm go into the linear map behind it.
- A bias on the keys adds the same to every score of a query, which the softmax forgets; one on the values passes
  through the attention unchanged, as weights sum to 1, and joins the projection's.
- Of the last block over the class token's sequence only that token is read, so nothing else is computed. With one
  query q, its score with token x is q (x K) = x (K q), and the mix of values sum a (x V) = (sum a x) V: keys and
  values of the six tokens are never formed.

Shapes: P = 5 body parts, R rows (segments times tokens), W width, N tokens, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from activity.errors import ConfigurationError
from activity.networks.onnx_graph import OnnxGraph
from activity.recognition.bptubeformer import GRID_SIDE, PARTS, BPTubeFormer, BPTubeFormerConfig
from activity.recognition.frame_tokens import FrameTokenClassifier
from activity.recognition.st_tran import STTran
from activity.recognition.t_tran import TTran
from activity.structures.layouts import LAYOUTS

INPUT: Final = "grids"
OUTPUT: Final = "logits"
_EPSILON: Final = 1e-6
_CELLS: Final = GRID_SIDE**2

Matrix = npt.NDArray[np.float32]


def is_fusible(network: nn.Module) -> bool:
    """Whether `fused_onnx` knows this kind of network."""
    return isinstance(network, BPTubeFormer | STTran | TTran)


def fused_onnx(network: nn.Module, *, metadata: dict[str, str] | None = None) -> bytes:
    """The network as an ONNX file's bytes: `grids` [B, 5, 2, T, 3, 3] to `logits` [B, C], for any B from 1.

    Raises:
        ConfigurationError: If this kind of network has no such form.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # weights too large give NaN here as they do eagerly
        match network:
            case BPTubeFormer():
                graph, output = _bptubeformer(network)
            case STTran():
                graph, output = _st_tran(network)
            case TTran():
                graph, output = _t_tran(network)
            case _:
                raise ConfigurationError(
                    f"{type(network).__name__}: expected BPTubeFormer, STTran or TTran; run this network eagerly"
                )
    return graph.serialize(
        output, output_name=OUTPUT, output_shape=(network.config.classes,), metadata=metadata or {}
    )


def _bptubeformer(network: BPTubeFormer) -> tuple[OnnxGraph, str]:
    config = network.config
    n, d = config.tubelets, config.channels
    graph = _new_graph("bptubeformer", config.frames)
    grids = graph.input
    if config.velocity:
        grids = graph.apply("Concat", grids, _velocities(graph, config.frames), axis=2)
    x = graph.apply("Transpose", grids, perm=[1, 0, 2, 3, 4, 5])  # (5, B, channels, T, 3, 3)
    x = graph.reshape(x, PARTS, -1, config.inputs * config.frames * _CELLS)
    cells = _covered_cells(config, config.inputs)  # (n, K)
    x = graph.apply("Gather", x, graph.constant(cells.reshape(-1)), axis=2)
    x = graph.reshape(x, PARTS, -1, cells.shape[1])  # (5, B n, K)
    x = graph.linear(x, np.stack([_embedding(layer, config) for layer in network.embedders]))
    places = [
        _array(place) + _array(layer.bias)
        for place, layer in zip(network.tubelet_positions, network.embedders, strict=True)
    ]
    x = graph.apply("Add", graph.reshape(x, PARTS, -1, n, d), graph.constant(np.stack(places)[:, None]))
    x = graph.reshape(x, PARTS, -1, d)
    for blocks in zip(*network.part_encoders, strict=True):
        x = _block(graph, x, _merge(blocks), tokens=n)
    norm = network.part_norm
    x = graph.layer_norm(x, _array(norm.weight), _array(norm.bias), epsilon=_EPSILON)
    x = graph.apply("Transpose", graph.reshape(x, PARTS, -1, config.width), perm=[1, 0, 2])  # (B, 5, D)
    x = _with_class_token(graph, x, network.class_token, network.part_positions)
    return graph, _classify(
        graph, x, [*network.body_encoder], network.body_norm, network.head, tokens=PARTS + 1
    )


def _st_tran(network: STTran) -> tuple[OnnxGraph, str]:
    config = network.config
    graph = _new_graph("st_tran", config.frames)
    x = graph.reshape(_joints(graph, config.skeleton), -1, 2)
    x = graph.linear(x, _array(network.embedder.weight).T)
    places = _array(network.joint_positions) + _array(network.embedder.bias)
    x = graph.apply("Add", graph.reshape(x, -1, config.joints, config.channels), graph.constant(places[None]))
    x = graph.reshape(x, -1, config.channels)
    for block in network.spatial_encoder:
        x = _block(graph, x, _merge([block]), tokens=config.joints)
    norm = network.spatial_norm
    x = graph.layer_norm(x, _array(norm.weight), _array(norm.bias), epsilon=_EPSILON)
    return graph, _frame_tokens(graph, x, network.temporal)


def _t_tran(network: TTran) -> tuple[OnnxGraph, str]:
    config = network.config
    graph = _new_graph("t_tran", config.frames)
    x = graph.reshape(_joints(graph, config.skeleton), -1, network.embedder.in_features)
    x = graph.linear(x, _array(network.embedder.weight).T, _array(network.embedder.bias))
    return graph, _frame_tokens(graph, x, network.temporal)


def _frame_tokens(graph: OnnxGraph, x: str, part: FrameTokenClassifier) -> str:
    tokens, width = part.positions.shape
    x = graph.reshape(x, -1, tokens - 1, width)
    x = _with_class_token(graph, x, part.class_token, part.positions)
    return _classify(graph, x, [*part.encoder], part.norm, part.head, tokens=tokens)


class _BlockWeights(NamedTuple):
    """One block, or P side by side: matrices [W, N] and biases [N], or [P, W, N] and [P, 1, N]."""

    heads: int
    query: Matrix
    query_bias: Matrix
    key: Matrix
    value: Matrix
    projection: Matrix
    projection_bias: Matrix
    expand: Matrix
    expand_bias: Matrix
    shrink: Matrix
    shrink_bias: Matrix


def _merge(blocks: Sequence[nn.Module]) -> _BlockWeights:
    """Fold norms and biases of one block, or of P blocks that run side by side."""
    parts = [_fold(block) for block in blocks]
    if len(parts) == 1:
        return parts[0]
    merged = [np.stack(arrays) for arrays in zip(*(part[1:] for part in parts), strict=True)]
    return _BlockWeights(parts[0].heads, *(a[:, None] if a.ndim == 2 else a for a in merged))


def _fold(block: Any) -> _BlockWeights:
    scale, shift = _wide(block.attention_norm.weight), _wide(block.attention_norm.bias)
    query, key, value = np.split(_wide(block.attention.qkv.weight), 3)  # each (W, W), rows are outputs
    query_bias, _, value_bias = np.split(_wide(block.attention.qkv.bias), 3)
    projection = _wide(block.attention.projection.weight)
    first, last = block.mlp[0], block.mlp[2]
    expand = _wide(first.weight)
    folded = (
        (query * scale).T,
        query @ shift + query_bias,
        (key * scale).T,
        (value * scale).T,
        projection.T,
        projection @ (value @ shift + value_bias) + _wide(block.attention.projection.bias),
        (expand * _wide(block.mlp_norm.weight)).T,
        expand @ _wide(block.mlp_norm.bias) + _wide(first.bias),
        _wide(last.weight).T,
        _wide(last.bias),
    )
    return _BlockWeights(block.attention.heads, *(array.astype(np.float32) for array in folded))


def _block(graph: OnnxGraph, x: str, weights: _BlockWeights, *, tokens: int) -> str:
    """A whole block: x [R, W], or [P, R, W] where the weights are P blocks side by side."""
    width = weights.query.shape[-1]
    h = _standardize(graph, x, width)
    query = graph.linear(h, weights.query, weights.query_bias)
    key, value = graph.linear(h, weights.key), graph.linear(h, weights.value)
    sequences = [graph.reshape(part, -1, tokens, width) for part in (query, key, value)]
    mixed = graph.apply("MultiHeadAttention", *sequences, contrib=True, num_heads=weights.heads)
    rows = (-1, width) if weights.query.ndim == 2 else (len(weights.query), -1, width)
    mixed = graph.linear(graph.reshape(mixed, *rows), weights.projection, weights.projection_bias)
    return _mlp(graph, graph.apply("Add", x, mixed), weights)


def _class_token_block(graph: OnnxGraph, x: str, weights: _BlockWeights, *, tokens: int) -> str:
    """The block's output at the class token alone: x [B N, W] to [B, W]."""
    heads, width = weights.heads, weights.query.shape[-1]
    depth = width // heads
    sequence = graph.reshape(_standardize(graph, x, width), -1, tokens, width)
    first = graph.constant(np.array(0))
    query = graph.linear(
        graph.apply("Gather", sequence, first, axis=1), weights.query, weights.query_bias
    )  # (B, W)
    by_head = graph.apply(
        "Transpose", graph.reshape(query, -1, heads, depth), perm=[1, 0, 2]
    )  # (H, B, W / H)
    keys = weights.key.T.reshape(heads, depth, width) * np.float32(depth**-0.5)
    seeker = graph.apply("Transpose", graph.linear(by_head, keys), perm=[1, 0, 2])  # (B, H, W)
    turned = graph.apply("Transpose", sequence, perm=[0, 2, 1])
    attention = graph.apply("Softmax", graph.apply("MatMul", seeker, turned), axis=-1)  # (B, H, N)
    mixed = graph.apply("MatMul", attention, sequence)  # (B, H, W)
    values = weights.value.reshape(width, heads, depth).transpose(1, 0, 2)  # (H, W, W / H)
    mixed = graph.linear(graph.apply("Transpose", mixed, perm=[1, 0, 2]), values)  # (H, B, W / H)
    mixed = graph.reshape(graph.apply("Transpose", mixed, perm=[1, 0, 2]), -1, width)
    mixed = graph.linear(mixed, weights.projection, weights.projection_bias)
    token = graph.apply("Gather", graph.reshape(x, -1, tokens, width), first, axis=1)
    return _mlp(graph, graph.apply("Add", token, mixed), weights)


def _mlp(graph: OnnxGraph, x: str, weights: _BlockWeights) -> str:
    h = graph.linear(_standardize(graph, x, weights.query.shape[-1]), weights.expand, weights.expand_bias)
    h = graph.linear(graph.apply("Gelu", h), weights.shrink, weights.shrink_bias)
    return graph.apply("Add", x, h)


def _standardize(graph: OnnxGraph, x: str, width: int) -> str:
    """LayerNorm without scale and shift, which the weights behind it hold."""
    return graph.layer_norm(x, np.ones(width, np.float32), np.zeros(width, np.float32), epsilon=_EPSILON)


def _classify(
    graph: OnnxGraph, x: str, blocks: Sequence[nn.Module], norm: nn.LayerNorm, head: nn.Linear, *, tokens: int
) -> str:
    """From the sequence with its class token, [B N, W], to logits [B, C]."""
    for block in blocks[:-1]:
        x = _block(graph, x, _merge([block]), tokens=tokens)
    x = _class_token_block(graph, x, _merge([blocks[-1]]), tokens=tokens)
    x = _standardize(graph, x, head.in_features)
    weight, bias = _wide(head.weight), _wide(head.bias) + _wide(head.weight) @ _wide(norm.bias)
    return graph.linear(x, (weight * _wide(norm.weight)).T.astype(np.float32), bias.astype(np.float32))


def _with_class_token(graph: OnnxGraph, x: str, token: Tensor, positions: Tensor) -> str:
    """Put the class token before the others and add all positions: x [B, N - 1, W] to [B N, W]."""
    places = _array(positions).copy()
    places[0] += _array(token)[0]
    x = graph.apply(
        "Pad", x, graph.constant(np.array([0, 1, 0, 0, 0, 0]))
    )  # a row of zeros for the class token
    return graph.reshape(graph.apply("Add", x, graph.constant(places[None])), -1, places.shape[1])


def _new_graph(name: str, frames: int) -> OnnxGraph:
    return OnnxGraph(name, input_name=INPUT, input_shape=(PARTS, 2, frames, GRID_SIDE, GRID_SIDE))


def _joints(graph: OnnxGraph, skeleton: str) -> str:
    """Each joint from its own cell: [B T, J, 2]."""
    x = graph.apply("Transpose", graph.input, perm=[0, 3, 1, 4, 5, 2])
    x = graph.reshape(x, -1, PARTS * _CELLS, 2)
    return graph.apply("Gather", x, graph.constant(LAYOUTS[skeleton].joint_cells()), axis=1)


def _velocities(graph: OnnxGraph, frames: int) -> str:
    """As `bptubeformer.velocities`, [B, 5, 2, T, 3, 3]; the gain is in the embedding's weights."""
    axis = graph.constant(np.array([3]))
    bounds = [graph.constant(np.array([at])) for at in (0, frames - 1, 1, frames)]
    present = graph.apply(
        "ReduceMax", graph.apply("Abs", graph.input), graph.constant(np.array([2])), keepdims=1
    )
    present = graph.apply("Sign", present)  # (B, 5, 1, T, 3, 3): 0 where both coordinates are 0, else 1
    before, after = (
        [graph.apply("Slice", value, *ends, axis) for value in (graph.input, present)]
        for ends in (bounds[:2], bounds[2:])
    )
    steps = graph.apply("Sub", after[0], before[0])
    known = graph.apply("Mul", after[1], before[1])
    edges = np.zeros(12, np.int64)
    edges[3] = 1  # frame 0 has none before it
    return graph.apply("Pad", graph.apply("Mul", steps, known), graph.constant(edges))


def _covered_cells(config: BPTubeFormerConfig, inputs: int) -> npt.NDArray[np.int64]:
    """Which of a part's flattened (channel, T, 3, 3) cells each tubelet covers, [n, K] in the kernel's order."""
    index = np.arange(inputs * config.frames * _CELLS).reshape(inputs, config.frames, GRID_SIDE, GRID_SIDE)
    windows = np.lib.stride_tricks.sliding_window_view(index, config.kernel, axis=(1, 2, 3))
    t, h, w = config.stride
    windows = windows[:, ::t, ::h, ::w]  # (channels, nt, nh, nw, *kernel)
    return np.moveaxis(windows, 0, 3).reshape(config.tubelets, -1)


def _embedding(layer: nn.Module, config: BPTubeFormerConfig) -> Matrix:
    """A convolution's weights as a matrix [K, d]."""
    weight = _wide(layer.weight).copy()
    if config.velocity:
        weight[:, 2:] *= config.velocity_gain
    return weight.reshape(len(weight), -1).T.astype(np.float32)


def _array(tensor: Any) -> Matrix:  # torch does not type the attributes of a list's modules
    return np.asarray(tensor.detach().numpy(), dtype=np.float32)


def _wide(tensor: Any) -> npt.NDArray[np.float64]:
    """For products that are formed once: in double precision, so that folding loses nothing."""
    return np.asarray(tensor.detach().double().numpy(), dtype=np.float64)
