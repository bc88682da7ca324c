"""What a player draws over a clip while it plays: `overlay.json`, and the poses and boxes in `overlay.jsonl`.

`overlay.json` is small however crowded the clip is: people, their segments, what they held, alerts, and where in
`overlay.jsonl` the frames of each ten seconds stand, so that a player fetches only those that it needs (`Range`).
Coordinates are whole pixels of the analysed frames, times whole milliseconds from the first frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activity.errors import OutputError
from activity.structures import Severity

LAYERS_FILE: Final = "overlay.json"
FRAMES_FILE: Final = "overlay.jsonl"
MAX_GAP_MS: Final = 500
"""Longest time between two analysed frames of a person that a player bridges."""


Milliseconds = Annotated[int, Field(ge=0)]
Percent = Annotated[int, Field(ge=0, le=100)]
Box = Annotated[tuple[int, int, int, int], Field(description="x0, y0, x1, y1 in pixels.")]
Interval = Annotated[tuple[Milliseconds, Milliseconds], Field(description="From, to.")]


class _Layer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmentLayer(_Layer):
    """What one person did during one segment."""

    start_ms: Milliseconds
    end_ms: Milliseconds
    label: str
    probabilities: dict[str, Annotated[float, Field(ge=0, le=1)]]
    attention: list[Percent] | None = Field(
        description="Of each body part, in the order of `body_parts`; null where it was not recorded."
    )


class PersonLayer(_Layer):
    """One person through the clip."""

    id: Annotated[int, Field(ge=1)]
    color: str = Field(description="CSS colour, as in the annotated film.")
    seen_ms: list[Interval]
    held_ms: list[Interval] = Field(description="When this person held a weapon.")
    segments: list[SegmentLayer]


class AlertLayer(_Layer):
    """One alert."""

    label: str
    rule: str
    severity: Severity
    color: str
    start_ms: Milliseconds
    end_ms: Milliseconds
    people: list[int]


class PieceEntry(_Layer):
    """Where the frames of a stretch of time stand in `overlay.jsonl`: one line, so many bytes from `offset`."""

    from_ms: Milliseconds
    to_ms: Milliseconds
    offset: Annotated[int, Field(ge=0)]
    size_bytes: Annotated[int, Field(ge=1)]


class Layers(_Layer):
    """All that a player knows before the first frame."""

    version: Literal[1] = 1
    width: Annotated[int, Field(ge=1, description="Pixels that coordinates refer to.")]
    height: Annotated[int, Field(ge=1)]
    duration_ms: Milliseconds
    frame_rate_hz: Annotated[float, Field(gt=0)]
    max_gap_ms: Milliseconds = Field(description="Nobody is drawn across a longer gap.")
    reach_ms: Milliseconds = Field(description="So long before and after its frame an object is drawn.")
    fire_reach_ms: Milliseconds
    body_parts: dict[str, list[int]] = Field(description="Name to COCO joints.")
    attention: bool = Field(description="Whether any segment carries attention.")
    weapons_ms: list[Interval] | None = Field(
        description="When a weapon was seen; null where not looked for."
    )
    fire_ms: list[Interval] | None = Field(
        description="When frames counted as fire; null where not looked for."
    )
    classes: list[str]
    people: list[PersonLayer]
    alerts: list[AlertLayer]
    pieces: list[PieceEntry]


class PersonFrames(_Layer):
    """One person in the N frames of a piece."""

    id: int
    ms: list[Milliseconds] = Field(description="[N].")
    boxes: list[int] = Field(description="[4 N]: x0, y0, x1, y1 of each frame.")
    joints: list[int] = Field(
        description="[51 N]: x, y, confidence in percent of the 17 joints of each frame; confidence 0 is missing."
    )


class ObjectFrame(_Layer):
    """One object in one frame."""

    ms: Milliseconds
    label: str
    score: Percent
    box: Box
    held_by: int | None


class FireFrame(_Layer):
    """Fire in one frame."""

    ms: Milliseconds
    score: Percent
    box: Box | None
    map: list[list[Percent]] | None = Field(description="An even grid over the frame; null where not kept.")


class Piece(_Layer):
    """The frames of a stretch of time, with a neighbour on either side, so that a player can draw between frames."""

    people: list[PersonFrames]
    objects: list[ObjectFrame]
    fire: list[FireFrame]


def read_layers(path: Path) -> Layers:
    """Read `overlay.json`.

    Raises:
        OutputError: If it is missing or is not one.
    """
    try:
        return Layers.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        raise OutputError(f"{path}: no layers of version 1: {where}: {first['msg']}") from error
