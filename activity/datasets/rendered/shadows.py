"""Shadows on the floor."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.solids import Solids
from activity.datasets.rendered.vectors import Vector


def shadow_outlines(solids: Solids, lamp: Vector, camera: Camera) -> list[npt.NDArray[np.int32]]:
    """Convex outlines on the floor, in 1/8 pixels, of the shadows that a lamp casts."""
    if len(solids) == 0:
        return []
    origin = np.array(solids.origin)
    from_local = np.linalg.inv(np.array(solids.to_local))
    radii = np.array(solids.radii)
    box = (radii == 0).all(axis=1)
    ends = np.stack([origin, origin + from_local[:, :, 2] * np.array(solids.length)[:, None]], axis=1)
    ring = np.array([[np.cos(a), np.sin(a), b] for b in (-0.6, 0.6) for a in np.arange(8) * np.pi / 4])
    ring /= np.linalg.norm(ring, axis=1, keepdims=True)
    cube = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)] * 2, np.float64)
    shape = np.where(box[:, None, None], cube, ring)  # (N, 16, 3)
    radius = np.where(box[:, None], 1.0, radii)
    surface = ends[:, :, None] + radius[:, :, None, None] * (shape @ from_local.transpose(0, 2, 1))[:, None]
    points = surface.reshape(len(solids), 32, 3)
    fall = np.maximum(lamp[2] - points[..., 2:], 0.05)
    floor = lamp + (points - lamp) * lamp[2] / fall
    usable = (points[..., 2] < lamp[2] - 0.1).all(axis=1)
    local = camera.to_camera(floor)
    usable &= (local[..., 2] > 0.2).all(axis=1)
    pixels = camera.project_camera(local)[usable]
    bound = 4.0 * max(camera.width, camera.height)
    return [
        cv2.convexHull((np.clip(outline, -bound, bound) * 8).astype(np.int32))
        for outline in pixels
        if np.isfinite(outline).all()
    ]
