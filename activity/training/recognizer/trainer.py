"""Train a recogniser, and say honestly how good its recipe is."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from activity.evaluation.labelled_videos import (
    predict,
)
from activity.evaluation.recognition import (
    measure,
)
from activity.evaluation.recognizer_alarms import count_alarms
from activity.fusion.rule_book import default_rules
from activity.recognition.checkpoint import save_checkpoint
from activity.training.provenance import commit_of_code
from activity.training.recognizer.card import write_card
from activity.training.recognizer.config import RecognizerConfig
from activity.training.recognizer.fit import as_recognizer, fit
from activity.training.recognizer.validation import TrainingData, cross_validate, load_training_data

__all__ = ["TrainingData", "cross_validate", "load_training_data", "train"]


def train(config: RecognizerConfig, *, run_directory: Path) -> Path:
    """Cross-validate the recipe, train it on everything that is not held out, and write checkpoint and card.

    A run that was stopped goes on with the fold at which it was.

    Args:
        config: All settings.
        run_directory: For the answers of finished folds and the TensorBoard log.

    Returns:
        The checkpoint; its model card lies beside it, with the ending ``.md``.

    Raises:
        DatasetError: If the trajectories cannot be read or split.
        OutputError: If the checkpoint cannot be written.
    """
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  (the training extra; slow to import)

    console = Console(stderr=True)
    data = load_training_data(config)
    console.print(
        f"{len(data.videos)} videos to learn from, {len(data.held_out)} of held-out sources", highlight=False
    )
    with SummaryWriter(str(run_directory)) as log:

        def on_epoch(name: str, done: int, epochs: int, loss: float) -> None:
            log.add_scalar(f"loss/{name}", loss, done)
            if done == epochs:
                console.print(f"{name}: {epochs} epochs, loss {loss:.3f}", highlight=False)

        validation = cross_validate(config, data, run_directory=run_directory, on_epoch=on_epoch)
        learned = [data.dense[video.video] for video in data.videos]
        network, shape = fit(config, learned, data.classes, seed=config.seed, name="all", on_epoch=on_epoch)
    recognizer = as_recognizer(config, network, shape, data.classes)
    held_out = None
    if data.held_out:
        answers = predict(recognizer, data.held_out)
        held_out = {
            **measure(answers, data.classes),
            "alarms": count_alarms(answers, data.classes, default_rules()),
        }
    training = {
        "recipe": config.model_dump(mode="json", exclude={"checkpoint"}),
        "videos": [video.video for video in data.videos],
        "held_out_videos": [video.video for video in data.held_out],
        "cross_validation": validation,
        "held_out": held_out,
        "reading": {
            key: value if isinstance(value, int) else len(value)
            for key, value in data.dataset.report.to_json().items()
        },
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "commit": commit_of_code(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
    save_checkpoint(
        config.checkpoint,
        network,
        shape,
        classes=data.classes,
        tubelet_settings=config.tubelet_settings.to_mapping(),
        training=training,
    )
    write_card(config.checkpoint.with_suffix(".md"), config, training)
    return config.checkpoint
