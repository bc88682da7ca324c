"""The pictures that the HTML report shows beside its alerts, and when to take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2

from activity.errors import StructureError
from activity.report.analysis import ClipAnalysis
from activity.report.drawing import RgbImage
from activity.report.palette import is_calm
from activity.report.wording import clock, percent
from activity.structures import SceneAlert

MOST_KEY_FRAMES: Final = 12
_MAX_WIDTH_PX: Final = 960
_JPEG_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class KeyFrameRequest:
    """A time whose picture the report wants.

    Attributes:
        time_s: In seconds from the first frame.
        caption: What the picture shows.
        alert: Place of the alert that it is of among those of the analysis; `None` where there is no alert.
    """

    time_s: float
    caption: str
    alert: int | None = None


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A picture of the report.

    Attributes:
        time_s: Presentation time of the frame, in seconds.
        jpeg: The encoded picture.
        caption: What it shows.
        alert: Place of the alert that it is of among those of the analysis; `None` where it is of none.
    """

    time_s: float
    jpeg: bytes
    caption: str
    alert: int | None = None


def key_frame_requests(analysis: ClipAnalysis, *, most: int = MOST_KEY_FRAMES) -> list[KeyFrameRequest]:
    """When to take pictures: at the strongest moment of each alert, or of the clip where there is none.

    Returns:
        At most `most` requests, in order of time; the alerts with the highest scores come first where not
        all fit. Empty for a clip without a frame.
    """
    if analysis.frames_decoded == 0:
        return []
    alerts = sorted(enumerate(analysis.alerts), key=lambda item: -item[1].score)[:most]
    requests = [KeyFrameRequest(*_moment_of(alert, analysis), number) for number, alert in alerts]
    if not requests:
        requests = [_strongest_moment(analysis)]
    return sorted(requests, key=lambda request: request.time_s)


class KeyFrameCollector:
    """Keeps the picture nearest to each requested time while the frames of a clip go by in order.

    Args:
        requests: What to keep.
        max_width_px: Wider pictures are scaled down.
    """

    def __init__(self, requests: Sequence[KeyFrameRequest], *, max_width_px: int = _MAX_WIDTH_PX) -> None:
        self._open = sorted(requests, key=lambda request: request.time_s)
        self._max_width_px = max_width_px
        self._before: tuple[float, RgbImage] | None = None
        self._frames: list[KeyFrame] = []

    def offer(self, image: RgbImage, time_s: float) -> None:
        """Look at the next frame, already annotated: [H, W, 3] RGB at `time_s` seconds."""
        while self._open and time_s >= self._open[0].time_s:
            self._keep(self._open.pop(0), (time_s, image))
        self._before = (time_s, image) if self._open else None

    def finish(self) -> list[KeyFrame]:
        """The pictures in order of time; what was asked for after the last frame shows that frame."""
        while self._open and self._before is not None:
            self._keep(self._open.pop(0), self._before)
        return self._frames

    def _keep(self, request: KeyFrameRequest, frame: tuple[float, RgbImage]) -> None:
        before = self._before or frame
        time_s, image = min(before, frame, key=lambda item: abs(item[0] - request.time_s))
        self._frames.append(
            KeyFrame(
                time_s, encode_jpeg(image, max_width_px=self._max_width_px), request.caption, request.alert
            )
        )


def encode_jpeg(image: RgbImage, *, max_width_px: int = _MAX_WIDTH_PX) -> bytes:
    """Encode [H, W, 3] RGB as JPEG, scaled down to at most `max_width_px`.

    Raises:
        StructureError: If OpenCV cannot encode the picture.
    """
    height, width = image.shape[:2]
    if width > max_width_px:
        size = (max_width_px, max(1, round(height * max_width_px / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    if not done:
        raise StructureError(f"image: expected something that JPEG can hold, got {list(image.shape)}")
    return bytes(data)


def _moment_of(alert: SceneAlert, analysis: ClipAnalysis) -> tuple[float, str]:
    """When an alert shows best, and what to say of it.

    That is the middle of the involved people's segment in which the alert's class is most probable; else the surest
    sighting of a weapon, or of fire, if the alert goes by one.
    """
    inside = [
        score
        for score in analysis.activities
        if score.track_id in alert.track_ids
        and score.probability(alert.label) > 0
        and score.start_s < alert.end_s
        and score.end_s > alert.start_s
    ]
    if not inside:
        return _sighting_of(alert, analysis)
    peak = max(inside, key=lambda score: score.probability(alert.label))
    time_s = min(max((peak.start_s + peak.end_s) / 2, alert.start_s), alert.end_s)
    probability = peak.probability(alert.label)
    return time_s, f"{alert.label} of person {peak.track_id} at its strongest, {percent(probability)}"


def _sighting_of(alert: SceneAlert, analysis: ClipAnalysis) -> tuple[float, str]:
    kinds = {item.kind for item in alert.explanation}
    sightings: list[tuple[float, float]] = []
    if "weapon" in kinds:
        for _, time_s, objects in analysis.detections or ():
            scores = [
                float(score)
                for score, label in zip(objects.scores, objects.labels, strict=True)
                if label != "person"
            ]
            sightings += [(max(scores), time_s)] if scores else []
    elif "fire" in kinds:
        sightings = [
            (reading.probability, reading.time_s) for reading in analysis.fire or () if reading.present
        ]
    during = [(score, time_s) for score, time_s in sightings if alert.start_s <= time_s <= alert.end_s]
    if not during:
        return (alert.start_s + alert.end_s) / 2, f"{alert.label}, middle of the alert"
    score, time_s = max(during, key=lambda item: item[0])
    return time_s, f"{alert.label}, the surest sighting, {percent(score)}"


def _strongest_moment(analysis: ClipAnalysis) -> KeyFrameRequest:
    """The moment nearest to an alert, even if it is far from one; the middle of a clip without people."""
    notable = [name for name in analysis.classes if not is_calm(name)] or list(analysis.classes)
    peaks = [(score.probability(name), name, score) for score in analysis.activities for name in notable]
    if not peaks:
        time_s = analysis.duration_s / 2
        return KeyFrameRequest(time_s, f"Middle of the clip, {clock(time_s)}")
    probability, name, peak = max(peaks, key=lambda item: item[0])
    return KeyFrameRequest(
        (peak.start_s + peak.end_s) / 2,
        f"{name} of person {peak.track_id} at its most probable, {percent(probability)}",
    )
