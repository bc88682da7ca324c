"""The demo's people in peace: they walk up to each other, stand, talk and pass by, and nothing is alleged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from activity.config import Settings
from activity.pipeline import Pipeline

SCRIPT = Path(__file__).parents[1] / "scripts" / "render_demo_clip.py"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 5])
def test_a_quiet_rendered_clip_raises_no_alert(seed: int, tmp_path: Path) -> None:
    subprocess.run(  # noqa: S603
        [sys.executable, str(SCRIPT), "--quiet", "--seed", str(seed), "--out", str(tmp_path)],
        check=True,
        timeout=900,
        capture_output=True,
    )
    assert json.loads((tmp_path / "truth.json").read_text())["staged"]["events"] == []
    analysis = Pipeline.from_settings(Settings(threads=1)).analyze(tmp_path / "demo.mp4")
    assert len(analysis.tracks) >= 4, "the people are there"
    assert max(score.probability("Fighting") for score in analysis.activities) > 0.3, "and are judged"
    assert analysis.alerts == []
