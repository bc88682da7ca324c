"""Activities of many people's segments, in batches.

Without attention the network runs in its fused form (`activity.recognition.fused`) on ONNX Runtime, built in memory
from the checkpoint on first use: the same probabilities in less time. Attention maps come from the network itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch

from activity.errors import CheckpointError, StructureError
from activity.networks.onnx import OnnxModel
from activity.networks.onnx_graph import to_int8
from activity.recognition.bptubeformer import Attention, BPTubeFormer
from activity.recognition.checkpoint import RecognizerCheckpoint, load_checkpoint
from activity.recognition.clip_model import ClipModel
from activity.recognition.fused import INPUT, OUTPUT, fused_onnx, is_fusible
from activity.structures import ActivityScore, AttentionMap, Tubelet

BATCH: Final = 64
"""Segments a pass; batches of 32 to 128 are the fastest on a CPU."""

Engine = Literal["fused", "eager", "int8"]
"""How a network runs without attention: fused on ONNX Runtime; as torch runs it; fused with 8-bit weights."""


class Recognizer:
    """A loaded network with the class names and the tubelet settings that belong to it."""

    def __init__(
        self, checkpoint: RecognizerCheckpoint, *, threads: int | None = None, engine: Engine = "fused"
    ) -> None:
        if threads is not None and threads < 1:
            raise StructureError(f"threads: expected 1 or more, got {threads}")
        self._checkpoint = checkpoint
        self._threads = threads
        self._engine = engine if is_fusible(checkpoint.network) else "eager"

    @classmethod
    def load(cls, path: Path, *, threads: int | None = None, engine: Engine = "fused") -> Recognizer:
        """Read a recogniser from a checkpoint.

        Args:
            path: A file made by `activity train recognizer`.
            threads: Threads that `recognize` may use; `None` leaves torch's own choice.
            engine: How the network runs where no attention is asked for. ``fused`` gives the probabilities of
                ``eager`` to five decimals, ``int8`` others nearby. Networks that have no fused form run eagerly.

        Raises:
            CheckpointError: If the file is missing, damaged or contradicts itself.
        """
        return cls(load_checkpoint(path), threads=threads, engine=engine)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self._checkpoint.classes

    @property
    def tubelet_settings(self) -> Mapping[str, Any]:
        """How tracks must be cut for this network: plain values for `TubeletSettings.from_mapping`."""
        return self._checkpoint.tubelet_settings

    @property
    def training(self) -> Mapping[str, Any]:
        """Where the weights come from: data, commit, seed, command, figures."""
        return self._checkpoint.training

    @property
    def clip_model(self) -> ClipModel | None:
        """What judges a clip as a whole; `None` where the checkpoint leaves that to the people's segments."""
        return self._checkpoint.clip_model

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits of the checkpoint file."""
        return self._checkpoint.sha256

    @property
    def frames(self) -> int:
        """T, frames in a segment."""
        return self._checkpoint.config.frames

    def recognize(self, tubelets: Sequence[Tubelet], *, attention: bool = False) -> list[ActivityScore]:
        """Name the activity of every segment, of all people together.

        Args:
            tubelets: Segments in any order.
            attention: Keep the attention maps. Only BPTubeFormer has body-part tokens; the scores of other
                networks carry no map.

        Returns:
            One score a tubelet, in the order given.

        Raises:
            StructureError: If a tubelet has another length than the network reads.
            CheckpointError: If the network gives NaN for finite segments.
        """
        for tubelet in tubelets:
            if tubelet.frames != self.frames:
                raise StructureError(
                    f"tubelet of track {tubelet.track_id}: expected {self.frames} frames, got {tubelet.frames}; "
                    "cut the track with the settings that the checkpoint stores (Recognizer.tubelet_settings)"
                )
        scores: list[ActivityScore] = []
        with _torch_threads(self._threads), torch.inference_mode():
            for start in range(0, len(tubelets), BATCH):
                batch = tubelets[start : start + BATCH]
                probabilities, maps = self._probabilities(batch, attention=attention)
                scores += [
                    ActivityScore(
                        track_id=tubelet.track_id,
                        start_s=tubelet.start_s,
                        end_s=tubelet.end_s,
                        classes=self.classes,
                        probabilities=probabilities[index],
                        attention=None
                        if maps is None
                        else AttentionMap(maps.body_parts[index].numpy(), maps.tubelets[index].numpy()),
                    )
                    for index, tubelet in enumerate(batch)
                ]
        return scores

    @cached_property
    def _fused(self) -> OnnxModel:
        content = fused_onnx(self._checkpoint.network)
        if self._engine == "int8":
            content = to_int8(content)
        return OnnxModel(
            self._checkpoint.path, threads=self._threads or torch.get_num_threads(), content=content
        )

    def _probabilities(
        self, batch: Sequence[Tubelet], *, attention: bool
    ) -> tuple[npt.NDArray[np.float32], Attention | None]:
        grids = np.stack([tubelet.grids for tubelet in batch])  # (B, 5, 2, T, 3, 3)
        network = self._checkpoint.network
        maps = None
        if attention and isinstance(network, BPTubeFormer):
            logits, maps = network.forward_with_attention(torch.from_numpy(grids))
        elif self._engine == "eager":
            logits = network(torch.from_numpy(grids))
        else:
            logits = torch.from_numpy(self._fused.run({INPUT: grids})[OUTPUT])
        if not torch.isfinite(logits).all():
            raise CheckpointError(
                f"{self._checkpoint.path}: the network gives NaN or infinity for finite segments; "
                "its weights are too large: train it again"
            )
        return logits.softmax(dim=1).numpy(), maps


@contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    """Let torch use `threads` within the block; the number is the process's, so it is put back afterwards."""
    before = torch.get_num_threads()
    if threads is None or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
