"""Clothes, skin and hair: what people wear, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.solids import Pattern, Surface

Colour = tuple[float, float, float]
Headwear = Literal["short", "long", "bob", "bun", "bald", "cap", "beanie", "hood"]

_SKINS: Final = (
    (244, 208, 177), (232, 190, 158), (214, 168, 132), (198, 149, 110),
    (168, 120, 84), (134, 92, 62), (100, 66, 44), (72, 48, 34),
)  # fmt: skip
_HAIRS: Final = (
    (18, 14, 12),
    (38, 26, 18),
    (62, 42, 26),
    (98, 68, 40),
    (150, 118, 70),
    (196, 164, 110),
    (130, 126, 122),
)
_CLOTHES: Final = (
    (20, 20, 24), (34, 36, 42), (60, 62, 66), (110, 112, 114), (168, 168, 166), (226, 226, 222), (240, 238, 232),
    (24, 32, 62), (40, 62, 110), (70, 110, 170), (150, 180, 210), (120, 24, 30), (180, 40, 42), (206, 100, 92),
    (36, 74, 48), (84, 108, 66), (150, 160, 110), (196, 170, 60), (216, 196, 140), (120, 82, 52), (90, 60, 110),
    (190, 110, 40), (210, 150, 170), (60, 130, 130),
)  # fmt: skip
_TROUSERS: Final = (
    (18, 18, 22), (30, 30, 34), (48, 50, 54), (30, 38, 60), (44, 58, 88), (66, 84, 118), (96, 112, 140), (92, 84, 70),
    (140, 124, 98), (176, 164, 140), (80, 70, 52), (120, 120, 118), (210, 206, 198),
)  # fmt: skip


def linear(colour: npt.ArrayLike) -> Colour:
    """Linear RGB in [0, 1] of an sRGB colour in [0, 255]."""
    r, g, b = (np.clip(np.asarray(colour, dtype=np.float64), 0, 255) / 255) ** 2.2
    return float(r), float(g), float(b)


def _pick(rng: np.random.Generator, palette: tuple[Colour, ...], spread: float = 12.0) -> Colour:
    base = np.array(palette[int(rng.integers(len(palette)))])
    return linear(base * rng.uniform(0.85, 1.12) + rng.normal(0, spread, 3) * 0.5)


@dataclass(frozen=True, slots=True)
class Outfit:
    """What one person wears.

    Attributes:
        skin: Looks of bare skin.
        jaw: Looks of the lower face, with a beard or without.
        hair: Looks of the hair.
        top: Looks of shirt, pullover or jacket.
        trousers: Looks of trousers, or of the lower dress.
        shoes: Looks of the shoes.
        hat: Looks of cap or beanie.
        headwear: Hair style or what covers it.
        sleeve: Length of the sleeves: 0 none, 0.5 to the elbow, 1 to the wrist.
        sleeve_pattern: Pattern of long sleeves.
        trouser_length: Share of the leg that is covered, 1 to the ankle.
        trouser_width: Factor on the leg's radius.
        top_length: How far the top hangs below the hips, in shares of stature.
        looseness: Factor on the radius of top and sleeves.
        collar: Height of the collar, as a share of the neck; 0 is none.
        bust: 0 none to 1.
        skirt_length: Share of the thigh that a skirt or coat covers; 0 is none.
        skirt: Looks of skirt or coat.
        hair_volume: Factor on the hair's radius.
        gloves: Looks of gloves, if any.
        backpack: Looks of a backpack, if any.
        bag: Looks of a bag in the hand, if any.
        bag_right: Whether the bag is in the right hand.
    """

    skin: Surface
    jaw: Surface
    hair: Surface
    top: Surface
    trousers: Surface
    shoes: Surface
    hat: Surface
    headwear: Headwear
    sleeve: float
    sleeve_pattern: Pattern
    trouser_length: float
    trouser_width: float
    top_length: float
    looseness: float
    collar: float
    bust: float
    skirt_length: float
    skirt: Surface
    hair_volume: float
    gloves: Surface | None = None
    backpack: Surface | None = None
    bag: Surface | None = None
    bag_right: bool = True

    @classmethod
    def random(cls, rng: np.random.Generator) -> Outfit:
        """Draw an outfit; all of its parts vary independently enough that no colour marks a body part."""
        woman = rng.uniform() < 0.45
        skin = Surface(_pick(rng, _SKINS, 8), wrinkles=0.1, gloss=0.25)
        hair = Surface(_pick(rng, _HAIRS, 8), pattern=Pattern.NOISE, wrinkles=0.5, scale=0.02, gloss=0.2)
        lips = (skin.colour[0] * 0.62, skin.colour[1] * 0.4, skin.colour[2] * 0.4)
        beard = not woman and rng.uniform() < 0.3
        shade = rng.uniform(0.4, 1.0) if beard else 0.0
        chin = tuple(float(x) for x in (1 - shade) * np.array(skin.colour) + shade * np.array(hair.colour))
        jaw = Surface((chin[0], chin[1], chin[2]), second=lips, pattern=Pattern.MOUTH, gloss=0.1)
        cloth_roughness = float(rng.uniform(0.45, 1.0))
        pattern = rng.choice(
            [
                Pattern.PLAIN,
                Pattern.STRIPES,
                Pattern.CHECKS,
                Pattern.FRONT,
                Pattern.UPRIGHT_STRIPES,
                Pattern.NOISE,
            ],
            p=[0.56, 0.12, 0.08, 0.16, 0.03, 0.05],
        )
        top_colour = _pick(rng, _CLOTHES if rng.uniform() < 0.85 else _TROUSERS)
        top = Surface(
            top_colour,
            second=_pick(rng, _CLOTHES),
            pattern=Pattern(int(pattern)),
            scale=float(rng.uniform(0.03, 0.12)),
            wrinkles=cloth_roughness,
            gloss=0.05 if rng.uniform() < 0.85 else 0.3,
        )
        dress = woman and rng.uniform() < 0.2
        lower_colour = top_colour if dress or rng.uniform() < 0.05 else _pick(rng, _TROUSERS)
        trousers = Surface(lower_colour, wrinkles=float(rng.uniform(0.45, 1.0)))
        coat = rng.uniform() < 0.08
        skirt_length = (
            float(rng.uniform(0.5, 1.3)) if dress or (woman and rng.uniform() < 0.12) or coat else 0.0
        )
        trouser_length = 1.0 if rng.uniform() < 0.84 and not dress else float(rng.uniform(0.25, 0.55))
        sleeve = float(rng.choice([0.0, 0.28, 0.42, 0.5, 1.0], p=[0.06, 0.14, 0.14, 0.06, 0.6]))
        men: list[Headwear] = ["short", "bald", "cap", "beanie", "hood", "long"]
        women: list[Headwear] = ["long", "bob", "bun", "short", "cap", "hood"]
        styles, shares = (
            (women, [0.5, 0.2, 0.15, 0.07, 0.04, 0.04])
            if woman
            else (men, [0.68, 0.1, 0.09, 0.05, 0.05, 0.03])
        )
        headwear = styles[int(rng.choice(6, p=shares))]
        cloth = Surface(_pick(rng, _CLOTHES), wrinkles=0.6)
        return cls(
            skin=skin,
            jaw=jaw,
            hair=hair,
            top=top,
            trousers=trousers,
            shoes=Surface(_pick(rng, _TROUSERS if rng.uniform() < 0.7 else _CLOTHES), gloss=0.25),
            hat=Surface(_pick(rng, _CLOTHES), wrinkles=0.5),
            headwear=headwear,
            sleeve=sleeve,
            sleeve_pattern=top.pattern if top.pattern != Pattern.FRONT else Pattern.PLAIN,
            trouser_length=trouser_length,
            trouser_width=float(rng.uniform(0.98, 1.3)),
            top_length=float(rng.uniform(-0.01, 0.05)),
            looseness=float(rng.uniform(0.97, 1.1)),
            collar=float(rng.choice([0.0, 0.3, 0.55], p=[0.45, 0.35, 0.2])),
            bust=float(rng.uniform(0.2, 1.0)) if woman else 0.0,
            skirt_length=skirt_length,
            skirt=top if dress or coat else cloth,
            hair_volume=float(rng.uniform(0.99, 1.12)),
            gloves=Surface(_pick(rng, _CLOTHES)) if rng.uniform() < 0.03 else None,
            backpack=cloth if rng.uniform() < 0.08 else None,
            bag=Surface(_pick(rng, _CLOTHES), wrinkles=0.3, gloss=0.15) if rng.uniform() < 0.08 else None,
            bag_right=bool(rng.integers(2)),
        )
