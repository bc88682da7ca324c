"""An OpenPifPaf field network through ONNX Runtime: the graph is made in memory, so safetensors stays the only file."""

from __future__ import annotations

import io
import threading
import warnings
from collections import OrderedDict
from typing import Any, Final

import torch
from torch import nn

from activity.errors import CheckpointError
from activity.networks.onnx import OnnxModel
from activity.pose.openpifpaf_runtime import without_inplace_fields

MOST_SIZES: Final = 4
"""Input sizes whose graphs are kept: OpenPifPaf's heads write their size into the graph."""
_OPSET: Final = 17


class OnnxFieldNetwork:
    """Computes CIF and CAF fields as the torch network does, about twice as fast on a CPU.

    The first picture of a size costs the making of a graph, some seconds; a video has one size.

    Args:
        network: What `load_checkpoint` returned, in evaluation mode.
        name: What errors call the network.
        threads: Threads that one call may use.
    """

    def __init__(self, network: nn.Module, *, name: str, threads: int) -> None:
        self._network = _TwoFields(network).eval()
        self._name = name
        self._threads = threads
        self._models: OrderedDict[tuple[int, int], OnnxModel] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map one image [1, 3, H, W], normalised, to CIF [1, 17, 5, h, w] and CAF [1, 19, 8, h, w].

        Raises:
            CheckpointError: If no graph can be made of the network, or it fails.
        """
        fields = self._model_for((int(batch.shape[2]), int(batch.shape[3]))).run({"image": batch.numpy()})
        return torch.from_numpy(fields["cif"]), torch.from_numpy(fields["caf"])

    def _model_for(self, size: tuple[int, int]) -> OnnxModel:
        with self._lock:  # one thread makes the graph, others that need it wait
            if size not in self._models:
                self._models[size] = OnnxModel(
                    self._name,
                    threads=self._threads,
                    content=export_fields(self._network, size, name=self._name),
                )
                if len(self._models) > MOST_SIZES:
                    self._models.popitem(last=False)
            self._models.move_to_end(size)
            return self._models[size]


def export_fields(network: nn.Module, size: tuple[int, int], *, name: str) -> bytes:
    """Turn a network that gives CIF and CAF fields into an ONNX graph for one input size.

    Args:
        network: Gives two tensors for [1, 3, H, W].
        size: H and W in pixels.
        name: What errors call the network.

    Raises:
        CheckpointError: If an operation of the network has no counterpart in ONNX.
    """
    content = io.BytesIO()
    with without_inplace_fields(), warnings.catch_warnings():
        # torch's newer exporter cannot follow OpenPifPaf's heads; the older one warns of its age
        # and of every shape that becomes a constant, which is meant here
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", category=UserWarning, module="torch.onnx")
        try:
            torch.onnx.export(
                network,
                (torch.zeros(1, 3, *size),),
                content,  # type: ignore[arg-type]  # a stream is as good as a path
                dynamo=False,
                opset_version=_OPSET,
                input_names=["image"],
                output_names=["cif", "caf"],
            )
        except (RuntimeError, torch.onnx.OnnxExporterError) as error:
            raise CheckpointError(
                f"{name}: cannot be turned into an ONNX graph ({' '.join(str(error).split())[:300]}); "
                "run it by torch instead"
            ) from error
    return content.getvalue()


class _TwoFields(nn.Module):
    """The network without what follows CIF and CAF."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fields = self.network(images)
        return fields[0], fields[1]
