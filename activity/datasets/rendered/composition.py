"""Lays room, furniture, people and fire over each other, nearest first."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.body import build_body, build_pistol
from activity.datasets.rendered.fire import Fire
from activity.datasets.rendered.kinematics import Joints
from activity.datasets.rendered.lighting import Lighting, shade
from activity.datasets.rendered.raytracing import Layer, trace
from activity.datasets.rendered.shadows import shadow_outlines
from activity.datasets.rendered.solids import Solids
from activity.datasets.rendered.stage import SUPERSAMPLING, Figure, Stage

Float = npt.NDArray[np.float32]
_FAR = np.float32(1e6)


@dataclass(frozen=True, slots=True)
class _Samples:
    """Flat indices of the samples to shade and of the pixels that they belong to; the first `whole` fill theirs."""

    samples: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    whole: int


class Composition:
    """The supersampled picture in the making: at each sample the nearest solid, and whose it is.

    Attributes:
        camera: The supersampled view.
        depth: [H s, W s] metres along the camera's axis; 1e6 in the open.
        solid: [H s, W s] index of the solid, -1 for none.
        owner: Actor of each solid, -1 for furniture.
        is_weapon: Whether each solid is part of a weapon.
        alone: Samples that each figure's body would cover alone in the picture.
        alone_weapon: The same for what each figure holds.
    """

    def __init__(self, stage: Stage, lighting: Lighting) -> None:
        self.stage = stage
        self.lighting = lighting
        self.camera = stage.camera.scaled(SUPERSAMPLING)
        self.rays = stage.rays()
        shape = (self.camera.height, self.camera.width)
        self.depth = np.full(shape, _FAR, np.float32)
        self.solid = np.full(shape, -1, np.int32)
        self.solids = Solids()
        self.owner: list[int] = []
        self.is_weapon: list[bool] = []
        self.seeds: list[int] = []
        self.alone: list[int] = []
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
        """Draw the next actor, in a posture whose joints are placed."""
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
        # Gaps between limbs get less light; a body well before another leaves no rim on it.
        gap = np.maximum(near - cv2.blur(near, (13, 13)), 0)
        gap[np.array([*self.owner, -1])[self.solid[::SUPERSAMPLING, ::SUPERSAMPLING]] < 0] = 0
        hollow = 1 - 0.3 * np.minimum(gap / 0.2, 1) * np.clip(1.5 - gap / 0.3, 0, 1)
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
        for outline in shadow_outlines(self.solids, lamp, camera):
            cv2.fillConvexPoly(mask, outline, 255, lineType=cv2.LINE_AA, shift=3)
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.006 * camera.height, 0.8)).astype(np.float32) / 255
        return np.asarray(1 - self.lighting.shadow * soft * floor, np.float32)

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
        box = box_of(alpha[..., 0] > 0.3)
        return none if box is None else box[None] + np.array([left, top, left, top], np.float32)


def box_of(mask: npt.NDArray[np.bool_]) -> Float | None:
    """[4] x0, y0, x1, y1 of the pixels' outer edges, (0, 0) being the first pixel's corner; `None` if none is set."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if len(columns) == 0:
        return None
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
