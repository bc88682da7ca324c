from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from activity.errors import DatasetError
from activity.evaluation.tracking import TrueBoxes, evaluate_tracking, load_mot_ground_truth
from activity.structures import Track


def track(track_id: int, x_of_frame: dict[int, float]) -> Track:
    """Someone whose box is 10 wide, 20 high, with its left side at x."""
    frames = sorted(x_of_frame)
    boxes = np.array([[x_of_frame[f], 0, x_of_frame[f] + 10, 20] for f in frames], np.float32)
    count = len(frames)
    keypoints, scores = np.zeros((count, 17, 3), np.float32), np.ones(count, np.float32)
    return Track(track_id, np.array(frames), np.array(frames) / 10, keypoints, boxes, scores)


def truth(frames: int) -> dict[int, TrueBoxes]:
    """Persons 7 at x = 0 and 9 at x = 100, in every frame."""
    boxes = np.array([[0.0, 0, 10, 20], [100, 0, 110, 20]])
    return {frame: TrueBoxes(np.array([7, 9]), boxes) for frame in range(frames)}


def everywhere(x: float, frames: range = range(10)) -> dict[int, float]:
    return dict.fromkeys(frames, x)


def test_perfect_tracks_reach_one_everywhere() -> None:
    measures = evaluate_tracking([track(1, everywhere(0)), track(2, everywhere(100))], truth(10))
    assert [measures[key] for key in ("hota", "idf1", "mota", "precision", "recall")] == pytest.approx(
        [1] * 5
    )
    assert (measures["id_switches"], measures["frames"], measures["people"]) == (0, 10, 2)
    assert (measures["boxes"], measures["tracks"]) == (20, 2)


def test_an_exchange_of_ids_is_two_switches() -> None:
    first = track(1, everywhere(0, range(5)) | everywhere(100, range(5, 10)))
    second = track(2, everywhere(100, range(5)) | everywhere(0, range(5, 10)))
    measures = evaluate_tracking([first, second], truth(10))
    assert measures["id_switches"] == 2
    assert measures["mota"] == pytest.approx(1 - 2 / 20)
    assert measures["idf1"] == pytest.approx(0.5)  # each id is right for half of the boxes
    # every box found; each pairing of a track with a person covers 5 of 5 + 5 + 5: association 1/3
    assert measures["hota"] == pytest.approx(np.sqrt(1 / 3))


def test_a_person_who_was_missed_costs_half() -> None:
    measures = evaluate_tracking([track(1, everywhere(0))], truth(10))
    assert measures["mota"] == pytest.approx(0.5)
    assert measures["recall"] == pytest.approx(0.5)
    assert measures["idf1"] == pytest.approx(2 * 10 / (2 * 10 + 10))


def test_no_track_at_all_scores_nothing() -> None:
    measures = evaluate_tracking([], truth(3))
    assert [measures[key] for key in ("hota", "idf1", "mota", "id_switches", "tracks")] == [0] * 5


def test_only_the_frames_that_were_analysed_count() -> None:
    half = range(0, 10, 2)
    tracks = [track(1, everywhere(0, half)), track(2, everywhere(100, half))]
    assert evaluate_tracking(tracks, truth(10))["mota"] == pytest.approx(0.5)
    measures = evaluate_tracking(tracks, truth(10), frame_indices=half)
    assert measures["mota"] == pytest.approx(1)
    assert measures["frames"] == 5


def test_tracks_outside_the_frames_with_truth_do_not_count() -> None:
    tracks = [track(1, everywhere(0, range(20))), track(2, everywhere(100, range(20)))]
    assert evaluate_tracking(tracks, truth(10))["mota"] == pytest.approx(1)


def test_a_truth_that_was_not_analysed_is_an_error() -> None:
    with pytest.raises(DatasetError, match="frames with true people"):
        evaluate_tracking([], truth(3), frame_indices=[50])


def test_motchallenge_rows_become_boxes(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    # frame 2 has nobody; a row that is not considered and a car (class 3) are left out
    path.write_text("1,4,10,20,30,40,1,1,1\n3,4,11,20,30,40,1,1,0.5\n3,5,0,0,9,9,0,1,1\n3,6,0,0,9,9,1,3,1\n")
    people = load_mot_ground_truth(path)
    assert sorted(people) == [0, 1, 2]
    assert people[0].ids.tolist() == [4]
    assert people[0].boxes.tolist() == [[10, 20, 40, 60]]
    assert people[1].boxes.shape == (0, 4)
    assert people[2].ids.tolist() == [4]


@pytest.mark.parametrize("text", ["", "1,2,3\n", "1,2,x,4,5,6\n", "1,2,nan,4,5,6\n"])
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_what_is_no_ground_truth_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gt.txt"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"gt\.txt"):
        load_mot_ground_truth(path)


def test_a_missing_ground_truth_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.txt"):
        load_mot_ground_truth(tmp_path / "none.txt")


@pytest.mark.real_data
def test_the_pets_ground_truth_is_read_whole() -> None:
    people = load_mot_ground_truth(Path(__file__).parents[2] / "../shared/data/tracking/gt.txt")
    assert len(people) == 69
    assert sum(len(frame.ids) for frame in people.values()) == 337
    assert len(np.unique(np.concatenate([frame.ids for frame in people.values()]))) == 6
