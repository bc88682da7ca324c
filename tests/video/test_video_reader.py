from __future__ import annotations

import csv
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import ConfigurationError, VideoError
from activity.structures import Frame
from activity.video import VideoReader

Encode = Callable[..., Path]


def quadrants(width: int, height: int) -> npt.NDArray[np.uint8]:
    """Top left red, top right green, bottom left blue, bottom right white."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    image[: height // 2, width // 2 :] = (0, 255, 0)
    image[height // 2 :, : width // 2] = (0, 0, 255)
    return image


def corners(image: npt.NDArray[np.uint8]) -> str:
    """Initials of the colours in the middle of the four quadrants, row by row."""
    initials = {(True, False, False): "r", (False, True, False): "g", (False, False, True): "b"}
    height, width = image.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return "".join(initials.get(tuple((image[y, x] > 128).tolist()), "w") for y in rows for x in columns)


def gray(level: int, width: int = 64, height: int = 48) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


def read(path: Path, **options: float | None) -> list[Frame]:
    with VideoReader(path, **options) as reader:  # type: ignore[arg-type]
        return list(reader)


def test_frames_come_in_order_with_index_time_and_picture(tmp_path: Path, encode: Encode) -> None:
    path = encode(tmp_path / "a.mp4", [gray(10), gray(100), gray(200)])
    with VideoReader(path) as reader:
        assert (reader.info.width, reader.info.height) == (64, 48)
        assert reader.info.frame_rate_hz == pytest.approx(30)
        assert (reader.info.frames, reader.info.codec, reader.info.rotation_deg) == (3, "h264", 0)
        assert reader.info.duration_s == pytest.approx(0.1)
        frames = list(reader)
        assert reader.frames_decoded == 3
        assert reader.damage is None
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 1 / 30, 2 / 30])
    assert [round(frame.image.mean(), -1) for frame in frames] == [10, 100, 200]


def test_colours_are_red_green_blue(tmp_path: Path, encode: Encode) -> None:
    (frame,) = read(encode(tmp_path / "a.mp4", [quadrants(64, 48)]))
    assert corners(frame.image) == "rgbw"


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path, encode: Encode) -> None:
    times = [0.0, 0.04, 0.5, 0.52, 2.0]
    frames = read(encode(tmp_path / "a.mp4", [gray(40 * k) for k in range(5)], times_s=times))
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=2e-5)


def test_times_count_from_the_first_frame(tmp_path: Path, encode: Encode) -> None:
    frames = read(encode(tmp_path / "a.mp4", [gray(0), gray(9)], times_s=[3.0, 3.5]))
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.5])


def test_sampling_keeps_the_index_of_the_decoded_stream(tmp_path: Path, encode: Encode) -> None:
    path = encode(tmp_path / "a.mp4", [gray(k) for k in range(30)])
    with VideoReader(path, sample_rate_hz=10) as reader:
        assert [frame.index for frame in reader] == list(range(0, 30, 3))
        assert reader.frames_decoded == 30


@pytest.mark.parametrize(
    ("display_rotation", "size", "expected", "rotation_deg"),
    [
        pytest.param((0, False, False), (64, 48), "rgbw", 0, id="as stored"),
        pytest.param((-90, False, False), (48, 64), "brwg", 90, id="a quarter turn clockwise"),
        pytest.param((180, False, False), (64, 48), "wbgr", 180, id="upside down"),
        pytest.param((90, False, False), (48, 64), "gwrb", 270, id="a quarter turn counter-clockwise"),
        pytest.param((0, True, False), (64, 48), "grwb", 0, id="mirrored left to right"),
        pytest.param((0, False, True), (64, 48), "bwrg", 180, id="mirrored top to bottom"),
        pytest.param((-83, False, False), (48, 64), "brwg", 90, id="nearly a quarter turn"),
    ],
)
def test_the_display_matrix_turns_pictures_upright(
    tmp_path: Path,
    encode: Encode,
    display_rotation: tuple[float, bool, bool],
    *,
    size: tuple[int, int],
    expected: str,
    rotation_deg: int,
) -> None:
    path = encode(tmp_path / "a.mp4", [quadrants(64, 48)], display_rotation=display_rotation)
    with VideoReader(path) as reader:
        (frame,) = reader
        assert (reader.info.width, reader.info.height) == size == (frame.width, frame.height)
        assert reader.info.rotation_deg == rotation_deg
    assert corners(frame.image) == expected
    assert frame.image.flags.c_contiguous


@pytest.mark.parametrize(("width", "height"), [(65, 47), (1, 1), (3, 1)])
def test_odd_and_tiny_sizes_are_read_as_they_are(
    tmp_path: Path, encode: Encode, width: int, height: int
) -> None:
    path = encode(tmp_path / "a.mkv", [gray(128, width, height)] * 2, container="matroska", codec="ffv1")
    frames = read(path)
    assert [(frame.width, frame.height) for frame in frames] == [(width, height)] * 2


def test_the_shape_of_stored_pixels_is_told_and_pictures_are_not_stretched(
    tmp_path: Path, encode: Encode
) -> None:
    path = encode(tmp_path / "a.mp4", [gray(128)], sample_aspect_ratio=Fraction(4, 3))
    with VideoReader(path) as reader:
        assert reader.info.sample_aspect_ratio == pytest.approx(4 / 3)
        assert reader.info.width == 64


def test_a_stream_that_changes_its_size_is_scaled_to_its_first_picture(
    tmp_path: Path, encode: Encode
) -> None:
    large = encode(tmp_path / "1.h264", [quadrants(128, 96)] * 3, container="h264")
    small = encode(tmp_path / "2.h264", [quadrants(64, 48)] * 3, container="h264")
    both = tmp_path / "both.h264"
    both.write_bytes(large.read_bytes() + small.read_bytes())
    frames = read(both)
    assert [(frame.width, frame.height) for frame in frames] == [(128, 96)] * 6
    assert {corners(frame.image) for frame in frames} == {"rgbw"}


def test_one_frame_is_a_video(tmp_path: Path, encode: Encode) -> None:
    (frame,) = read(encode(tmp_path / "a.mp4", [gray(77)]))
    assert (frame.index, frame.time_s) == (0, 0.0)


def test_sound_beside_the_pictures_does_no_harm(tmp_path: Path, encode: Encode) -> None:
    frames = read(encode(tmp_path / "a.mp4", [gray(k) for k in range(5)], with_audio=True))
    assert len(frames) == 5


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("a.mkv", "matroska", "libx264"),
        ("a.avi", "avi", "mpeg4"),
        ("a.ts", "mpegts", "libx264"),
        ("a.flv", "flv", "libx264"),
        ("a.webm", "webm", "libvpx"),
        ("a.mpg", "mpeg", "mpeg1video"),
        ("a.h264", "h264", "libx264"),
    ],
)
def test_usual_containers_are_read(
    tmp_path: Path, encode: Encode, name: str, container: str, codec: str
) -> None:
    path = encode(tmp_path / name, [gray(8 * k) for k in range(20)], container=container, codec=codec)
    with VideoReader(path) as reader:
        assert len(list(reader)) == 20
        assert reader.damage is None


def test_the_name_of_a_file_says_nothing_about_its_contents(tmp_path: Path, encode: Encode) -> None:
    path = encode(tmp_path / "a.mp4", [gray(5)])
    renamed = path.rename(tmp_path / "http:%strange name?.txt")
    assert len(read(renamed)) == 1


def test_an_8k_frame_is_scaled_while_decoding(tmp_path: Path, encode: Encode) -> None:
    path = encode(tmp_path / "a.mp4", [quadrants(7680, 4320)], codec="mpeg4")
    with VideoReader(path, max_side_px=1920) as reader:
        assert (reader.info.width, reader.info.height) == (1920, 1080)
        assert reader.info.scaled_from == (7680, 4320)
        (frame,) = reader
    assert frame.image.shape == (1080, 1920, 3)
    assert corners(frame.image) == "rgbw"


def test_scaling_holds_for_turned_pictures(tmp_path: Path, encode: Encode) -> None:
    path = encode(tmp_path / "a.mp4", [quadrants(64, 48)], display_rotation=(-90, False, False))
    with VideoReader(path, max_side_px=32) as reader:
        (frame,) = reader
        assert (reader.info.width, reader.info.height, reader.info.scaled_from) == (24, 32, (48, 64))
    assert corners(frame.image) == "brwg"


def test_small_pictures_are_not_scaled_up(tmp_path: Path, encode: Encode) -> None:
    with VideoReader(encode(tmp_path / "a.mp4", [gray(5)]), max_side_px=1920) as reader:
        assert (reader.info.width, reader.info.scaled_from) == (64, None)


def test_pictures_above_the_limit_are_refused(tmp_path: Path, encode: Encode) -> None:
    with pytest.raises(VideoError, match="64x48 are above the limit of 3071 pixels"):
        VideoReader(encode(tmp_path / "a.mp4", [gray(5)]), max_pixels=64 * 48 - 1)


def test_pictures_that_grow_above_the_limit_are_refused(tmp_path: Path, encode: Encode) -> None:
    small = encode(tmp_path / "1.h264", [gray(9)] * 3, container="h264")
    large = encode(tmp_path / "2.h264", [gray(9, 128, 96)] * 3, container="h264")
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(both, max_pixels=64 * 48) as reader, pytest.raises(VideoError, match="128x96") as caught:
        list(reader)
    assert caught.value.good_frames == 3


@pytest.mark.parametrize(("name", "value"), [("max_pixels", 0), ("max_side_px", 0), ("sample_rate_hz", 0)])
def test_limits_out_of_bounds_are_refused(tmp_path: Path, encode: Encode, name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read(encode(tmp_path / "a.mp4", [gray(5)]), **{name: value})


def test_frames_are_read_once(tmp_path: Path, encode: Encode) -> None:
    with VideoReader(encode(tmp_path / "a.mp4", [gray(5)] * 3)) as reader:
        assert len(list(reader)) == 3
        with pytest.raises(VideoError, match="already read"):
            list(reader)


def test_a_reader_can_be_left_early_and_closed_twice(tmp_path: Path, encode: Encode) -> None:
    with VideoReader(encode(tmp_path / "a.mp4", [gray(5)] * 30)) as reader:
        next(iter(reader))
    reader.close()


@pytest.mark.real_data
@pytest.mark.parametrize(
    "every", [pytest.param(10, id="every tenth"), pytest.param(1, marks=pytest.mark.slow, id="all of them")]
)
def test_real_clips_give_the_frames_of_their_list(every: int) -> None:
    clips = Path(__file__).parents[2] / "../shared/data/clips"
    with (clips / "sources.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 188
    wrong = []
    for row in rows[::every]:
        # one frame a second is converted; all are decoded
        with VideoReader(clips / row["clip"], sample_rate_hz=1) as reader:
            for _ in reader:
                pass
            found = (reader.info.width, reader.info.height, reader.frames_decoded)
        if found != (int(row["width"]), int(row["height"]), int(row["frames"])):
            wrong.append((row["clip"], found))
    assert wrong == []
