"""`activity benchmark pipeline` on a clip of a few frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from activity.cli import app
from activity.video import VideoWriter


def test_the_benchmark_prints_every_stage_and_the_sum_over_the_length(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with VideoWriter(clip, width=160, height=96, frame_rate_hz=10) as writer:
        for number in range(5):
            writer.write(np.full((96, 160, 3), 40 + number, np.uint8), number / 10)
    result = CliRunner().invoke(app, ["benchmark", "pipeline", str(clip), "--threads", "1", "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert {"decode", "detect", "pose", "track", "recognize", "fuse", "annotate", "other"} <= set(
        figures["stages"]
    )
    assert figures["duration_s"] == pytest.approx(0.5)
    assert figures["per_video_s"] == pytest.approx(figures["wall_s"] / 0.5, rel=1e-3)
    spent = sum(stage["wall_s"] for stage in figures["stages"].values())
    assert spent == pytest.approx(figures["wall_s"], abs=0.02)
    assert figures["machine"]["cores"] >= 1
