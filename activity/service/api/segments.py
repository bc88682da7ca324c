"""`POST /v1/segments:recognize`: name activities of keypoint sequences, with requests that come together batched."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from activity.client import schemas
from activity.service.api.dependencies import Analyst, Opened
from activity.service.batching import BatcherFullError
from activity.service.problems import Problem, problems
from activity.service.sequences import PoseSequence, parse_sequences

PATH: Final = "/v1/segments:recognize"
ROLE: Final = "analyst"

router = APIRouter(prefix="/v1", tags=["recognition"])

_PARSED_IN_PLACE_BYTES: Final = 200_000  # about a millisecond; larger bodies must not hold up other requests
_PERSON: Final = [[320.0 + 4 * joint, 120.0 + 9 * joint, 0.9] for joint in range(17)]
_EXAMPLE: Final = {"sequences": [{"frame_rate_hz": 12.0, "keypoints": [_PERSON, None, _PERSON]}]}


@router.post(
    PATH.removeprefix("/v1"),
    summary="Name the activities of keypoint sequences",
    response_model=schemas.RecognizeResponse,
    responses=problems(413, 429),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/RecognizeRequest"},
                    "examples": {"one person": {"value": _EXAMPLE}},
                }
            },
        }
    },
)
async def recognize_segments(request: Request, service: Opened, _actor: Analyst) -> Response:
    """Each sequence is one person; it is cut into the segments that the network reads, and each is named.

    Requests that come within a few milliseconds go through the network together.
    """
    body = await request.body()
    if len(body) > _PARSED_IN_PLACE_BYTES:
        parsed = await run_in_threadpool(_parse, body)
    else:
        parsed = _parse(body)
    recognizer, limit = service.recognizer, service.settings.limits.max_segments
    segments = recognizer.count_segments(parsed)
    if segments > limit:
        raise Problem(
            413,
            "too-many-segments",
            f"expected at most {limit} segments in a request, got {segments}; send fewer",
        )
    try:
        answer = await recognizer.batcher.submit(parsed, weight=segments)
    except BatcherFullError as error:
        raise Problem(429, "busy", f"{error}; try again in a second", headers={"Retry-After": "1"}) from error
    return Response(answer, media_type="application/json")


def _parse(body: bytes) -> list[PoseSequence]:
    try:
        return parse_sequences(body)
    except ValidationError as error:
        wrong = [
            {"pointer": "/".join(map(str, ("body", *item["loc"]))), "detail": item["msg"]}
            for item in error.errors(include_url=False, include_input=False, include_context=False)[:20]
        ]
        detail = "; ".join(f"{entry['pointer']}: {entry['detail']}" for entry in wrong[:5])
        raise Problem(422, "invalid", detail, errors=wrong) from error
