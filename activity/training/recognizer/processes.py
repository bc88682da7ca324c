"""Training in several processes of one machine, started by torchrun: each learns from its share of every batch.

    torchrun --standalone --nproc-per-node 2 -m activity train recognizer --config FILE

Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", VLDB 2020: every process holds the
same weights and adds its gradients to those of the others before each step. All of them draw the same batches and
variations, so the result is that of one process but for dropout and rounding.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, distributed, nn


@contextlib.contextmanager
def joined(run_directory: Path) -> Iterator[Path]:
    """Join the processes that torchrun started, and give the folder that this one may write to.

    That is `run_directory` for the first one. Any other works, without a word, in a copy that is thrown away, so that
    all know the same finished folds and none writes over the other. Where torchrun did not start this, nothing happens.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield run_directory
        return
    distributed.init_process_group("gloo")
    try:
        if distributed.get_rank() == 0:
            distributed.barrier()  # until everybody has a copy
            yield run_directory
        else:
            with (
                tempfile.TemporaryDirectory() as folder,
                Path(os.devnull).open("w", encoding="utf-8") as nowhere,
                contextlib.redirect_stderr(nowhere),
            ):
                copy = Path(folder) / run_directory.name
                if run_directory.is_dir():
                    shutil.copytree(run_directory, copy)
                distributed.barrier()
                yield copy
    finally:
        distributed.destroy_process_group()


def own_share(clips: int) -> tuple[slice, float]:
    """Which clips of a batch this process learns from, and their share of the batch; all where it is alone."""
    if not distributed.is_initialized():
        return slice(None), 1.0
    return share_of(clips, process=distributed.get_rank(), processes=distributed.get_world_size())


def share_of(clips: int, *, process: int, processes: int) -> tuple[slice, float]:
    """Every so manieth clip of a batch, and their share of it; one that counts nothing where there are too few.

    >>> share_of(5, process=1, processes=2)
    (slice(1, 5, 2), 0.4)
    >>> share_of(1, process=1, processes=2)
    (slice(0, 1, None), 0.0)
    """
    if process >= clips:
        return slice(0, 1), 0.0
    own = slice(process, clips, processes)
    return own, len(range(*own.indices(clips))) / clips


def total(value: Tensor) -> Tensor:
    """The sum of a scalar over all processes."""
    if distributed.is_initialized():
        value = value.clone()
        distributed.all_reduce(value)
    return value


def add_gradients(network: nn.Module) -> None:
    """Replace every gradient by its sum over all processes."""
    if distributed.is_initialized():
        for parameter in network.parameters():
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
