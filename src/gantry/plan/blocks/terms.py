"""`terms`: what is added to the two losses, by name."""

from gantry.plan.blocks.base import Formulation, Strict, Weight


class Terms(Strict):
    """Summands added to D's or G's loss, by weight; a weight of 0 leaves the term out."""

    verdict_agreement: Weight = 0.0
    sample_spread: Weight = 0.0
    # None follows the objective where it has a formulation, and the paper elsewhere.
    formulation: Formulation | None = None
