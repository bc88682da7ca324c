"""A training that can be broken off and gone on with: its weights, its optimiser, its clock, and what it tells of itself.

All trainers that take more than minutes keep these files in the folder of a run:

    state.pt            all that the next step needs; replaced as a whole, so that a kill leaves the old one or the new
    config.yaml         the settings of the run
    tensorboard/        curves of losses, held-out figures and pictures
    measurements.jsonl  held-out figures, one JSON object a line
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from pickle import UnpicklingError
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch
import yaml
from pydantic import BaseModel, ValidationError
from rich.console import Console
from torch import nn

from activity.errors import CheckpointError, ConfigurationError, OutputError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

STATE_FILE: Final = "state.pt"
_EARLIER_NAMES: Final = {"averaged": "average", "step": "steps_done", "elapsed_s": "seconds"}
"""What version 0.1 of some trainers called these parts of a state."""


class TrainingRun:
    """One run: made new, or as an earlier process left it in the same folder.

    The optimiser's groups hold their greatest learning rate under ``peak_lr``; `set_rate` scales it.

    Args:
        directory: Folder of the run.
        config: All settings. A run goes on only with those that it was begun with.
        network: What is trained, with its first weights.
        averaged: The same network again, for the running average of the weights.
        optimizer: Of the network's parameters.
        may_change: Settings that another call may change: paths of results, lengths, intervals, threads.
        random: Draws the samples; `None` where they follow from the step.
        console: For messages to people; by default on stderr.

    Attributes:
        network: As given.
        averaged: As given.
        optimizer: As given.
        random: As given.
        step: Optimiser steps done.
        elapsed_s: Seconds spent in steps, over all processes.
        best: Highest held-out score so far, where the run keeps its best weights; -1 before the first.

    Raises:
        CheckpointError: If the stored state is damaged, or of another network.
        ConfigurationError: If the run was begun with other settings.
        OutputError: If the folder cannot be written.
    """

    def __init__(
        self,
        directory: Path,
        config: BaseModel,
        *,
        network: nn.Module,
        averaged: nn.Module,
        optimizer: torch.optim.Optimizer,
        may_change: Collection[str] = (),
        random: np.random.Generator | None = None,
        console: Console | None = None,
    ) -> None:
        self.network, self.averaged, self.optimizer, self.random = network, averaged, optimizer, random
        self.step, self.elapsed_s, self.best = 0, 0.0, -1.0
        self._directory = directory
        self._config_kind = type(config)
        self._settings = config.model_dump(mode="json")
        self._may_change = may_change
        self._console = console or Console(stderr=True)
        self._writer: SummaryWriter | None = None
        self._told = 0.0
        if self._path.is_file():
            self._resume()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "config.yaml").write_text(
                yaml.safe_dump(self._settings, sort_keys=False), encoding="utf-8"
            )
        except OSError as error:
            raise OutputError(
                f"{directory}: cannot hold the run: {error.strerror}; name another folder"
            ) from error

    def __enter__(self) -> Self:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  # only training needs it

        self._writer = SummaryWriter(str(self._directory / "tensorboard"), purge_step=self.step)
        self._told = time.monotonic()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    @property
    def curves(self) -> SummaryWriter:
        """TensorBoard's writer, while the run is open as a context.

        Raises:
            RuntimeError: If it is not.
        """
        if self._writer is None:
            raise RuntimeError("expected the run as a context: with TrainingRun(...) as run")
        return self._writer

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Count the time until the block is left as training."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.elapsed_s += time.monotonic() - begin

    def set_rate(self, share: float) -> None:
        """Take `share` of each group's greatest learning rate for the next step."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share

    @torch.no_grad()
    def advance(self, *, average_decay: float) -> None:
        """Count a step that the optimiser took, and let the average follow the network.

        Args:
            average_decay: Share of the average that stays. Early on less stays, since it would hold mostly the start.
        """
        decay = min(average_decay, (1 + self.step) / (10 + self.step))
        for mean, value in zip(
            self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)
        self.step += 1

    def report(self, losses: Mapping[str, float], *, until: str, note: str = "") -> None:
        """Tell people how the training is going, and put the losses into TensorBoard.

        Args:
            losses: By name.
            until: When it is over, such as ``4000`` steps or ``120 min``.
            note: Anything else, such as the rate.
        """
        for name, value in losses.items():
            self.curves.add_scalar(f"loss/{name}", value, self.step)
        told = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self.say(
            f"{time.strftime('%H:%M:%S')} step {self.step} of {until}, {self.elapsed_s / 60:.1f} min: {told} {note}".rstrip()
        )

    def record(self, figures: Mapping[str, Any]) -> None:
        """Append held-out figures to `measurements.jsonl`, and put every number into TensorBoard.

        Args:
            figures: Numbers, texts, lists, or mappings of those, by name.
        """
        curves = self.curves
        entry = {"step": self.step, "minutes": round(self.elapsed_s / 60, 1), **figures}
        with (self._directory / "measurements.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        for name, value in _numbers("held_out", figures):
            curves.add_scalar(name, value, self.step)
        curves.flush()
        self.say(json.dumps(entry))

    def say(self, text: str) -> None:
        """Tell people something."""
        self._console.print(text, highlight=False, markup=False)

    def save(self) -> None:
        """Write the state, so that an end at any moment loses at most the steps since.

        Raises:
            OutputError: If it cannot be written.
        """
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "best": self.best,
            "settings": self._settings,
            "torch_random": torch.get_rng_state(),
        }
        if self.random is not None:
            state["random"] = self.random.bit_generator.state
        unfinished = self._path.with_name(STATE_FILE + ".unfinished")
        try:
            with unfinished.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{self._path}: the state of the run cannot be written ({error})") from error

    @property
    def _path(self) -> Path:
        return self._directory / STATE_FILE

    def _resume(self) -> None:
        """Take over the state of an earlier process; what the settings say of the optimiser holds."""
        try:
            state = torch.load(self._path, weights_only=True)
            for name, earlier in _EARLIER_NAMES.items():
                if name not in state and earlier in state:
                    state[name] = state[earlier]
            self._require_same_settings(state.get("settings"))
            self.network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            ours = [
                {k: v for k, v in group.items() if k != "params"} for group in self.optimizer.param_groups
            ]
            self.optimizer.load_state_dict(state["optimizer"])
            for group, settings in zip(self.optimizer.param_groups, ours, strict=True):
                group.update(settings)
            self.step, self.elapsed_s = int(state["step"]), float(state["elapsed_s"])
            self.best = float(state.get("best", self.best))
            if self.random is not None and "random" in state:
                self.random.bit_generator.state = state["random"]
            if "torch_random" in state:
                torch.set_rng_state(state["torch_random"])
        except (RuntimeError, KeyError, ValueError, TypeError, EOFError, OSError, UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(
                f"{self._path}: expected the state of an earlier run of this network, got that of another network or a "
                f"damaged file ({reason}); give another run folder, or delete the file to begin anew"
            ) from error
        self.say(f"goes on from step {self.step} of {self._path}")

    def _require_same_settings(self, earlier: Mapping[str, Any] | None) -> None:
        if earlier is None:  # of version 0.1
            return
        with suppress(ValidationError):  # settings that came since then have their default
            earlier = self._config_kind.model_validate(earlier).model_dump(mode="json")
        changed = [
            f"{name} was {earlier.get(name)!r}, is {self._settings.get(name)!r}"
            for name in sorted({*earlier, *self._settings} - set(self._may_change))
            if earlier.get(name) != self._settings.get(name)
        ]
        if changed:
            raise ConfigurationError(
                f"{self._directory}: holds a run with other settings: {'; '.join(changed)}. Go on with those of its "
                "config.yaml, or give another run folder"
            )


def parameter_groups(
    network: nn.Module, *, backbone: str, backbone_rate: float, rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Groups for an optimiser: a backbone learns at a rate of its own, and biases do not decay.

    Args:
        network: Its parameters that ask for gradients are in exactly one group.
        backbone: What the names of the backbone's parameters start with.
        backbone_rate: Greatest learning rate of the backbone.
        rate: That of all else.
        weight_decay: Of weights; of parameters with one axis, 0.
    """
    return [
        {
            "params": [
                parameter
                for name, parameter in network.named_parameters()
                if parameter.requires_grad
                and name.startswith(backbone) == of_backbone
                and (parameter.ndim > 1) == decays
            ],
            "lr": peak,
            "peak_lr": peak,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for of_backbone, peak in ((True, backbone_rate), (False, rate))
        for decays in (True, False)
    ]


def _numbers(prefix: str, figures: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _numbers(f"{prefix}/{name}", value)
        elif isinstance(value, int | float):
            yield f"{prefix}/{name}", float(value)
