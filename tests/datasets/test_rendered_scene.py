"""The truth of rendered scenes against the pixels that show it."""

from __future__ import annotations

import numpy as np
import pytest

from activity.datasets.rendered import Figure, RenderedScene, Stage, motions, random_scene, render
from activity.datasets.rendered.body import Person, random_person
from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.fire import Fire
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.posture import Posture
from activity.datasets.rendered.room import Room
from activity.datasets.rendered.sensor import Sensor
from activity.datasets.rendered.solids import Solids, Surface

LEFT_SHOULDER, RIGHT_SHOULDER = 5, 6
CAMERA_HEIGHT = 2.4


def stage(furniture: Solids | None = None, fire: Fire | None = None) -> Stage:
    """A camera 5 m from the origin that looks along x."""
    rng = np.random.default_rng(1)
    return Stage(
        Camera.looking_at([0, 0, 0.9], position=[-5, 0, CAMERA_HEIGHT], focal_px=220, width=240, height=180),
        Room.random(rng, low=np.array([-6.0, -4, 0]), high=np.array([4.0, 4, 3]), outdoors=False),
        furniture or Solids(),
        Lighting.random(rng, centre=np.zeros(3), ceiling=3.0, outdoors=False),
        Sensor(),
        fire,
    )


def person(seed: int = 0) -> Person:
    return random_person(np.random.default_rng(seed))


def take(*postures: Posture, furniture: Solids | None = None, armed: bool = False) -> RenderedScene:
    figures = [Figure(person(i), posture, armed=armed) for i, posture in enumerate(postures)]
    return render(stage(furniture), figures, np.random.default_rng(0))


def standing(x: float, y: float, heading: float = np.pi) -> Posture:
    posture = motions.stand(0.0)
    posture.position, posture.heading = np.array([x, y]), heading
    return posture


@pytest.fixture(scope="module")
def scenes() -> list[RenderedScene]:
    return [random_scene(np.random.default_rng(i), width=200, height=150, people=3) for i in range(12)]


def test_visible_joints_lie_on_pixels_of_their_person_and_in_the_box(scenes: list[RenderedScene]) -> None:
    seen = 0
    for scene in scenes:
        for keypoints, box, actor in zip(scene.keypoints, scene.boxes, scene.actors, strict=True):
            for x, y, _ in keypoints[keypoints[:, 2] == 2]:
                assert box[0] - 1 <= x + 0.5 <= box[2] + 1
                assert box[1] - 1 <= y + 0.5 <= box[3] + 1
                column, row = round(float(x)), round(float(y))
                around = scene.identity[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
                assert (around == actor).any()
                seen += 1
    assert seen > 150


def test_boxes_hold_the_persons_pixels_and_areas_count_them(scenes: list[RenderedScene]) -> None:
    for scene in scenes:
        for box, area, actor in zip(scene.boxes, scene.areas, scene.actors, strict=True):
            rows, columns = np.nonzero(scene.identity == actor)
            assert box[0] <= columns.min() + 0.5
            assert columns.max() + 0.5 <= box[2]
            assert box[1] <= rows.min() + 0.5
            assert rows.max() + 0.5 <= box[3]
            # The mask is one sample of each pixel and holds what the person carries.
            assert area == pytest.approx(len(rows), rel=0.25, abs=25)


def test_labelled_joints_are_in_the_picture_and_others_are_zero(scenes: list[RenderedScene]) -> None:
    for scene in scenes:
        labelled = scene.keypoints[scene.keypoints[..., 2] > 0]
        assert (labelled[:, 0] >= -0.5).all()
        assert (labelled[:, 0] <= 199.5).all()
        assert (labelled[:, 1] <= 149.5).all()
        assert (scene.keypoints[scene.keypoints[..., 2] == 0] == 0).all()


def test_the_same_seed_gives_the_same_scene_and_another_a_different_one() -> None:
    first, again, other = (
        random_scene(np.random.default_rng(s), width=96, height=96, people=2) for s in (4, 4, 5)
    )
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.keypoints, again.keypoints)
    assert (first.image != other.image).any()


def test_an_empty_scene_has_an_image_and_no_people() -> None:
    scene = random_scene(np.random.default_rng(2), width=64, height=48, people=0)
    assert scene.image.shape == (48, 64, 3)
    assert scene.image.dtype == np.uint8
    assert scene.keypoints.shape == (0, 17, 3)
    assert scene.boxes.shape == scene.weapon_boxes.shape == (0, 4)


def test_who_faces_the_camera_has_the_left_shoulder_on_the_right_of_the_picture() -> None:
    facing, away = take(standing(0, 0, np.pi)), take(standing(0, 0, 0.0))
    assert facing.keypoints[0, LEFT_SHOULDER, 0] > facing.keypoints[0, RIGHT_SHOULDER, 0] + 5
    assert away.keypoints[0, LEFT_SHOULDER, 0] < away.keypoints[0, RIGHT_SHOULDER, 0] - 5


def test_a_face_is_labelled_only_from_the_front() -> None:
    assert (take(standing(0, 0, np.pi)).keypoints[0, :3, 2] == 2).all()
    assert (take(standing(0, 0, 0.0)).keypoints[0, :3, 2] == 0).all()


def test_a_joint_is_where_perspective_puts_it() -> None:
    scene = take(standing(0, 0))
    ankles = scene.keypoints[0, 15:, :2]
    # Camera at 2.4 m, 5 m away, aimed at 0.9 m: it looks down by atan(1.5 / 5). The ankles are near the floor there.
    down = np.arctan(CAMERA_HEIGHT / 5) - np.arctan(1.5 / 5)
    assert ankles[:, 1].mean() == pytest.approx(89.5 + 220 * np.tan(down), abs=6)
    assert ankles[:, 0].mean() == pytest.approx(119.5, abs=4)


def test_someone_in_front_hides_someone_behind() -> None:
    alone = take(standing(1.0, 0))
    both = take(standing(1.0, 0), standing(-0.8, 0))
    assert (alone.keypoints[0, LEFT_SHOULDER:, 2] == 2).sum() >= 9
    assert list(both.actors) in ([0, 1], [1])
    behind = both.keypoints[list(both.actors).index(0)] if 0 in both.actors else np.zeros((17, 3))
    assert (behind[LEFT_SHOULDER:, 2] == 2).sum() <= 5
    assert both.visible_fraction[-1] == pytest.approx(1.0)
    assert 0 not in both.actors or both.visible_fraction[0] < 0.5


def test_a_counter_hides_the_legs_but_not_the_shoulders() -> None:
    counter = Solids()
    counter.add_box(np.array([-0.8, 0, 0.5]), np.eye(3), (0.1, 1.5, 0.5), Surface((0.3, 0.2, 0.1)))
    scene = take(standing(0, 0), furniture=counter)
    assert (scene.keypoints[0, [15, 16], 2] == 1).all()
    assert (scene.keypoints[0, [5, 6], 2] == 2).all()
    assert 0.2 < scene.visible_fraction[0] < 0.9
    assert scene.boxes[0, 3] < scene.keypoints[0, 15, 1]


def test_the_far_arm_is_covered_from_the_side() -> None:
    scene = take(standing(0, 0, np.pi / 2))  # faces the picture's left: the left side is towards the camera
    assert scene.keypoints[0, LEFT_SHOULDER, 2] == 2
    assert scene.keypoints[0, RIGHT_SHOULDER, 2] == 1


def test_a_pistol_is_boxed_at_the_hand_that_holds_it() -> None:
    posture = motions.aim(0.0)
    posture.heading = -np.pi / 2
    scene = take(posture, armed=True)
    assert list(scene.weapon_holders) == [0]
    x0, y0, x1, y1 = scene.weapon_boxes[0]
    wrist = scene.keypoints[0, 10]
    assert 5 < x1 - x0 < 30
    assert x0 - 8 < wrist[0] < x1
    assert y0 - 6 < wrist[1] < y1 + 6
    assert scene.boxes[0, 2] < x1  # the person's box does not hold the barrel
    assert len(take(posture).weapon_boxes) == 0


def test_flames_are_bright_inside_their_box_and_grow_with_time() -> None:
    fire = Fire(np.array([1.0, 0.5, 0.0]), 0.8, 1.2, start_s=1.0)
    before, early, late = (
        render(stage(fire=fire), [], np.random.default_rng(0), time_s=t) for t in (0.5, 1.8, 6.0)
    )
    assert before.fire_boxes.shape == (0, 4)
    x0, y0, x1, y1 = late.fire_boxes[0].astype(int)
    change = np.abs(late.image.astype(int) - before.image)[..., 0]
    assert change[y0:y1, x0:x1].mean() > 3 * change[:, : x0 - 10].mean()
    assert y1 - y0 > early.fire_boxes[0, 3] - early.fire_boxes[0, 1]


def test_infrared_pictures_are_grey_and_compression_keeps_the_size() -> None:
    light = np.random.default_rng(0).uniform(0, 1, (40, 60, 3)).astype(np.float32)
    grey = Sensor(infrared=True, saturation=0.0, jpeg_quality=100).expose(light, np.random.default_rng(0))
    assert grey.shape == (40, 60, 3)
    assert (np.ptp(grey.astype(int), axis=2) <= 1).all()
    coarse = Sensor(jpeg_quality=20, downscale=2.0).expose(light, np.random.default_rng(0))
    assert coarse.shape == (40, 60, 3)
