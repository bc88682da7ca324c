"""Light on surfaces: ambient from above and below, and lamps, in linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.solids import Looks, Pattern, Solids
from activity.datasets.rendered.textures import NOISE_SIZE, cloth_folds, cloudy_noise
from activity.datasets.rendered.vectors import Vector

Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Lamp:
    """A point source.

    Attributes:
        position: [3] in the world frame, metres.
        colour: [3] linear RGB that it gives a surface facing it at `distance`.
        distance: Metres at which `colour` holds; it falls off with the square.
    """

    position: Vector
    colour: Vector
    distance: float


@dataclass(frozen=True, slots=True, eq=False)
class Lighting:
    """All light of a scene.

    Attributes:
        sky: [3] linear RGB of the ambient light from above.
        ground: [3] linear RGB of the ambient light from below.
        lamps: Point sources; the first casts the shadows.
        shadow: Share in [0, 1] of the floor's light that a shadow takes.
    """

    sky: Vector
    ground: Vector
    lamps: tuple[Lamp, ...]
    shadow: float

    def irradiance(self, points: Float, normals: Float, camera: Camera) -> Float:
        """Light on surfaces, [3, N] linear RGB.

        Args:
            points: [3, N] in the camera frame, metres.
            normals: [3, N] or [3, 1] unit normals in the camera frame.
            camera: The view.
        """
        up = camera.rotation[:, 2].tolist()
        upward = 0.5 + 0.5 * (up[0] * normals[0] + up[1] * normals[1] + up[2] * normals[2])
        sky, ground = self.sky.astype(np.float32)[:, None], self.ground.astype(np.float32)[:, None]
        light = np.broadcast_to(ground + upward * (sky - ground), points.shape).copy()
        for lamp in self.lamps:
            x, y, z = camera.to_camera(lamp.position).tolist()
            dx, dy, dz = x - points[0], y - points[1], z - points[2]
            square = dx * dx + dy * dy + dz * dz
            facing = (dx * normals[0] + dy * normals[1] + dz * normals[2]) / np.sqrt(square)
            strength = np.maximum(facing * 0.88 + 0.12, 0) * (lamp.distance**2) / (square + 0.25)
            for channel, level in enumerate(lamp.colour.tolist()):
                light[channel] += strength * level
        return light

    @classmethod
    def random(cls, rng: np.random.Generator, *, centre: Vector, ceiling: float, outdoors: bool) -> Lighting:
        """Draw the lamps of a room, or a sun, around a centre on the floor."""
        tint = np.array([1.0, 1.0, 1.0]) + rng.normal(0, 0.06, 3) + rng.normal(0, 0.08) * np.array([1, 0, -1])
        ambient = rng.uniform(0.25, 0.75)
        sky = ambient * tint
        lamps = []
        for _ in range(1 if outdoors else int(rng.integers(1, 4))):
            height = 25.0 if outdoors else ceiling * rng.uniform(0.85, 1.0)
            spread = 22.0 if outdoors else 3.5
            place = np.array([*(centre[:2] + rng.uniform(-spread, spread, 2)), height])
            distance = float(np.linalg.norm(place - centre))
            colour = tint * (1 + rng.normal(0, 0.05, 3)) * rng.uniform(0.35, 1.3)
            lamps.append(Lamp(place, colour, distance))
        total = ambient * 0.7 + sum(float(lamp.colour.mean()) for lamp in lamps) * 0.7
        scale = rng.uniform(0.75, 1.25) / total
        lamps = [Lamp(lamp.position, lamp.colour * scale, lamp.distance) for lamp in lamps]
        return cls(
            sky * scale, sky * scale * rng.uniform(0.3, 0.7), tuple(lamps), float(rng.uniform(0.15, 0.6))
        )


def shade(
    rays: Float,
    depth: Float,
    solid: npt.NDArray[np.int32],
    *,
    solids: Solids,
    seeds: npt.NDArray[np.int64],
    camera: Camera,
    lighting: Lighting,
    occlusion: Float,
) -> Float:
    """Colours of visible surface points.

    Args:
        rays: [2, N] x and y of each point's viewing ray (x, y, 1).
        depth: [N] metres along the camera's axis.
        solid: [N] index of the solid at each point.
        solids: In the world frame.
        seeds: One number a solid; shifts its texture.
        camera: The view.
        lighting: The light.
        occlusion: [N] share in [0, 1] of the light that arrives.

    Returns:
        [N, 3] linear RGB.
    """
    looks = Looks.of(solids.surface)
    to_local = (np.array(solids.to_local) @ camera.rotation.T).astype(np.float32)
    origins = camera.to_camera(np.array(solids.origin)).astype(np.float32)
    points = np.stack([rays[0] * depth, rays[1] * depth, depth])
    frames = np.ascontiguousarray(to_local.transpose(1, 2, 0))[:, :, solid]  # (3, 3, N)
    offset = points - np.ascontiguousarray(origins.T)[:, solid]
    local = frames[:, 0] * offset[0] + frames[:, 1] * offset[1] + frames[:, 2] * offset[2]
    normal, share = _local_normals(local, solids, solid)
    facing = frames[0] * normal[0] + frames[1] * normal[1] + frames[2] * normal[2]
    facing /= np.sqrt((facing * facing).sum(axis=0) + 1e-12)
    length = np.array(solids.length, np.float32)[solid]
    along = np.where(length > 0, share * length, normal[2] * 0.1)
    angle = np.arctan2(normal[1], normal[0])
    shift = seeds[solid]
    row = ((along * 420).astype(np.int64) + shift * 37) % NOISE_SIZE
    column = ((angle * (NOISE_SIZE / (2 * np.pi))).astype(np.int64) + shift * 91) % NOISE_SIZE
    colour = _albedo(
        looks, solid, _SurfacePoints(normal.T, share, along, angle, cloudy_noise(0)[row, column])
    )
    folds = cloth_folds(int(seeds.sum() % 6))[row, column]
    colour *= np.exp(np.clip(folds * looks.wrinkles[solid] * 0.13, -0.8, 0.6))[:, None]
    light = lighting.irradiance(points, facing, camera)
    light *= occlusion
    shaded = colour * light.T
    gloss = looks.gloss[solid]
    if gloss.any() and lighting.lamps:
        half = camera.to_camera(lighting.lamps[0].position).astype(np.float32)[:, None] - points
        half /= np.sqrt((half * half).sum(axis=0))
        half -= points / np.sqrt((points * points).sum(axis=0))
        half /= np.sqrt((half * half).sum(axis=0)) + 1e-6
        glint = np.maximum((half * facing).sum(axis=0), 0) ** 24
        shaded += (glint * gloss * 0.35)[:, None] * lighting.lamps[0].colour.astype(np.float32)
    return np.asarray(shaded, np.float32)


def _local_normals(local: Float, solids: Solids, solid: npt.NDArray[np.int32]) -> tuple[Float, Float]:
    """Outward normal [3, N] in the local frame, and the position [N] along the axis, 0 to 1."""
    length = np.array(solids.length, np.float32)
    radii = np.array(solids.radii, np.float32).reshape(-1, 2)
    taper = radii[:, 0] - radii[:, 1]
    reduced = np.where(length > 0, length**2 - taper**2, 1)
    slope, start = length / reduced, radii[:, 0] * taper / reduced
    share = np.clip(local[2] * slope[solid] - start[solid], 0, 1) * (length > 0)[solid]
    normal = local.copy()
    normal[2] -= share * length[solid]
    normal /= np.sqrt((normal * normal).sum(axis=0)) + 1e-9
    box = np.flatnonzero((radii == 0).all(axis=1)[solid])
    if len(box):
        inside = local[:, box]
        face = np.argmax(np.abs(inside), axis=0)
        rows = np.arange(len(face))
        flat = np.zeros_like(inside)
        flat[face, rows] = np.sign(inside[face, rows])
        normal[:, box] = flat
        share[box] = inside[2] * 0.5 + 0.5
    return normal, share.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _SurfacePoints:
    """Where N points lie on their solids.

    Attributes:
        normal: [N, 3] outward, in the solid's own frame.
        share: [N] position along the axis, 0 to 1.
        along: [N] the same in metres.
        angle: [N] around the axis, 0 in front, in radians.
        noise: [N] cloudy noise, standard deviation 1.
    """

    normal: Float
    share: Float
    along: Float
    angle: Float
    noise: Float


def _albedo(looks: Looks, solid: npt.NDArray[np.int32], at: _SurfacePoints) -> Float:
    """Share of light that each point reflects, [N, 3] linear RGB."""
    colour = looks.colour[solid]
    second = looks.second[solid]
    pattern = looks.pattern[solid]
    swap = at.share > looks.split[solid]
    for kind in np.unique(pattern):
        here = pattern == kind
        size = looks.scale[solid[here]]
        match Pattern(int(kind)):
            case Pattern.STRIPES:
                swap[here] = (at.along[here] / size) % 1 < 0.5
            case Pattern.CHECKS:
                swap[here] = ((at.along[here] / size) % 1 < 0.5) ^ ((at.angle[here] * 0.15 / size) % 1 < 0.5)
            case Pattern.UPRIGHT_STRIPES:
                swap[here] = (at.angle[here] * 0.15 / size) % 1 < 0.4
            case Pattern.FRONT:
                swap[here] = np.abs(at.angle[here]) < size * 4
            case Pattern.MOUTH:
                swap[here] = (np.abs(at.angle[here]) < 0.5) & (np.abs(at.share[here] - 0.52) < 0.1)
            case Pattern.WOOD | Pattern.NOISE:
                colour[here] *= np.exp(0.22 * at.noise[here])[:, None]
            case Pattern.FACE:
                _paint_face(colour, second, here, at.normal)
            case _:
                pass
    return np.where(swap[:, None], second, colour)


def _paint_face(colour: Float, second: Float, here: npt.NDArray[np.bool_], normal: Float) -> None:
    """Eyes, brows and sockets on the front of the skull; `second` is the hair's colour."""
    n = normal[here]
    front = n[:, 0] > 0
    across = np.abs(n[:, 1])
    paint = colour[here]
    socket = np.exp(-(((across - 0.4) / 0.22) ** 2) - ((n[:, 2] + 0.16) / 0.13) ** 2) * front
    paint *= (1 - 0.35 * socket)[:, None]
    brow = front & (np.abs(across - 0.4) < 0.22) & (np.abs(n[:, 2] - 0.02) < 0.045)
    paint[brow] = 0.6 * second[here][brow] + 0.4 * paint[brow]
    white = front & (((across - 0.41) / 0.15) ** 2 + ((n[:, 2] + 0.16) / 0.06) ** 2 < 1)
    paint[white] = 0.5
    iris = white & (np.abs(across - 0.41) < 0.065)
    paint[iris] = 0.02
    colour[here] = paint
