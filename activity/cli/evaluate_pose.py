"""`activity evaluate pose`: keypoints against labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from activity.cli.analyze import load_analysis_settings
from activity.cli.console import count_progress, show_figures
from activity.errors import ConfigurationError

if TYPE_CHECKING:
    from activity.evaluation.pose_pictures import LabelledPicture


def pose(
    coco: Annotated[
        Path | None, typer.Option(help="COCO keypoint annotations; an image may be a `frame` of a video.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that the file names in the annotations are relative to.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option(help="Look only at pictures in this folder of --images.")
    ] = None,
    lspet: Annotated[
        Path | None,
        typer.Option(help="Instead of --coco: extended Leeds Sports Pose, joints.npz and images/."),
    ] = None,
    single17: Annotated[
        Path | None,
        typer.Option(help="Instead of --coco: photographs of one person each, annotations.json and images/."),
    ] = None,
    rendered: Annotated[
        int | None,
        typer.Option(
            min=1, help="Instead of --coco: so many rendered scenes, whose people are known exactly."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of --rendered; the scenes of our trainings were those of 0.")
    ] = 1000,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Look only at pictures whose source no training saw.")
    ] = False,
    sources: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns clip and source; --held-out needs it for videos."),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Look at every N-th picture, in order of names.")] = 1,
    min_agreement: Annotated[
        float, typer.Option(min=0, max=1, help="People whose `agreement` is lower count neither way.")
    ] = 0.0,
    labelled_boxes: Annotated[
        bool, typer.Option("--labelled-boxes", help="Use the labelled boxes instead of the detector's.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings as YAML, as for `activity analyze`.")
    ] = None,
    pose: Annotated[
        str | None, typer.Option("--pose", help="topdown or openpifpaf, optionally with :CHECKPOINT.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """COCO keypoint AP, recall and precision at OKS 0.5, and PCK of detector and pose estimator together.

    Average precision looks at every pose down to a low score; the other figures at the poses that
    `activity analyze` would keep. People marked iscrowd count neither way. Figures stand for everybody, by the
    height of people in the picture, and by light: day, night, or infrared (no colours), as read off the pixels.
    PCK is the share of labelled joints found within 0.2 of the torso's length.

    Examples:

    activity evaluate pose --coco docs/demo/truth.json --images docs/demo --json

    activity evaluate pose --rendered 200

    activity evaluate pose --lspet ../shared/data/lspet --held-out --labelled-boxes

    activity evaluate pose --coco ../shared/data/people/annotations.json --images ../shared/data --folder clips
    --held-out --sources ../shared/data/clips/sources.csv --min-agreement 0.5
    """
    from activity.evaluation.pose_pair import PosePair  # noqa: PLC0415  (keeps --help fast)
    from activity.evaluation.pose_pictures import (  # noqa: PLC0415
        find_poses,
        find_rendered_poses,
        keep_held_out,
    )
    from activity.evaluation.pose_report import describe_poses  # noqa: PLC0415

    settings = load_analysis_settings(config, pose=pose)
    pictures = _read(coco, images, folder, {"lspet": lspet, "single17": single17}, rendered=rendered)
    if rendered is not None and (held_out or sources is not None or every > 1):
        raise ConfigurationError(
            "--rendered draws scenes of its own: leave out --held-out, --sources and --every"
        )
    if held_out:
        pictures = keep_held_out(pictures, sources)
    pictures = sorted(
        pictures, key=lambda picture: (str(picture.reference.path), picture.reference.frame or 0)
    )
    pair = PosePair(settings, threads=settings.threads or os.cpu_count() or 1, labelled_boxes=labelled_boxes)
    with count_progress("pictures") as advance:
        if rendered is not None:
            posed = find_rendered_poses(rendered, pair, seed=seed, progress=advance)
        else:
            posed = find_poses(pictures[::every], pair, progress=advance)
    figures = describe_poses(posed, min_agreement=min_agreement, score_threshold=settings.pose.person_score)
    show_figures(figures, as_json=as_json)


def _read(
    coco: Path | None,
    images: Path | None,
    folder: str | None,
    others: dict[str, Path | None],
    *,
    rendered: int | None,
) -> list[LabelledPicture]:
    from activity.evaluation.pose_pictures import (  # noqa: PLC0415
        read_coco_pictures,
        read_single_person_pictures,
    )

    named = {layout: root for layout, root in others.items() if root is not None}
    is_coco = coco is not None or images is not None or folder is not None
    if len(named) + is_coco + (rendered is not None) == 1:
        if coco is not None and images is not None:
            return read_coco_pictures(coco, images, folder=folder)
        for layout, root in named.items():
            return read_single_person_pictures(layout, root)
        if rendered is not None:
            return []
    raise ConfigurationError(
        "expected one data set: --coco FILE with --images DIR (and perhaps --folder NAME), or --lspet DIR, "
        "or --single17 DIR, or --rendered N"
    )
