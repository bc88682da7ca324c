"""A video file's container: opening it without following it anywhere, and what its header says of the first stream."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import av
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from activity.errors import VideoError
from activity.video.contents import describe_contents

# Containers that hold their own frames. Playlists (HLS, DASH, concat, image sequences) are left out: they
# name other files and addresses, which a stranger's upload must not make us open. The audio containers
# stand here so that such a file is told to be audio.
_CONTAINERS: Final = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,dv,dhav,h264,hevc,m4v,mjpeg,ivf,nut,rm,"
    "wav,mp3,aac,flac,aiff,amr"
)
_FALLBACK_RATE_HZ: Final = 25.0
_HIGHEST_RATE_HZ: Final = 1000.0
_HEADER_STATES_DURATION: Final = ("matroska,webm", "flv")


def open_container(path: Path) -> av.container.InputContainer:
    """Open a file that holds its own frames.

    Raises:
        VideoError: If it is no such file; the error says what it is.
    """
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        return av.open(f"file:{path.absolute()}", mode="r", options=options, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        found = describe_contents(path)
        raise VideoError(path, f"expected a video file, found {found} [{reason_of(error)}]") from error


def choose_stream(container: av.container.InputContainer, path: Path, *, max_pixels: int) -> VideoStream:
    """The first stream of pictures that is no cover, made ready to decode on several threads.

    Args:
        container: The opened file.
        path: What errors call it.
        max_pixels: Largest picture that is decoded.

    Raises:
        VideoError: If there is none, its codec is not known, or its pictures are too large.
    """
    covers = Disposition.attached_pic  # of audio files
    streams = [stream for stream in container.streams.video if not stream.disposition & covers]
    if not streams:
        kinds = " and ".join(sorted({stream.type for stream in container.streams}))
        raise VideoError(path, f"expected a video stream, found {f'only {kinds}' if kinds else 'none'}")
    stream = streams[0]
    if stream.codec_context is None:
        raise VideoError(path, "the codec of the video stream is not known")
    require_size(path, stream.codec_context.width, stream.codec_context.height, max_pixels=max_pixels)
    stream.thread_type = "AUTO"
    # the codec's own limit stops a picture that is larger than its container says; coded sizes are padded
    stream.codec_context.options = {"max_pixels": str(max(4 * max_pixels, 256 * 256))}
    return stream


def require_size(path: Path, width: int, height: int, *, max_pixels: int, good_frames: int = 0) -> None:
    """Refuse pictures that are too large to decode.

    Raises:
        VideoError: If they have more than `max_pixels`.
    """
    if width * height > max_pixels:
        raise VideoError(
            path,
            f"pictures of {width}x{height} are above the limit of {max_pixels} pixels; "
            "raise the limit or scale the video down",
            good_frames=good_frames,
        )


def frame_rate_of(stream: VideoStream) -> float:
    """Frames a second: the average rate where the container says one that can be true, its guess otherwise."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate is not None and 0 < rate <= _HIGHEST_RATE_HZ:
            return float(rate)
    return _FALLBACK_RATE_HZ


def duration_of(container: av.container.InputContainer, stream: VideoStream) -> float | None:
    """Seconds that the header gives the stream, or all of the file; `None` where it gives neither."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1_000_000


def stated_duration_of(container: av.container.InputContainer, stream: VideoStream) -> float | None:
    """Seconds in the header of a container that has a length and no index of frames."""
    if container.format.name not in _HEADER_STATES_DURATION:
        return None
    if stream.duration is None and len(container.streams) > 1:
        return None  # the longest stream may be another
    return duration_of(container, stream)


def reason_of(error: Exception) -> str:
    """What FFmpeg says in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
