"""Reading a video file frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from activity.errors import ConfigurationError, VideoError
from activity.structures import Frame, VideoInfo
from activity.video.container import choose_stream, duration_of, frame_rate_of, open_container, reason_of
from activity.video.contents import require_file
from activity.video.decoding import PictureDecoder
from activity.video.orientation import Orientation
from activity.video.timing import FrameSampler, PresentationClock

MAX_PIXELS: Final = 8192 * 4320
"""Largest picture that is decoded unless the caller says otherwise: 8k, both kinds."""


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
        self._iterated = False
        self._reformatter = VideoReformatter()
        self.frames_decoded = 0
        self._container = open_container(self._path)
        try:
            self._stream = choose_stream(self._container, self._path, max_pixels=max_pixels)
            frame_rate_hz = frame_rate_of(self._stream)
            self._sampler = FrameSampler(sample_rate_hz=sample_rate_hz, frame_rate_hz=frame_rate_hz)
            self._clock = PresentationClock(
                time_base=self._stream.time_base or Fraction(1, 90000), frame_rate_hz=frame_rate_hz
            )
            self._decoder = PictureDecoder(
                self._path,
                self._container,
                self._stream,
                max_pixels=max_pixels,
                allow_damaged=allow_damaged,
            )
            first = next(self._decoder.pictures, None)
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
        self._decoder.pictures.close()
        self._container.close()

    @property
    def damage(self) -> str | None:
        """What was found wrong so far, or `None`."""
        return self._decoder.damage

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
            picture = next(self._decoder.pictures, None)
        self._decoder.check_complete(last_s=self._clock.last_s)
        if self.damage is not None and not self._allow_damaged:
            raise VideoError(self._path, f"damaged: {self.damage}", good_frames=self.frames_decoded)

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
                f"a picture cannot be converted to RGB: {reason_of(error)}",
                good_frames=self.frames_decoded,
            ) from error
        return self._orientation.upright(cast("npt.NDArray[np.uint8]", rgb.to_ndarray()))

    def _describe(self, first: VideoFrame, frame_rate_hz: float) -> VideoInfo:
        stream = self._stream
        width, height = self._orientation.size(*self._stored_size)
        return VideoInfo(
            path=self._path,
            width=width,
            height=height,
            frame_rate_hz=frame_rate_hz,
            frames=stream.frames or None,
            duration_s=duration_of(self._container, stream),
            codec=stream.codec_context.name,
            rotation_deg=self._orientation.rotation_deg,
            sample_aspect_ratio=float(stream.sample_aspect_ratio or 1),
            scaled_from=None
            if self._stored_size == (first.width, first.height)
            else self._orientation.size(first.width, first.height),
            comment=self._container.metadata.get("comment") or None,
        )


def _display_matrix_of(picture: VideoFrame) -> bytes | None:
    data = cast("dict[str, object]", picture.side_data).get("DISPLAYMATRIX")
    return None if data is None else bytes(cast("memoryview", data))


def _fit(size: tuple[int, int], max_side_px: int | None) -> tuple[int, int]:
    longest = max(size)
    if max_side_px is None or longest <= max_side_px:
        return size
    width, height = (max(1, round(side * max_side_px / longest)) for side in size)
    return width, height
