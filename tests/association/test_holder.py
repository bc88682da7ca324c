"""Who holds a weapon: numbers worked by hand, the seed's three figures, and the vote along a track."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.association import (
    HolderModel,
    distance_to_box,
    link_holders,
    people_at,
    person_sizes,
    vote_along_track,
)
from activity.datasets.rendered.armed import FIGURES, ArmedScene, figure_scene
from activity.errors import StructureError
from activity.evaluation.holders import links_of
from activity.structures import Detections, Hands, HolderCandidate, HolderLink, Poses, Track

NO_JOINTS = np.zeros((17, 3), np.float32)


def people(*boxes: tuple[float, float, float, float]) -> Poses:
    joints = np.zeros((len(boxes), 17, 3), np.float32)
    return Poses(joints, np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))


def hands(*points: tuple[float, float] | None, std_px: float = 2.0) -> Hands:
    """One right hand a person, `None` where it was not seen."""
    found = np.array([[False, point is not None] for point in points], bool).reshape(-1, 2)
    places = np.array([[(0, 0), point or (0, 0)] for point in points], np.float32).reshape(-1, 2, 2)
    return Hands(places, np.where(found, std_px, 0), found)


def link(weapon: tuple[float, float, float, float], crowd: Poses, seen: Hands) -> HolderLink:
    weapons = Detections(np.array([weapon]), np.array([0.8]), ("weapon",))
    (result,) = link_holders(
        frame_index=3,
        time_s=0.2,
        weapons=weapons,
        people=crowd,
        track_ids=np.arange(1, len(crowd) + 1),
        hands=seen,
    )
    return result


def test_the_nearer_hand_wins_over_the_greater_overlap() -> None:
    crowd = people((0, 0, 60, 200), (50, 0, 130, 200))
    # The weapon lies inside person 2's box but for a few pixels; person 1's hand touches it, person 2's hangs 90 px lower.
    result = link((55, 60, 75, 70), crowd, hands((54, 65), (120, 160)))
    assert result.track_id_by_iou == 2
    assert (result.track_id, result.rule) == (1, "hand_distance")
    first, second = result.candidates
    assert first.hand_distance == pytest.approx(1 / 200)
    assert second.hand_distance == pytest.approx(np.hypot(45, 90) / 200)
    assert first.hand_deviation == pytest.approx(2 / 200)
    # Box 1: 5 of 20 px across, that is 50 px^2; union 60*200 + 200 - 50.
    assert first.iou == pytest.approx(50 / (12000 + 200 - 50))


def test_without_hands_the_greatest_overlap_decides() -> None:
    result = link((55, 60, 75, 70), people((0, 0, 60, 200), (50, 0, 130, 200)), hands(None, None))
    assert (result.track_id, result.rule) == (2, "iou")
    assert all(candidate.hand_distance is None for candidate in result.candidates)


def test_a_weapon_far_from_everybody_is_nobodys() -> None:
    result = link((400, 20, 420, 30), people((0, 0, 60, 200), (50, 0, 130, 200)), hands((30, 100), None))
    assert (result.track_id, result.rule) == (None, "none")
    assert result.probability > 0.95


def test_a_weapon_box_over_a_person_whose_hands_are_elsewhere_is_nobodys() -> None:
    both = Hands(np.array([[[10, 40], [90, 40]]]), np.full((1, 2), 2.0), np.ones((1, 2), bool))
    result = link((40, 160, 60, 170), people((0, 0, 100, 200)), both)
    assert result.track_id is None
    assert result.track_id_by_iou == 1


@pytest.mark.parametrize(("side", "holder"), [(79, 1), (81, None)], ids=["79 % of the person", "81 %"])
def test_a_box_hardly_smaller_than_the_person_is_no_weapon_that_the_person_holds(
    side: float, holder: int | None
) -> None:
    crowd = people((0, 0, 30, 100))
    box = (10.0, 10.0, 30.0, 10.0 + side)
    assert link(box, crowd, hands((20, 50))).track_id == holder
    assert link(box, crowd, hands(None)).track_id in (holder, None)


def test_a_picture_without_people_has_weapons_of_nobody_and_one_without_weapons_no_link() -> None:
    assert link((1, 1, 9, 9), people(), hands()).track_id is None
    none = link_holders(
        frame_index=0,
        time_s=0,
        weapons=Detections.empty(),
        people=people((0, 0, 9, 9)),
        track_ids=np.array([1]),
        hands=hands(None),
    )
    assert none == []


def test_an_uncertain_hand_reaches_farther_and_speaks_more_softly() -> None:
    crowd = people((0, 0, 60, 200))
    sure = link((110, 60, 130, 70), crowd, hands((58, 65), std_px=2))
    unsure = link((110, 60, 130, 70), crowd, hands((58, 65), std_px=30))
    assert unsure.candidates[0].probability > sure.candidates[0].probability
    near_sure = link((60, 60, 80, 70), crowd, hands((58, 65), std_px=2))
    near_unsure = link((60, 60, 80, 70), crowd, hands((58, 65), std_px=30))
    assert near_unsure.candidates[0].probability < near_sure.candidates[0].probability


def test_the_score_is_the_documented_formula() -> None:
    model = HolderModel(grip=0.1, reach=0.2, no_overlap_weight=0.5)
    weapons = Detections(np.array([[100, 100, 120, 110]], np.float32), np.array([0.8]), ("weapon",))
    (result,) = link_holders(
        frame_index=0, time_s=0, weapons=weapons, people=people((0, 0, 90, 200)), track_ids=np.array([7]),
        hands=hands((80, 105), std_px=20), model=model,
    )  # fmt: skip
    variance = 0.1**2 + 0.1**2  # 20 px of 200, and the grip
    square = 0.1**2 + (0.5 * 0.15) ** 2  # 20 px of 200 from the box, 30 px from its middle
    score = 0.5 * np.exp(-square / (2 * variance)) / variance  # no overlap
    nobody = np.exp(-(0.2**2) / (2 * 0.1**2)) / 0.1**2
    assert result.candidates[0].probability == pytest.approx(score / (score + nobody))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(StructureError, match="1 people, got 2 tracks"):
        link_holders(
            frame_index=0,
            time_s=0,
            weapons=Detections.empty(),
            people=people((0, 0, 9, 9)),
            track_ids=np.array([1, 2]),
            hands=hands(None),
        )


def test_a_crouching_person_keeps_the_size_that_the_trunk_tells() -> None:
    joints = NO_JOINTS.copy()
    joints[[5, 6]] = [(40, 20, 1), (60, 20, 1)]
    joints[[11, 12]] = [(40, 78, 1), (60, 78, 1)]
    crouching = Poses(joints[None], np.array([[0, 0, 80, 110]]), np.array([0.9]))
    assert person_sizes(crouching)[0] == pytest.approx(58 / 0.29)
    assert person_sizes(people((0, 0, 80, 110)))[0] == pytest.approx(110)


@pytest.mark.parametrize(
    ("point", "distance"), [((5, 5), 0.0), ((13, 14), 5.0), ((-2, 5), 2.0), ((10, 12), 2.0)]
)
def test_distances_to_a_box_are_to_its_edge(point: tuple[float, float], distance: float) -> None:
    assert distance_to_box(np.array(point), np.array([0.0, 0.0, 10.0, 10.0])) == pytest.approx(distance)


@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_probabilities_never_exceed_one_and_the_holder_is_a_candidate(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 300, (count, 2))
    crowd = Poses(
        np.concatenate(
            [rng.uniform(0, 400, (count, 17, 2)), rng.uniform(0, 1, (count, 17, 1)).round()], axis=2
        ),
        np.concatenate([low, low + rng.uniform(0, 200, (count, 2))], axis=1),
        np.full(count, 0.5),
    )
    found = rng.uniform(size=(count, 2)) < 0.7
    std_px = np.where(found, rng.uniform(0.1, 50, (count, 2)), 0).astype(np.float32)
    seen = Hands(rng.uniform(0, 400, (count, 2, 2)).astype(np.float32), std_px, found)
    result = link((100, 100, 100 + rng.uniform(0, 80), 130), crowd, seen)
    assert sum(c.probability for c in result.candidates) <= 1 + 1e-9
    assert result.track_id is None or result.track_id in {c.track_id for c in result.candidates}


@pytest.fixture(scope="module")
def figures() -> dict[str, ArmedScene]:
    return {name: figure_scene(name) for name in FIGURES}


@pytest.mark.parametrize("name", FIGURES)
def test_the_holder_is_right_in_the_seeds_figures(figures: dict[str, ArmedScene], name: str) -> None:
    scene = figures[name]
    assert [found.track_id for found in links_of(scene)] == list(scene.holders)


def test_overlap_alone_fails_where_the_seed_says_that_it_fails(figures: dict[str, ArmedScene]) -> None:
    by_iou = {name: [found.track_id_by_iou for found in links_of(scene)] for name, scene in figures.items()}
    assert by_iou["raised_arm"] == [None], "the holder's box stops short of the arm: a real weapon is dropped"
    assert by_iou["neighbours"] == [2], "the neighbour's box overlaps more"
    assert by_iou["car"] == [1, None], "a car that overlaps nobody is a false alarm: here overlap is right"


def sighting(time_s: float, *shares: float, holder: int | None) -> HolderLink:
    candidates = tuple(HolderCandidate(i + 1, 0.0, 0.1, 0.01, share) for i, share in enumerate(shares))
    rule = "none" if holder is None else "hand_distance"
    return HolderLink(round(time_s * 15), time_s, np.array([0, 0, 9, 9]), 0.8, holder, rule, candidates)  # type: ignore[arg-type]


def test_an_unsure_frame_takes_what_the_frames_around_it_say() -> None:
    links = [
        sighting(0.0, 0.95, 0.01, holder=1),
        sighting(0.2, 0.40, 0.45, holder=2),
        sighting(0.4, 0.95, 0.01, holder=1),
    ]
    voted = vote_along_track(links)
    assert [found.track_id for found in voted] == [1, 1, 1]
    assert [found.rule for found in voted] == ["hand_distance", "track_vote", "hand_distance"]


def test_a_sure_frame_is_not_overruled_so_a_weapon_may_change_hands() -> None:
    links = [sighting(t / 5, 0.95, 0.01, holder=1) for t in range(5)] + [
        sighting(1 + t / 5, 0.01, 0.95, holder=2) for t in range(5)
    ]
    assert [found.track_id for found in vote_along_track(links)] == [1] * 5 + [2] * 5


def test_a_lone_sighting_and_an_empty_list_stay_as_they_are() -> None:
    lone = sighting(0.0, 0.4, 0.45, holder=2)
    assert vote_along_track([lone]) == [lone]
    assert vote_along_track([]) == []


def test_frames_beyond_the_window_have_no_say() -> None:
    links = [sighting(0.0, 0.99, 0.0, holder=1), sighting(2.5, 0.3, 0.45, holder=2)]
    assert [found.track_id for found in vote_along_track(links)] == [1, 2]


def test_a_winner_who_is_not_in_view_leaves_the_frame_alone() -> None:
    links = [
        sighting(0.0, 0.0, 0.95, holder=2),
        sighting(0.1, 0.3, holder=None),
        sighting(0.2, 0.0, 0.95, holder=2),
    ]
    assert vote_along_track(links)[1].track_id is None


def track(track_id: int, times: list[float], *, lost_wrist: int | None = None) -> Track:
    count = len(times)
    keypoints = np.zeros((count, 17, 3), np.float32)
    keypoints[:, 9] = [(100 * t, 50, 0.8) for t in times]
    if lost_wrist is not None:
        keypoints[lost_wrist, 9] = 0
    boxes = np.array([[100 * t, 0, 100 * t + 40, 100] for t in times])
    return Track(track_id, np.arange(count), np.array(times), keypoints, boxes, np.full(count, 0.9))


def test_people_between_two_frames_stand_on_a_straight_line() -> None:
    found = people_at([track(4, [0.0, 0.4])], time_s=0.1)
    assert found.track_ids.tolist() == [4]
    assert found.people.boxes[0].tolist() == pytest.approx([10, 0, 50, 100])
    assert found.people.keypoints[0, 9].tolist() == pytest.approx([10, 50, 0.8])
    assert found.gaps_s.tolist() == pytest.approx([0.1])


def test_a_joint_that_one_of_two_frames_lacks_is_missing_between_them() -> None:
    found = people_at([track(4, [0.0, 0.4], lost_wrist=1)], time_s=0.1)
    assert found.people.keypoints[0, 9, 2] == 0
    exact = people_at([track(4, [0.0, 0.4], lost_wrist=1)], time_s=0.0)
    assert exact.people.keypoints[0, 9, 2] == pytest.approx(0.8)


@pytest.mark.parametrize(("time_s", "count"), [(0.0, 1), (0.5, 0), (-0.1, 1), (-0.3, 0), (1.05, 1), (1.5, 0)])
def test_nobody_is_bridged_across_a_long_gap_or_far_beyond_the_track(time_s: float, count: int) -> None:
    assert len(people_at([track(1, [0.0, 1.0])], time_s=time_s).people) == count


def test_a_clip_without_tracks_has_nobody_at_any_time() -> None:
    assert len(people_at([], time_s=1.0).people) == 0
