"""Options of layers that several families of `networks` share: how weights start, and what a sample's batch tells."""

from typing import Annotated, Literal

from pydantic import Field

from gantry.plan.blocks.base import Positive, Strict

# Of an autoencoder: the norm of the difference, or the mean of its entries' squares or absolute values.
ReconstructionError = Literal["norm", "squared", "absolute"]
# PyTorch's functions on weights as it stores them; `_by_outputs` counts a deconvolution's rows by its outputs.
Scheme = Literal[
    "default",
    "orthogonal",
    "orthogonal_by_outputs",
    "glorot_normal",
    "kaiming_normal",
    "kaiming_normal_by_outputs",
    "normal_0.02",
    "normal_1",
]


class Initialisation(Strict):
    """How weights start, for each player; `default` is what the family's source says."""

    generator: Scheme = "default"
    discriminator: Scheme = "default"


class MinibatchDiscrimination(Strict):
    """What D's last layer sees of a sample's batch: `kernels` similarities, of `dimensions` numbers each.

    The defaults are those of Salimans et al.'s code, 2016.
    """

    kernels: Positive = 100
    dimensions: Positive = 5


class VirtualBatchNorm(Strict):
    """In the generator, in place of BatchNorm; `reference` samples of the fixed batch (their code: a batch)."""

    reference: Annotated[int, Field(ge=2)] = 100
