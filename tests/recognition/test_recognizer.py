from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from activity.errors import CheckpointError, StructureError
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.checkpoint import load_checkpoint, save_checkpoint
from activity.recognition.recognizer import Recognizer
from activity.recognition.t_tran import TTranConfig
from activity.structures import Tubelet

SMALL = BPTubeFormerConfig(
    classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, part_depth=1, body_depth=1, heads=2
)


def save(path: Path, config: NetworkConfig = SMALL) -> Path:
    torch.manual_seed(1)
    tubelets = {"frames": 24, "stride": 6, "frame_rate_hz": 12.0}
    save_checkpoint(
        path,
        build_network(config),
        config,
        classes=("Fighting", "Normal"),
        tubelet_settings=tubelets,
        training={"videos": ["a"]},
    )
    return path


@pytest.fixture
def recognizer(tmp_path: Path) -> Recognizer:
    return Recognizer.load(save(tmp_path / "small.safetensors"))


def tubelet(seed: int, *, frames: int = 24, track_id: int = 1) -> Tubelet:
    values = np.random.default_rng(seed).normal(size=(5, 2, frames, 3, 3))
    return Tubelet(
        track_id=track_id, start_s=seed / 2, end_s=seed / 2 + 2, grids=values.astype(np.float32), observed=1
    )


def test_a_recognizer_knows_what_its_checkpoint_stores(recognizer: Recognizer) -> None:
    assert recognizer.classes == ("Fighting", "Normal")
    assert recognizer.tubelet_settings == {"frames": 24, "stride": 6, "frame_rate_hz": 12.0}
    assert recognizer.training == {"videos": ["a"]}
    assert recognizer.frames == 24
    assert len(recognizer.sha256) == 64


def test_no_segments_have_no_scores(recognizer: Recognizer) -> None:
    assert recognizer.recognize([]) == []


@pytest.mark.parametrize("count", [1, 64, 65, 130])
def test_every_segment_has_its_own_score_in_the_order_given(recognizer: Recognizer, count: int) -> None:
    tubelets = [tubelet(seed, track_id=seed % 7 + 1) for seed in range(count)]
    scores = recognizer.recognize(tubelets)
    assert [(s.track_id, s.start_s, s.end_s) for s in scores] == [
        (t.track_id, t.start_s, t.end_s) for t in tubelets
    ]
    alone = recognizer.recognize([tubelets[-1]])[0]
    np.testing.assert_allclose(scores[-1].probabilities, alone.probabilities, atol=1e-5)
    assert all(score.attention is None for score in scores)


def test_attention_comes_on_request_and_changes_no_probability(recognizer: Recognizer) -> None:
    plain = recognizer.recognize([tubelet(0), tubelet(1)])
    looked = recognizer.recognize([tubelet(0), tubelet(1)], attention=True)
    for a, b in zip(plain, looked, strict=True):
        np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-5)
        assert b.attention is not None
        assert b.attention.body_parts.shape == (1, 2, 6, 6)
        assert b.attention.tubelets.shape == (5, 1, 2, 3, 3)
        assert b.attention.part_weights().sum() == pytest.approx(1)


def test_a_network_without_body_parts_returns_no_attention(tmp_path: Path) -> None:
    recognizer = Recognizer.load(save(tmp_path / "t.safetensors", TTranConfig(classes=2, width=16, depth=1)))
    (score,) = recognizer.recognize([tubelet(0)], attention=True)
    assert score.attention is None


def test_fewer_frames_than_the_network_reads_are_refused(recognizer: Recognizer) -> None:
    with pytest.raises(
        StructureError, match="track 1: expected 24 frames, got 23; cut the track with the settings"
    ):
        recognizer.recognize([tubelet(0), tubelet(1, frames=23)])


def test_two_recognizers_with_different_threads_leave_torch_as_it_was(tmp_path: Path) -> None:
    path = save(tmp_path / "small.safetensors")
    before = torch.get_num_threads()
    one, two = Recognizer.load(path, threads=1), Recognizer.load(path, threads=2)
    a, b = one.recognize([tubelet(0)])[0], two.recognize([tubelet(0)])[0]
    np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-6)
    assert torch.get_num_threads() == before


def test_no_threads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="threads: expected 1 or more, got 0"):
        Recognizer.load(save(tmp_path / "small.safetensors"), threads=0)


def test_weights_that_overflow_are_named_and_no_nan_is_passed_on(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save(tmp_path / "small.safetensors"))
    with torch.no_grad():
        for parameter in checkpoint.network.parameters():
            parameter.fill_(3e38)
    with pytest.raises(CheckpointError, match="gives NaN or infinity for finite segments"):
        Recognizer(checkpoint).recognize([tubelet(0)])
