"""Roll-out, occlusion and their agreement, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from activity.evaluation.explanation.relevance import (
    agreement,
    occlude,
    occlusion_drops,
    part_relevance,
    rank_correlation,
    rollout,
    tubelet_frames,
    tubelet_relevance,
)
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.structures import AttentionMap

TWO = BPTubeFormerConfig(classes=3, frames=4, kernel=(2, 3, 3), stride=(2, 3, 3), channels=8)


def attention(body: np.ndarray, tubelets: np.ndarray) -> AttentionMap:
    return AttentionMap(body.astype(np.float32), tubelets.astype(np.float32))


def test_rollout_of_one_layer_is_half_attention_half_the_token_itself() -> None:
    heads = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]  # mean over heads: 1/2 everywhere
    np.testing.assert_allclose(rollout([heads]), [[0.75, 0.25], [0.25, 0.75]])


def test_rollout_multiplies_the_layers_the_last_on_the_left() -> None:
    first, last = [[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]
    # with the identity: first [[1, 0], [1/2, 1/2]], last [[1/2, 1/2], [0, 1]]; last @ first:
    np.testing.assert_allclose(rollout([[first], [last]]), [[0.75, 0.25], [0.5, 0.5]])


def test_relevance_is_the_share_of_the_part_times_the_share_of_the_tubelet_in_it() -> None:
    body = np.zeros((1, 1, 6, 6))
    body[..., 3] = 1  # every token looks at the wrists alone
    tubelets = np.full((5, 1, 1, 2, 2), 0.5)
    tubelets[2, ...] = [[1, 0], [1, 0]]  # the wrists look at their first tubelet alone
    relevance = tubelet_relevance(attention(body, tubelets))
    np.testing.assert_allclose(part_relevance(attention(body, tubelets)), [0, 0, 1, 0, 0])
    np.testing.assert_allclose(relevance[2], [0.75, 0.25])  # mean of the rows [1, 0] and [1/2, 1/2]
    assert relevance.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "spans"),
    [
        ({"frames": 4}, [(0, 1), (2, 3)]),
        ({"frames": 5}, [(0, 1), (2, 3)]),  # the last frame is in no tubelet
        ({"frames": 4, "kernel": (4, 2, 3), "stride": (1, 1, 1)}, [(0, 3), (0, 3)]),
    ],
)
def test_a_tubelet_knows_its_frames(values: dict[str, object], spans: list[tuple[int, int]]) -> None:
    config = BPTubeFormerConfig(
        **{"classes": 2, "kernel": (2, 3, 3), "stride": (2, 3, 3), "channels": 8, **values}  # type: ignore[arg-type]
    )
    assert tubelet_frames(config) == spans
    assert len(spans) == config.tubelets


def test_occlusion_empties_one_tubelet_of_one_part_at_a_time() -> None:
    whole = np.ones((5, 2, 4, 3, 3), np.float32)
    parts = occlude(whole, TWO)
    assert parts.shape == (10, 5, 2, 4, 3, 3)
    assert (whole == 1).all()
    for index, copy in enumerate(parts):
        part, tubelet = divmod(index, 2)
        assert (copy[part, :, 2 * tubelet : 2 * tubelet + 2] == 0).all()
        assert copy.sum() == whole.sum() - 2 * 2 * 9


def test_the_drop_is_that_of_the_log_odds() -> None:
    whole = np.zeros((5, 2, 4, 3, 3), np.float32)
    whole[1, :, 2:] = 1  # only the second tubelet of the elbows holds anything

    def logits(batch: np.ndarray) -> np.ndarray:
        evidence = batch[:, 1, 0, 2, 0, 0]
        return np.stack([3 * evidence, np.zeros(len(batch)), np.zeros(len(batch))], axis=1)

    drops = occlusion_drops(whole, TWO, logits=logits, label=0)
    expected = np.zeros((5, 2))
    expected[1, 1] = 3  # log-odds fall from 3 - ln 2 to -ln 2
    np.testing.assert_allclose(drops, expected, atol=1e-12)
    against = occlusion_drops(whole, TWO, logits=logits, label=1)
    assert against[1, 1] < 0


def test_tubelets_that_speak_against_the_class_matter_too() -> None:
    relevance = np.array([[1.0, 2.0, 3.0]])
    assert rank_correlation(relevance, np.array([[0.1, -0.5, 0.9]])) == pytest.approx(1)
    assert rank_correlation(relevance, np.array([[0.9, -0.5, 0.1]])) == pytest.approx(-1)
    assert rank_correlation(relevance, np.zeros((1, 3))) is None


def test_agreement_is_the_mean_with_an_interval_over_people() -> None:
    one = agreement([0.5, 0.7, None, 0.0], ["a", "a", "b", "b"])
    assert one.correlation == pytest.approx(0.4)
    assert (one.segments, one.groups) == (3, 2)
    assert one.interval is None  # two people are too few to draw from
    many = agreement([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4])
    assert many.interval is not None
    assert 0.1 <= many.interval[0] < 0.25 < many.interval[1] <= 0.4
    assert agreement([], []).correlation is None
