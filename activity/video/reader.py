"""Reading a video file frame by frame."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from activity.errors import ConfigurationError, VideoError
from activity.structures import Frame, VideoInfo
from activity.video.contents import describe_contents, require_file
from activity.video.orientation import Orientation
from activity.video.timing import FrameSampler, PresentationClock

MAX_PIXELS: Final = 8192 * 4320
"""Largest picture that is decoded unless the caller says otherwise: 8k, both kinds."""

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
_MISSING_END_S: Final = 0.5


class VideoReader:
    """Decodes the first video stream of a file: an iterator of `Frame`s and a context manager.

    Times are the container's own (variable frame rates are kept), from the first frame on; how
    unusable timestamps are repaired stands in `PresentationClock`. Pictures are turned upright by the
    display matrix. A stream that changes its size on the way is scaled to the size of its first
    picture. Only one picture is converted at a time, so memory does not grow with the length.

    What the decoder or the container reports as broken is damage: packets that cannot be decoded,
    pictures marked corrupt, a file that ends before its index or its stated length does. Errors that
    the decoder conceals without a word cannot be seen here.

    Args:
        path: A file; playlists and network addresses are not followed.
        sample_rate_hz: Frames a second to give out, chosen by time as `FrameSampler` says; `None`
            gives all of them.
        allow_damaged: Give the good frames of a damaged file and say in `damage` what was wrong,
            instead of raising once the good frames before the damage are given.
        max_pixels: Largest picture, width times height, that is decoded at all.
        max_side_px: Scale pictures down, while decoding, so that neither side is longer.

    Attributes:
        info: The stream's facts. Width and height are those of the frames given out.
        frames_decoded: Good frames so far, those that sampling left out included.
        damage: What was wrong, once the frames were read; `None` where nothing was.

    Raises:
        VideoError: If the file cannot be read as video, holds no frame that can be decoded, or has
            pictures above `max_pixels`; while iterating, if it is damaged and that is not allowed.
        ConfigurationError: If a rate or a limit is out of bounds.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        sample_rate_hz: float | None = None,
        allow_damaged: bool = False,
        max_pixels: int = MAX_PIXELS,
        max_side_px: int | None = None,
    ) -> None:
        for name, limit in (("max_pixels", max_pixels), ("max_side_px", max_side_px)):
            if limit is not None and limit < 1:
                raise ConfigurationError(f"{name}: expected 1 or more, got {limit}")
        self._path = require_file(Path(path))
        self._allow_damaged = allow_damaged
        self._max_pixels = max_pixels
        self._problems: dict[str, int] = {}
        self._iterated = False
        self._reformatter = VideoReformatter()
        self.frames_decoded = 0
        self._container = self._open()
        try:
            self._stream = self._choose_stream()
            frame_rate_hz = _frame_rate_of(self._stream)
            self._sampler = FrameSampler(sample_rate_hz=sample_rate_hz, frame_rate_hz=frame_rate_hz)
            self._clock = PresentationClock(
                time_base=self._stream.time_base or Fraction(1, 90000), frame_rate_hz=frame_rate_hz
            )
            self._pictures = self._decode()
            first = next(self._pictures, None)
            if first is None:
                raise VideoError(self._path, self.damage or "no frame can be decoded")
            self._first: VideoFrame | None = first
            self._orientation = Orientation.from_display_matrix(_display_matrix_of(first))
            self._stored_size = _fit((first.width, first.height), max_side_px)
            self.info = self._describe(first, frame_rate_hz)
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file; harmless when repeated."""
        self._first = None
        self._pictures.close()
        self._container.close()

    @property
    def damage(self) -> str | None:
        """What was found wrong so far, or `None`."""
        if not self._problems:
            return None
        return "; ".join(
            f"{what} ({times} times)" if times > 1 else what for what, times in self._problems.items()
        )

    def __iter__(self) -> Iterator[Frame]:
        """Yield the sampled frames in order of time; once.

        Raises:
            VideoError: On damage that is not allowed, after the good frames before it; on a picture
                above `max_pixels`; on a second pass.
        """
        if self._iterated:
            raise VideoError(
                self._path,
                "the frames were already read; open the file again",
                good_frames=self.frames_decoded,
            )
        self._iterated = True
        picture, self._first = self._first, None
        while picture is not None:
            index = self.frames_decoded
            self.frames_decoded += 1
            time_s = self._clock.time_of(picture.pts)
            if self._sampler.takes(time_s):
                yield Frame(index, time_s, self._rgb(picture))
            picture = next(self._pictures, None)
        self._check_complete()
        if self._problems and not self._allow_damaged:
            raise VideoError(self._path, f"damaged: {self.damage}", good_frames=self.frames_decoded)

    def _open(self) -> av.container.InputContainer:
        options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
        try:
            return av.open(
                f"file:{self._path.absolute()}", mode="r", options=options, metadata_errors="replace"
            )
        except (FFmpegError, ValueError) as error:
            found = describe_contents(self._path)
            raise VideoError(
                self._path, f"expected a video file, found {found} [{_reason(error)}]"
            ) from error

    def _choose_stream(self) -> VideoStream:
        pictures = Disposition.attached_pic  # the cover of an audio file
        streams = [stream for stream in self._container.streams.video if not stream.disposition & pictures]
        if not streams:
            kinds = " and ".join(sorted({stream.type for stream in self._container.streams}))
            raise VideoError(
                self._path, f"expected a video stream, found {f'only {kinds}' if kinds else 'none'}"
            )
        stream = streams[0]
        if stream.codec_context is None:
            raise VideoError(self._path, "the codec of the video stream is not known")
        width, height = stream.codec_context.width, stream.codec_context.height
        self._check_size(width, height)
        stream.thread_type = "AUTO"
        # the codec's own limit stops a picture that is larger than its container says; coded sizes are padded
        stream.codec_context.options = {"max_pixels": str(max(4 * self._max_pixels, 256 * 256))}
        return stream

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise VideoError(
                self._path,
                f"pictures of {width}x{height} are above the limit of {self._max_pixels} pixels; "
                "raise the limit or scale the video down",
                good_frames=self.frames_decoded,
            )

    def _decode(self) -> Generator[VideoFrame, None, None]:
        """Yield the good pictures; note what is wrong; stop at the first broken one unless that is allowed."""
        for packet in self._packets():
            broken = False
            decoded: list[VideoFrame] = []
            try:
                decoded = self._stream.decode(packet)
            except av.error.EOFError:  # the decoder was emptied before
                return
            except FFmpegError as error:
                self._note(f"a packet cannot be decoded: {_reason(error)}")
                broken = True
            for picture in decoded:
                if picture.is_corrupt:
                    self._note("a picture is corrupt")
                    broken = True
                elif not broken or self._allow_damaged:
                    self._check_size(picture.width, picture.height)
                    yield picture
            if broken and not self._allow_damaged:
                return

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Yield the stream's packets, and last `None`, which empties the decoder."""
        packets = self._container.demux(self._stream)
        try:
            for packet in packets:
                if packet.is_corrupt:
                    self._note("a packet is incomplete")
                yield packet
        except FFmpegError as error:
            self._note(f"reading stopped: {_reason(error)}")
        yield None

    def _note(self, problem: str) -> None:
        self._problems[problem] = self._problems.get(problem, 0) + 1

    def _check_complete(self) -> None:
        """Note a file that ends before its own index or its stated length does."""
        size = self._path.stat().st_size
        end = max((entry.pos + entry.size for entry in self._stream.index_entries), default=0)
        stated_s = self._stated_duration_s()
        if end > size:
            self._note(f"the file is cut off: its index goes to byte {end}, the file ends at byte {size}")
        elif stated_s is not None and self._clock.last_s < stated_s - max(_MISSING_END_S, 0.05 * stated_s):
            self._note(
                f"the video stops at {self._clock.last_s:.2f} s of the {stated_s:.2f} s that its header states"
            )

    def _stated_duration_s(self) -> float | None:
        """Length in the header of a container that has one and no index of frames."""
        if self._container.format.name not in _HEADER_STATES_DURATION:
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None and len(self._container.streams) == 1:
            return self._container.duration / 1_000_000
        return None

    def _rgb(self, picture: VideoFrame) -> npt.NDArray[np.uint8]:
        width, height = self._stored_size
        try:
            rgb = self._reformatter.reformat(
                picture,
                width,
                height,
                "rgb24",
                interpolation="AREA" if picture.width > width else None,
                threads=1,
            )
        except FFmpegError as error:
            raise VideoError(
                self._path,
                f"a picture cannot be converted to RGB: {_reason(error)}",
                good_frames=self.frames_decoded,
            ) from error
        return self._orientation.upright(cast("npt.NDArray[np.uint8]", rgb.to_ndarray()))

    def _describe(self, first: VideoFrame, frame_rate_hz: float) -> VideoInfo:
        stream = self._stream
        width, height = self._orientation.size(*self._stored_size)
        duration_s = None
        if stream.duration is not None and stream.time_base is not None:
            duration_s = float(stream.duration * stream.time_base)
        elif self._container.duration is not None:
            duration_s = self._container.duration / 1_000_000
        return VideoInfo(
            path=self._path,
            width=width,
            height=height,
            frame_rate_hz=frame_rate_hz,
            frames=stream.frames or None,
            duration_s=duration_s,
            codec=stream.codec_context.name,
            rotation_deg=self._orientation.rotation_deg,
            sample_aspect_ratio=float(stream.sample_aspect_ratio or 1),
            scaled_from=None
            if self._stored_size == (first.width, first.height)
            else self._orientation.size(first.width, first.height),
            comment=self._container.metadata.get("comment") or None,
        )


def _frame_rate_of(stream: VideoStream) -> float:
    """The average rate where the container says one that can be true, its guess otherwise."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate is not None and 0 < rate <= _HIGHEST_RATE_HZ:
            return float(rate)
    return _FALLBACK_RATE_HZ


def _display_matrix_of(picture: VideoFrame) -> bytes | None:
    data = cast("dict[str, object]", picture.side_data).get("DISPLAYMATRIX")
    return None if data is None else bytes(cast("memoryview", data))


def _fit(size: tuple[int, int], max_side_px: int | None) -> tuple[int, int]:
    longest = max(size)
    if max_side_px is None or longest <= max_side_px:
        return size
    width, height = (max(1, round(side * max_side_px / longest)) for side in size)
    return width, height


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
