"""`networks` for points: the pair of a generator and a discriminator, by family."""

from typing import Annotated, Literal

from pydantic import Field

from gantry.plan.blocks.base import DensePair, Pair, Positive
from gantry.plan.blocks.layers import MinibatchDiscrimination, ReconstructionError, VirtualBatchNorm


class PointNetworks(Pair):
    """What all pairs for points have."""


class MlpNetworks(PointNetworks, DensePair):
    """The pair of BCGAN's synthetic experiment: a ReLU MLP against a maxout MLP."""

    family: Literal["mlp"]
    width: Positive = 400
    depth: Positive = 4
    # None: half of `width`, 200 as published where that is 400.
    maxout_units: Positive | None = None
    maxout_pieces: Annotated[int, Field(ge=2)] = 5
    maxout_depth: Positive = 3
    minibatch_discrimination: MinibatchDiscrimination | None = None
    virtual_batch_norm: VirtualBatchNorm | None = None

    @property
    def units(self) -> int:
        """Maxout units of each of the discriminator's layers."""
        return self.maxout_units or max(1, self.width // 2)

    def inner_norms(self, resolution: int | None) -> int:
        return self.depth - 1 if self.virtual_batch_norm is None else 0


class MlpAutoencoderNetworks(PointNetworks):
    """The generator of `mlp` against an autoencoder of points whose halves have `depth` layers of `width`."""

    reconstructs = True

    family: Literal["mlp_autoencoder"]
    width: Positive = 400
    depth: Positive = 2
    code: Positive = 1
    error: ReconstructionError = "absolute"
    virtual_batch_norm: VirtualBatchNorm | None = None

    def inner_norms(self, resolution: int | None) -> int:
        return self.depth - 1 if self.virtual_batch_norm is None else 0
