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
from activity.datasets.rendered.solids import Solids
from activity.datasets.rendered.vectors import Vector

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
    boxes = (np.array(solids.radii).reshape(-1, 2) == 0).all(axis=1)
    cones = _ConeForms.of(solids, origins, to_local)
    for index in seen.tolist():
        left, top, right, bottom = rectangles[index]
        patch = rays[:, top:bottom, left:right]
        depth = (
            _box_depth(patch, origins[index], to_local[index]) if boxes[index] else cones.depth(index, patch)
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
    clipped: npt.NDArray[np.int64] = np.clip(rectangles, 0, np.concatenate([size, size])).astype(np.int64)
    clipped[nearest < 0.15] = 0
    return clipped


@dataclass(frozen=True, slots=True)
class _ConeForms:
    """What `trace` needs of N round cones, expanded about the ray through each one's middle.

    All terms stay small that way, and single precision suffices.

    Attributes:
        pivot: [N, 2] the x and y of that ray.
        near: [N] depth of the middle.
        forms: [N, 5, 6] coefficients over 1, x, y, xx, xy, yy (x and y from the pivot) of d.d, o.d, o.o - ra^2,
            g.d / sqrt(D) and (g.o - ra k) / sqrt(D), where d is the ray's direction and o its point at `near`.
        root: [N] sqrt(D); 0 for an ellipsoid.
    """

    pivot: Float
    near: list[float]
    forms: Float
    root: list[float]

    @classmethod
    def of(cls, solids: Solids, origins: Vector, to_local: Vector) -> _ConeForms:
        length = np.array(solids.length)
        radii = np.array(solids.radii).reshape(-1, 2)
        taper = radii[:, 0] - radii[:, 1]
        root = np.sqrt(np.maximum(length**2 - taper**2, 0))
        middle = origins + np.linalg.inv(to_local)[:, :, 2] * (length / 2)[:, None]
        near = np.maximum(middle[:, 2], 0.05)
        pivot = middle[:, :2] / near[:, None]
        # Direction d0 + dx x + dy y and start o0 + near (dx x + dy y), stacked as [N, 3 terms, 3 axes].
        ahead = np.concatenate([pivot, np.ones((len(pivot), 1))], axis=1)
        turned = np.einsum("nij,nj->ni", to_local, ahead)
        direction = np.stack([turned, to_local[:, :, 0], to_local[:, :, 1]], axis=1)
        start = direction * near[:, None, None]
        start[:, 0] -= np.einsum("nij,nj->ni", to_local, origins)
        forms = np.zeros((len(pivot), 5, 6))
        forms[:, 0] = _quadratic(direction, direction)
        forms[:, 1] = _quadratic(start, direction)
        forms[:, 2] = _quadratic(start, start)
        forms[:, 2, 0] -= radii[:, 0] ** 2
        safe = np.where(root > 0, root, 1.0)
        gain = (length / safe)[:, None]
        forms[:, 3, :3] = direction[:, :, 2] * gain
        forms[:, 4, :3] = start[:, :, 2] * gain
        forms[:, 4, 0] -= radii[:, 0] * taper / safe
        return cls(pivot.astype(np.float32), near.tolist(), forms.astype(np.float32), root.tolist())

    def depth(self, index: int, rays: Float) -> Float:
        """[h, w] depth of one cone along rays [2, h, w], 1e6 where it is missed."""
        shape = rays.shape[1:]
        basis = np.empty((6, *shape), np.float32)
        basis[0] = 1
        np.subtract(rays, self.pivot[index][:, None, None], out=basis[1:3])
        np.multiply(basis[1], basis[1:3], out=basis[3:5])
        np.multiply(basis[2], basis[2], out=basis[5])
        dd, od, oo, gd, go = self.forms[index] @ basis.reshape(6, -1)
        root = self.root[index]
        if root == 0:
            disc = od * od - dd * oo
            tau = (od + np.sqrt(np.maximum(disc, 0))) / dd
            return np.where(disc > 0, self.near[index] - tau, _FAR).reshape(shape)
        a2 = dd - gd * gd
        a1 = od - go * gd
        disc = a1 * a1 - a2 * (oo - go * go)
        tau = (a1 + np.sqrt(np.maximum(disc, 0))) / np.maximum(a2, 1e-9)
        along = go - gd * tau  # sqrt(D) s
        hit = disc > 0
        past_end = along > root
        capped = past_end | (along < 0)
        if (capped & hit).any():
            # The sphere at whichever end the ray passes: for the far one, o.d and o.o shift by the axis g.
            od -= past_end * (gd * root)
            oo += past_end * (root * root - (2 * root) * go)
            cap_disc = od * od - dd * oo
            cap_tau = (od + np.sqrt(np.maximum(cap_disc, 0))) / dd
            np.copyto(tau, cap_tau, where=capped)
            hit &= (cap_disc > 0) | ~capped
        return np.where(hit, self.near[index] - tau, _FAR).reshape(shape)


def _quadratic(first: Vector, second: Vector) -> Vector:
    """[N, 6] coefficients over 1, x, y, xx, xy, yy of (a0 + ax x + ay y) . (b0 + bx x + by y), both [N, 3, 3]."""
    product = np.einsum("nik,njk->nij", first, second)
    product = product + product.transpose(0, 2, 1)
    half = product[:, [0, 1, 2], [0, 1, 2]] / 2
    return np.stack(
        [half[:, 0], product[:, 0, 1], product[:, 0, 2], half[:, 1], product[:, 1, 2], half[:, 2]], axis=1
    )


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
