#!/usr/bin/env python3
"""Make the pictures of docs/interpretation.md anew, after a network has changed.

Usage: .venv/bin/python scripts/interpretation_pictures.py

Runs `activity explain` on the bundled clip with the embedded networks, in which nobody is real, and puts one picture of
each kind into docs/pictures/interpretation, no wider than a page. What the command measured is printed: the page has
some of it in words.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import cv2

ROOT: Final = Path(__file__).resolve().parents[1]
DEMO: Final = ROOT / "docs" / "demo" / "demo.mp4"
PAGE: Final = ROOT / "docs" / "pictures" / "interpretation"
WIDTH_PX: Final = 1000
PICTURES: Final = {
    "segment_overview": "overview.jpg",
    "segment_body_parts": "body_parts.png",
    "segment_tubelets_wrists": "tubelets_wrists.png",
    "segment_skeletons": "skeletons.jpg",
    "segment_relevance": "relevance.png",
    "population_tsne": "tsne.png",
    "population_silhouettes": "silhouettes.png",
    "population_confusion": "confusion.png",
}
"""Name of the file that the command makes, and of the picture of the page."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        trajectories, log = Path(folder) / "trajectories", Path(folder) / "explain"
        subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "demo_trajectories.py"), str(trajectories)], check=True
        )
        subprocess.run(
            [
                *(sys.executable, "-m", "activity", "explain", str(DEMO), "--json"),
                *("--trajectories", str(trajectories), "--logdir", str(log)),
            ],
            check=True,
        )
        for made, shown in PICTURES.items():
            picture = cv2.imread(str(log / "pictures" / f"{made}.png"))
            if picture is None:
                raise SystemExit(f"activity explain made no {made}.png")
            height, width = picture.shape[:2]
            scale = min(1.0, WIDTH_PX / width)
            size = (round(width * scale), round(height * scale))
            quality = [cv2.IMWRITE_JPEG_QUALITY, 88] if shown.endswith(".jpg") else []
            if not cv2.imwrite(
                str(PAGE / shown), cv2.resize(picture, size, interpolation=cv2.INTER_AREA), quality
            ):
                raise SystemExit(f"{PAGE / shown} cannot be written")
        print(f"{len(PICTURES)} pictures in {PAGE}")


if __name__ == "__main__":
    main()
