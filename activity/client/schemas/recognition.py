"""Keypoint sequences and what is recognised in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from activity.client.schemas.values import Answer, Request, Share

Keypoint = tuple[
    Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)],
    Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)],
    Share,
]
Person = Annotated[list[Keypoint], Field(min_length=17, max_length=17)]


class KeypointSequence(Request):
    """One person through time."""

    frame_rate_hz: float = Field(
        ge=0.1, le=240, allow_inf_nan=False, description="Frames a second.", examples=[12.0]
    )
    keypoints: list[Person | None] = Field(
        min_length=1,
        max_length=3000,
        description="For each frame the 17 COCO keypoints as x px, y px, confidence; confidence 0 is a joint that was "
        "not found, null a frame in which the person was not found.",
    )


class RecognizeRequest(Request):
    """Keypoint sequences, one for each person."""

    sequences: list[KeypointSequence] = Field(min_length=1, max_length=64)


class Segment(Answer):
    """What one person does during one segment."""

    start_s: float = Field(description="Seconds from the sequence's first frame.")
    end_s: float
    label: str
    score: Share
    probabilities: dict[str, float]


class SequenceResult(Answer):
    """The segments of one sequence; none where too little of the person was seen."""

    segments: list[Segment]


class RecognizeResponse(Answer):
    """What was recognised, in the order of the sequences."""

    model: str
    results: list[SequenceResult]
