"""Requests parsed straight into arrays are what the schema makes of them, and refused where it refuses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from activity.client.schemas import RecognizeRequest
from activity.service import sequences
from activity.service.sequences import PoseSequence, parse_sequences, sequence_of

PERSON = [[100.0 + joint, 50.5, 0.9] for joint in range(17)]


def by_schema(body: bytes) -> list[PoseSequence] | None:
    try:
        return [sequence_of(sequence) for sequence in RecognizeRequest.model_validate_json(body).sequences]
    except ValidationError:
        return None


def by_us(body: bytes) -> list[PoseSequence] | None:
    try:
        return parse_sequences(body)
    except ValidationError:
        return None


def assert_same(ours: list[PoseSequence] | None, theirs: list[PoseSequence] | None) -> None:
    assert (ours is None) == (theirs is None)
    for one, other in zip(ours or [], theirs or [], strict=True):
        assert (one.frame_rate_hz, one.length) == (other.frame_rate_hz, other.length)
        assert one.frames.tolist() == other.frames.tolist()
        assert one.frames.dtype == other.frames.dtype == np.int64
        assert one.keypoints.dtype == other.keypoints.dtype == np.float32
        np.testing.assert_array_equal(one.keypoints, other.keypoints)


def request(people: Any, rate_hz: Any = 12.0) -> bytes:
    return json.dumps({"sequences": [{"frame_rate_hz": rate_hz, "keypoints": people}]}).encode()


def with_joint(joint: Any) -> list[Any]:
    return [PERSON, [*PERSON[:16], joint]]


def test_frames_without_a_person_or_without_a_joint_are_left_out() -> None:
    unsure = [[1.0, 1.0, 0.0]] * 17
    (parsed,) = parse_sequences(request([None, PERSON, unsure, PERSON, None], rate_hz=10))
    assert (parsed.length, parsed.frames.tolist(), parsed.times_s.tolist()) == (5, [1, 3], [0.1, 0.3])
    assert parsed.keypoints.shape == (2, 17, 3)
    (nobody,) = parse_sequences(request([None, unsure]))
    assert (nobody.length, nobody.keypoints.shape) == (2, (0, 17, 3))


def test_the_usual_form_needs_no_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "RecognizeRequest", None)
    assert len(parse_sequences(request([PERSON, None]))) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(request([PERSON], rate_hz=12), id="a whole number as rate"),
        pytest.param(request([PERSON], rate_hz=True), id="a truth as rate"),
        pytest.param(request([PERSON], rate_hz="12"), id="text as rate"),
        pytest.param(request([PERSON], rate_hz=0.0999), id="too slow"),
        pytest.param(request([PERSON], rate_hz=241), id="too fast"),
        pytest.param(request([PERSON], rate_hz=None), id="no rate"),
        pytest.param(request([]), id="no frame"),
        pytest.param(request([None] * 3001), id="too many frames"),
        pytest.param(request(with_joint([1, 2, 1])), id="whole numbers"),
        pytest.param(request([[[1, 2, 1]] * 17]), id="nothing but whole numbers"),
        pytest.param(request([[[True, False, True]] * 17]), id="nothing but truths"),
        pytest.param(request(with_joint([True, 2.0, True])), id="truths"),
        pytest.param(request(with_joint(["1.5", "2", "1"])), id="text"),
        pytest.param(request(with_joint(["x", 2, 1])), id="words"),
        pytest.param(request(with_joint([1, 2])), id="a joint without confidence"),
        pytest.param(request([[[1, 2]] * 17]), id="joints without confidence"),
        pytest.param(request(with_joint([1, 2, 1, 0])), id="a fourth number"),
        pytest.param(request(with_joint([1, 2, -0.001])), id="confidence below 0"),
        pytest.param(request(with_joint([1, 2, 1.001])), id="confidence above 1"),
        pytest.param(request(with_joint([1e6, -1e6, 1])), id="at the bounds"),
        pytest.param(request(with_joint([1.000001e6, 0, 1])), id="too far right"),
        pytest.param(request(with_joint([0, -1.000001e6, 1])), id="too far up"),
        pytest.param(request([[[-(2**63), 1, 1]] * 17]), id="the least 64-bit number"),
        pytest.param(request([[[2**64, 1, 1]] * 17]), id="more than 64 bits"),
        pytest.param(request(with_joint([float("nan"), 1, 1])), id="NaN"),
        pytest.param(request(with_joint([1, float("inf"), 1])), id="infinity"),
        pytest.param(request(with_joint([1, 1, float("nan")])), id="NaN as confidence"),
        pytest.param(request(with_joint(None)), id="no joint"),
        pytest.param(request(with_joint({})), id="an object as joint"),
        pytest.param(request([PERSON[:16]]), id="16 joints"),
        pytest.param(request([PERSON, [*PERSON, PERSON[0]]]), id="18 joints"),
        pytest.param(request([PERSON, []]), id="a person without joints"),
        pytest.param(request([[]]), id="nobody but a person without joints"),
        pytest.param(request([PERSON, 7]), id="a number as person"),
        pytest.param(request([[[[1.0, 1.0, 1.0]] * 3] * 17]), id="too deep"),
        pytest.param(request({}), id="an object as frames"),
        pytest.param(b'{"sequences": []}', id="no sequence"),
        pytest.param(b'{"sequences": {}}', id="an object as sequences"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="nothing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"[" * 10_000, id="deep"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(request([PERSON])[:-1], id="cut off"),
        pytest.param(request([PERSON]) + b" x", id="more behind it"),
        pytest.param(request([PERSON])[:-1] + b', "more": 1}', id="an unknown member"),
        pytest.param(
            request([PERSON]).replace(b'"keypoints"', b'"more": 1, "keypoints"'), id="and further in"
        ),
        pytest.param(
            request([PERSON]).replace(b'"keypoints"', b'"frame_rate_hz": 24, "keypoints"'),
            id="a member twice",
        ),
        pytest.param(
            json.dumps({"sequences": [{"frame_rate_hz": 12, "keypoints": [PERSON]}] * 65}).encode(),
            id="65 sequences",
        ),
    ],
)
def test_what_is_taken_and_what_is_refused_is_what_the_schema_says(body: bytes) -> None:
    assert_same(by_us(body), by_schema(body))


_number = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-(10**6), 10**6),
    st.sampled_from([0, 1, 0.5, -1, 2, 1e6 + 1, None, "1", True, "x", 1e300, 10**30]),
)
_share = st.one_of(st.floats(0, 1), st.sampled_from([0, 1, 1.5, "0.5", None, False]))
_usual = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1)).map(list)
_joint = st.one_of(_usual, st.tuples(_number, _number, _share).map(list))
_person = st.one_of(
    st.none(), st.lists(_usual, min_size=17, max_size=17), st.lists(_joint, min_size=16, max_size=18)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_person, max_size=4), st.one_of(st.floats(0.01, 300), st.integers(0, 300)))
def test_any_request_is_read_as_the_schema_reads_it(people: list[Any], rate_hz: float) -> None:
    body = request(people, rate_hz)
    assert_same(by_us(body), by_schema(body))
