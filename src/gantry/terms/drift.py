"""A critic's outputs, kept from drifting away. Karras et al. 2018, appendix A."""

from torch import Tensor

from gantry.terms.base import DISCRIMINATOR_TERMS, DiscriminatorTerm, TermInputs, register


@register(DISCRIMINATOR_TERMS, "drift")
class Drift(DiscriminatorTerm):
    """E[D(x)²] over real samples: Wasserstein losses see differences of outputs alone, and no level of them."""

    def forward(self, batch: TermInputs) -> Tensor:
        assert batch.real_outputs is not None
        return batch.real_outputs.square().mean()
