"""RealnessGAN, BCGAN, EDGAN and WGAN-GP as plain PyTorch loops: one call a batch, stock layers, stock Adam.

This is how public research code is written, in our own words; it is what Gantry's step is measured against
and tested against, so it shares with the package only the recipe, the anchors' histogram and, for EDGAN, the
estimate of the entropy distance, which is the same work for both.
"""

from collections.abc import Callable
from itertools import combinations, pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softmax

from gantry.networks import build_discriminator, build_generator
from gantry.objectives.anchors import draw_anchors
from gantry.plan.recipe import Recipe
from gantry.terms import TermInputs, build_terms


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
        outputs = getattr(recipe.objective, "atoms", 1)
        return generators, build_discriminator(block, shape, outputs)

    def generator() -> nn.Module:
        widths = [recipe.latent.dimension] + [block.width] * block.depth
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(block.width, *shape))

    widths = [*shape] + [block.units] * block.maxout_depth
    maxouts = [StockMaxout(a, b, block.maxout_pieces) for a, b in pairwise(widths)]
    discriminator = nn.Sequential(*maxouts, nn.Linear(block.units, recipe.objective.atoms))
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
        anchors = draw_anchors(self.recipe.objective.atoms, True, self.device)
        for _ in range(self.recipe.updates.discriminator):
            z = self.latent()
            fakes = [self.d(generator(z).detach()) for generator in self.generators]
            loss = cross_entropy(anchors.real, self.d(self.real))
            for fake in fakes:
                loss = loss + cross_entropy(anchors.fake, fake)
            for a, b in combinations(fakes, 2):
                if terms.logit_agreement:
                    loss = loss + terms.logit_agreement * cross_entropy(softmax(a, dim=1), b)
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


class StockOptimisticAdam(torch.optim.Optimizer):
    """Daskalakis et al. 2018, algorithm 1, one weight after the other."""

    def __init__(self, weights: list[Tensor], lr: float, betas: tuple[float, float]) -> None:
        super().__init__(weights, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            (beta_1, beta_2), rate = group["betas"], group["lr"]
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["t"] = 0
                    state["m"], state["v"], state["last"] = (torch.zeros_like(weight) for _ in range(3))
                state["t"] += 1
                state["m"].mul_(beta_1).add_(weight.grad, alpha=1 - beta_1)
                state["v"].mul_(beta_2).addcmul_(weight.grad, weight.grad, value=1 - beta_2)
                mean = state["m"] / (1 - beta_1 ** state["t"])
                now = mean / ((state["v"] / (1 - beta_2 ** state["t"])).sqrt() + 1e-8)
                weight.add_(now, alpha=-2 * rate).add_(state["last"], alpha=rate)
                state["last"] = now


Losses = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]


def cross_entropies(real: Tensor, fake: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(real, torch.ones_like(real)) + binary_cross_entropy_with_logits(
        fake, torch.zeros_like(fake)
    )


LOSSES: dict[str, Losses] = {
    "non_saturating": (
        cross_entropies,
        lambda fake: binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
    ),
    "wasserstein": (lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean()),
}


class PlainGame:
    """One generator, one loss for each player, penalties on either: one iteration a call, on standing data."""

    def __init__(self, recipe: Recipe, shape: tuple[int, ...], device: torch.device) -> None:
        self.recipe = recipe
        self.device = device
        self.loss_d, self.loss_g = LOSSES[recipe.objective.name]
        (self.g,), self.d = stock_pair(recipe, shape)
        for network in (self.g, self.d):
            network.to(device).train()
        rates = recipe.optimiser
        kind = StockOptimisticAdam if rates.name == "oadam" else torch.optim.Adam
        self.adam_d = kind(list(self.d.parameters()), lr=rates.lr_d, betas=rates.betas)
        self.adam_g = kind(list(self.g.parameters()), lr=rates.lr_g, betas=rates.betas)
        _, self.terms = build_terms(recipe.terms, recipe.objective, shape)
        self.real = torch.rand(recipe.batch_size, *shape, device=device) * 2 - 1
        for _, term in self.terms:
            term.to(device)

    def latent(self) -> Tensor:
        return torch.randn(self.recipe.batch_size, self.recipe.latent.dimension, device=self.device)

    def slope_penalty(self, fake: Tensor) -> Tensor:
        options = self.recipe.terms.gradient_penalty
        share = torch.rand(len(fake), *[1] * (fake.dim() - 1), device=self.device)
        points = (self.real + share * (fake - self.real)).requires_grad_()
        (slopes,) = torch.autograd.grad(self.d(points).sum(), points, create_graph=True)
        norms = slopes.reshape(len(points), -1).norm(dim=1)
        return options.weight * ((norms - options.center) ** 2).mean()

    def iteration(self) -> None:
        for _ in range(self.recipe.updates.discriminator):
            fake = self.g(self.latent()).detach()
            loss = self.loss_d(self.d(self.real), self.d(fake))
            if self.recipe.terms.gradient_penalty.weight:
                loss = loss + self.slope_penalty(fake)
            self.adam_d.zero_grad()
            loss.backward()
            self.adam_d.step()
        for _ in range(self.recipe.updates.generator):
            samples = self.g(self.latent())
            fake = self.d(samples)
            loss = self.loss_g(fake)
            batch = TermInputs([samples], [fake], self.real, None, self.d, self.g)
            for weight, term in self.terms:
                loss = loss + weight * term(batch)
            self.adam_g.zero_grad()
            loss.backward()
            self.adam_g.step()


def plain_loop(recipe: Recipe, shape: tuple[int, ...], device: torch.device) -> PlainLoop | PlainGame:
    """The loop that the recipe's objective asks for."""
    return LOOPS[recipe.objective.name](recipe, shape, device)


LOOPS = {"realness": PlainLoop, "non_saturating": PlainGame, "wasserstein": PlainGame}
