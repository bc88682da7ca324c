"""Draw an analysis into the pictures of its clip: people, what they do, weapons, fire, alerts."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from typing import Final, Generic, TypeVar

import numpy as np

from activity.errors import StructureError
from activity.report.analysis import ClipAnalysis, FireReading
from activity.report.drawing import (
    Rectangle,
    RgbImage,
    draw_corners,
    draw_dashes,
    draw_heat,
    draw_plate,
    draw_skeleton,
    draw_text,
    measure_text,
    text_size_px,
)
from activity.report.interpolation import PersonPose, pose_at
from activity.report.labels import draw_labelled_box, draw_tag
from activity.report.palette import (
    ALERT,
    FIRE,
    INK,
    PAPER,
    WEAPON,
    class_colors,
    is_calm,
    mix,
    severity_color,
    track_color,
)
from activity.report.wording import clock, clock_range, percent
from activity.structures import (
    ActivityScore,
    Detections,
    HolderLink,
    SceneAlert,
    Track,
    box_iou,
)

_SHORTEST_BANNER_S: Final = 1.0  # a shorter alert still stays long enough to be read
_CROWD: Final = 8  # with more people in view, calm ones carry only their number
_WRISTS: Final = (9, 10)
_Item = TypeVar("_Item")


class _Nearest(Generic[_Item]):
    """Items by time; each is valid for `reach_s` before and after, where no other is nearer."""

    def __init__(self, items: list[tuple[float, _Item]], *, reach_s: float) -> None:
        items = sorted(items, key=lambda item: item[0])
        self._times = [time_s for time_s, _ in items]
        self._items = [item for _, item in items]
        self._reach_s = reach_s

    def at(self, time_s: float) -> _Item | None:
        after = bisect.bisect_left(self._times, time_s)
        near = [i for i in (after - 1, after) if 0 <= i < len(self._times)]
        best = min(near, key=lambda i: abs(self._times[i] - time_s), default=None)
        if best is None or abs(self._times[best] - time_s) > self._reach_s:
            return None
        return self._items[best]


class OverlayRenderer:
    """Draws one analysis into the frames of its clip.

    People are drawn as analysed, and on a straight line between two analysed frames; nobody is drawn
    across a longer gap. What was not analysed is not drawn, and not mentioned in the picture.

    Args:
        analysis: What to draw.
        max_gap_s: Longest time between two analysed frames of a person that is bridged.
    """

    def __init__(self, analysis: ClipAnalysis, *, max_gap_s: float = 0.5) -> None:
        self._analysis = analysis
        self._max_gap_s = max_gap_s
        self._class_colors = class_colors(analysis.classes)
        self._segments: dict[int, list[ActivityScore]] = defaultdict(list)
        for score in analysis.activities:
            self._segments[score.track_id].append(score)
        self._tracks: dict[int, Track] = {track.track_id: track for track in analysis.tracks}
        step_s = analysis.duration_s / max(1, analysis.frames_analysed)
        reach_s = min(0.6 * step_s + 1e-3, max_gap_s / 2)  # each analysed frame speaks for its surroundings
        self._objects: _Nearest[Detections] = _Nearest(
            [(time_s, objects) for _, time_s, objects in analysis.detections or ()], reach_s=reach_s
        )
        links: dict[float, list[HolderLink]] = defaultdict(list)
        for link in analysis.holders or ():
            links[link.time_s].append(link)
        self._links: _Nearest[list[HolderLink]] = _Nearest(list(links.items()), reach_s=reach_s)
        readings = analysis.fire or ()
        fire_step_s = (
            (readings[-1].time_s - readings[0].time_s) / max(1, len(readings) - 1) if readings else 0.0
        )
        self._fire: _Nearest[FireReading] = _Nearest(
            [(reading.time_s, reading) for reading in readings], reach_s=max(reach_s, 0.6 * fire_step_s)
        )

    def draw(self, image: RgbImage, time_s: float, frame_index: int) -> RgbImage:
        """Return a copy of a frame with everything that is known at its time.

        Args:
            image: [H, W, 3] uint8 RGB, of the clip's size.
            time_s: Presentation time in seconds.
            frame_index: Index in the decoded stream.

        Raises:
            StructureError: If the picture is not uint8 RGB.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise StructureError(
                f"image: expected uint8 of shape [H, W, 3], got {image.dtype} {list(image.shape)}"
            )
        canvas = np.ascontiguousarray(image).copy()
        self._draw_heat(canvas, time_s)
        alerts = self._alerts_at(time_s)
        people = self._people_at(time_s, frame_index)
        involved = {track_id for alert in alerts for track_id in alert.track_ids}
        stroke = max(1, round(min(canvas.shape[0], canvas.shape[1] * 0.75) / 400))
        for person in people:
            if person.track_id in involved:
                draw_corners(canvas, person.box.tolist(), color=ALERT, thickness=stroke)
        for person in people:
            thickness = int(np.clip(round(0.016 * float(person.box[3] - person.box[1])), 1, 3 * stroke))
            draw_skeleton(canvas, person.keypoints, color=track_color(person.track_id), thickness=thickness)
        taken = self._draw_alerts(canvas, alerts)
        taken += self._draw_clock(canvas, time_s)
        taken += [_head(person) for person in people]
        self._draw_objects(canvas, time_s, people, stroke, taken)
        self._draw_tags(canvas, time_s, people, taken)
        return canvas

    def segment_at(self, track_id: int, time_s: float) -> ActivityScore | None:
        """The segment of a person that covers a time and whose middle is nearest to it."""
        covering = [s for s in self._segments.get(track_id, ()) if s.start_s <= time_s <= s.end_s]
        return min(covering, key=lambda s: abs((s.start_s + s.end_s) / 2 - time_s), default=None)

    def _people_at(self, time_s: float, frame_index: int) -> list[PersonPose]:
        poses = (
            pose_at(track, time_s=time_s, frame_index=frame_index, max_gap_s=self._max_gap_s)
            for track in self._tracks.values()
        )
        return sorted((pose for pose in poses if pose is not None), key=lambda pose: float(pose.box[3]))

    def _alerts_at(self, time_s: float) -> list[SceneAlert]:
        active = [
            alert
            for alert in self._analysis.alerts
            if alert.start_s <= time_s <= max(alert.end_s, alert.start_s + _SHORTEST_BANNER_S)
        ]
        return sorted(active, key=lambda alert: -alert.score)

    def _draw_alerts(self, canvas: RgbImage, alerts: list[SceneAlert]) -> list[Rectangle]:
        height, width = canvas.shape[:2]
        size = text_size_px(height, width)
        taken: list[Rectangle] = []
        top = 0
        for position, alert in enumerate(alerts[:2]):
            more = f" · {len(alerts) - 2} more" if position == 1 and len(alerts) > 2 else ""
            text = _longest_that_fits(_alert_texts(alert, more), size, width - size)
            line = measure_text(text, size)[1]
            plate = (0, top, width, top + line + size // 2)
            draw_plate(canvas, plate, color=mix(severity_color(alert.severity), INK, 0.15), opacity=0.92)
            draw_text(canvas, text, x=size // 2, y=top + size // 4, size=size)
            taken.append(plate)
            top = plate[3]
        return taken

    def _draw_heat(self, canvas: RgbImage, time_s: float) -> None:
        """Tint what speaks for fire, by the classifier's activation map."""
        reading = self._fire.at(time_s)
        if reading is not None and reading.present and reading.activation_map is not None:
            draw_heat(canvas, reading.activation_map, color=FIRE)

    def _draw_clock(self, canvas: RgbImage, time_s: float) -> list[Rectangle]:
        height, width = canvas.shape[:2]
        size = max(8, round(0.85 * text_size_px(height, width)))
        text_width, line = measure_text(clock(time_s), size)
        plate = (width - text_width - size, height - line - size // 3, width, height)
        draw_plate(canvas, plate, opacity=0.6)
        draw_text(canvas, clock(time_s), x=plate[0] + size // 2, y=plate[1] + size // 6, size=size)
        return [plate]

    def _draw_objects(
        self,
        canvas: RgbImage,
        time_s: float,
        people: list[PersonPose],
        stroke: int,
        taken: list[Rectangle],
    ) -> None:
        links = self._links.at(time_s) or []
        for link in links:
            holder = next((p for p in people if p.track_id == link.track_id), None)
            if holder is not None:
                draw_dashes(
                    canvas, _hand_near(holder, link), _center(link.weapon_box), color=WEAPON, thickness=stroke
                )
            held = "nobody near" if link.track_id is None else f"held by {link.track_id}"
            text = f"weapon {percent(link.weapon_score)} · {held}"
            draw_labelled_box(
                canvas, link.weapon_box.tolist(), text, color=WEAPON, stroke=stroke, taken=taken
            )
        objects = self._objects.at(time_s) or Detections.empty()
        for box, score, label in zip(objects.boxes, objects.scores, objects.labels, strict=True):
            linked = links and float(box_iou(box[None], [link.weapon_box for link in links]).max()) > 0.8
            if label != "person" and not linked:
                draw_labelled_box(
                    canvas,
                    box.tolist(),
                    f"{label} {percent(score)}",
                    color=WEAPON,
                    stroke=stroke,
                    taken=taken,
                )
        reading = self._fire.at(time_s)
        if reading is not None and reading.present and reading.box is not None:
            text = f"fire {percent(reading.probability)}"
            draw_labelled_box(canvas, list(reading.box), text, color=FIRE, stroke=stroke, taken=taken)

    def _draw_tags(
        self, canvas: RgbImage, time_s: float, people: list[PersonPose], taken: list[Rectangle]
    ) -> None:
        tagged = [(person, self.segment_at(person.track_id, time_s)) for person in people]
        tagged.sort(key=lambda item: item[1] is None or is_calm(item[1].label))  # notable people first
        for person, segment in tagged:
            text, share, color = f"{person.track_id}", None, PAPER
            if segment is not None and not (is_calm(segment.label) and len(people) > _CROWD):
                text = f"{person.track_id}  {segment.label} {percent(segment.score)}"
                share, color = segment.score, self._class_colors[segment.label]
            draw_tag(canvas, person, text, share=share, bar_color=color, taken=taken)


def _head(person: PersonPose) -> Rectangle:
    """The upper part of a person's box, which labels leave free where they can."""
    x0, y0, x1, y1 = np.clip(person.box, -1e5, 1e5).tolist()
    return round(x0), round(y0), round(x1), round(y0 + 0.22 * (y1 - y0))


def _hand_near(person: PersonPose, link: HolderLink) -> tuple[float, float]:
    """The person's wrist nearest to the weapon, or the middle of their box where no wrist was seen."""
    target = np.array(_center(link.weapon_box))
    wrists = [person.keypoints[joint] for joint in _WRISTS if person.keypoints[joint, 2] > 0]
    if not wrists:
        return _center(person.box)
    nearest = min(wrists, key=lambda wrist: float(np.hypot(*(wrist[:2] - target))))
    return float(nearest[0]), float(nearest[1])


def _center(box: np.ndarray[tuple[int], np.dtype[np.float32]]) -> tuple[float, float]:
    return float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2


def _alert_texts(alert: SceneAlert, more: str) -> list[str]:
    people = ", ".join(str(track_id) for track_id in alert.track_ids)
    who = f" · {'person' if len(alert.track_ids) == 1 else 'people'} {people}" if people else ""
    head = f"{alert.label} {percent(alert.score)}"
    when = f" · {clock_range(alert.start_s, alert.end_s, dash='-')}"  # the overlay font has no en dash
    return [
        f"ALERT  {head}{who}{when}{more}",
        f"ALERT  {head}{when}{more}",
        f"ALERT  {head}{more}",
        f"ALERT  {head}",
        f"ALERT {percent(alert.score)}",
    ]


def _longest_that_fits(texts: list[str], size: int, width: int) -> str:
    fitting = itertools.dropwhile(lambda text: measure_text(text, size)[0] > width, texts)
    return next(fitting, texts[-1])
