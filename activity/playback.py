"""The second pass over a clip: every frame again, with what was found drawn into it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

from activity.config import Settings
from activity.lookahead import work_ahead
from activity.report import (
    ClipAnalysis,
    HeadRedactor,
    KeyFrame,
    KeyFrameCollector,
    OverlayRenderer,
    key_frame_requests,
)
from activity.report.drawing import RgbImage
from activity.structures import Frame
from activity.video import VideoReader, VideoWriter

_EMPTY_GROUND: Final = 34
"""Grey level of a picture that shows no pixel of the clip."""

_MOST_DRAWN_AT_ONCE: Final = 2
"""Threads that draw while another one decodes and encodes; more would wait for the one that runs Python."""

ANNOTATED_VIDEO: Final = "annotated.mp4"


def draw_clip(
    analysis: ClipAnalysis,
    directory: Path,
    settings: Settings,
    *,
    on_frame: Callable[[int, int], None],
) -> list[KeyFrame]:
    """Write the annotated video of an analysis, where the settings want it, and take the pictures of the report.

    With `skeleton_only` no pixel of the clip is kept; with `redact` every head is covered before anything is drawn. The
    pictures are taken from the same frames, so they show no more than the video does. Where the settings allow several
    threads, frames are drawn while others are decoded and encoded.

    Args:
        analysis: What to draw.
        directory: Gets annotated.mp4.
        settings: Of the output and of the decoding.
        on_frame: Told of every frame that was drawn, and of how many there are.

    Raises:
        OutputError: If the video cannot be written.
        VideoError: If the clip can no longer be read.
    """
    output, info = settings.output, analysis.video
    if not (output.annotated_video or output.html):
        return []
    threads = settings.threads or os.cpu_count() or 1
    overlay = OverlayRenderer(analysis)
    redactor = HeadRedactor(analysis.tracks, analysis.detected_people) if output.redact else None
    key_frames = KeyFrameCollector(key_frame_requests(analysis))
    with ExitStack() as stack:
        reader = stack.enter_context(
            VideoReader(
                info.path, max_side_px=settings.video.max_side_px, allow_damaged=settings.video.allow_damaged
            )
        )
        writer = None
        if output.annotated_video:
            writer = stack.enter_context(
                VideoWriter(
                    directory / ANNOTATED_VIDEO,
                    width=info.width,
                    height=info.height,
                    frame_rate_hz=info.frame_rate_hz,
                    threads=threads,
                )
            )

        def draw(frame: Frame) -> RgbImage:
            image = frame.image
            if output.skeleton_only:
                image = np.full_like(image, _EMPTY_GROUND)
            elif redactor is not None:
                image = redactor.redact(image, frame.time_s)
            return overlay.draw(image, frame.time_s, frame.index)

        pictures = stack.enter_context(work_ahead(draw, reader, workers=min(threads, _MOST_DRAWN_AT_ONCE)))
        for number, (frame, image) in enumerate(pictures, start=1):
            key_frames.offer(image, frame.time_s)
            if writer is not None:
                writer.write(image, frame.time_s)
            on_frame(number, analysis.frames_decoded)
    return key_frames.finish()
