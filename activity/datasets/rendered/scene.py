"""Puts people into a room, takes the picture and keeps the exact truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.body import Person, build_body, build_pistol
from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.fire import Fire
from activity.datasets.rendered.kinematics import (
    Joints,
    Posture,
    Vector,
    coco_joints,
    face_points,
    place_joints,
)
from activity.datasets.rendered.lighting import Lighting, shade
from activity.datasets.rendered.raytracing import Layer, trace
from activity.datasets.rendered.room import Room
from activity.datasets.rendered.sensor import Sensor
from activity.datasets.rendered.solids import Solids

Float = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

SUPERSAMPLING: Final = 2
_FAR = np.float32(1e6)
_LEAST_VISIBLE: Final = 0.1
"""Share of a person's silhouette below which nobody would say that a person is seen."""

_DEPTH_SLACK: Final = np.array(
    # nose, eyes, ears: on the skin; the others lie inside the limb, so its surface is nearer. Shares of stature.
    [0.02] * 5 + [0.075] * 2 + [0.05] * 2 + [0.04] * 2 + [0.105] * 2 + [0.055] * 2 + [0.045] * 2
)


@dataclass(frozen=True, slots=True, eq=False)
class RenderedScene:
    """A picture of rendered people and its exact truth. Pixel (0, 0) is the centre of the upper left pixel.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        keypoints: [P, 17, 3] float32 COCO keypoints: x px, y px, v. v = 2: in the picture and not covered (a joint
            inside its own limb is not covered); v = 1: in the picture, covered by this body, another or an object;
            v = 0: not labelled (x = y = 0), that is out of the picture, or a nose, eye or ear on the far side of
            the head, as annotators of photographs leave it out.
        boxes: [P, 4] float32: x0, y0, x1, y1 around the person's visible pixels.
        areas: [P] float32: number of visible pixels.
        visible_fraction: [P] float32: visible pixels over those that the person would have alone in the picture.
        actors: [P] int64: which of the people asked for this is; those hardly in view (under a tenth visible, or
            under 12 pixels) are left out.
        weapon_boxes: [K, 4] float32 around the visible pixels of each weapon.
        weapon_holders: [K] int64: actor that holds each.
        fire_boxes: [F, 4] float32 around the visible flames.
        identity: [H, W] int16: actor seen at each pixel, -1 for none.
    """

    image: Image
    keypoints: Float
    boxes: Float
    areas: Float
    visible_fraction: Float
    actors: npt.NDArray[np.int64]
    weapon_boxes: Float
    weapon_holders: npt.NDArray[np.int64]
    fire_boxes: Float
    identity: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One person in one posture.

    Attributes:
        person: Who.
        posture: Where and how.
        armed: Holds a pistol-shaped object in the right hand.
        seed: Shifts the texture of the clothes; keep it the same through a clip.
    """

    person: Person
    posture: Posture
    armed: bool = False
    seed: int = 0


@dataclass(slots=True, eq=False)
class Stage:
    """Everything but the people: seen from one camera, and remembered between frames.

    Attributes:
        camera: The view.
        room: Floor and walls.
        furniture: Solids that may hide people.
        lighting: Lamps without the fire's.
        sensor: The camera's faults.
        fire: A fire, if any.
    """

    camera: Camera
    room: Room
    furniture: Solids
    lighting: Lighting
    sensor: Sensor
    fire: Fire | None = None
    _rays: Float | None = field(default=None, repr=False)
    _background: tuple[Float, npt.NDArray[np.bool_]] | None = field(default=None, repr=False)
    _furniture_layer: Layer | None = field(default=None, repr=False)

    def rays(self) -> Float:
        """Viewing rays of the supersampled picture."""
        if self._rays is None:
            self._rays = self.camera.scaled(SUPERSAMPLING).rays()
        return self._rays

    def background(self, lighting: Lighting) -> tuple[Float, npt.NDArray[np.bool_]]:
        """The empty room in linear RGB, and its floor; remembered unless a fire flickers."""
        if self._background is None or self.fire is not None:
            self._background = self.room.render(self.camera, self.camera.rays(), lighting)
        return self._background

    def furniture_layer(self) -> Layer | None:
        """The traced furniture."""
        if self._furniture_layer is None and len(self.furniture) > 0:
            self._furniture_layer = trace(self.furniture, self.camera.scaled(SUPERSAMPLING), self.rays())
        return self._furniture_layer


def render(
    stage: Stage, figures: list[Figure], rng: np.random.Generator, *, time_s: float = 0.0
) -> RenderedScene:
    """Take a picture.

    Args:
        stage: Room, camera and light.
        figures: The people.
        rng: Draws the camera's noise.
        time_s: Where in its animation the fire is.
    """
    lighting = stage.lighting
    if stage.fire is not None and stage.fire.size_at(time_s) > 0:
        lighting = Lighting(
            lighting.sky, lighting.ground, (*lighting.lamps, stage.fire.lamp(time_s)), lighting.shadow
        )
    frame = _Composition(stage, lighting)
    joints = [place_joints(figure.person.proportions, figure.posture) for figure in figures]
    for figure, pose in zip(figures, joints, strict=True):
        frame.add_figure(figure, pose)
    light = frame.picture()
    fire_boxes = frame.add_fire(light, stage.fire, time_s)
    image = stage.sensor.expose(light, rng)
    return frame.truth(image, figures, joints, fire_boxes)


@dataclass(frozen=True, slots=True)
class _Samples:
    """Flat indices of the samples to shade and of the pixels that they belong to; the first `whole` fill theirs."""

    samples: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    whole: int


class _Composition:
    """The supersampled depth buffer and who is seen in it."""

    def __init__(self, stage: Stage, lighting: Lighting) -> None:
        self.stage = stage
        self.lighting = lighting
        self.camera = stage.camera.scaled(SUPERSAMPLING)
        self.rays = stage.rays()
        shape = (self.camera.height, self.camera.width)
        self.depth = np.full(shape, _FAR, np.float32)
        self.solid = np.full(shape, -1, np.int32)
        self.solids = Solids()
        self.owner: list[int] = []  # actor of each solid, -1 for furniture
        self.is_weapon: list[bool] = []
        self.seeds: list[int] = []
        self.alone: list[int] = []  # pixels of each figure without occluders
        self.alone_weapon: list[int] = []
        self._add(stage.furniture, stage.furniture_layer(), owner=-1, seed=5)

    def _add(self, solids: Solids, layer: Layer | None, *, owner: int, seed: int, weapons: int = 0) -> None:
        base = len(self.solids)
        self.solids.extend(solids)
        count = len(solids)
        self.owner += [owner] * count
        self.is_weapon += [False] * (count - weapons) + [True] * weapons
        self.seeds += [seed * 131 + i for i in range(count)]
        if layer is None:
            return
        h, w = layer.depth.shape
        window = (slice(layer.y, layer.y + h), slice(layer.x, layer.x + w))
        nearer = layer.depth < self.depth[window]
        np.copyto(self.depth[window], layer.depth, where=nearer)
        np.copyto(self.solid[window], layer.solid + np.int32(base), where=nearer)

    def add_figure(self, figure: Figure, joints: Joints) -> None:
        solids = build_body(figure.person, joints)
        weapons = 0
        if figure.armed:
            pistol = build_pistol(joints, figure.person.stature)
            weapons = len(pistol)
            solids.extend(pistol)
        layer = trace(solids, self.camera, self.rays)
        bodies = len(solids) - weapons
        self.alone.append(0 if layer is None else int((layer.covered & (layer.solid < bodies)).sum()))
        self.alone_weapon.append(0 if layer is None else int((layer.solid >= bodies).sum()))
        self._add(solids, layer, owner=len(self.alone) - 1, seed=figure.seed + 1, weapons=weapons)

    def picture(self) -> Float:
        """Linear light of room, furniture and people, [H, W, 3]."""
        room, floor = self.stage.background(self.lighting)
        height, width = room.shape[:2]
        light = room * self._floor_light(floor)[..., None]
        covered = self._merge_samples()
        if len(covered.samples) == 0:
            return np.asarray(light, np.float32)
        near = np.minimum(self.depth[::SUPERSAMPLING, ::SUPERSAMPLING], 60)
        hollow = 1 - 0.35 * np.clip((near - cv2.blur(near, (13, 13))) / 0.25, 0, 1)
        depth = self.depth.ravel()[covered.samples]
        colours = shade(
            self.rays.reshape(2, -1)[:, covered.samples],
            depth,
            self.solid.ravel()[covered.samples],
            solids=self.solids,
            seeds=np.array(self.seeds, np.int64),
            camera=self.camera,
            lighting=self.lighting,
            occlusion=hollow.ravel()[covered.pixels].astype(np.float32),
        )
        np.minimum(colours, 3, out=colours)
        flat = light.reshape(-1, 3)
        whole = covered.whole
        edges, weight = covered.pixels[whole:], 1 / SUPERSAMPLING**2
        share = np.bincount(edges, minlength=len(flat)).astype(np.float32) * np.float32(weight)
        flat *= (1 - share)[:, None]
        for channel in range(3):
            flat[:, channel] += np.bincount(edges, colours[whole:, channel] * weight, minlength=len(flat))
        flat[covered.pixels[:whole]] = colours[:whole]
        return flat.reshape(height, width, 3)

    def _merge_samples(self) -> _Samples:
        """Choose which samples to shade: one of a pixel that one solid fills, all of any other pixel."""
        s = SUPERSAMPLING
        height, width = self.stage.camera.height, self.stage.camera.width
        blocks = self.solid.reshape(height, s, width, s)
        first = blocks[:, 0, :, 0]
        uniform = (blocks == first[:, None, :, None]).all(axis=(1, 3))
        full = np.flatnonzero(uniform & (first >= 0))
        edge = (self.solid >= 0) & ~uniform.repeat(s, axis=0).repeat(s, axis=1)
        edge_samples = np.flatnonzero(edge)
        rows, columns = np.divmod(edge_samples, width * s)
        full_rows, full_columns = np.divmod(full, width)
        return _Samples(
            samples=np.concatenate([full_rows * s * width * s + full_columns * s, edge_samples]),
            pixels=np.concatenate([full, rows // s * width + columns // s]),
            whole=len(full),
        )

    def _floor_light(self, floor: npt.NDArray[np.bool_]) -> Float:
        """Share of light that reaches each pixel of the room past the bodies, [H, W]."""
        camera = self.stage.camera
        lamp = self.lighting.lamps[0].position if self.lighting.lamps else np.array([0.0, 0.0, 50.0])
        mask = np.zeros(floor.shape, np.uint8)
        for outline in _shadow_outlines(self.solids, lamp, camera):
            cv2.fillConvexPoly(mask, outline, 255, lineType=cv2.LINE_AA, shift=3)
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.006 * camera.height, 0.8)).astype(np.float32) / 255
        return 1 - np.float32(self.lighting.shadow) * soft * floor

    def add_fire(self, light: Float, fire: Fire | None, time_s: float) -> Float:
        """Lay the flames over what is behind them; returns their boxes [F, 4]."""
        none = np.zeros((0, 4), np.float32)
        flames = fire.flames(self.stage.camera, time_s) if fire is not None else None
        if flames is None:
            return none
        x0, y0, colour, opacity, depth = flames
        height, width = light.shape[:2]
        left, top = max(x0, 0), max(y0, 0)
        right, bottom = min(x0 + colour.shape[1], width), min(y0 + colour.shape[0], height)
        crop = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
        s = SUPERSAMPLING
        free = (self.depth[top * s : bottom * s, left * s : right * s] > depth).astype(np.float32)
        free = cv2.resize(free, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
        alpha = (opacity[crop] * free)[..., None]
        window = light[top:bottom, left:right]
        window[:] = window * (1 - alpha) + colour[crop] * alpha
        box = _box_of(alpha[..., 0] > 0.3)
        return none if box is None else box[None] + np.array([left, top, left, top], np.float32)

    def truth(
        self, image: Image, figures: list[Figure], joints: list[Joints], fire_boxes: Float
    ) -> RenderedScene:
        owner = np.array([*self.owner, -1], np.int32)
        weapon = np.array([*self.is_weapon, False])
        owners = owner[self.solid]  # solid -1 finds the last entry
        body = np.where(weapon[self.solid], -1, owners)
        keypoints, boxes, areas, fractions, actors, weapon_boxes, holders = ([] for _ in range(7))
        s = SUPERSAMPLING
        for actor, figure in enumerate(figures):
            here = body == actor
            visible = int(here.sum())
            if visible >= 12 * s * s and visible >= _LEAST_VISIBLE * self.alone[actor]:
                keypoints.append(self._keypoints(figure, joints[actor], actor, owners))
                boxes.append(_shrink(_box_of(here)))
                areas.append(visible / s**2)
                fractions.append(visible / self.alone[actor])
                actors.append(actor)
            held = weapon[self.solid] & (owners == actor) if figure.armed else None
            if held is not None and held.sum() >= max(3 * s * s, 0.3 * self.alone_weapon[actor]):
                weapon_boxes.append(_shrink(_box_of(held)))
                holders.append(actor)
        return RenderedScene(
            image=image,
            keypoints=np.array(keypoints, np.float32).reshape(-1, 17, 3),
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            areas=np.array(areas, np.float32),
            visible_fraction=np.array(fractions, np.float32),
            actors=np.array(actors, np.int64),
            weapon_boxes=np.array(weapon_boxes, np.float32).reshape(-1, 4),
            weapon_holders=np.array(holders, np.int64),
            fire_boxes=fire_boxes,
            identity=owners[s // 2 :: s, s // 2 :: s].astype(np.int16),
        )

    def _keypoints(self, figure: Figure, joints: Joints, actor: int, owners: npt.NDArray[np.int32]) -> Vector:
        stature = figure.person.stature
        camera = self.stage.camera
        local = camera.to_camera(coco_joints(joints, stature))
        pixels = camera.project_camera(local)
        result = np.zeros((17, 3))
        size = np.array([camera.width, camera.height])
        inside = np.all((pixels >= -0.5) & (pixels < size - 0.5), axis=1)
        face = face_points(joints, stature)
        view = camera.position - face[:, 0]
        view /= np.linalg.norm(view, axis=1, keepdims=True)
        inside[:5] &= np.einsum("ij,ij->i", view, face[:, 1]) > -0.2
        for k in np.flatnonzero(inside):
            fine = np.floor((pixels[k] + 0.5) * SUPERSAMPLING).astype(int)
            x, y = np.minimum(np.maximum(fine, 0), [self.camera.width - 1, self.camera.height - 1])
            near_enough = local[k, 2] - self.depth[y, x] < _DEPTH_SLACK[k] * stature
            result[k] = [*pixels[k], 2 if owners[y, x] == actor and near_enough else 1]
        return result


def _box_of(mask: npt.NDArray[np.bool_]) -> Float | None:
    """[4] x0, y0, x1, y1 of the pixels' outer edges, (0, 0) being the first pixel's corner; `None` if none is set."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if len(columns) == 0:
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def _shrink(box: Float | None) -> Float:
    """A box of the supersampled picture in pixels of the picture."""
    assert box is not None  # noqa: S101 - callers have counted its pixels
    return box / np.float32(SUPERSAMPLING)


def _shadow_outlines(solids: Solids, lamp: Vector, camera: Camera) -> list[npt.NDArray[np.int32]]:
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
