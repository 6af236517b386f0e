"""An autoencoder whose error is measured by a discriminator. Larsen et al. 2016, algorithm 1."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gantry.data.shape import DataShape
from gantry.methods.adversary import Adversary
from gantry.methods.base import Part, register
from gantry.methods.batch import Batch
from gantry.methods.encoding import Encoding
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import ConditionalDiscriminator
from gantry.networks.encoders import Encoder, divergence_from_prior
from gantry.plan.methods.vaegan import Options
from gantry.plan.recipe import Recipe

REAL, RECONSTRUCTED, GENERATED = range(3)


@register("vaegan")
class Vaegan(Encoding):
    """L_E = KL + NLL, L_G = γ·NLL + L_GAN, L_D = L_GAN; NLL = ½‖f(x) − f(G(E(x)))‖², f being D's features.

    No gradient of the game reaches E, none of the likelihood D. With a cycle of latents NLL is joined by
    λ‖z − E(G(z))‖², E(x) being the mean: the other half of a BiVAE.
    """

    def __init__(self, recipe: Recipe, data: DataShape) -> None:
        super().__init__(recipe, data)
        options: Options = recipe.method  # type: ignore[assignment]
        self.options = options
        latent, networks = recipe.latent.dimension, recipe.networks
        self.generator = build_generator(networks, latent, data.sample)
        self.encoder = Encoder(networks, data.sample, latent, gaussian=True)
        discriminator = ConditionalDiscriminator(
            lambda shape: build_discriminator(networks, shape, 1),
            data.sample,
            "none",
            0,
            classes=3 if options.classes == 3 else 0,
        )
        self.adversary = Adversary.of(recipe, discriminator, data.sample)

    def loss(self, phase: str, batch: Batch) -> Tensor | Sequence[Part]:
        if phase == "discriminator":
            with torch.no_grad():
                generated = self.generator(batch.noise["z"])
                rebuilt = self.generator(self.encoder.code(batch.x, batch.noise["code_noise"]))
            return self.discriminator_loss(batch.x, rebuilt, generated)
        mean, log_deviation = self.encoder(batch.x)
        rebuilt = self.generator(mean + log_deviation.exp() * batch.noise["code_noise"])
        generated = self.generator(batch.noise["z"])
        likelihood = self.likelihood(batch.x, rebuilt)
        if self.options.latent_cycle:
            error = (self.encoder(generated)[0] - batch.noise["z"]).square().sum(1).mean()
            likelihood = likelihood + self.options.latent_cycle * error
        prior = divergence_from_prior(mean, log_deviation)
        return [
            Part(prior + likelihood, ("encoder",)),
            Part(
                self.options.gamma * likelihood + self.adversarial_loss(batch.x, rebuilt, generated),
                ("generator",),
            ),
        ]

    def likelihood(self, real: Tensor, rebuilt: Tensor) -> Tensor:
        """−log p(f(x) | z) of a Gaussian of variance 1, but for its constant: the mean over the batch."""
        if self.options.features == "pixels":
            return 0.5 * (real - rebuilt).flatten(1).square().sum(1).mean()
        seen, again = self.adversary.outputs([real, rebuilt], self._none(real, rebuilt))
        assert seen.features is not None and again.features is not None
        return 0.5 * (seen.features - again.features).square().sum(1).mean()

    def discriminator_loss(self, real: Tensor, rebuilt: Tensor, generated: Tensor) -> Tensor:
        """D's loss: of the objective, or the cross-entropy of three classes."""
        if self.options.classes == 3:
            batches = [real, rebuilt, generated]
            said = self.adversary.outputs(batches, self._none(*batches))
            return torch.stack([of_class(output.class_logits, k) for k, output in enumerate(said)]).sum()
        fakes = [generated, rebuilt] if self.options.reconstructions else [generated]
        empty, *others = self._none(real, *fakes)
        return self.adversary.discriminator_loss(real, fakes, self.generator, empty, others)

    def adversarial_loss(self, real: Tensor, rebuilt: Tensor, generated: Tensor) -> Tensor:
        """G's loss against D, on the samples that D takes for made: with three classes, both towards real."""
        fakes = (
            [generated, rebuilt] if self.options.reconstructions or self.options.classes == 3 else [generated]
        )
        if self.options.classes == 3:
            said = self.adversary.outputs(fakes, self._none(*fakes))
            return torch.stack([of_class(output.class_logits, REAL) for output in said]).sum()
        empty, *others = self._none(real, *fakes)
        return self.adversary.generator_loss(real, fakes, self.generator, empty, others)

    @staticmethod
    def _none(*batches: Tensor) -> list[Tensor]:
        """Conditions of width 0."""
        return [batch.new_zeros(len(batch), 0) for batch in batches]


def of_class(logits: Tensor | None, number: int) -> Tensor:
    """The cross-entropy of class `number`, the mean over the batch; nats."""
    assert logits is not None
    return cross_entropy(logits, torch.full((len(logits),), number, device=logits.device))
