"""Labels in a picture: a tag for each person, a named box for each thing, none hiding another if it can be."""

from __future__ import annotations

from typing import Final

from activity.report.drawing import (
    Rectangle,
    RgbImage,
    draw_box,
    draw_plate,
    draw_text,
    measure_text,
    text_size_px,
)
from activity.report.interpolation import PersonPose
from activity.report.palette import INK, PAPER, Color, mix, track_color

_FAR: Final = 1e5  # pixels; boxes may lie far outside the picture


def draw_tag(
    canvas: RgbImage,
    person: PersonPose,
    text: str,
    *,
    share: float | None,
    bar_color: Color,
    taken: list[Rectangle],
) -> None:
    """Name a person: their colour, a text, and a bar as long as `share` of the tag where that is known."""
    size = text_size_px(*canvas.shape[:2])
    chip, pad, bar = max(3, size // 4), max(2, size // 5), 0 if share is None else max(2, size // 7)
    text_width, line = measure_text(text, size)
    plate = _place(canvas, person.box.tolist(), text_width + chip + 2 * pad, line + bar, taken)
    x, y = plate[0], plate[1]
    draw_plate(canvas, plate)
    draw_plate(canvas, (x, y, x + chip, plate[3]), color=track_color(person.track_id), opacity=1)
    draw_text(canvas, text, x=x + chip + pad, y=y, size=size)
    if share is not None:
        start, end = x + chip, plate[2]
        bright = mix(bar_color, PAPER, 0.15)
        draw_plate(
            canvas,
            (start, plate[3] - bar, start + round((end - start) * share), plate[3]),
            color=bright,
            opacity=1,
        )
    taken.append(plate)


def draw_labelled_box(
    canvas: RgbImage,
    box: list[float],
    text: str,
    *,
    color: Color,
    stroke: int,
    taken: list[Rectangle],
) -> None:
    """Outline a thing and name it; `taken` gets the place of the label."""
    size = max(8, round(0.9 * text_size_px(*canvas.shape[:2])))
    draw_box(canvas, box, color=color, thickness=stroke)
    width, line = measure_text(text, size)
    pad = max(2, size // 5)
    plate = _place(canvas, box, width + 2 * pad, line, taken)
    draw_plate(canvas, plate, color=color, opacity=0.92)
    draw_text(canvas, text, x=plate[0] + pad, y=plate[1], size=size, color=INK)
    taken.append(plate)


def _place(canvas: RgbImage, box: list[float], width: int, height: int, taken: list[Rectangle]) -> Rectangle:
    """Where a label fits best: clear of other labels, then above its box, then beside, below or in it."""
    rows, columns = canvas.shape[:2]
    left, top, right, bottom = (int(min(max(side, -_FAR), _FAR)) for side in box)
    middle = (left + right) // 2
    # x, y, and how much of its own area a label would rather cover of others than stand there
    wishes: list[tuple[int, int, float]] = [
        (left, top - height - 3, 0.0),
        (middle, top - height - 3, 0.02),
        (right - width, top - height - 3, 0.03),
        (left, top - 2 * height - 6, 0.05),
        (left, bottom + 3, 0.1),
        (left, top - 3 * height - 9, 0.15),
        *((left, top + 3 + step * (height + 2), 0.35 + 0.05 * step) for step in range(4)),
    ]
    best, least = (0, 0, width, height), float("inf")
    for wished_x, wished_y, reluctance in wishes:
        shunned = reluctance * width * height
        if shunned >= least:
            continue  # costs more than the best, whatever it hides
        x = min(max(wished_x, 0), max(0, columns - width))
        y = min(max(wished_y, 0), max(0, rows - height))
        place = (x, y, x + width, y + height)
        hidden = sum(_overlap(place, other) for other in taken)
        moved = abs(y - wished_y) * width  # pushed back into the picture, and so onto the person
        cost = hidden + 0.5 * moved + shunned
        if cost < least:
            best, least = place, cost
    return best


def _overlap(first: Rectangle, second: Rectangle) -> int:
    left, top, right, bottom = first
    x0, y0, x1, y1 = second
    if x0 >= right or x1 <= left or y0 >= bottom or y1 <= top:
        return 0
    return (min(right, x1) - max(left, x0)) * (min(bottom, y1) - max(top, y0))
