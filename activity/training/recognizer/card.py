"""The model card that lies beside a recogniser's checkpoint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from activity.errors import OutputError
from activity.training.recognizer.clip_model_config import ClipModelConfig
from activity.training.recognizer.config import RecognizerConfig

_LEVELS = ("segment", "track", "clip")
_CLIP_CHAPTER = "## The clip as a whole"


def write_card(path: Path, config: RecognizerConfig, training: Mapping[str, Any]) -> None:
    """Write the card of `config.checkpoint`.

    Args:
        path: The Markdown file.
        config: What it was trained with.
        training: The provenance that the checkpoint's header stores.

    Raises:
        OutputError: If the file cannot be written.
    """
    try:
        path.write_text(_card(config, training), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: the model card cannot be written: {error.strerror}") from error


def add_clip_model(checkpoint: Path, config: ClipModelConfig, training: Mapping[str, Any]) -> None:
    """Give the card of `checkpoint` a chapter on its model of whole clips, instead of one that it had, and the new hash.

    Args:
        checkpoint: The recogniser; its card lies beside it.
        config: What the model was trained with.
        training: The provenance that the model stores.

    Raises:
        OutputError: If there is no card, or it cannot be written.
    """
    path = checkpoint.with_suffix(".md")
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    try:
        card = path.read_text(encoding="utf-8").split(_CLIP_CHAPTER)[0].rstrip()
        card = re.sub("SHA-256 `[0-9a-f]{64}`", f"SHA-256 `{digest}`", card)
        path.write_text(
            card + "\n\n" + "\n".join(_clip_chapter(checkpoint, config, training)), encoding="utf-8"
        )
    except OSError as error:
        raise OutputError(f"{path}: the model card cannot be written: {error.strerror}") from error


def _clip_chapter(checkpoint: Path, config: ClipModelConfig, training: Mapping[str, Any]) -> list[str]:
    validation, held_out = training["cross_validation"], training["held_out"]
    rows = []
    for name, figures in validation.items():
        apart = held_out.get(name)
        rows.append(
            f"| {name} | {figures['n']} | {_mean(figures)} | {_interval(figures['interval'])} | "
            + (
                "- |"
                if apart is None
                else f"{apart['mean']:.3f} ({_interval(apart['interval'])}), n {apart['n']} |"
            )
        )
    return [
        _CLIP_CHAPTER,
        "",
        f"The clip's summary (its label and probabilities) is the mean of {'three' if config.network else 'two'} votes. "
        + (
            "The network has one, by the people who stand out most to it; in the folds below it was trained anew without the "
            "clips that it votes on. The others are forests"
            if config.network
            else "They are forests"
        )
        + f" of {config.trees} extremely randomised trees in the same file: one on 188 hand-made numbers on how all people "
        "moved over their whole tracks, one on 85 numbers on how the picture moved (optical flow), which also knows of people "
        "whom nobody could follow. Every person's activity by segment comes from the network alone, and with it the alerts, "
        "the people named beside the summary and the attention pictures.",
        "",
        f"Made by `activity train recognizer --config configs/clip_model_{checkpoint.stem.removeprefix('recognizer_')}"
        f".yaml`, {', '.join(f'{name} {version}' for name, version in training['versions'].items())}. "
        f"Learned from {config.data.name}. {config.data_statement}".rstrip(),
        "",
        f"Balanced accuracy by clip, {training['protocol']}; the interval is 95 % of a bootstrap over sources of the "
        "mean over the seeds:",
        "",
        "| judged by | clips | mean ± standard deviation over fold seeds | interval | held-out sources, which chose nothing |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
        *[
            _calibration(figures["calibration"])
            for figures in validation.values()
            if "calibration" in figures
        ],
        "",
        *([config.selection_statement, ""] if config.selection_statement else []),
    ]


def _calibration(figures: Mapping[str, float]) -> str:
    return (
        f"Probabilities: the mean vote is sharpened with the temperature {figures['temperature']:.2f}, fitted to the answers "
        "of the folds that a model had not learned from. On each fold with the temperature of the others, the expected "
        f"calibration error is {figures['ece']:.3f} (of the votes themselves {figures['ece_of_votes']:.3f}), the log loss "
        f"{figures['log_loss']:.3f} ({figures['log_loss_of_votes']:.3f})."
    )


def _card(config: RecognizerConfig, training: Mapping[str, Any]) -> str:
    validation, held_out = training["cross_validation"], training["held_out"]
    classes = validation["classes"]
    architecture = config.network.get("architecture", "bptubeformer")
    digest = hashlib.sha256(config.checkpoint.read_bytes()).hexdigest()
    lines = [
        f"# {config.checkpoint.stem}",
        "",
        f"Names the activity of one person during one segment: {' or '.join(classes)}. Network {architecture}, "
        f"{training['parameters']:,} parameters; segments of {config.tubelet_settings.frames} frames at "
        f"{config.tubelet_settings.frame_rate_hz} Hz. SHA-256 `{digest}`.",
        "",
        "## Made by",
        "",
        f"`activity train recognizer --config configs/{config.checkpoint.stem}.yaml`, seed {config.seed}, "
        f"commit `{training['commit']}`, "
        + ", ".join(f"{name} {version}" for name, version in training["versions"].items())
        + ".",
        "",
        "## Data",
        "",
        *_data(config, training),
        "",
        "## How good",
        "",
        f"Balanced accuracy; intervals are 95 % of a bootstrap over sources. Chance is {1 / len(classes):.2f}.",
        "",
        f"**Cross-validation** of the recipe, {validation['protocol']}. Fold seeds {list(config.fold_seeds)}:",
        "",
        "| level | n | first seed | interval | all seeds, mean ± standard deviation |",
        "| --- | --- | --- | --- | --- |",
        *(_row(level, validation) for level in _LEVELS),
        f"| floor: random forest on speeds and extents, by clip | {validation['clip']['n']} | "
        f"{validation['floor']['balanced_accuracy'][0]:.3f} | | {_mean(validation['floor'])} |",
        f"| floor: logistic regression on hand-made motion features, by clip | {validation['clip']['n']} | "
        f"{validation['linear_floor']['balanced_accuracy'][0]:.3f} | | {_mean(validation['linear_floor'])} |",
        "",
        f"Clips: confusion (rows truth, columns answer, {', '.join(classes)}) {validation['confusion']}; "
        f"{validation['without_tracks']} clips have no usable trajectory and count as what is then answered.",
        "",
        *([config.selection_statement, ""] if config.selection_statement else []),
        *_held_out(held_out),
        *_alarms(validation["alarms"], None if held_out is None else held_out["alarms"]),
        "The checkpoint itself was trained on all sources that are not held out: measured on those, it looks better "
        "than it is. `activity evaluate recognizer` says how many of the measured videos it has seen.",
        "",
        f"The rule from people to clip: {validation['clip_rule']}.",
        "",
        "## What it cannot do",
        "",
        "- The label of a training trajectory is its clip's: bystanders of a fight were taught as fighting, so the "
        "answer for a single person is less to be trusted than that for the clip.",
        "- It sees one person at a time, as 17 joints: no objects, no distance between people, no sound. A dance, a "
        "hug or a fall may look like a fight; a fight in which joints are hidden may look like nothing.",
        "- A few hundred clips of about two seconds from a few dozen places taught it. Expect less elsewhere, and do "
        "not act on its answer without a person looking at the video.",
        "",
    ]
    return "\n".join(lines)


def _data(config: RecognizerConfig, training: Mapping[str, Any]) -> list[str]:
    reading = training["reading"]
    text = [
        f"Trajectories of {len(training['videos'])} clips to learn from ({reading['files']} people in all files, "
        f"{reading['rows']} rows, {reading['gaps']} gaps, {reading['damaged_rows']} files with damaged rows, "
        f"{reading['unreadable_files']} unreadable files)."
    ]
    if config.data_statement:
        text.append(config.data_statement)
    return text


def _held_out(figures: Mapping[str, Any] | None) -> list[str]:
    if figures is None:
        return []
    return [
        f"**Held-out sources**, never trained on, this checkpoint, {figures['clip']['n']} clips:",
        "",
        "| level | n | balanced accuracy | interval |",
        "| --- | --- | --- | --- |",
        *(
            f"| {level} | {figures[level]['n']} | {_number(figures[level]['balanced_accuracy'])} | "
            f"{_interval(figures[level]['interval'])} |"
            for level in _LEVELS
        ),
        "",
    ]


def _alarms(seeds: Sequence[Mapping[str, Any] | None], held_out: Mapping[str, Any] | None) -> list[str]:
    first = seeds[0]
    if first is None:
        return []
    rows = []
    for name, figures in first.items():
        rates = [seed[name]["rate"] for seed in seeds if seed is not None]
        apart = None if held_out is None else held_out.get(name)
        rows.append(
            f"| {name} | {figures['alarmed']} of {figures['n']} ({_interval(figures['interval'])}) | "
            f"{np.mean(rates):.2f} ± {np.std(rates):.2f} | "
            + ("- |" if apart is None else f"{apart['alarmed']} of {apart['n']} |")
        )
    return [
        "**Alarms** by the rules that come with the program, on clips that a fold's network had not learned from; the interval is "
        "Wilson's 95 % of clips, as if they were independent:",
        "",
        "| clips of | first fold seed | share over all fold seeds, mean ± standard deviation | held-out sources |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
    ]


def _row(level: str, validation: Mapping[str, Any]) -> str:
    figures = validation[level]
    return (
        f"| {level} | {figures['n']} | {_number(figures['balanced_accuracy'])} | {_interval(figures['interval'])} | "
        f"{_mean(validation['seeds'][level])} |"
    )


def _mean(spread: Mapping[str, Any]) -> str:
    return f"{spread['mean']:.3f} ± {spread['standard_deviation']:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(interval: list[float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
