import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import StructureError
from activity.report import (
    ClipAnalysis,
    KeyFrameCollector,
    KeyFrameRequest,
    OverlayRenderer,
    key_frame_requests,
)
from activity.report.drawing import draw_line, draw_lines, draw_plate, draw_text, measure_text, text_size_px
from activity.report.palette import WEAPON, class_colors, track_color
from activity.structures import Detections, Evidence, SceneAlert, Track, VideoInfo

Build = Callable[..., ClipAnalysis]
Rgb = npt.NDArray[np.uint8]


def gray(height: int = 240, width: int = 320) -> Rgb:
    return np.full((height, width, 3), 90, np.uint8)


def pixels_of(image: Rgb, color: tuple[int, int, int], tolerance: int = 12) -> int:
    return int((np.abs(image.astype(int) - color).max(axis=2) <= tolerance).sum())


def test_a_person_is_drawn_in_their_own_colour(analysis: ClipAnalysis) -> None:
    drawn = OverlayRenderer(analysis).draw(gray(), 0.1, 3)
    assert pixels_of(drawn, track_color(1), 20) > 50
    assert pixels_of(drawn, track_color(2), 20) == 0  # not yet in view


def test_the_given_picture_is_not_touched(analysis: ClipAnalysis) -> None:
    picture = gray()
    OverlayRenderer(analysis).draw(picture, 5.0, 150)
    assert (picture == 90).all()


def test_a_frame_with_nobody_differs_only_by_its_clock(empty_analysis: ClipAnalysis) -> None:
    changed = np.argwhere((OverlayRenderer(empty_analysis).draw(gray(), 5.0, 150) != 90).any(axis=2))
    assert len(changed)
    assert changed[:, 0].min() > 220
    assert changed[:, 1].min() > 250


def test_an_alert_has_a_banner_while_it_lasts(analysis: ClipAnalysis) -> None:
    renderer = OverlayRenderer(analysis)
    during, before = renderer.draw(gray(), 5.0, 150)[:12], renderer.draw(gray(), 3.0, 90)[:12]
    assert (during != 90).any(axis=2).mean() > 0.95
    assert (before != 90).any(axis=2).mean() < 0.2


def test_what_was_not_analysed_is_not_drawn(analysis: ClipAnalysis, rich_analysis: ClipAnalysis) -> None:
    without = OverlayRenderer(analysis).draw(gray(), 6.8, 204)
    found = OverlayRenderer(rich_analysis).draw(gray(), 6.8, 204)
    assert pixels_of(without, WEAPON) == 0
    assert pixels_of(found, WEAPON) > 100
    flames = np.s_[145:215, 265:315]  # where the fire detector points
    assert (found[flames] != without[flames]).any(axis=2).sum() > 200


def test_a_weapon_is_not_shown_long_after_it_was_seen(build: Build) -> None:
    weapon = Detections(np.array([[50, 50, 80, 70]]), np.array([0.9]), ("weapon",))
    renderer = OverlayRenderer(build(tracks=[], activities=[], alerts=[], detections=[(0, 0.0, weapon)]))
    assert pixels_of(renderer.draw(gray(), 0.05, 2), WEAPON) > 50  # analysed at 10 Hz: valid for 0.06 s
    assert pixels_of(renderer.draw(gray(), 0.1, 3), WEAPON) == 0


def test_people_found_by_the_detector_have_no_box_of_their_own(build: Build) -> None:
    person = Detections(np.array([[50, 50, 80, 170]]), np.array([0.9]), ("person",))
    renderer = OverlayRenderer(build(tracks=[], activities=[], alerts=[], detections=[(0, 0.0, person)]))
    assert pixels_of(renderer.draw(gray(), 0.0, 0), WEAPON) == 0


def test_the_label_is_that_of_the_segment_whose_middle_is_nearest(analysis: ClipAnalysis) -> None:
    renderer = OverlayRenderer(analysis)
    segment = renderer.segment_at(1, 2.0)  # segments 0.0-2.3 (middle 1.15) and 1.2-3.5 (middle 2.35)
    assert segment is not None
    assert segment.start_s == pytest.approx(1.2)
    assert renderer.segment_at(1, 9.9) is None
    assert renderer.segment_at(77, 2.0) is None


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (17, 300), (300, 9), (1080, 1920)])
def test_any_size_can_be_drawn_on(shape: tuple[int, int], rich_analysis: ClipAnalysis) -> None:
    drawn = OverlayRenderer(rich_analysis).draw(np.zeros((*shape, 3), np.uint8), 6.5, 195)
    assert drawn.shape == (*shape, 3)
    assert drawn.dtype == np.uint8


def test_joints_far_outside_the_picture_do_no_harm(build: Build) -> None:
    keypoints = np.full((1, 17, 3), 1.0, np.float32)
    keypoints[0, :, 0] = np.linspace(-1e9, 1e9, 17)
    track = Track(
        1, np.array([0]), np.array([0.0]), keypoints, np.array([[-1e9, 0, 1e9, 5]]), np.ones(1, np.float32)
    )
    OverlayRenderer(build(tracks=[track], activities=[], alerts=[])).draw(gray(), 0.0, 0)


def test_missing_joints_are_not_drawn(build: Build) -> None:
    keypoints = np.zeros((1, 17, 3), np.float32)
    track = Track(
        1, np.array([0]), np.array([0.0]), keypoints, np.array([[100, 100, 140, 180]]), np.ones(1, np.float32)
    )
    drawn = OverlayRenderer(build(tracks=[track], activities=[], alerts=[])).draw(gray(), 0.0, 0)
    assert (drawn[104:176, 104:136] == 90).all()  # the tag stands above the box
    assert (drawn[:20, :20] == 90).all()  # no limb runs to the missing joints' x = y = 0


@pytest.mark.parametrize("picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_rgb_picture_is_refused(picture: npt.NDArray[np.uint8], analysis: ClipAnalysis) -> None:
    with pytest.raises(StructureError, match="uint8 of shape"):
        OverlayRenderer(analysis).draw(picture, 0.0, 0)


def test_text_is_readable_on_small_and_large_pictures() -> None:
    assert text_size_px(240, 320) == 12
    assert text_size_px(1080, 1920) == 25
    assert measure_text("1  Fighting 93%", 12)[0] < 110


@pytest.mark.parametrize("x", [-500, -10, 315, 900])
def test_text_and_plates_are_cut_at_the_edge(x: int) -> None:
    picture = gray()
    draw_text(picture, "Fighting", x=x, y=230, size=20)
    draw_plate(picture, (x, 230, x + 50, 300))
    draw_line(picture, (x, 0), (x, 10), color=(0, 0, 0), thickness=1)
    assert picture.shape == (240, 320, 3)


def test_many_lines_in_one_call_are_the_lines_one_by_one() -> None:
    ends = np.random.default_rng(0).uniform(-20, 340, (40, 2, 2))
    together, one_by_one = gray(), gray()
    draw_lines(together, ends, color=(250, 20, 90), thickness=3)
    for start, end in ends.tolist():
        draw_line(one_by_one, start, end, color=(250, 20, 90), thickness=3)
    np.testing.assert_array_equal(together, one_by_one)
    draw_lines(one_by_one, np.zeros((0, 2, 2)), color=(0, 0, 0), thickness=3)
    np.testing.assert_array_equal(together, one_by_one)


def test_every_class_has_a_colour_and_the_calm_one_is_the_same_everywhere() -> None:
    classes = (*(f"class {i}" for i in range(12)), "Normal")
    colors = class_colors(classes)
    assert len(set(colors.values())) == 13
    assert colors["Normal"] == class_colors(("Fighting", "Normal"))["Normal"]


def test_each_alert_gets_a_picture_of_its_strongest_moment(analysis: ClipAnalysis) -> None:
    (request,) = key_frame_requests(analysis)
    assert 3.6 <= request.time_s <= 7.7
    assert request.caption.startswith("Fighting of person 1 at its strongest")
    assert request.alert == 0


def test_alerts_on_what_was_seen_show_their_surest_sighting(
    rich_analysis: ClipAnalysis, build: Build
) -> None:
    assert rich_analysis.detections is not None
    assert rich_analysis.fire is not None
    weapons = [
        (frame, time_s, Detections(found.boxes, np.array([0.9]), found.labels) if time_s == 5.0 else found)
        for frame, time_s, found in rich_analysis.detections
    ]
    alerts = [
        SceneAlert(rule, label, "police", "extreme", start_s, end_s, 0.8, (), (Evidence(kind, "Seen.", 0.8),))
        for rule, label, kind, start_s, end_s in (
            ("armed", "Armed person", "weapon", 4.0, 6.8),
            ("fire", "Fire", "fire", 6.5, 9.2),
            ("armed", "Armed person", "weapon", 8.0, 9.0),  # nothing was seen then
        )
    ]
    analysis = build(detections=weapons, holders=[], fire=rich_analysis.fire, not_analysed={}, alerts=alerts)
    assert [(request.time_s, request.caption, request.alert) for request in key_frame_requests(analysis)] == [
        (5.0, "Armed person, the surest sighting, 90%", 0),
        (8.5, "Armed person, middle of the alert", 2),
        (pytest.approx(9.2), "Fire, the surest sighting, 95%", 1),
    ]


def test_a_clip_without_alerts_shows_the_moment_nearest_to_one(build: Build) -> None:
    (request,) = key_frame_requests(build(alerts=[]))
    assert request.caption.startswith("Fighting of person 1")


def test_a_clip_without_people_shows_its_middle(empty_analysis: ClipAnalysis, build: Build) -> None:
    (request,) = key_frame_requests(empty_analysis)
    assert request.time_s == 5.0
    assert key_frame_requests(build(frames_decoded=0, frames_analysed=0)) == []


def test_the_nearest_frames_are_kept_as_pictures() -> None:
    collector = KeyFrameCollector([KeyFrameRequest(t, "") for t in (0.0, 0.16, 0.96, 5.0)], max_width_px=100)
    for step in range(11):
        collector.offer(np.full((48, 200, 3), 20 * step, np.uint8), step / 10)
    frames = collector.finish()
    assert [frame.time_s for frame in frames] == [0.0, 0.2, 1.0, 1.0]
    assert all(frame.jpeg[:3] == b"\xff\xd8\xff" for frame in frames)


def test_no_frames_give_no_pictures() -> None:
    assert KeyFrameCollector([KeyFrameRequest(0.0, "")]).finish() == []


def test_drawing_needs_no_torch() -> None:
    code = "import sys, activity.report; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=False)  # noqa: S603
    assert done.returncode == 0


def test_the_size_of_the_clip_does_not_need_to_be_that_of_the_picture(build: Build) -> None:
    analysis = build(video=VideoInfo(Path("a.mp4"), 640, 480, 30.0, None, None, "h264"))
    assert OverlayRenderer(analysis).draw(gray(), 5.0, 150).shape == (240, 320, 3)
