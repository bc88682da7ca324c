#!/usr/bin/env python3
"""Write the demo clip's people as labelled trajectories in HR-Crime's layout.

Usage: .venv/bin/python scripts/demo_trajectories.py OUT

The exact keypoints of docs/demo/truth.json become OUT/<class>/<video>/<person>.csv: the two who fight, while they
fight, are Fighting; everybody else, and they before, Normal. With them `activity explain --trajectories OUT` and
`activity evaluate recognizer --trajectories OUT` work in every clone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

DEMO = Path(__file__).parents[1] / "docs" / "demo"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the trajectories")
    out: Path = parser.parse_args().out
    truth = json.loads((DEMO / "truth.json").read_text(encoding="utf-8"))
    images = {image["id"]: image for image in truth["images"]}
    (fight,) = (event for event in truth["staged"]["events"] if event["event"] == "fight")
    fighters = fight["track_ids"]
    rows: dict[tuple[str, str, int], list[str]] = {}
    for person in truth["annotations"]:
        if person["category_id"] != 1:
            continue
        image, who = images[person["image_id"]], person["track_id"]
        fighting = who in fighters and fight["start_s"] <= image["time_s"] <= fight["end_s"]
        if who in fighters and image["time_s"] > fight["end_s"]:
            continue  # what the fighters do once it is over is neither
        place = ("Fighting", "demo_fight", who) if fighting else ("Normal", "demo_calm", who)
        joints = person["keypoints"]
        cells = [
            f"{joints[at]:.4f},{joints[at + 1]:.4f}" if joints[at + 2] else "0,0" for at in range(0, 51, 3)
        ]
        rows.setdefault(place, []).append(",".join([str(image["frame"]), *cells]))
    for (category, video, who), lines in sorted(rows.items()):
        folder = out / category / video
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{who}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rate = truth["info"]["frame_rate_hz"]
    videos = {video: {"frame_rate_hz": rate} for video in ("demo_fight", "demo_calm")}
    (out / "videos.json").write_text(json.dumps(videos), encoding="utf-8")
    print(f"{len(rows)} trajectories in {out}")


if __name__ == "__main__":
    main()
