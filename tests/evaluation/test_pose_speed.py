"""Speed of pose estimators: turns, medians, and the command with OpenPifPaf's own Predictor in it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from activity.evaluation.pose_speed import (
    PREDICTOR,
    Contender,
    CountPeople,
    Image,
    PoseTiming,
    describe_timings,
    read_frames,
    time_estimators,
)

DEMO = Path(__file__).parents[2] / "docs" / "demo" / "demo.mp4"


def test_estimators_take_turns_by_blocks_after_one_frame_that_prepares() -> None:
    calls: list[tuple[str, int]] = []

    def estimator(name: str) -> CountPeople:
        def count(image: Image) -> int:
            calls.append((name, int(image[0, 0, 0])))
            return len(name)

        return count

    frames = [np.full((4, 4, 3), value, np.uint8) for value in (7, 8, 9)]
    contenders = {name: Contender(estimator(name)) for name in ("a", "bb")}
    done: list[tuple[int, int]] = []
    timings = time_estimators(contenders, frames, block_frames=2, progress=lambda *step: done.append(step))
    assert calls[:2] == [("a", 7), ("bb", 7)]
    assert calls[2:] == [("a", 7), ("a", 8), ("bb", 7), ("bb", 8), ("a", 9), ("bb", 9)]
    assert timings["bb"].people == [2, 2, 2]
    assert (len(timings["a"].wall_s), len(timings["a"].latency_s)) == (2, 3)
    assert done == [(2, 3), (3, 3)]


def test_a_stream_of_two_frames_at_once_takes_half_the_time_of_each_frame() -> None:
    def nap(_image: Image) -> int:
        time.sleep(0.03)
        return 1

    timing = time_estimators({"two": Contender(nap, 2)}, [np.zeros((4, 4, 3), np.uint8)] * 10)["two"]
    assert min(timing.latency_s) >= 0.03
    assert timing.wall_s[0] < 0.8 * np.median(timing.latency_s)
    figures = describe_timings({"two": timing}, {"two": Contender(nap, 2, 3)})
    assert figures["estimators"]["two"]["latency_ms"] > figures["estimators"]["two"]["ms"]
    assert (figures["estimators"]["two"]["frames_at_once"], figures["estimators"]["two"]["call_threads"]) == (
        2,
        3,
    )
    assert figures["times_predictor"] == {}


def test_figures_are_medians_and_ratios_are_to_the_predictor() -> None:
    timings = {
        "ours": PoseTiming([0.1, 0.1, 5.0], [0.2, 0.2, 0.2], [0.15, 0.15, 9.0], [3, 3, 0]),
        PREDICTOR: PoseTiming([0.2, 0.3, 5.0], [0.4, 0.6, 0.4], [0.2, 0.3, 5.0], [3, 3, 3]),
    }
    figures = describe_timings(timings, dict.fromkeys(timings, Contender(len)))
    ours = figures["estimators"]["ours"]
    assert (ours["frames_per_s"], ours["ms"], ours["cpu_ms"], ours["people"]) == pytest.approx(
        (10, 100, 200, 2)
    )
    assert ours["latency_ms"] == pytest.approx(150)
    assert figures["times_predictor_cpu"] == pytest.approx({"ours": 2.0, PREDICTOR: 1.0})  # of 2, 3 and 2
    assert figures["times_predictor"] == pytest.approx({"ours": 2.0, PREDICTOR: 1.0})  # of 2, 3 and 1


def test_frames_are_taken_evenly_and_scaled() -> None:
    frames = read_frames(DEMO, frames=3, size=(320, 180))
    assert [frame.shape for frame in frames] == [(180, 320, 3)] * 3
    assert np.abs(frames[0].astype(int) - frames[2]).mean() > 1


def test_the_command_prints_every_estimator_beside_the_predictor() -> None:
    command = [sys.executable, "-m", "activity", "benchmark", "pose", str(DEMO)]
    result = subprocess.run(  # noqa: S603
        [*command, "--frames", "2", "--threads", "1", "--json"], capture_output=True, text=True, check=True
    )
    figures = json.loads(result.stdout)
    assert len(figures["estimators"]) == 4
    assert figures["times_predictor"][PREDICTOR] == 1
    assert all(row["frames_per_s"] > 0 for row in figures["estimators"].values())
    assert (figures["width"], figures["height"], figures["threads"], figures["frames"]) == (640, 360, 1, 2)
    assert figures["machine"]["cores"] >= 1
    fed = {name: (row["frames_at_once"], row["call_threads"]) for name, row in figures["estimators"].items()}
    assert set(fed.values()) == {(1, 1)}
