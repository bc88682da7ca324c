"""Writing a video that a browser plays."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.frame import VideoFrame

from activity.errors import OutputError, StructureError

_TIME_BASE: Final = Fraction(1, 90000)


class VideoWriter:
    """Encodes RGB pictures as H.264 (yuv420p, index in front) in an MP4 file; a context manager.

    Each picture is shown from the time that it is given, to 1/90000 s: variable frame rates are kept.
    yuv420p wants even sizes: an odd width or height is padded by repeating its last column or row.
    The file appears under its name only when it is whole; after an error nothing is left.

    Args:
        path: The file to write, replaced if it exists. Its folder must exist.
        width: Pixels across of every picture.
        height: Pixels down of every picture.
        frame_rate_hz: Nominal rate: how long the last picture stands, and what the encoder expects.
        crf: Constant rate factor of x264, 0 (lossless) to 51; lower is larger and better.
        preset: Speed of x264, ``ultrafast`` to ``veryslow``.
        comment: What the file says of itself, for its readers.
        threads: Threads that x264 may use; `None` leaves the choice to it. The pictures of a file differ a little with
            their number.

    Raises:
        OutputError: If the file cannot be written, or no picture was written before the end.
        StructureError: On a size or a rate that no video has.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        width: int,
        height: int,
        frame_rate_hz: float,
        crf: int = 23,
        preset: str = "veryfast",
        comment: str | None = None,
        threads: int | None = None,
    ) -> None:
        if width < 1 or height < 1 or not 0 < frame_rate_hz <= 1000:
            raise StructureError(
                f"expected a size of at least 1x1 and a rate in (0, 1000] Hz, "
                f"got {width}x{height} at {frame_rate_hz} Hz"
            )
        self._path = Path(path)
        self._partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._width, self._height = width, height
        self._padding = ((0, height % 2), (0, width % 2), (0, 0))
        self._period = max(1, round(90000 / frame_rate_hz))
        self._last_pts = -1
        self._closed = False
        if self._path.is_dir():
            raise OutputError(f"{self._path}: expected a file name, this is a directory")
        try:
            self._partial.touch()  # PyAV opens the file only with the first picture; a bad folder is told at once
            self._container = av.open(
                f"file:{self._partial.absolute()}", mode="w", format="mp4", options={"movflags": "+faststart"}
            )
        except (FFmpegError, OSError) as error:
            self._remove_partial()
            raise self._output_error(error) from error
        try:
            if comment is not None:
                self._container.metadata["comment"] = comment
            self._stream = self._container.add_stream(
                "libx264",
                rate=Fraction(frame_rate_hz).limit_denominator(1001),
                options={"crf": str(crf), "preset": preset},
            )
            self._stream.width = width + width % 2
            self._stream.height = height + height % 2
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = _TIME_BASE
            self._stream.codec_context.thread_count = threads or 0
        except BaseException as error:
            self._discard()
            if isinstance(error, (FFmpegError, OSError)):
                raise self._output_error(error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._discard()

    def write(self, image: npt.NDArray[np.uint8], time_s: float) -> None:
        """Append one picture.

        Args:
            image: [height, width, 3] uint8, RGB.
            time_s: When it appears, in seconds from 0; later than the picture before.

        Raises:
            StructureError: On another size or type, or a time that does not increase.
            OutputError: If it cannot be written.
        """
        if image.dtype != np.uint8 or image.shape != (self._height, self._width, 3):
            raise StructureError(
                f"{self._path}: expected pictures of uint8 [{self._height}, {self._width}, 3], "
                f"got {image.dtype} {list(image.shape)}"
            )
        pts = round(time_s * 90000) if np.isfinite(time_s) else -1
        if pts <= self._last_pts:
            raise StructureError(
                f"{self._path}: expected times from 0 that increase by at least 1/90000 s, "
                f"got {time_s} s after {self._last_pts / 90000} s"
            )
        if self._width % 2 or self._height % 2:
            image = np.pad(image, self._padding, mode="edge")
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture.pts = pts
        picture.time_base = _TIME_BASE
        picture.duration = self._period
        self._last_pts = pts
        try:
            self._container.mux(self._stream.encode(picture))
        except (FFmpegError, OSError) as error:
            raise self._output_error(error) from error

    def close(self) -> None:
        """Finish the file and give it its name; harmless when repeated.

        Raises:
            OutputError: If it cannot be finished, or holds no picture.
        """
        if self._closed:
            return
        if self._last_pts < 0:
            self._discard()
            raise OutputError(f"{self._path}: expected at least one picture, none was written")
        self._closed = True
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._partial.replace(self._path)
        except (FFmpegError, OSError) as error:
            self._remove_partial()
            raise self._output_error(error) from error

    def _discard(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._container.close()
        except (FFmpegError, OSError, ValueError):
            pass  # the half file goes anyway, and the first error is the one to tell
        finally:
            self._remove_partial()

    def _remove_partial(self) -> None:
        with contextlib.suppress(OSError):  # where the folder cannot be written there is nothing to remove
            self._partial.unlink(missing_ok=True)

    def _output_error(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or str(error)
        return OutputError(
            f"{self._path}: the video cannot be written: {reason}; choose a folder that exists and is writable"
        )
