#!/usr/bin/env python3
"""Render the bundled demo clip and its exact truth.

Writes `demo.mp4` (640x360, 15 frames a second, 10 s, H.264) and `truth.json`: a COCO keypoints file whose images are
the frames of the clip, with boxes of weapons and fire, and a `staged` section that says what happens when.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from activity.datasets.rendered import RenderedScene, StagedScene, demo_story
from activity.structures import COCO_KEYPOINT_NAMES, COCO_LIMBS
from activity.video import VideoWriter

FRAME_RATE_HZ = 15.0
PERSON, WEAPON, FIRE = 1, 2, 3
COMMENT = "Synthetic: every person, object and fire in this clip was rendered by a program."
CATEGORIES: list[dict[str, Any]] = [
    {
        "id": PERSON,
        "name": "person",
        "keypoints": list(COCO_KEYPOINT_NAMES),
        "skeleton": [[a + 1, b + 1] for a, b in COCO_LIMBS],
    },
    {"id": WEAPON, "name": "weapon"},
    {"id": FIRE, "name": "fire"},
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path("docs/demo"), help="folder to write to (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=3, help="draws room, clothes and noise (%(default)s)")
    parser.add_argument(
        "--quiet", action="store_true", help="people walk and stand: no fight, weapon or fire"
    )
    parser.add_argument("--seconds", type=float, default=None, help="stop early (the whole story)")
    arguments = parser.parse_args()
    story = demo_story(seed=arguments.seed, quiet=arguments.quiet)
    duration_s = min(arguments.seconds or story.duration_s, story.duration_s)
    arguments.out.mkdir(parents=True, exist_ok=True)
    truth = render_clip(story, arguments.out / "demo.mp4", duration_s=duration_s)
    truth["staged"]["seed"] = arguments.seed
    (arguments.out / "truth.json").write_text(json.dumps(truth, separators=(",", ":")) + "\n")
    size_mb = (arguments.out / "demo.mp4").stat().st_size / 1e6
    print(
        f"{arguments.out / 'demo.mp4'}: {len(truth['images'])} frames, {size_mb:.2f} MB; truth.json beside it"
    )


def render_clip(story: StagedScene, path: Path, *, duration_s: float) -> dict[str, Any]:
    """Film a story and return its truth as a COCO dictionary."""
    camera = story.stage.camera
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    cv2.setNumThreads(1)
    with VideoWriter(
        path,
        width=camera.width,
        height=camera.height,
        frame_rate_hz=FRAME_RATE_HZ,
        crf=20,
        preset="slow",
        comment=COMMENT,
    ) as writer:
        for frame in track(range(round(duration_s * FRAME_RATE_HZ)), description="Rendering"):
            time_s = frame / FRAME_RATE_HZ
            scene = story.render(time_s)
            writer.write(with_caption(scene.image, time_s), time_s)
            images.append(
                {
                    "id": frame + 1,
                    "file_name": path.name,
                    "frame": frame,
                    "time_s": round(time_s, 6),
                    "width": camera.width,
                    "height": camera.height,
                }
            )
            for annotation in annotations_of(scene):
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": frame + 1, "iscrowd": 0, **annotation}
                )
    return {
        "info": {
            "description": "Rendered people: exact truth of a synthetic clip",
            "frame_rate_hz": FRAME_RATE_HZ,
        },
        "images": images,
        "annotations": annotations,
        "categories": CATEGORIES,
        "staged": staged(story, annotations, images),
    }


def with_caption(image: npt.NDArray[np.uint8], time_s: float) -> npt.NDArray[np.uint8]:
    """Say in the picture that it is synthetic, as a camera prints its name."""
    captioned = image.copy()
    place = (8, image.shape[0] - 8)
    text = f"SYNTHETIC  00:{time_s:05.2f}"
    for colour, width in (((30, 30, 30), 2), ((215, 215, 215), 1)):
        cv2.putText(captioned, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, colour, width, cv2.LINE_AA)
    return captioned


def annotations_of(scene: RenderedScene) -> list[dict[str, Any]]:
    """People, weapons and fire of one frame; track ids count actors from 1."""
    found: list[dict[str, Any]] = []
    for keypoints, box, area, actor, share in zip(
        scene.keypoints, scene.boxes, scene.areas, scene.actors, scene.visible_fraction, strict=True
    ):
        found.append(
            {
                "category_id": PERSON,
                "track_id": int(actor) + 1,
                "keypoints": [
                    int(v) if i % 3 == 2 else round(float(v), 2) for i, v in enumerate(keypoints.ravel())
                ],
                "num_keypoints": int((keypoints[:, 2] > 0).sum()),
                "bbox": _xywh(box),
                "area": round(float(area), 2),
                "visible_fraction": round(float(share), 3),
            }
        )
    for box, holder in zip(scene.weapon_boxes, scene.weapon_holders, strict=True):
        found.append({"category_id": WEAPON, "holder": int(holder) + 1, **_plain(box)})
    found.extend({"category_id": FIRE, **_plain(box)} for box in scene.fire_boxes)
    return found


def _plain(box: npt.NDArray[np.float32]) -> dict[str, Any]:
    x, y, width, height = _xywh(box)
    return {"bbox": [x, y, width, height], "area": round(width * height, 2)}


def _xywh(box: npt.NDArray[np.float32]) -> list[float]:
    x0, y0, x1, y1 = (round(float(v), 2) for v in box)
    return [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)]


def staged(
    story: StagedScene, annotations: list[dict[str, Any]], images: list[dict[str, Any]]
) -> dict[str, Any]:
    """What happens when, in seconds; track ids as in the annotations."""
    times = {image["id"]: image["time_s"] for image in images}

    def seen(category: int) -> dict[str, float] | None:
        at = [times[a["image_id"]] for a in annotations if a["category_id"] == category]
        return {"start_s": min(at), "end_s": round(max(at) + 1 / FRAME_RATE_HZ, 6)} if at else None

    events: list[dict[str, Any]] = []
    if story.fight is not None:
        interval = {"start_s": story.fight.start_s, "end_s": story.fight.end_s}
        events.append({"event": "fight", **interval, "track_ids": [i + 1 for i in story.fighters]})
    holders = sorted({a["holder"] for a in annotations if a["category_id"] == WEAPON})
    for category, name in ((WEAPON, "weapon"), (FIRE, "fire")):
        interval_seen = seen(category)
        if interval_seen is not None:
            events.append(
                {"event": name, **interval_seen, "track_ids": holders if category == WEAPON else []}
            )
    return {"people": len(story.actors), "events": events}


if __name__ == "__main__":
    main()
