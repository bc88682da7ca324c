"""The tables of the BPTubeFormer paper, row by row, on any data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from activity.config import read_yaml
from activity.errors import ConfigurationError
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.training.recognizer.benchmark import run_benchmark
from activity.training.recognizer.benchmark_config import BenchmarkConfig
from activity.training.recognizer.config import RecognizerConfig
from activity.training.recognizer.fit import OnEpoch
from activity.training.recognizer.protocols import LEAKS, run_protocol
from activity.training.recognizer.validation import load_training_data

ROWS: Final = (
    "st_tran", "bpt_v1", "bpt_v2", "bpt_v3", "bpt_v4", "bpt_8_v1", "bpt_8_v2", "bpt_t60", "bpt_k8", "bpt_replicate",
    "bpt_8_inferred", "st_tran_t24", "t_tran",
)  # fmt: skip
"""Names of the files under `configs/table1`, in the order of the paper; the last five are not rows of its own."""
NOT_REPRODUCED: Final = "M1.2 (0.3820 ± 0.0050), another paper's model of which this one gives no kernel, stride or length, is left out."

Data = Literal["trajectories", "sbu", "nw_ucla"]


def read_rows(directory: Path, names: Sequence[str] = ROWS) -> dict[str, RecognizerConfig]:
    """Read the configurations of rows.

    Raises:
        ConfigurationError: If a row is unknown or its file is missing or wrong.
    """
    unknown = sorted(set(names) - set(ROWS))
    if unknown:
        raise ConfigurationError(f"rows: unknown {', '.join(unknown)}; known are {', '.join(ROWS)}")
    return {name: read_yaml(directory / f"{name}.yaml", RecognizerConfig) for name in names}


def run_table(
    rows: Mapping[str, RecognizerConfig],
    *,
    data: Data,
    path: Path,
    out: Path,
    sources: Path | None = None,
    protocol: Literal["by_video", "paper"] | None = None,
    epochs: int | None = None,
    on_row: Callable[[str, dict[str, Any]], None] | None = None,
    on_epoch: OnEpoch | None = None,
) -> dict[str, Any]:
    """Run every row and write `table1.json` and `table1.md` after each; a cell that is done is not run again.

    Args:
        rows: From `read_rows`.
        data: trajectories in HR-Crime's layout, or a benchmark with its official split.
        path: Of the data.
        out: Folder for the tables, and for the state of each row.
        sources: For trajectories: clip to source, which are then split instead of videos.
        protocol: Instead of the rows' own.
        epochs: Instead of the rows' own, to try the machinery.
        on_row: Told of every finished row.
        on_epoch: Called after every epoch.

    Returns:
        `data`, `protocol`, `leaks`, `epochs` and `rows`: for each `name`, `title`, `kernel`, `stride`, `frames`,
        `padding`, `parameters`, `published` and `segment`, `track`, `clip` (each `values`, `mean`,
        `standard_deviation`); benchmarks have `balanced_accuracy` and `accuracy` instead.

    Raises:
        DatasetError: If the data cannot be read or split.
    """
    table: dict[str, Any] = {
        "data": data,
        "protocol": "official split" if data != "trajectories" else protocol or "each row's own",
        "leaks": LEAKS if data == "trajectories" and protocol != "by_video" else None,
        "epochs": epochs,
        "left_out": NOT_REPRODUCED,
        "rows": [],
    }
    for name, row in rows.items():
        config = _adapted(row, path=path, sources=sources, protocol=protocol, epochs=epochs)
        if data == "trajectories":
            training = load_training_data(config)
            shape = config.network_config(len(training.classes))
            figures = run_protocol(config, training, run_directory=out / name, on_epoch=on_epoch)
            measured = {level: figures[level] for level in ("segment", "track", "clip")}
        else:
            benchmark = as_benchmark(config, data=data, path=path)
            figures = run_benchmark(benchmark, run_directory=out / name, on_epoch=on_epoch)
            shape = config.network_config(len(figures["classes"]))
            measured = {level: figures[level] for level in ("balanced_accuracy", "accuracy")}
        entry = {**describe_row(name, config, shape), **measured}
        table["rows"].append(entry)
        out.mkdir(parents=True, exist_ok=True)
        (out / "table1.json").write_text(json.dumps(table, indent=1, ensure_ascii=False), encoding="utf-8")
        (out / "table1.md").write_text(as_markdown(table), encoding="utf-8")
        if on_row is not None:
            on_row(name, entry)
    return table


def as_benchmark(config: RecognizerConfig, *, data: Literal["sbu", "nw_ucla"], path: Path) -> BenchmarkConfig:
    """A row's recipe for recorded actions: each person apart, coordinates as they come, one view."""
    settings = config.tubelet_settings
    return BenchmarkConfig(
        kind="benchmark",
        data=data,
        path=path,
        frames=settings.frames,
        source_frames=settings.frames,
        normalization="none",
        people="apart",
        padding=settings.padding,
        network=dict(config.network),
        augmentation=config.augmentation,
        optimization=config.optimization,
        views=False,
        seeds=(config.seed,),
        threads=config.threads,
    )


def describe_row(name: str, config: RecognizerConfig, shape: NetworkConfig) -> dict[str, Any]:
    """What a row says of itself before it is run."""
    is_tubelet = isinstance(shape, BPTubeFormerConfig)
    return {
        "name": name,
        "title": config.title,
        "kernel": list(shape.kernel) if isinstance(shape, BPTubeFormerConfig) else None,
        "stride": list(shape.stride) if isinstance(shape, BPTubeFormerConfig) else None,
        "frames": shape.frames,
        "padding": config.tubelet_settings.padding if is_tubelet else None,
        "parameters": count_parameters(shape),
        "published": config.published or None,
    }


def count_parameters(shape: NetworkConfig) -> int:
    """Values that training changes, counted without making them: one row has a quarter of a billion."""
    import torch  # noqa: PLC0415  (for the device alone)

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_network(shape).parameters())


def as_markdown(table: Mapping[str, Any]) -> str:
    """The table for people; published figures are those of HR-Crime's 13 classes and stand beside, not against."""
    levels = [
        level
        for level in ("segment", "track", "clip", "balanced_accuracy", "accuracy")
        if level in table["rows"][0]
    ]
    heading = ["model", "kernel", "stride", "frames", "parameters", *levels, "published (HR-Crime, segments)"]
    lines = [f"Data: {table['data']}. Protocol: {table['protocol']}."]
    if table["leaks"]:
        lines.append(f"The paper's protocol leaks: {table['leaks']}.")
    if table["epochs"]:
        lines.append(f"At most {table['epochs']} epochs: a trial of the machinery, not a measurement.")
    lines += [
        "",
        "| " + " | ".join(level.replace("_", " ") for level in heading) + " |",
        "| --- " * len(heading) + "|",
    ]
    for row in table["rows"]:
        cells = [
            row["title"],
            _tuple(row["kernel"]),
            _tuple(row["stride"]),
            str(row["frames"]),
            f"{row['parameters']:,}",
            *(f"{row[level]['mean']:.4f} ± {row[level]['standard_deviation']:.4f}" for level in levels),
            row["published"] or "-",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", table["left_out"], ""])


def _tuple(values: Sequence[int] | None) -> str:
    return "-" if values is None else f"({', '.join(map(str, values))})"


def _adapted(
    config: RecognizerConfig,
    *,
    path: Path,
    sources: Path | None,
    protocol: Literal["by_video", "paper"] | None,
    epochs: int | None,
) -> RecognizerConfig:
    changes: dict[str, Any] = {
        "data": config.data.model_copy(
            update={"trajectories": path, "sources": sources, "skip_normal": False}
        )
    }
    if protocol is not None:
        changes["protocol"] = protocol
    if epochs is not None:
        changes["optimization"] = config.optimization.model_copy(update={"epochs": epochs})
    return config.model_copy(update=changes)
