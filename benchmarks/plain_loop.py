"""RealnessGAN and BCGAN as a plain PyTorch loop: one call a batch, stock layers, stock Adam.

This is how public research code is written, in our own words; it is what Gantry's step is measured against
and tested against, so it shares with the package only the recipe and the anchors' histogram.
"""

from itertools import combinations, pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import softmax

from gantry.networks import build_discriminator, build_generator
from gantry.objectives.anchors import draw_anchors
from gantry.plan.recipe import Recipe


class StockMaxout(nn.Module):
    """The largest of `pieces` affine maps, by `max` over a view."""

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, units * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).view(len(x), -1, self.pieces).max(dim=2).values


def stock_pair(recipe: Recipe, shape: tuple[int, ...]) -> tuple[list[nn.Module], nn.Module]:
    """Generators and discriminator out of PyTorch's own layers only."""
    block = recipe.networks
    if block.family != "mlp":
        # The convolutional pair consists of stock layers already.
        generators = [
            build_generator(block, recipe.latent.dimension, shape) for _ in range(recipe.generators)
        ]
        return generators, build_discriminator(block, shape, recipe.objective.outcomes)

    def generator() -> nn.Module:
        widths = [recipe.latent.dimension] + [block.width] * block.depth
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(block.width, *shape))

    widths = [*shape] + [block.maxout_units] * block.maxout_depth
    maxouts = [StockMaxout(a, b, block.maxout_pieces) for a, b in pairwise(widths)]
    discriminator = nn.Sequential(*maxouts, nn.Linear(block.maxout_units, recipe.objective.outcomes))
    return [generator() for _ in range(recipe.generators)], discriminator


def cross_entropy(target: Tensor, logits: Tensor) -> Tensor:
    return -(target * torch.log(softmax(logits, dim=1) + 1e-16)).sum(1).mean()


class PlainLoop:
    """The reference formulation, one iteration a call, on standing data."""

    def __init__(self, recipe: Recipe, shape: tuple[int, ...], device: torch.device) -> None:
        self.recipe = recipe
        self.device = device
        self.generators, self.d = stock_pair(recipe, shape)
        for network in [*self.generators, self.d]:
            network.to(device).train()
        rates = recipe.optimiser
        self.adam_d = torch.optim.Adam(self.d.parameters(), lr=rates.lr_d, betas=rates.betas)
        weights = [weight for generator in self.generators for weight in generator.parameters()]
        self.adam_g = torch.optim.Adam(weights, lr=rates.lr_g, betas=rates.betas)
        self.real = torch.rand(recipe.batch_size, *shape, device=device) * 2 - 1

    def latent(self) -> Tensor:
        return torch.randn(self.recipe.batch_size, self.recipe.latent.dimension, device=self.device)

    def iteration(self) -> None:
        terms = self.recipe.terms
        anchors = draw_anchors(self.recipe.objective.outcomes, True, self.device)
        for _ in range(self.recipe.updates.discriminator):
            z = self.latent()
            fakes = [self.d(generator(z).detach()) for generator in self.generators]
            loss = cross_entropy(anchors.real, self.d(self.real))
            for fake in fakes:
                loss = loss + cross_entropy(anchors.fake, fake)
            for a, b in combinations(fakes, 2):
                if terms.verdict_agreement:
                    loss = loss + terms.verdict_agreement * cross_entropy(softmax(a, dim=1), b)
            self.adam_d.zero_grad()
            loss.backward()
            self.adam_d.step()
        for _ in range(self.recipe.updates.generator):
            z = self.latent()
            samples = [generator(z) for generator in self.generators]
            target = softmax(self.d(self.real), dim=1).detach()
            loss = torch.zeros((), device=self.device)
            for fake in (self.d(sample) for sample in samples):
                loss = loss + cross_entropy(target, fake) - cross_entropy(anchors.fake, fake)
            for a, b in combinations(samples, 2):
                if terms.sample_spread:
                    loss = loss - terms.sample_spread * (a - b).square().mean()
            self.adam_g.zero_grad()
            loss.backward()
            self.adam_g.step()
