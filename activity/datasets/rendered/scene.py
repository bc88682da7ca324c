"""Takes the picture of people on a stage and keeps the exact truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.composition import Composition, box_of
from activity.datasets.rendered.kinematics import Joints, coco_joints, face_points, place_joints
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.stage import SUPERSAMPLING, Figure, Stage

Float = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]

_LEAST_VISIBLE: Final = 0.1
"""Share of a person's silhouette below which nobody would say that a person is seen."""

_DEPTH_SLACK: Final = np.array(
    # nose, eyes, ears: on the skin; the others lie inside the limb, so its surface is nearer. Shares of stature.
    [0.02] * 5 + [0.075] * 2 + [0.05] * 2 + [0.04] * 2 + [0.105] * 2 + [0.055] * 2 + [0.045] * 2
)


@dataclass(frozen=True, slots=True, eq=False)
class RenderedScene:
    """A picture of rendered people and its exact truth.

    Keypoints count from the centre of the upper left pixel, boxes from its outer corner.

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
    frame = Composition(stage, lighting)
    joints = [place_joints(figure.person.proportions, figure.posture) for figure in figures]
    for figure, pose in zip(figures, joints, strict=True):
        frame.add_figure(figure, pose)
    light = frame.picture()
    fire_boxes = frame.add_fire(light, stage.fire, time_s)
    image = stage.sensor.expose(light, rng)
    return _with_truth(image, frame, figures, joints, fire_boxes)


def _with_truth(
    image: Image, frame: Composition, figures: list[Figure], joints: list[Joints], fire_boxes: Float
) -> RenderedScene:
    owner = np.array([*frame.owner, -1], np.int32)
    weapon = np.array([*frame.is_weapon, False])
    owners = owner[frame.solid]  # solid -1 finds the last entry
    body = np.where(weapon[frame.solid], -1, owners)
    keypoints, boxes, areas, fractions, actors, weapon_boxes, holders = ([] for _ in range(7))
    s = SUPERSAMPLING
    for actor, figure in enumerate(figures):
        here = body == actor
        visible = int(here.sum())
        if visible >= 12 * s * s and visible >= _LEAST_VISIBLE * frame.alone[actor]:
            keypoints.append(_keypoints(frame, figure, joints[actor], owners == actor))
            boxes.append(_box(here))
            areas.append(visible / s**2)
            fractions.append(visible / frame.alone[actor])
            actors.append(actor)
        held = weapon[frame.solid] & (owners == actor) if figure.armed else None
        if held is not None and held.sum() >= max(3 * s * s, 0.3 * frame.alone_weapon[actor]):
            weapon_boxes.append(_box(held))
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


def _keypoints(
    frame: Composition, figure: Figure, joints: Joints, mine: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """[17, 3] x px, y px, v; `mine` marks the samples that show this person."""
    stature = figure.person.stature
    camera = frame.stage.camera
    local = camera.to_camera(coco_joints(joints, stature))
    pixels = camera.project_camera(local)
    result = np.zeros((17, 3))
    size = np.array([camera.width, camera.height])
    labelled = np.all((pixels >= -0.5) & (pixels < size - 0.5), axis=1)
    face = face_points(joints, stature)
    view = camera.position - face[:, 0]
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    labelled[:5] &= np.einsum("ij,ij->i", view, face[:, 1]) > -0.2
    for k in np.flatnonzero(labelled):
        x, y = np.floor((pixels[k] + 0.5) * SUPERSAMPLING).astype(int)
        bare = local[k, 2] - frame.depth[y, x] < _DEPTH_SLACK[k] * stature
        result[k] = [*pixels[k], 2 if mine[y, x] and bare else 1]
    return result


def _box(samples: npt.NDArray[np.bool_]) -> Float:
    """[4] x0, y0, x1, y1 in pixels around the set samples, of which there is at least one."""
    box = box_of(samples)
    assert box is not None  # noqa: S101 - callers have counted the samples
    return box / np.float32(SUPERSAMPLING)
