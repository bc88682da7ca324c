"""The ray tracer against shapes whose depth can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.raytracing import trace
from activity.datasets.rendered.solids import Solids, Surface

GREY = Surface((0.5, 0.5, 0.5))
FORWARD = np.array([1.0, 0.0, 0.0])


def camera(distortion: float = 0.0) -> Camera:
    """Looks along x from the origin; the world's y is the picture's left, z its up."""
    return Camera.looking_at(
        [1, 0, 0], position=[0, 0, 0], focal_px=100, width=101, height=81, distortion=distortion
    )


def depth_picture(solids: Solids, view: Camera) -> np.ndarray:
    picture = np.full((view.height, view.width), np.inf)
    layer = trace(solids, view, view.rays())
    if layer is not None:
        h, w = layer.depth.shape
        covered = layer.covered
        picture[layer.y : layer.y + h, layer.x : layer.x + w][covered] = layer.depth[covered]
    return picture


def test_a_ball_is_as_near_and_as_wide_as_geometry_says() -> None:
    solids = Solids()
    solids.add_ellipsoid(np.array([4.0, 0, 0]), np.eye(3), (0.5, 0.5, 0.5), GREY)
    depth = depth_picture(solids, camera())
    assert depth[40, 50] == pytest.approx(3.5, abs=1e-4)
    # The tangent cone of a ball of radius 0.5 at 4 m has tangent 0.5 / sqrt(16 - 0.25) = 0.126: 12.6 pixels.
    assert np.isfinite(depth[40]).sum() == 25
    assert np.isfinite(depth[:, 50]).sum() == 25


def test_an_upright_capsule_has_a_straight_front_and_round_ends() -> None:
    solids = Solids()
    solids.add_cone(np.array([4.0, 0, -0.5]), np.array([4.0, 0, 0.5]), 0.2, 0.2, GREY, forward=FORWARD)
    depth = depth_picture(solids, camera())
    np.testing.assert_allclose(depth[30:51, 50], 3.8, atol=1e-3)
    rows = np.flatnonzero(np.isfinite(depth[:, 50]))
    # The top end's ball: from 4 m away its centre is 0.5 up, its outline at atan(.5 / 4) + asin(.2 / 4.031).
    reach = 100 * np.tan(np.arctan(0.5 / 4) + np.arcsin(0.2 / np.hypot(0.5, 4)))
    assert rows.min() == int(np.ceil(40 - reach))
    assert rows.max() == int(np.floor(40 + reach))


@pytest.mark.parametrize("tilt", [0.0, 0.4, 1.2])
def test_a_cone_covers_exactly_the_hull_of_many_balls_along_it(tilt: float) -> None:
    start = np.array([4.0, 0.3, -0.4])
    end = start + np.array([0.9 * np.sin(tilt), -0.3, 0.9 * np.cos(tilt)])
    cone, balls = Solids(), Solids()
    cone.add_cone(start, end, 0.3, 0.1, GREY, forward=FORWARD)
    for share in np.linspace(0, 1, 300):
        radius = 0.3 - 0.2 * share
        balls.add_ellipsoid(start + share * (end - start), np.eye(3), (radius, radius, radius), GREY)
    hull, drawn = depth_picture(balls, camera()), depth_picture(cone, camera())
    both = np.isfinite(hull) & np.isfinite(drawn)
    assert (np.isfinite(hull) != np.isfinite(drawn)).sum() <= 3  # pixels that the outline only grazes
    assert both.sum() > 150
    np.testing.assert_allclose(drawn[both], hull[both], atol=2e-2)
    assert np.median(np.abs(drawn[both] - hull[both])) < 1e-4


def test_widths_stretch_a_solid_along_its_own_axes() -> None:
    solids = Solids()
    solids.add_cone(
        np.array([4.0, 0, -0.1]),
        np.array([4.0, 0, 0.1]),
        0.2,
        0.2,
        GREY,
        forward=FORWARD,
        widths=(0.5, 2.0, 1.0),
    )
    depth = depth_picture(solids, camera())
    assert depth[40, 50] == pytest.approx(3.9, abs=1e-4)  # half of 0.2 towards the camera
    assert np.isfinite(depth[40]).sum() == pytest.approx(2 * 100 * 0.4 / 4, abs=1)


def test_a_box_is_as_near_as_its_front() -> None:
    solids = Solids()
    solids.add_box(np.array([4.0, 0, 0]), np.eye(3), (0.5, 0.36, 0.22), GREY)
    depth = depth_picture(solids, camera())
    np.testing.assert_allclose(depth[40, 41:60], 3.5, atol=1e-4)
    assert np.isfinite(depth[40]).sum() == 2 * 10 + 1  # 0.36 / 3.5 of 100 pixels to either side
    assert np.isfinite(depth[:, 50]).sum() == 2 * 6 + 1


def test_the_nearer_solid_wins_whatever_the_order() -> None:
    for order in ((3.0, 5.0), (5.0, 3.0)):
        solids = Solids()
        for x in order:
            solids.add_ellipsoid(np.array([x, 0, 0]), np.eye(3), (0.2, 0.2, 0.2), GREY)
        layer = trace(solids, camera(), camera().rays())
        assert layer is not None
        assert layer.solid[40 - layer.y, 50 - layer.x] == order.index(3.0)


def test_what_is_behind_the_camera_or_beside_the_view_is_not_drawn() -> None:
    solids = Solids()
    solids.add_ellipsoid(np.array([-4.0, 0, 0]), np.eye(3), (0.5, 0.5, 0.5), GREY)
    solids.add_ellipsoid(np.array([4.0, 9.0, 0]), np.eye(3), (0.5, 0.5, 0.5), GREY)
    assert trace(solids, camera(), camera().rays()) is None


@pytest.mark.parametrize("distortion", [0.0, -0.15])
def test_rays_and_projection_are_inverse(distortion: float) -> None:
    view = camera(distortion)
    rays = view.rays()
    rows, columns = np.mgrid[0:81:9, 0:101:10]
    points = np.stack([rays[0, rows, columns], rays[1, rows, columns], np.ones(rows.shape)], axis=-1) * 3.7
    np.testing.assert_allclose(view.project_camera(points), np.stack([columns, rows], axis=-1), atol=0.01)


def test_points_behind_the_camera_have_no_pixel() -> None:
    assert np.isnan(camera().project(np.array([-1.0, 0, 0]))).all()
