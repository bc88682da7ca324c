"""`activity benchmark memory` from clip to figures, on two very short videos."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "docs" / "demo" / "demo.mp4"


def test_memory_prints_both_peaks_their_ratio_and_the_machine() -> None:
    command = [
        sys.executable,
        "-m",
        "activity",
        "benchmark",
        "memory",
        str(DEMO),
        "--short-s",
        "1",
        "--long-s",
        "2",
    ]
    result = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True, timeout=300)  # noqa: S603
    figures = json.loads(result.stdout)
    assert (figures["short"]["frames"], figures["long"]["frames"]) == (15, 30)
    assert figures["short"]["peak_mib"] > 100
    assert figures["ratio"] == round(figures["long"]["peak_mib"] / figures["short"]["peak_mib"], 4)
    assert figures["machine"]["versions"]["torch"].startswith("2.13")
