"""StackGAN++: images of every size from one tree, a discriminator each, and logits with and without the condition."""

from typing import Literal

from gantry.plan.blocks.base import Weight
from gantry.plan.methods.stackgan import StackedOptions


class Options(StackedOptions):
    """`unconditional` weighs the logits without the condition; `colour` the likeness of neighbouring sizes' colours.

    The latter compares means and, five times, covariances of each image's pixels. Theirs is 50 without text, 0 with.
    """

    name: Literal["stackgan_pp"]
    unconditional: Weight = 1.0
    colour: Weight = 0.0
