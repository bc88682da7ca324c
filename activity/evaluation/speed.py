"""How many segments a second the networks answer, each form beside the others in one run.

All forms take turns, so that whatever else the machine does falls on all of them. The best turn is the least disturbed
one and stands for the form; the median says how disturbed the rest was. Seconds of the processor (all threads
together) do not grow while other programs hold the cores, those of the clock do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from activity.errors import ConfigurationError
from activity.evaluation.complexity import REFERENCE_MODELS, count_macs
from activity.networks.onnx import OnnxModel
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.bptubeformer import BPTubeFormer
from activity.recognition.fused import INPUT, OUTPUT, fused_onnx
from activity.recognition.st_tran import STTran
from activity.recognition.t_tran import TTran

BATCHES: Final = (1, 64)
BASELINE: Final = "ST-Tran T=60"
EQUAL_LENGTH_BASELINE: Final = "ST-Tran T=24"
OURS: Final = "BPT-V2 (2,3,3) T=24"
NOTE: Final = (
    "Ratios are of segments a second in one run. The paper's comparison is BPT-V2 at T=24 with ST-Tran at T=60; the one "
    "with ST-Tran at T=24 stands beside it. Shares of the peak count the multiply-accumulates that a form really does. "
    "By the processor's time, figures hold on a busy machine too, but do not see a thread that waits; by the clock, they "
    "hold on an idle one only."
)

_GEMM_SIDE: Final = 1536
Run = Callable[[npt.NDArray[np.float32]], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One network in one form.

    Attributes:
        model: The network, its kernel and its segment length.
        form: ``eager``; ``fused``; or ``fused, spinning``: threads that wait in a loop and never sleep.
        frames: T.
        macs: Multiply-accumulates of one segment.
        run: Answers [B, 5, 2, T, 3, 3].
    """

    model: str
    form: str
    frames: int
    macs: int
    run: Run


@dataclass(slots=True)
class _Turns:
    wall_s: list[float]
    cpu_s: list[float]


def forms_of(name: str, config: NetworkConfig, *, threads: int, spinning: bool = False) -> list[Form]:
    """The eager and the fused form of a freshly drawn network; weights have no say in its speed."""
    network = build_network(config).eval()
    macs = count_macs(network, frames=config.frames)
    content = fused_onnx(network)
    fewer = macs - saved_macs(network)

    def eager(grids: npt.NDArray[np.float32]) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(grids))

    forms = [Form(name, "eager", config.frames, macs, eager)]
    for label, spins in (("fused", False), ("fused, spinning", True)):
        if spins and not spinning:
            continue
        forms.append(
            Form(name, label, config.frames, fewer, _fused_run(content, threads=threads, spinning=spins))
        )
    return forms


def _fused_run(content: bytes, *, threads: int, spinning: bool) -> Run:
    model = OnnxModel(Path("fused"), threads=threads, content=content, spinning=spinning)
    return lambda grids: model.run({INPUT: grids})[OUTPUT]


def saved_macs(network: nn.Module) -> int:
    """Multiply-accumulates of one segment that the fused form leaves out: its last block serves the class token alone.

    Raises:
        ConfigurationError: If the network has no fused form.
    """
    match network:
        case BPTubeFormer():
            tokens, width = network.part_positions.shape
        case STTran() | TTran():
            tokens, width = network.temporal.positions.shape
        case _:
            raise ConfigurationError(f"{type(network).__name__}: this network has no fused form")
    config = network.config
    whole = tokens * (4 + 2 * config.mlp_ratio) * width**2 + 2 * tokens**2 * width
    alone = (4 + 2 * config.mlp_ratio) * width**2 + 2 * tokens * width * config.heads
    return int(whole - alone)


def measure_turns(forms: Sequence[Form], *, batch: int, turns: int, least_s: float = 0.02) -> list[_Turns]:
    """Let every form answer `batch` segments in each of `turns` rounds.

    Args:
        forms: What takes turns.
        batch: B, segments a call.
        turns: Rounds.
        least_s: A turn repeats its call until this much time has passed, and counts the mean.

    Returns:
        Seconds a call for each form, turn by turn.
    """
    inputs = {
        frames: np.random.default_rng(0).normal(size=(batch, 5, 2, frames, 3, 3)).astype(np.float32)
        for frames in {form.frames for form in forms}
    }
    results = [_Turns([], []) for _ in forms]
    for form in forms:
        form.run(inputs[form.frames])  # the first call prepares
    for _ in range(turns):
        for form, result in zip(forms, results, strict=True):
            wall_s, cpu_s = _time(form.run, inputs[form.frames], least_s)
            result.wall_s.append(wall_s)
            result.cpu_s.append(cpu_s)
    return results


def cpu_segments_per_s(forms: Sequence[Form], *, batch: int = 32, turns: int = 3) -> dict[str, float]:
    """Segments a second of one core's time, by form, in the best of a few turns on one thread."""
    with torch_threads(1):
        results = measure_turns(forms, batch=batch, turns=turns)
    return {
        form.form: round(batch / min(result.cpu_s), 1) for form, result in zip(forms, results, strict=True)
    }


def benchmark_recognizer(
    *,
    threads: int = 2,
    turns: int = 7,
    models: Sequence[tuple[str, NetworkConfig]] = REFERENCE_MODELS,
    on_progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
) -> dict[str, Any]:
    """Every model, eager and fused, at batch 1 and 64; our best exact path against ST-Tran as torch runs it.

    Args:
        threads: For every form.
        turns: Rounds; the best one counts.
        models: Names and shapes; must hold BPT-V2 and ST-Tran at T=60 and T=24.
        on_progress: Told of the models that are measured.

    Returns:
        `models`, a list with `name`, `form`, `macs` and by batch `segments_per_s` (best turn), `median_segments_per_s`,
        `segments_per_cpu_s`, `share_of_peak` by the clock and `cpu_share_of_peak` by the processor; `ratios` by batch
        against both baselines, by the clock (`ratio`) and by the processor (`cpu_ratio`), each of the form that is
        fastest by it; `peak_gflops` and `cpu_peak_gflops` of a large product in the same rounds; `threads`, `turns`,
        `note`.
    """
    forms = [
        form
        for name, config in models
        for form in forms_of(name, config, threads=threads, spinning=name == OURS)
    ]
    side = torch.rand(_GEMM_SIDE, _GEMM_SIDE)
    product = Form("peak", "sgemm", 24, _GEMM_SIDE**3, lambda _grids: torch.mm(side, side))
    entries: dict[int, dict[str, Any]] = {
        index: {"name": form.model, "form": form.form, "macs": form.macs, "batches": {}}
        for index, form in enumerate(forms)
    }
    ratios: dict[str, Any] = {}
    peak = cpu_peak = 0.0
    with torch_threads(threads):
        measured = {}
        for done, batch in enumerate(BATCHES):
            on_progress(f"batch {batch}", done, len(BATCHES))
            *measured[batch], gemm = measure_turns([*forms, product], batch=batch, turns=turns)
            peak = max(peak, 2 * product.macs / min(gemm.wall_s))
            cpu_peak = max(cpu_peak, 2 * product.macs / min(gemm.cpu_s))
    for batch, results in measured.items():
        for index, (form, result) in enumerate(zip(forms, results, strict=True)):
            best, cpu_best = batch / min(result.wall_s), batch / min(result.cpu_s)
            entries[index]["batches"][str(batch)] = {
                "segments_per_s": round(best, 1),
                "median_segments_per_s": round(batch / float(np.median(result.wall_s)), 1),
                "segments_per_cpu_s": round(cpu_best, 1),
                "share_of_peak": round(2 * form.macs * best / peak, 4),
                "cpu_share_of_peak": round(2 * form.macs * cpu_best / cpu_peak, 4),
            }
        ratios[str(batch)] = _ratios(list(entries.values()), str(batch))
    return {
        "models": list(entries.values()),
        "ratios": ratios,
        "peak_gflops": round(peak / 1e9, 1),
        "cpu_peak_gflops": round(cpu_peak / 1e9, 1),
        "threads": threads,
        "turns": turns,
        "note": NOTE,
    }


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use `threads` within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _ratios(entries: Sequence[dict[str, Any]], batch: str) -> dict[str, Any]:
    """How many times as many segments our fastest exact form answers as each baseline run eagerly."""

    def fastest(key: str) -> tuple[str, float]:
        exact = [(entry["form"], entry["batches"][batch][key]) for entry in entries if entry["name"] == OURS]
        return max(exact, key=lambda pair: pair[1])

    (best, ours), (cpu_best, cpu_ours) = fastest("segments_per_s"), fastest("segments_per_cpu_s")
    result: dict[str, Any] = {"best_form": best, "cpu_best_form": cpu_best}
    for name, label in ((BASELINE, "st_tran_t60"), (EQUAL_LENGTH_BASELINE, "st_tran_t24")):
        (eager,) = (
            entry["batches"][batch] for entry in entries if (entry["name"], entry["form"]) == (name, "eager")
        )
        result[label] = {
            "ratio": round(ours / eager["segments_per_s"], 2),
            "cpu_ratio": round(cpu_ours / eager["segments_per_cpu_s"], 2),
        }
    return result


def _time(run: Run, grids: npt.NDArray[np.float32], least_s: float) -> tuple[float, float]:
    calls, begin, begin_cpu = 0, time.perf_counter(), time.process_time()
    while True:
        run(grids)
        calls += 1
        passed = time.perf_counter() - begin
        if passed >= least_s:
            return passed / calls, (time.process_time() - begin_cpu) / calls


def reference_speeds(config: NetworkConfig) -> dict[str, float]:
    """Segments a second of one core's time for a network of this shape, eager and fused."""
    return cpu_segments_per_s(forms_of("", config, threads=1))
