"""BPTubeFormer for people who act together: the body-part encoder sees the part tokens of all of them.

References:
    Joseph, Ullah and Talavera, "Body-part Tubelet Transformer for Human-Related Crime Classification", AVSS 2024,
    for the tokens of one person; the interaction is ours. Every person passes through the same part encoders. A
    learned embedding tells the body-part encoder whose token it sees, and where the people stand to each other is
    in the coordinates, which share one origin and one scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from activity.errors import ConfigurationError, StructureError
from activity.recognition.bptubeformer import (
    PARTS,
    BodyPartEncoders,
    BPTubeFormerConfig,
    Encoder,
    initialize_xavier,
)


@dataclass(frozen=True, slots=True)
class PairBPTubeFormerConfig(BPTubeFormerConfig):
    """Shape of a BPTubeFormer for several people.

    Attributes:
        people: M, people in a segment.
        relations: Feed four more channels: the vector from each joint to the nearest joint of anybody else, and from
            the middle of its own person's joints to it; 0, 0 where the joint is missing, and the former where everybody
            else is.

    Raises:
        ConfigurationError: If a value is out of bounds or the values do not fit each other.
    """

    people: int = 2
    relations: bool = False

    def __post_init__(self) -> None:
        super(PairBPTubeFormerConfig, self).__post_init__()
        if not 1 <= self.people <= 16:
            raise ConfigurationError(f"network.people: expected 1 to 16, got {self.people}")

    @property
    def inputs(self) -> int:
        """Values of a grid cell in one frame that the tubelets see."""
        return super(PairBPTubeFormerConfig, self).inputs + (4 if self.relations else 0)


class PairBPTubeFormer(BodyPartEncoders):
    """Activity of a few people together from the 3x3 grids of their body parts."""

    config: PairBPTubeFormerConfig

    def __init__(self, config: PairBPTubeFormerConfig) -> None:
        super().__init__(config)
        self.class_token = nn.Parameter(torch.empty(1, config.width))
        self.class_position = nn.Parameter(torch.empty(1, config.width))
        self.part_positions = nn.Parameter(torch.empty(PARTS, config.width))
        self.person_positions = nn.Parameter(torch.empty(config.people, config.width))
        self.body_encoder = Encoder(
            config.body_depth,
            config.width,
            heads=config.heads,
            mlp_ratio=config.mlp_ratio,
            dropout=config.dropout,
        )
        self.body_norm = nn.LayerNorm(config.width, eps=1e-6)
        self.head = nn.Linear(config.width, config.classes)
        initialize_xavier(self)

    def forward(self, grids: Tensor) -> Tensor:
        """Map grids [B, M, 5, 2, T, 3, 3] to class logits [B, C]; a person whose grids are all 0 is not there.

        Raises:
            StructureError: If the grids do not fit the configuration.
        """
        people = self.config.people
        if grids.ndim != 7 or grids.shape[1] != people:
            raise StructureError(
                f"grids: expected shape [any, {people}, {PARTS}, 2, {self.config.frames}, 3, 3], got "
                f"{list(grids.shape)}"
            )
        beside = None
        if self.config.relations:
            beside = torch.cat([to_nearest(grids), from_middle(grids)], dim=3).flatten(0, 1)
        parts = self.part_tokens(grids.flatten(0, 1), beside=beside)  # (B M, 5, D)
        x = rearrange(parts, "(b person) part width -> b person part width", person=people)
        x = x + self.part_positions + self.person_positions[:, None]
        present = grids.flatten(2).any(dim=2)  # (B, M)
        x = x * present[:, :, None, None]
        first = repeat(self.class_token + self.class_position, "one width -> b one width", b=len(grids))
        x = torch.cat([first, rearrange(x, "b person part width -> b (person part) width")], dim=1)
        x = self.body_norm(self.body_encoder(x))  # (B, 1 + 5 M, D)
        logits: Tensor = self.head(x[:, 0])
        return logits


def to_nearest(grids: Tensor) -> Tensor:
    """Vectors from every joint to the nearest joint of anybody else in the same frame, [B, M, 5, 2, T, 3, 3].

    0, 0 where a joint is missing (0, 0) and where nobody else has one.
    """
    people, parts, rows = grids.shape[1], grids.shape[2], grids.shape[5]
    cells = rearrange(grids, "b m part xy t row column -> b m t (part row column) xy")
    vectors = torch.zeros_like(cells)
    used = cells.any(dim=4).flatten(0, 2).any(dim=0).nonzero()[:, 0]  # most cells never hold a joint
    if people > 1 and len(used):
        joints = cells[..., used, :]  # (B, M, T, J, 2)
        present = joints.any(dim=-1)
        others = torch.tensor([[n for n in range(people) if n != m] for m in range(people)])  # (M, M - 1)
        there = rearrange(joints[:, others], "b m n t j xy -> b m t (n j) xy")
        known = rearrange(present[:, others], "b m n t j -> b m t (n j)")
        apart = (
            (joints[..., :, None, :] - there[..., None, :, :]).square().sum(dim=-1)
        )  # (B, M, T, J, (M - 1) J)
        nearest = apart.masked_fill(~known[..., None, :], torch.inf).argmin(dim=-1)
        places = torch.gather(there, 3, nearest[..., None].expand(*nearest.shape, 2))
        vectors[..., used, :] = (places - joints) * (present & known.any(dim=-1, keepdim=True))[..., None]
    return rearrange(vectors, "b m t (part row column) xy -> b m part xy t row column", part=parts, row=rows)


def from_middle(grids: Tensor) -> Tensor:
    """Vectors to every joint from the mean of its person's joints in that frame, as `grids`; missing joints stay 0, 0."""
    present = grids.any(dim=3, keepdim=True)  # (B, M, 5, 1, T, 3, 3)
    count = present.sum(dim=(2, 5, 6), keepdim=True).clamp(min=1)
    middle = grids.sum(dim=(2, 5, 6), keepdim=True) / count
    return (grids - middle) * present
