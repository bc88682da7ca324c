"""Bounds that all bodies share: ids, moments, lines of text, shares; and the problem."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Role = Literal["viewer", "analyst", "admin"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
IncidentState = Literal["new", "confirmed", "dismissed", "corrected"]
DeliveryState = Literal["pending", "delivered", "dead", "withdrawn"]
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
ID_PATTERN: Final = "^[0-9a-f]{32}$"
LINE_PATTERN: Final = r"^[^\x00-\x1f\x7f]*$"


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("expected a moment whose UTC time lies in the years 1 to 9999") from error


def _plain_text(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("expected text without control characters other than line breaks and tabs")
    return text


Id = Annotated[str, Field(pattern=ID_PATTERN, examples=["0193a5c1f2de8f0a4c1b7e6d5a493827"])]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=LINE_PATTERN)]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=LINE_PATTERN)]
Note = Annotated[
    str,
    Field(max_length=4000, json_schema_extra={"pattern": r"^[^\x00-\x08\x0b-\x1f\x7f]*$"}),
    AfterValidator(_plain_text),
]


class Answer(BaseModel):
    """What the service says; a client passes over members that it does not know yet."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """What a client says; a member that the service does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(BaseModel):
    """RFC 9457 problem details; a problem may have more members."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str = Field(examples=["urn:activity:problem:queue-full"])
    title: str = Field(examples=["Too Many Requests"])
    status: int = Field(ge=400, le=599, examples=[429])
    detail: str = Field(examples=["200 jobs wait or run, the most that are allowed; come again in 30 s"])
