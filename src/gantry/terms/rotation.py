"""By how much an image was turned, as D's head says it: the self-supervision of SS-GAN and S³GAN.

They are built by the methods whose discriminators have such a head, not named among a recipe's `terms`.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gantry.terms.base import DiscriminatorTerm, GeneratorTerm, TermInputs

TURNS = 4  # 0, 90, 180 and 270 degrees


def turned(images: Tensor) -> Tensor:
    """Return images (B, C, R, R) turned by 90, by 180 and by 270 degrees, (3B, C, R, R)."""
    return torch.cat([images.rot90(turns, (2, 3)) for turns in range(1, TURNS)])


def rotation_cross_entropy(
    discriminator: Any, images: Tensor, features: Tensor, said_to_be: Tensor | None = None
) -> Tensor:
    """CE of the turns of the last quarter of a batch, upright ones included, in nats. Lučić et al. 2019, section 3.3.

    `features` are D's of the batch as it stands, so that the upright ones are not looked at twice. `said_to_be`, turns
    (B,) at least as many as the images, stand in the place of what they were turned by: the control.
    """
    quarter = max(1, len(images) // TURNS)
    of_turned = discriminator.body(discriminator.entry.body_input(turned(images[-quarter:]), None))
    said = discriminator.rotation_head(torch.cat([features[-quarter:], of_turned.float()]))
    turns = torch.arange(TURNS, device=images.device).repeat_interleave(quarter)
    if said_to_be is not None:
        turns = said_to_be[: len(turns)]
    return cross_entropy(said.float(), turns)


class RotationOfReal(DiscriminatorTerm):
    """Of the real batch."""

    def forward(self, batch: TermInputs) -> Tensor:
        assert batch.real is not None and batch.real.features is not None
        said_to_be = batch.noise.get("turns")
        return rotation_cross_entropy(batch.discriminator, batch.real_images, batch.real.features, said_to_be)


class RotationOfGenerated(GeneratorTerm):
    """Σ over the generators of that of their batches: G makes images whose right way up can be told."""

    def forward(self, batch: TermInputs) -> Tensor:
        pairs = zip(batch.fake_images, batch.fakes, strict=True)
        said_to_be = batch.noise.get("turns")
        losses = [
            rotation_cross_entropy(batch.discriminator, x, said.features, said_to_be) for x, said in pairs
        ]
        return torch.stack(losses).sum()


class KnownClassification(DiscriminatorTerm):
    """CE(ℓ(x), y) of the real samples whose label is known, those with a row that is not zero; in nats."""

    def forward(self, batch: TermInputs) -> Tensor:
        assert batch.labels is not None and batch.real is not None
        known = batch.labels.sum(1)
        losses = cross_entropy(batch.real.class_logits, batch.labels, reduction="none")
        return (known * losses).sum() / known.sum()
