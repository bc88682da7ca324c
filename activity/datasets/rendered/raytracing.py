"""Nearest visible surface per pixel, for solids seen by a camera.

Each solid is intersected only with the rays of its own rectangle. A round cone is the envelope of spheres whose centre
s g and radius ra - s k move along the axis g; with m = |g|^2 and D = m - k^2 its surface is
|p|^2 - ra^2 - (g.p - ra k)^2 / D = 0 where 0 < s = (g.p - ra k) / D < 1, and a sphere beyond either end. On a ray this is
a quadratic whose coefficients are quadratic forms of the pixel, so one small matrix product gives them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.kinematics import Vector
from activity.datasets.rendered.solids import Solids

Float = npt.NDArray[np.float32]
_FAR = np.float32(1e6)


@dataclass(slots=True)
class Layer:
    """A rectangle of the picture with the nearest surface at each pixel.

    Attributes:
        x: Left column of the rectangle in the picture.
        y: Upper row of the rectangle in the picture.
        depth: [h, w] metres along the camera's z axis; 1e6 where nothing is.
        solid: [h, w] index of the solid, -1 where nothing is.
    """

    x: int
    y: int
    depth: Float
    solid: npt.NDArray[np.int32]

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """[h, w] where there is a surface."""
        return self.solid >= 0


def trace(solids: Solids, camera: Camera, rays: Float) -> Layer | None:
    """Find the nearest solid along each ray.

    Args:
        solids: In the world frame.
        camera: The view.
        rays: [2, H, W] from `Camera.rays` of the same camera.

    Returns:
        The rectangle around all solids, or `None` where none is in view.
    """
    origins = camera.to_camera(np.array(solids.origin).reshape(-1, 3))
    to_local = np.array(solids.to_local).reshape(-1, 3, 3) @ camera.rotation.T
    rectangles = _rectangles(solids, camera, origins, to_local)
    seen = np.flatnonzero((rectangles[:, 0] < rectangles[:, 2]) & (rectangles[:, 1] < rectangles[:, 3]))
    if len(seen) == 0:
        return None
    x0, y0 = rectangles[seen, :2].min(axis=0)
    x1, y1 = rectangles[seen, 2:].max(axis=0)
    layer = Layer(
        int(x0),
        int(y0),
        np.full((y1 - y0, x1 - x0), _FAR, np.float32),
        np.full((y1 - y0, x1 - x0), -1, np.int32),
    )
    for index in seen:
        left, top, right, bottom = rectangles[index]
        patch = rays[:, top:bottom, left:right]
        start_radius, end_radius = solids.radii[index]
        if start_radius == 0 and end_radius == 0:
            depth = _box_depth(patch, origins[index], to_local[index])
        else:
            depth = _cone_depth(
                patch, origins[index], to_local[index], solids.length[index], start_radius, end_radius
            )
        window = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
        nearer = depth < layer.depth[window]
        np.copyto(layer.depth[window], depth, where=nearer)
        np.copyto(layer.solid[window], np.int32(index), where=nearer)
    return layer


def _rectangles(solids: Solids, camera: Camera, origins: Vector, to_local: Vector) -> npt.NDArray[np.int64]:
    """[N, 4] x0, y0, x1, y1 of whole pixels around each solid, clipped to the picture; empty if behind the camera."""
    count = len(solids)
    from_local = np.linalg.inv(to_local)
    radii = np.array(solids.radii).reshape(-1, 2)
    box = (radii == 0).all(axis=1)
    length = np.array(solids.length)
    ends = np.stack([origins, origins + from_local[:, :, 2] * length[:, None]], axis=1)  # (N, 2, 3)
    ball = np.sqrt((from_local**2).sum(axis=2))[:, None, :] * radii[:, :, None]
    cube = np.abs(from_local).sum(axis=2)[:, None, :] * np.ones((count, 2, 1))
    extent = np.where(box[:, None, None], cube, ball)
    signs = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
    corners = ends[:, :, None] + signs * extent[:, :, None]  # (N, 2, 8, 3)
    nearest = corners[..., 2].min(axis=(1, 2))
    corners[..., 2] = np.maximum(corners[..., 2], 0.06)
    pixels = camera.project_camera(corners).reshape(count, 16, 2)
    low = np.floor(pixels.min(axis=1) - 1)
    high = np.ceil(pixels.max(axis=1) + 2)
    rectangles = np.concatenate([low, high], axis=1)
    size = np.array([camera.width, camera.height])
    rectangles = np.clip(rectangles, 0, np.concatenate([size, size])).astype(np.int64)
    rectangles[nearest < 0.15] = 0
    return rectangles


def _cone_depth(
    rays: Float, origin: Vector, to_local: Vector, length: float, start_radius: float, end_radius: float
) -> Float:
    """[h, w] depth of a round cone along each ray, 1e6 where it is missed."""
    height, width = rays.shape[1:]
    # Expand about the ray through the solid's middle: all terms stay small, and single precision suffices.
    pivot = rays[:, height // 2, width // 2].astype(np.float64)
    taper = start_radius - end_radius
    reduced = length**2 - taper**2 if length > 0 else 1.0
    middle = origin + np.linalg.inv(to_local)[:, 2] * length / 2
    near = float(middle[2])
    x, y = rays[0] - np.float32(pivot[0]), rays[1] - np.float32(pivot[1])
    basis = np.empty((6, height * width), np.float32)
    basis[0] = 1
    basis[1], basis[2] = x.ravel(), y.ravel()
    np.multiply(basis[1], basis[1], out=basis[3])
    np.multiply(basis[1], basis[2], out=basis[4])
    np.multiply(basis[2], basis[2], out=basis[5])
    # Local direction d = d0 + dx x + dy y and local start o = o0 + near (dx x + dy y) at depth `near`.
    dx, dy = to_local[:, 0], to_local[:, 1]
    d0 = to_local @ np.array([pivot[0], pivot[1], 1.0])
    o0 = near * d0 - to_local @ origin
    root = np.sqrt(reduced)
    gain = length / root if length > 0 else 0.0
    forms = np.array(
        [
            _form(d0, dx, dy, d0, dx, dy),
            _form(o0, near * dx, near * dy, d0, dx, dy),
            _form(o0, near * dx, near * dy, o0, near * dx, near * dy),
            [d0[2] * gain, dx[2] * gain, dy[2] * gain, 0, 0, 0],
            [o0[2] * gain - start_radius * taper / root, near * dx[2] * gain, near * dy[2] * gain, 0, 0, 0],
        ]
    ).astype(np.float32)
    dd, od, oo, gd, go = forms @ basis
    if length == 0:
        disc = od * od - dd * (oo - np.float32(start_radius**2))
        tau = -(od + np.sqrt(np.maximum(disc, 0))) / dd
        return np.where(disc > 0, near + tau, _FAR).reshape(height, width)
    a2 = np.maximum(dd - gd * gd, np.float32(1e-9))
    a1 = od - go * gd
    disc = a1 * a1 - a2 * (oo - np.float32(start_radius**2) - go * go)
    tau = -(a1 + np.sqrt(np.maximum(disc, 0))) / a2
    along = go + gd * tau  # sqrt(D) s
    past_end = along > root
    capped = past_end | (along < 0)
    # The sphere at whichever end the ray passes: centre 0, or g with |o - g|^2 = |o|^2 - 2 g.o + m.
    axis_o = (go + np.float32(start_radius * taper / root)) * np.float32(root)
    cap_od = np.where(past_end, od - gd * np.float32(root), od)
    cap_c = np.where(
        past_end,
        oo - 2 * axis_o + np.float32(length**2 - end_radius**2),
        oo - np.float32(start_radius**2),
    )
    cap_disc = cap_od * cap_od - dd * cap_c
    cap_tau = -(cap_od + np.sqrt(np.maximum(cap_disc, 0))) / dd
    tau = np.where(capped, cap_tau, tau)
    hit = (disc > 0) & (~capped | (cap_disc > 0))
    return np.where(hit, near + tau, _FAR).reshape(height, width)


def _form(a0: Vector, ax: Vector, ay: Vector, b0: Vector, bx: Vector, by: Vector) -> list[float]:
    """Coefficients over 1, x, y, xx, xy, yy of (a0 + ax x + ay y) . (b0 + bx x + by y)."""
    return [a0 @ b0, a0 @ bx + ax @ b0, a0 @ by + ay @ b0, ax @ bx, ax @ by + ay @ bx, ay @ by]


def _box_depth(rays: Float, origin: Vector, to_local: Vector) -> Float:
    """[h, w] depth of a box along each ray, 1e6 where it is missed."""
    a = to_local.astype(np.float32)
    start = -(to_local @ origin).astype(np.float32)
    enter = np.full(rays.shape[1:], -np.inf, np.float32)
    leave = np.full(rays.shape[1:], np.inf, np.float32)
    for axis in range(3):
        direction = a[axis, 0] * rays[0] + a[axis, 1] * rays[1] + a[axis, 2]
        direction[np.abs(direction) < 1e-7] = 1e-7
        first, second = (-1 - start[axis]) / direction, (1 - start[axis]) / direction
        np.maximum(enter, np.minimum(first, second), out=enter)
        np.minimum(leave, np.maximum(first, second), out=leave)
    return np.where((enter <= leave) & (enter > 0.05), enter, _FAR)
