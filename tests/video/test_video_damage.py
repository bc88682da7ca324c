from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import VideoError
from activity.structures import Frame
from activity.video import VideoReader, describe_contents, sha256_of

Encode = Callable[..., Path]


def noise(count: int) -> list[npt.NDArray[np.uint8]]:
    """Noise that slides to the right: its packets are large enough to be cut in the middle."""
    base = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    return [np.roll(base, index, axis=1) for index in range(count)]


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_a_file_cut_in_its_frames_gives_the_good_ones_and_then_says_so(
    tmp_path: Path, encode: Encode
) -> None:
    path = cut(encode(tmp_path / "a.mp4", noise(60)), 0.6)
    good: list[Frame] = []
    with VideoReader(path) as reader, pytest.raises(VideoError, match="cut off") as caught:
        good.extend(reader)
    assert 5 < len(good) < 60
    assert caught.value.good_frames == len(good)
    assert caught.value.path == path
    assert f"({len(good)} good frames)" in str(caught.value)


def test_the_good_frames_of_a_cut_file_are_read_if_that_is_allowed(tmp_path: Path, encode: Encode) -> None:
    path = cut(encode(tmp_path / "a.mp4", noise(60)), 0.6)
    with VideoReader(path, allow_damaged=True) as reader:
        good = list(reader)
        assert reader.damage is not None
        assert "the file is cut off" in reader.damage
    assert 5 < len(good) < 60
    assert reader.frames_decoded == len(good)


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [("a.avi", "avi", "mpeg4"), ("a.mkv", "matroska", "libx264"), ("a.flv", "flv", "libx264")],
)
def test_cut_files_of_other_containers_are_noticed(
    tmp_path: Path, encode: Encode, name: str, container: str, codec: str
) -> None:
    path = cut(encode(tmp_path / name, noise(60), container=container, codec=codec), 0.6)
    with VideoReader(path, allow_damaged=True) as reader:
        assert 5 < len(list(reader)) < 60
        assert reader.damage is not None


def test_a_file_that_lost_its_index_says_so(tmp_path: Path, encode: Encode) -> None:
    path = cut(encode(tmp_path / "a.mp4", noise(10), index_in_front=False), 0.9)
    with pytest.raises(VideoError, match=r"without its index \(no moov box\).*0 good frames"):
        VideoReader(path, allow_damaged=True)


def test_flipped_bits_end_the_reading_after_the_good_frames(tmp_path: Path, encode: Encode) -> None:
    path = encode(tmp_path / "a.mp4", noise(60))
    data = bytearray(path.read_bytes())
    for offset in np.random.default_rng(1).integers(len(data) // 3, len(data) - 10, 40):
        data[offset] ^= 0xFF
    path.write_bytes(data)
    with VideoReader(path) as reader, pytest.raises(VideoError, match=r"corrupt|cannot be decoded") as caught:
        list(reader)
    with VideoReader(path, allow_damaged=True) as reader:
        good = list(reader)
        assert reader.damage is not None
    assert caught.value.good_frames <= len(good) < 60
    times = [frame.time_s for frame in good]
    assert all(later > earlier for earlier, later in pairwise(times))


def test_a_file_whose_every_frame_is_broken_is_refused_even_if_damage_is_allowed(
    tmp_path: Path, encode: Encode
) -> None:
    path = encode(tmp_path / "a.mp4", noise(5))
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="0 good frames"):
        VideoReader(path, allow_damaged=True)


def test_sound_alone_is_no_video(tmp_path: Path, encode_audio: Callable[[Path], Path]) -> None:
    with pytest.raises(VideoError, match="found only audio"):
        VideoReader(encode_audio(tmp_path / "a.mp4"))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"a camera is not a file\n" * 40, "found text", id="text"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(64), "a PNG picture", id="picture"),
        pytest.param(b"PK\x03\x04" + bytes(64), "a ZIP archive", id="archive"),
        pytest.param(bytes(range(256)) * 40, "no known video format", id="bytes"),
        pytest.param(b"\x00\x00\x00\x18ftypmp42", "without its index", id="a head and nothing else"),
        pytest.param(b"\x00", "no known video format|found text", id="one byte"),
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, data: bytes, found: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with pytest.raises(VideoError, match=found) as caught:
        VideoReader(path)
    assert caught.value.path == path
    assert caught.value.good_frames == 0


@pytest.mark.parametrize("byte_order_mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8"])
def test_a_playlist_is_not_followed_to_other_files(
    tmp_path: Path, encode: Encode, name: str, byte_order_mark: bytes
) -> None:
    secret = encode(tmp_path / "secret.ts", noise(5), container="mpegts")
    playlist = tmp_path / name
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", str(secret), "#EXT-X-ENDLIST", ""]
    playlist.write_bytes(byte_order_mark + "\n".join(lines).encode())
    with pytest.raises(VideoError, match="playlist"):
        VideoReader(playlist)


def test_a_concat_list_is_not_followed_to_other_files(tmp_path: Path, encode: Encode) -> None:
    secret = encode(tmp_path / "secret.mp4", noise(5))
    playlist = tmp_path / "a.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    with pytest.raises(VideoError, match="concat playlist"):
        VideoReader(playlist)


def test_an_address_is_not_opened() -> None:
    with pytest.raises(VideoError, match="no such file"):
        VideoReader("http://127.0.0.1:9/a.mp4")


def test_a_directory_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="found a directory"):
        VideoReader(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"none\.mp4: expected a video file, there is no such file"):
        VideoReader(tmp_path / "none.mp4")


def test_a_device_is_no_video() -> None:
    with pytest.raises(VideoError, match="device, pipe or socket"):
        VideoReader("/dev/null")


def test_contents_are_described_by_the_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\xff\xd8\xff\xe0 and so on")
    assert describe_contents(path) == "a JPEG picture"


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_hash_of_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be read"):
        sha256_of(tmp_path / "none")
