"""Decoding a stream packet by packet, and knowing what was damaged."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import av
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from activity.video.container import reason_of, require_size, stated_duration_of

_MISSING_END_S: Final = 0.5


class PictureDecoder:
    """Gives the good pictures of a stream in order of time, once, and notes what is wrong.

    Args:
        path: What errors call the file.
        container: The opened file.
        stream: Its stream of pictures.
        max_pixels: Largest picture that is given.
        allow_damaged: Go on behind what is broken, instead of ending before it.

    Attributes:
        pictures: The good pictures; raises `VideoError` on one above `max_pixels`.
        given: Pictures given so far.
    """

    def __init__(
        self,
        path: Path,
        container: av.container.InputContainer,
        stream: VideoStream,
        *,
        max_pixels: int,
        allow_damaged: bool,
    ) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._max_pixels = max_pixels
        self._allow_damaged = allow_damaged
        self._problems: dict[str, int] = {}
        self.given = 0
        self.pictures = self._decode()

    @property
    def damage(self) -> str | None:
        """What was found wrong so far, or `None`."""
        if not self._problems:
            return None
        return "; ".join(
            f"{what} ({times} times)" if times > 1 else what for what, times in self._problems.items()
        )

    def check_complete(self, *, last_s: float) -> None:
        """Note a file that ends before its own index or its stated length does.

        Args:
            last_s: Time of the last picture.
        """
        size = self._path.stat().st_size
        end = max((entry.pos + entry.size for entry in self._stream.index_entries), default=0)
        stated_s = stated_duration_of(self._container, self._stream)
        if end > size:
            self._note(f"the file is cut off: its index goes to byte {end}, the file ends at byte {size}")
        elif stated_s is not None and last_s < stated_s - max(_MISSING_END_S, 0.05 * stated_s):
            self._note(f"the video stops at {last_s:.2f} s of the {stated_s:.2f} s that its header states")

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
                self._note(f"a packet cannot be decoded: {reason_of(error)}")
                broken = True
            for picture in decoded:
                if picture.is_corrupt:
                    self._note("a picture is corrupt")
                    broken = True
                elif not broken or self._allow_damaged:
                    require_size(
                        self._path,
                        picture.width,
                        picture.height,
                        max_pixels=self._max_pixels,
                        good_frames=self.given,
                    )
                    self.given += 1
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
            self._note(f"reading stopped: {reason_of(error)}")
        yield None

    def _note(self, problem: str) -> None:
        self._problems[problem] = self._problems.get(problem, 0) + 1
