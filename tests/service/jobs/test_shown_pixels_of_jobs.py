"""What a job leaves in the storage when no pixel of the clip is to be shown."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from activity.service.jobs.limits import StepLimits
from activity.service.jobs.steps import PipelineSteps
from activity.video import VideoReader, VideoWriter, sha256_of
from tests.service.jobs.conftest import ROOT

STEPS = ("probe", "observe", "recognize", "fuse", "report")
LIMITS = StepLimits(time_s=600, memory_mib=4096, max_frame_pixels=10**7, max_frames=1000, max_duration_s=60)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of the demo, its upper part in full magenta and full green."""
    path = tmp_path / "clip.mp4"
    with (
        VideoReader(ROOT / "docs/demo/demo.mp4") as reader,
        VideoWriter(path, width=640, height=360, frame_rate_hz=15, crf=8) as writer,
    ):
        for frame in islice(reader, 30):
            image = frame.image.copy()
            image[:60] = (255, 0, 255)
            image[:60, ::80] = image[:60, 1::80] = (0, 255, 0)
            writer.write(image, frame.time_s)
    return path


def pictures_in(folder: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """Every picture in the files of a job: of videos, embedded in pages, and arrays that could be one."""
    for path in sorted(folder.rglob("*")):
        match path.suffix:
            case ".mp4":
                with VideoReader(path) as reader:
                    yield from (frame.image for frame in reader)
            case ".html":
                for data in re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", path.read_text()):
                    encoded = np.frombuffer(base64.b64decode(data), np.uint8)
                    picture = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
                    assert picture is not None
                    yield np.asarray(picture[..., ::-1], np.uint8)
            case ".npz":
                with np.load(path, allow_pickle=False) as stored:
                    arrays = [stored[name] for name in stored.files]
                yield from (
                    a for a in arrays if a.dtype == np.uint8 and a.ndim >= 3 and a.shape[-1] in (3, 4)
                )
            case suffix:
                assert suffix in {"", ".json", ".jsonl"}, (
                    f"{path.name}: a kind of file that nobody has thought about here"
                )


def garish(image: npt.NDArray[np.uint8]) -> bool:
    r, g, b = (image[..., channel].astype(int) for channel in range(3))
    return bool(((r > 215) & (g < 40) & (b > 215)).any())


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [True, False], ids=["skeleton_only", "as usual"])
def test_the_files_of_a_job_show_the_clip_only_where_they_may(
    clip: Path, tmp_path: Path, *, hidden: bool
) -> None:
    settings = {"threads": 1, "video": {"sample_rate_hz": 5}, "output": {"skeleton_only": hidden}}
    steps = PipelineSteps(settings, LIMITS)
    folder = tmp_path / "job"
    for step in STEPS:
        (folder / step).mkdir(parents=True)
        steps.run(step, clip=clip, sha256=sha256_of(clip), folder=folder, progress=lambda share: None)
    pictures = list(pictures_in(folder))
    assert len(pictures) > 30, "the video's frames, and the page's"
    assert any(garish(picture) for picture in pictures) != hidden
