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

    Raises:
        ConfigurationError: If a value is out of bounds or the values do not fit each other.
    """

    people: int = 2

    def __post_init__(self) -> None:
        super(PairBPTubeFormerConfig, self).__post_init__()
        if not 1 <= self.people <= 16:
            raise ConfigurationError(f"network.people: expected 1 to 16, got {self.people}")


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
        parts = self.part_tokens(rearrange(grids, "b person ... -> (b person) ..."))  # (B M, 5, D)
        x = rearrange(parts, "(b person) part width -> b person part width", person=people)
        x = x + self.part_positions + self.person_positions[:, None]
        present = grids.flatten(2).any(dim=2)  # (B, M)
        x = x * present[:, :, None, None]
        first = repeat(self.class_token + self.class_position, "one width -> b one width", b=len(grids))
        x = torch.cat([first, rearrange(x, "b person part width -> b (person part) width")], dim=1)
        x = self.body_norm(self.body_encoder(x))  # (B, 1 + 5 M, D)
        logits: Tensor = self.head(x[:, 0])
        return logits
