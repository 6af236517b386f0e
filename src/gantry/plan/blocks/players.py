"""`optimiser`, `updates`, `latent`: how the players move, and what the generators start from."""

from typing import Literal

from gantry.plan.blocks.base import Beta, Positive, Rate, Strict


class Optimiser(Strict):
    """One optimiser for the discriminator, one for all the generators together."""

    name: Literal["adam"] = "adam"
    lr_g: Rate = 2e-4
    lr_d: Rate = 2e-4
    betas: tuple[Beta, Beta] = (0.5, 0.9)


class Updates(Strict):
    """How many updates of each player make one iteration."""

    discriminator: Positive = 1
    generator: Positive = 1


class Latent(Strict):
    """z: its dimension, and the second view z + Δz of figure 12's variant where `shift` is given.

    Δz ~ N(0, shift²·I), drawn anew for each batch.
    """

    dimension: Positive = 128
    distribution: Literal["normal", "uniform"] = "normal"
    shift: Rate | None = None
