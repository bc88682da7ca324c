from __future__ import annotations

import pytest
import torch

from activity.errors import ConfigurationError, StructureError
from activity.recognition.architectures import architecture_of, build_network, network_config
from activity.recognition.joints import joints_from_grids
from activity.recognition.pair_bptubeformer import (
    PairBPTubeFormer,
    PairBPTubeFormerConfig,
    from_middle,
    to_nearest,
)
from activity.recognition.st_tran import STTranConfig
from activity.structures.layouts import LAYOUTS
from activity.training.recognizer.augmentation import GridArranger

SMALL = {"classes": 3, "frames": 8, "channels": 8, "heads": 2, "part_depth": 1, "body_depth": 1}


def pair(**changes: object) -> PairBPTubeFormer:
    torch.manual_seed(0)
    config = network_config("pair_bptubeformer", {**SMALL, **changes})
    network = build_network(config).eval()
    assert isinstance(network, PairBPTubeFormer)
    return network


def grids(people: int = 2, batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, people, 5, 2, 8, 3, 3, generator=torch.Generator().manual_seed(1))


def test_two_people_give_one_answer() -> None:
    assert pair()(grids()).shape == (3, 3)


def test_the_name_leads_to_the_configuration_and_back() -> None:
    config = network_config("pair_bptubeformer", SMALL)
    assert isinstance(config, PairBPTubeFormerConfig)
    assert architecture_of(config) == "pair_bptubeformer"


def test_who_is_who_matters_only_through_the_person_embedding() -> None:
    network = pair()
    segment = grids()
    assert not torch.allclose(network(segment), network(segment.flip(1)), atol=1e-5)
    with torch.no_grad():
        network.person_positions[:] = network.person_positions[0].clone()
    torch.testing.assert_close(network(segment), network(segment.flip(1)), atol=1e-5, rtol=1e-5)


def test_somebody_who_is_not_there_says_nothing_wherever_the_part_encoders_stand() -> None:
    network = pair()
    alone = grids()
    alone[:, 1] = 0
    before = network(alone)
    with torch.no_grad():
        network.person_positions[1] += 5
    torch.testing.assert_close(network(alone), before)


def test_three_people_take_three_embeddings() -> None:
    assert pair(people=3)(grids(people=3)).shape == (3, 3)
    with pytest.raises(StructureError, match=r"expected shape \[any, 3, 5, 2, 8, 3, 3\], got \[3, 2, 5"):
        pair(people=3)(grids(people=2))


def people_at(*joints: dict[int, tuple[float, float]]) -> torch.Tensor:
    """One frame of people by grid cell of the torso, [1, M, 5, 2, 1, 3, 3]; other cells hold no joint."""
    cells = torch.zeros(1, len(joints), 5, 2, 1, 9)
    for person, places in enumerate(joints):
        for cell, place in places.items():
            cells[0, person, 0, :, 0, cell] = torch.tensor(place)
    return cells.reshape(1, len(joints), 5, 2, 1, 3, 3)


def test_every_joint_points_to_the_nearest_joint_of_anybody_else() -> None:
    grids = people_at({0: (1, 0), 4: (1, 9)}, {0: (4, 0), 8: (1, 7)}, {2: (5, 0)})
    vectors = to_nearest(grids)[0, :, 0, :, 0].flatten(2).transpose(1, 2)  # (M, 9, 2)
    assert vectors[0, 0].tolist() == [3, 0]
    assert vectors[0, 4].tolist() == [0, -2]
    assert vectors[1, 0].tolist() == [1, 0]  # to the third person
    assert vectors[2, 2].tolist() == [-1, 0]
    assert not vectors[0, [1, 2, 3, 5, 6, 7, 8]].any()


@pytest.mark.parametrize(
    "grids",
    [people_at({0: (1, 2)}), people_at({0: (1, 2)}, {}), people_at({}, {})],
    ids=["one person", "the other is missing", "nobody"],
)
def test_without_anybody_else_no_joint_points_anywhere(grids: torch.Tensor) -> None:
    assert not to_nearest(grids).any()


def test_every_joint_stands_to_the_middle_of_its_own_person() -> None:
    vectors = from_middle(people_at({0: (1, 0), 4: (3, 4)}, {}))
    assert vectors[0, 0, 0, :, 0].flatten(1).T[[0, 4]].tolist() == [[-1, -2], [1, 2]]
    assert vectors.count_nonzero() == 4  # missing joints stay missing


def test_relations_are_four_more_channels_and_tell_who_stands_where() -> None:
    network = pair(relations=True)
    assert network.state_dict()["embedders.0.weight"].shape[1] == 6
    assert network(grids()).shape == (3, 3)
    alone = grids()
    alone[:, 1] = 0
    assert network(alone).isfinite().all()
    both = pair(relations=True, velocity=True).state_dict()
    assert both["embedders.0.weight"].shape[1] == 8


@pytest.mark.parametrize("people", [0, 17])
def test_nobody_or_a_crowd_is_refused(people: int) -> None:
    with pytest.raises(ConfigurationError, match=r"network\.people: expected 1 to 16"):
        network_config("pair_bptubeformer", {**SMALL, "people": people})


@pytest.mark.parametrize("skeleton", LAYOUTS)
def test_joints_of_every_skeleton_go_into_grids_and_come_back(skeleton: str) -> None:
    count = len(LAYOUTS[skeleton].joints)
    joints = torch.randn(2, 8, count, 2, generator=torch.Generator().manual_seed(2))
    for padding in ("constant", "replicate"):
        arranged = GridArranger(padding, LAYOUTS[skeleton])(joints)
        assert arranged.shape == (2, 5, 2, 8, 3, 3)
        torch.testing.assert_close(joints_from_grids(arranged, skeleton=skeleton), joints)


@pytest.mark.parametrize("skeleton", LAYOUTS)
def test_the_baselines_read_every_skeleton(skeleton: str) -> None:
    for architecture in ("st_tran", "t_tran"):
        values = {"classes": 4, "frames": 8, "skeleton": skeleton}
        network = build_network(network_config(architecture, values)).eval()
        assert network(torch.zeros(2, 5, 2, 8, 3, 3)).shape == (2, 4)


def test_a_skeleton_that_nobody_knows_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"expected one of coco17, sbu15, kinect20, got 'openpose'"):
        STTranConfig(skeleton="openpose")
