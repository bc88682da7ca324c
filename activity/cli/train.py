"""`activity train`: every network of the pipeline, each by one configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml
from pydantic import BaseModel, ConfigDict

from activity.cli.console import count_progress, show_figures, stderr
from activity.config import read_yaml
from activity.errors import ConfigurationError

app = typer.Typer(
    help=(
        "Train a network. Each run is one YAML file (see configs/) and one run folder with its state and TensorBoard "
        "logs; a run that was stopped goes on when the same command is given again."
    ),
    no_args_is_help=True,
)
Config = Annotated[
    Path, typer.Option(help="The run's settings as YAML; configs/ holds those of our checkpoints.")
]
RunDirectory = Annotated[
    Path | None,
    typer.Option("--run", help="Folder of the run's state and logs; by default runs/<name of the config>."),
]


class _RecognizerKind(BaseModel):
    model_config = ConfigDict(extra="allow")
    kind: Literal["recognizer", "clip_model", "benchmark"] = "recognizer"


class _Kind(BaseModel):
    model_config = ConfigDict(extra="allow")
    kind: Literal["topdown", "openpifpaf"]


@app.command()
def pose(config: Config, run: RunDirectory = None) -> None:
    """Train a pose network: heat maps for the top-down pair (kind: topdown) or OpenPifPaf (kind: openpifpaf).

    Example:

    activity train pose --config configs/pose_topdown.yaml
    """
    match read_yaml(config, _Kind).kind:
        case "topdown":
            from activity.training.heatmaps import trainer  # noqa: PLC0415  (keeps --help fast)
            from activity.training.heatmaps.config import TopDownConfig  # noqa: PLC0415

            checkpoint = trainer.train(read_yaml(config, TopDownConfig), run_directory=_folder(run, config))
        case "openpifpaf":
            from activity.training.openpifpaf import trainer as field_trainer  # noqa: PLC0415

            checkpoint = field_trainer.train(
                read_yaml(config, field_trainer.OpenPifPafConfig), run_directory=_folder(run, config)
            )
    _report(checkpoint)


@app.command()
def detector(config: Config, run: RunDirectory = None) -> None:
    """Train the person and weapon detector.

    Example:

    activity train detector --config configs/detector_yolox.yaml
    """
    from activity.training.detector import trainer  # noqa: PLC0415

    _report(trainer.train(read_yaml(config, trainer.DetectorConfig), run_directory=_folder(run, config)))


@app.command()
def fire(config: Config, run: RunDirectory = None) -> None:
    """Train a fire classifier: the small one (kind: activation) or that of CSIS (kind: fire_detection_net).

    Example:

    activity train fire --config configs/fire.yaml
    """
    from activity.training.fire import trainer  # noqa: PLC0415
    from activity.training.fire.config import FireConfig  # noqa: PLC0415

    _report(trainer.train(read_yaml(config, FireConfig), run_directory=_folder(run, config)))


@app.command()
def holder(config: Config, run: RunDirectory = None) -> None:
    """Train the machine that tells from a posture whether somebody is armed: weak evidence beside a weapon.

    Takes about two minutes, poses included, and prints how good it is.

    Example:

    activity train holder --config configs/holder.yaml
    """
    from activity.training.posture import trainer  # noqa: PLC0415
    from activity.training.posture.config import HolderConfig  # noqa: PLC0415

    directory = _directory(run, config)
    with count_progress("pictures") as advance:
        made = trainer.train(read_yaml(config, HolderConfig), run_directory=directory, on_image=advance)
    show_figures(made.figures, as_json=False)
    _report(made.checkpoint)


@app.command()
def recognizer(config: Config, run: RunDirectory = None) -> None:
    """Train a recogniser on trajectories, or measure a recipe on recorded actions; the config's kind says which.

    kind: recognizer trains a network, clip_model joins to a trained one a model of whole clips, and benchmark
    measures on SBU or NW-UCLA.

    Examples:

    activity train recognizer --config configs/recognizer_fighting.yaml

    activity train recognizer --config configs/clip_model_fighting.yaml

    activity train recognizer --config configs/benchmark_sbu.yaml

    torchrun --standalone --nproc-per-node 2 -m activity train recognizer --config configs/benchmark_sbu.yaml
    """
    kind = read_yaml(config, _RecognizerKind).kind
    if kind == "clip_model":
        from activity.training.recognizer import clip_model  # noqa: PLC0415
        from activity.training.recognizer.clip_model_config import ClipModelConfig  # noqa: PLC0415

        joint = read_yaml(config, ClipModelConfig)
        _report(clip_model.train_clip_model(joint, run_directory=_directory(run, config)))
        return
    from activity.training.recognizer.processes import joined  # noqa: PLC0415

    given = run or Path("runs") / config.stem
    with joined(given) as folder:
        directory = _directory(folder, config)
        if kind == "benchmark":
            _measure(config, directory)
        else:
            from activity.training.recognizer import trainer  # noqa: PLC0415
            from activity.training.recognizer.config import RecognizerConfig  # noqa: PLC0415

            settings = read_yaml(config, RecognizerConfig)
            if folder != given:  # the first process writes the checkpoint
                settings = settings.model_copy(update={"checkpoint": folder / settings.checkpoint.name})
            _report(trainer.train(settings, run_directory=directory))


@app.command()
def average(
    networks: Annotated[list[Path], typer.Argument(help="Two or more .onnx files that trainings exported.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file to write.")],
) -> None:
    """Average the weights of networks of which one went on from the other at a low rate.

    The mean keeps most of what each is good at and costs no more than one to run; of trainings that went far apart it
    is worse than each. Measure it before you believe it.

    Example:

    activity train average runs/pose_topdown_continue/pose_topdown.onnx runs/pose_topdown_sport/pose_topdown.onnx
    --out checkpoints/pose_topdown.onnx
    """
    from activity.training.averaging import average_networks  # noqa: PLC0415

    _report(average_networks(networks, out))


def _measure(config: Path, directory: Path) -> None:
    from activity.training.recognizer.benchmark import run_benchmark  # noqa: PLC0415
    from activity.training.recognizer.benchmark_config import BenchmarkConfig  # noqa: PLC0415
    from activity.training.recognizer.benchmark_report import as_markdown  # noqa: PLC0415

    figures = run_benchmark(read_yaml(config, BenchmarkConfig), run_directory=directory, on_epoch=_say_epoch)
    stderr.print(as_markdown(figures), highlight=False, soft_wrap=True)
    stderr.print(
        f"figures written: {directory / 'results.json'}, {directory / 'results.md'}", highlight=False
    )


def _say_epoch(name: str, done: int, epochs: int, loss: float) -> None:
    if done == epochs:
        stderr.print(f"{name}: {epochs} epochs, loss {loss:.3f}", highlight=False)


def _folder(run: Path | None, config: Path) -> Path:
    """Folder of a run, named to the user; a run that goes on compares its settings itself."""
    directory = run or Path("runs") / config.stem
    stderr.print(f"run folder {directory}; watch it with: tensorboard --logdir {directory}", highlight=False)
    return directory


def _directory(run: Path | None, config: Path) -> Path:
    """Folder of a run without a state, which holds a copy of its settings; other settings are refused."""
    directory = _folder(run, config)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        state = directory / "config.yaml"
        text = config.read_text(encoding="utf-8")
        if state.exists() and yaml.safe_load(state.read_text(encoding="utf-8")) != yaml.safe_load(text):
            raise ConfigurationError(
                f"{directory}: holds a run with other settings ({state}); name another folder with --run, or remove it"
            )
        state.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{directory}: cannot hold the run: {error.strerror}; name another with --run"
        ) from error
    return directory


def _report(checkpoint: Path) -> None:
    stderr.print(f"checkpoint written: {checkpoint}", highlight=False)
