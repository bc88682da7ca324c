from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import OutputError, StructureError
from activity.video import VideoReader, VideoWriter


def gray(level: int, width: int = 64, height: int = 48) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, width=64, height=48, frame_rate_hz=10) as writer:
        for k in range(5):
            writer.write(gray(50 * k), k / 10)
    with VideoReader(path) as reader:
        frames = list(reader)
        assert (reader.info.codec, reader.info.frames) == ("h264", 5)
        assert reader.info.frame_rate_hz == pytest.approx(10)
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert [frame.image.mean() for frame in frames] == pytest.approx([0, 50, 100, 150, 200], abs=4)


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    path, times = tmp_path / "a.mp4", [0.0, 0.033, 0.034, 1.5, 1.6]
    with VideoWriter(path, width=64, height=48, frame_rate_hz=30) as writer:
        for time_s in times:
            writer.write(gray(99), time_s)
    with VideoReader(path) as reader:
        assert [frame.time_s for frame in reader] == pytest.approx(times, abs=2e-5)


def test_the_last_picture_stands_for_one_period(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, width=64, height=48, frame_rate_hz=4) as writer:
        writer.write(gray(99), 0)
    with VideoReader(path) as reader:
        assert reader.info.duration_s == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_encoder_takes_no_more_threads_than_it_may(tmp_path: Path, threads: int) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, width=320, height=240, frame_rate_hz=30, threads=threads) as writer:
        writer.write(gray(99, 320, 240), 0)
    assert f" threads={threads} ".encode() in path.read_bytes(), "x264 writes its settings into the stream"


def test_browsers_can_play_it(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, width=64, height=48, frame_rate_hz=30) as writer:
        writer.write(gray(1), 0)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")  # the index first: playing starts before all is loaded


@pytest.mark.parametrize(
    ("width", "height", "written"), [(65, 47, (66, 48)), (1, 1, (2, 2)), (64, 1, (64, 2)), (3, 48, (4, 48))]
)
def test_odd_sizes_are_padded_to_even_ones(
    tmp_path: Path, width: int, height: int, written: tuple[int, int]
) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, width=width, height=height, frame_rate_hz=30) as writer:
        writer.write(gray(200, width, height), 0)
    with VideoReader(path) as reader:
        (frame,) = reader
    assert (frame.width, frame.height) == written
    assert frame.image.min() > 190  # padded by its own last row and column, not by black


def test_an_error_leaves_no_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"the old file")

    def fail_half_way() -> None:
        with VideoWriter(path, width=64, height=48, frame_rate_hz=30) as writer:
            writer.write(gray(1), 0)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert [child.name for child in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"the old file"


def test_no_picture_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="at least one picture"),
        VideoWriter(tmp_path / "a.mp4", width=64, height=48, frame_rate_hz=30),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for folder in ("file", "missing"):
        with pytest.raises(OutputError, match=rf"{folder}/a\.mp4: the video cannot be written"):
            VideoWriter(tmp_path / folder / "a.mp4", width=64, height=48, frame_rate_hz=30)


def test_a_directory_is_no_file_name(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="this is a directory"):
        VideoWriter(tmp_path, width=64, height=48, frame_rate_hz=30)


@pytest.mark.parametrize("time_s", [0.5, 0.25, -1.0, float("nan")])
def test_times_must_increase(tmp_path: Path, time_s: float) -> None:
    with VideoWriter(tmp_path / "a.mp4", width=64, height=48, frame_rate_hz=30) as writer:
        writer.write(gray(1), 0.5)
        with pytest.raises(StructureError, match="expected times"):
            writer.write(gray(2), time_s)


def test_pictures_of_another_shape_or_type_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", width=64, height=48, frame_rate_hz=30) as writer:
        writer.write(gray(1), 0)
        with pytest.raises(StructureError, match=r"expected pictures of uint8 \[48, 64, 3\]"):
            writer.write(gray(1, 48, 64), 1)
        with pytest.raises(StructureError, match="float32"):
            writer.write(gray(1).astype(np.float32), 1)


@pytest.mark.parametrize(
    ("width", "height", "rate_hz"), [(0, 48, 30), (64, 0, 30), (64, 48, 0), (64, 48, float("nan"))]
)
def test_a_size_or_rate_that_no_video_has_is_refused(
    tmp_path: Path, width: int, height: int, rate_hz: float
) -> None:
    with pytest.raises(StructureError, match="expected a size"):
        VideoWriter(tmp_path / "a.mp4", width=width, height=height, frame_rate_hz=rate_hz)


def test_a_comment_is_kept_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, width=16, height=16, frame_rate_hz=10, comment="made by a program") as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8), 0.0)
    with VideoReader(path) as reader:
        assert reader.info.comment == "made by a program"
