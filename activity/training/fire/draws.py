"""Draw training pictures: a kind by its share, a shot of that kind, a picture of that shot."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from activity.errors import ConfigurationError
from activity.training.fire.augmentation import Sprites, TrainingPicture, make_training_picture
from activity.training.fire.config import FireConfig
from activity.training.fire.flames import Sprite, cut_sprites
from activity.training.fire.pictures import FirePicture

LOG = logging.getLogger(__name__)
_SPRITES_A_CLUSTER: Final = 6
_OVERLAYS: Final = {"composite": "flames", "distractor": "lures"}


@dataclass(frozen=True, slots=True)
class Pools:
    """What training pictures are drawn from.

    Attributes:
        clusters: For every kind with a share, the pictures of each shot.
        sprites: What can be laid over them.
    """

    clusters: dict[str, list[list[FirePicture]]]
    sprites: Sprites


def training_pools(config: FireConfig, pictures: Sequence[FirePicture]) -> Pools:
    """Sort the training pictures by kind and shot, and cut the sprites out of them.

    Raises:
        ConfigurationError: If a share names no kind of picture, or one without any.
    """
    own = [picture for picture in pictures if not picture.held_out]
    quiet = [p for p in own if not p.burns and p.origin in ("no_fire", "clips", "rendered_quiet", "people")]
    clusters = {}
    for kind, share in config.shares.items():
        chosen = quiet if kind in _OVERLAYS else [p for p in own if p.origin == kind]
        if share > 0 and not chosen:
            known = sorted({p.origin for p in own} | set(_OVERLAYS))
            raise ConfigurationError(f"shares: {kind!r} has no pictures; known are {known}")
        if share > 0:
            clusters[kind] = _by_cluster(chosen)
    flames = [
        sprite
        for shots in _by_cluster([p for p in own if p.origin == "fire"])
        for sprite in _some([s for p in shots for s in cut_sprites(p.image, boxes=p.boxes)])
    ]
    lures = [s for p in own if p.origin == "no_fire" for s in cut_sprites(p.image, boxes=None)]
    LOG.info("%d flames and %d lures to lay over pictures", len(flames), len(lures))
    return Pools(clusters, Sprites(flames, lures))


def draw_picture(
    pools: Pools, config: FireConfig, random: np.random.Generator, *, size: tuple[int, int]
) -> TrainingPicture:
    """Draw a kind by its share, a shot of it, and a picture of that."""
    kinds = sorted(pools.clusters)
    shares = np.array([config.shares[kind] for kind in kinds])
    kind = kinds[random.choice(len(kinds), p=shares / shares.sum())]
    shots = pools.clusters[kind]
    shot = shots[random.integers(len(shots))]
    return make_training_picture(
        shot[random.integers(len(shot))],
        sprites=pools.sprites,
        overlay=_OVERLAYS.get(kind),
        size=size,
        random=random,
    )


def _by_cluster(pictures: Sequence[FirePicture]) -> list[list[FirePicture]]:
    clusters: dict[str, list[FirePicture]] = {}
    for picture in pictures:
        clusters.setdefault(picture.cluster, []).append(picture)
    return list(clusters.values())


def _some(sprites: list[Sprite]) -> list[Sprite]:
    return sprites[:: max(1, len(sprites) // _SPRITES_A_CLUSTER)][:_SPRITES_A_CLUSTER]
