"""Video files made for the tests, by PyAV itself rather than by our writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.stream import VideoStream


def _encode(
    path: Path,
    images: Sequence[npt.NDArray[np.uint8]],
    *,
    container: str = "mp4",
    codec: str = "libx264",
    times_s: Sequence[float] | None = None,
    display_rotation: tuple[float, bool, bool] | None = None,
    sample_aspect_ratio: Fraction | None = None,
    with_audio: bool = False,
    index_in_front: bool = True,
) -> Path:
    """Write pictures of one even size at 30 Hz, or at the times given."""
    height, width = images[0].shape[:2]
    options = {"movflags": "+faststart"} if container == "mp4" and index_in_front else {}
    with av.open(str(path), mode="w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=30)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if times_s is not None:
            stream.codec_context.time_base = Fraction(1, 90000)
        if sample_aspect_ratio is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        if display_rotation is not None:
            degrees, hflip, vflip = display_rotation
            stream.set_display_rotation(degrees, hflip=hflip, vflip=vflip)
        sound = output.add_stream("aac", rate=16000) if with_audio else None
        for index, image in enumerate(images):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            if times_s is None:
                frame.pts, frame.time_base = index, Fraction(1, 30)
            else:
                frame.pts, frame.time_base = round(times_s[index] * 90000), Fraction(1, 90000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            output.mux(sound.encode(_silence()))
            output.mux(sound.encode(None))
    return path


def _encode_audio(path: Path) -> Path:
    """Write an MP4 file with one second of sound and no picture."""
    with av.open(str(path), mode="w", format="mp4") as output:
        stream = output.add_stream("aac", rate=16000)
        output.mux(stream.encode(_silence()))
        output.mux(stream.encode(None))
    return path


def _silence() -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
    frame.sample_rate = 16000
    return frame


@pytest.fixture
def encode() -> Callable[..., Path]:
    return _encode


@pytest.fixture
def encode_audio() -> Callable[[Path], Path]:
    return _encode_audio
