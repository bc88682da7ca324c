"""A surveillance camera: perspective, tilt and barrel distortion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.vectors import Matrix, Vector, cross, rotation_z, unit


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A camera that looks at the world (x and y on the floor, z up, metres).

    Camera frame: x right, y down, z along the view. Pixels: (0, 0) is the centre of the upper left pixel.

    Attributes:
        position: [3] in metres.
        rotation: [3, 3], world to camera frame; its rows are the camera's axes.
        focal_px: Focal length in pixels.
        width: Pixels across.
        height: Pixels down.
        distortion: k of r' = r (1 + k r^2), with r over focal length; negative bends lines outward (barrel).
    """

    position: Vector
    rotation: Matrix
    focal_px: float
    width: int
    height: int
    distortion: float = 0.0

    @classmethod
    def looking_at(
        cls,
        target: npt.ArrayLike,
        *,
        position: npt.ArrayLike,
        focal_px: float,
        width: int,
        height: int,
        roll: float = 0.0,
        distortion: float = 0.0,
    ) -> Camera:
        """Point a camera at a world point, upright but for `roll` in radians."""
        place = np.asarray(position, dtype=np.float64)
        forward = unit(np.asarray(target, dtype=np.float64) - place)
        right = unit(cross(forward, np.array([0.0, 0.0, 1.0])))
        axes = np.stack([right, cross(forward, right), forward])
        return cls(place, rotation_z(roll) @ axes, focal_px, width, height, distortion)

    def scaled(self, factor: int) -> Camera:
        """The same view with `factor` times as many pixels along each side."""
        return Camera(
            self.position,
            self.rotation,
            self.focal_px * factor,
            self.width * factor,
            self.height * factor,
            self.distortion,
        )

    def to_camera(self, points: Vector) -> Vector:
        """World points [..., 3] in the camera frame, in metres."""
        return (points - self.position) @ self.rotation.T

    def project(self, points: Vector) -> Vector:
        """Pixels [..., 2] of world points [..., 3]; NaN for points nearer than 5 cm or behind the camera."""
        return self.project_camera(self.to_camera(points))

    def project_camera(self, local: Vector) -> Vector:
        """Pixels [..., 2] of points [..., 3] in the camera frame; NaN where z is under 5 cm."""
        depth = np.where(local[..., 2:] > 0.05, local[..., 2:], np.nan)
        flat = local[..., :2] / depth
        radius = np.minimum((flat**2).sum(axis=-1, keepdims=True), self._largest_radius)
        centre = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        pixels: Vector = flat * (1 + self.distortion * radius) * self.focal_px + centre
        return pixels

    @property
    def _largest_radius(self) -> float:
        """Squared radius up to which the distortion stays one to one (slope at least 0.25)."""
        return 0.25 / -self.distortion if self.distortion < 0 else np.inf

    def rays(self) -> npt.NDArray[np.float32]:
        """[2, H, W] x and y of each pixel's viewing ray (x, y, 1) in the camera frame."""
        u = (np.arange(self.width, dtype=np.float32) - (self.width - 1) / 2) / self.focal_px
        v = (np.arange(self.height, dtype=np.float32) - (self.height - 1) / 2) / self.focal_px
        seen = np.stack(np.broadcast_arrays(u[None, :], v[:, None])).astype(np.float32)
        if self.distortion == 0:
            return seen
        # The lens is symmetric: one quarter of the picture tells of the others.
        right, lower = self.width // 2, self.height // 2
        seen_radius = np.hypot(u[None, right:], v[lower:, None])
        radius = seen_radius.copy()
        for _ in range(4):  # Newton's steps on r (1 + k r^2) = r'
            square = self.distortion * radius * radius
            radius -= (radius * (1 + square) - seen_radius) / (1 + 3 * square)
        quarter = radius / np.maximum(seen_radius, 1e-6)
        half = np.concatenate([quarter[:, ::-1][:, :right], quarter], axis=1)
        return np.asarray(seen * np.concatenate([half[::-1][:lower], half]), np.float32)
