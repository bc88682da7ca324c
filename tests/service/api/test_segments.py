"""Keypoint sequences in, activities out."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from fastapi.routing import APIRoute

from activity.service.api import segments
from activity.service.recognition import track_of
from activity.service.security.gate import require
from activity.service.security.sessions import COOKIE, CSRF_HEADER
from activity.service.sequences import parse_sequences
from activity.structures import Track
from activity.tubelets import TubeletSettings, make_tubelets
from tests.service.api.conftest import Api

PATH = "/v1/segments:recognize"


def sequence(seed: int = 0, *, frames: int = 24, rate_hz: float = 12.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    joints = rng.uniform((0, 0), (60, 180), (17, 2))
    steps = rng.normal(0, 3, (frames, 17, 2)).cumsum(axis=0)
    return {
        "frame_rate_hz": rate_hz,
        "keypoints": [
            [[round(float(x) + 300, 2), round(float(y) + 100, 2), 0.9] for x, y in joints + step]
            for step in steps
        ],
    }


def test_the_answer_is_what_the_recogniser_says_of_the_same_track(api: Api) -> None:
    body = sequence(1, frames=36)
    answer = api.analyst.post(PATH, json={"sequences": [body]})
    assert answer.status_code == 200, answer.text
    segments = answer.json()["results"][0]["segments"]

    keypoints = np.array(body["keypoints"], np.float32)
    low, high = keypoints[:, :, :2].min(axis=1), keypoints[:, :, :2].max(axis=1)
    track = Track(
        track_id=1,
        frame_indices=np.arange(36),
        times_s=np.arange(36) / 12.0,
        keypoints=keypoints,
        boxes=np.concatenate([low, high], axis=1),
        scores=np.full(36, 0.9, np.float32),
    )
    recognizer = api.service.recognizer._recognizer
    settings = TubeletSettings.from_mapping(recognizer.tubelet_settings)
    expected = recognizer.recognize(make_tubelets(track, settings))
    assert len(segments) == len(expected) == 3  # 36 frames, windows of 24 every 6
    for got, score in zip(segments, expected, strict=True):
        assert got["start_s"] == score.start_s
        assert got["label"] == score.label
        assert got["probabilities"][score.label] == pytest.approx(score.score, abs=1e-5)


def test_requests_that_come_together_get_what_each_would_get_alone(api: Api) -> None:
    bodies = [{"sequences": [sequence(seed)]} for seed in range(12)]
    alone = [api.analyst.post(PATH, json=body).json() for body in bodies]
    with ThreadPoolExecutor(12) as pool:
        together = list(
            pool.map(lambda body: api.anybody.post(PATH, json=body, headers=key(api)).json(), bodies)
        )
    for one, other in zip(alone, together, strict=True):
        (a,), (b,) = one["results"][0]["segments"], other["results"][0]["segments"]
        assert a["label"] == b["label"]
        assert a["score"] == pytest.approx(b["score"], abs=1e-4)


def key(api: Api) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.keys['analyst']}"}


def test_a_person_who_was_never_seen_has_no_segment(api: Api) -> None:
    nobody = {"frame_rate_hz": 12, "keypoints": [None] * 24}
    unsure = {"frame_rate_hz": 12, "keypoints": [[[1, 1, 0]] * 17] * 24}
    results = api.analyst.post(PATH, json={"sequences": [nobody, unsure, sequence()]}).json()["results"]
    assert [len(result["segments"]) for result in results] == [0, 0, 1]


def test_frames_without_the_person_leave_their_time() -> None:
    body = sequence(frames=4, rate_hz=10)
    body["keypoints"][1] = None
    (parsed,) = parse_sequences(json.dumps({"sequences": [body]}).encode())
    track = track_of(parsed)
    assert track.times_s.tolist() == [0.0, 0.2, 0.3]
    assert track.frame_indices.tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"keypoints": []},
        {"keypoints": [[[1, 1, 1]] * 16]},
        {"keypoints": [[[1, 1, 1.5]] * 17]},
        {"keypoints": [[[1, 1]] * 17]},
        {"frame_rate_hz": 0},
        {"frame_rate_hz": 1e-300},
        {"more": 1},
    ],
)
def test_keypoints_out_of_bounds_are_refused(api: Api, change: dict[str, Any]) -> None:
    response = api.analyst.post(PATH, json={"sequences": [{**sequence(), **change}]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"].startswith("body/sequences/0/")


@pytest.mark.parametrize("body", [b"", b"{", b'{"sequences": [NaN]}', b"\xff\xfe", b"[" * 10_000])
def test_what_is_no_json_is_refused(api: Api, body: bytes) -> None:
    assert api.analyst.post(PATH, content=body).status_code == 422


def test_too_many_segments_are_refused_before_they_are_made(open_api: Callable[..., Api]) -> None:
    api = open_api(limits={"max_segments": 4})
    slow = {**sequence(frames=60), "frame_rate_hz": 0.1}  # 600 s
    response = api.analyst.post(PATH, json={"sequences": [slow]})
    assert (response.status_code, response.json()["type"]) == (413, "urn:activity:problem:too-many-segments")
    assert api.analyst.post(PATH, json={"sequences": [sequence()] * 5}).status_code == 413
    assert api.analyst.post(PATH, json={"sequences": [sequence()] * 4}).status_code == 200


def test_the_count_of_segments_is_never_too_low(api: Api) -> None:
    recognizer = api.service.recognizer
    for frames in (1, 23, 24, 25, 60, 100):
        for rate_hz in (5.0, 12.0, 30.0):
            body = {"sequences": [sequence(frames=frames, rate_hz=rate_hz)]}
            request = parse_sequences(json.dumps(body).encode())
            track = track_of(request[0])
            settings = TubeletSettings.from_mapping(recognizer._recognizer.tubelet_settings)
            assert len(make_tubelets(track, settings)) <= recognizer.count_segments(request)


def test_requests_of_every_kind_that_come_together_get_what_each_would_get_alone(api: Api) -> None:
    gap, late = sequence(3), sequence(4)
    gap["keypoints"][8:16] = [None] * 8  # two thirds of a second
    late["keypoints"][:3] = [[[1, 1, 0]] * 17] * 3
    kinds = [sequence(1), sequence(2, frames=40), gap, late, sequence(5, rate_hz=30.0), sequence(6)]
    nobody = {"frame_rate_hz": 12, "keypoints": [None] * 24}
    alone = [api.analyst.post(PATH, json={"sequences": [kind]}).json()["results"][0] for kind in kinds]
    answer = api.analyst.post(PATH, json={"sequences": [*kinds, nobody]}).json()["results"]
    assert answer.pop() == {"segments": []}
    for together, one in zip(answer, alone, strict=True):
        assert len(together["segments"]) == len(one["segments"]) > 0
        for a, b in zip(together["segments"], one["segments"], strict=True):
            assert (a["start_s"], a["end_s"], a["label"]) == (b["start_s"], b["end_s"], b["label"])
            assert a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-5)


def test_the_short_way_to_the_route_asks_for_the_same_role_and_is_counted(api: Api) -> None:
    (route,) = [route for route in segments.router.routes if isinstance(route, APIRoute)]
    asked = [other.call for other in route.dependant.dependencies if isinstance(other.call, require)]
    assert [one.role for one in asked] == [segments.ROLE]
    assert route.path == segments.PATH == PATH
    body = {"sequences": [sequence()]}
    assert api.anybody.post(PATH, json=body).status_code == 401
    assert api.viewer.post(PATH, json=body).status_code == 403
    assert api.analyst.get(PATH).status_code == 405
    answer = api.analyst.post(PATH, json=body)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    metrics = api.viewer.get("/metrics").text
    assert f'activity_http_requests_total{{method="POST",route="{PATH}",status="200"}} 1.0' in metrics
    assert f'route="{PATH}",status="403"' in metrics


def test_a_body_above_the_limit_is_refused_here_too(open_api: Callable[..., Api]) -> None:
    api = open_api(limits={"max_body_bytes": 2048})
    answer = api.analyst.post(PATH, json={"sequences": [sequence()]})
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 2048)


def test_a_page_that_has_no_token_of_its_session_is_refused(api: Api) -> None:
    session = api.client(api.keys["analyst"])
    begun = session.post("/v1/session").json()
    cookie = {"Cookie": f"{COOKIE}={session.cookies[COOKIE]}"}
    body = {"sequences": [sequence()]}
    assert api.anybody.post(PATH, json=body, headers=cookie).status_code == 403
    token = {CSRF_HEADER: begun["csrf_token"]}
    assert api.anybody.post(PATH, json=body, headers=cookie | token).status_code == 200
