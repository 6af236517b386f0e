"""Gantry's step beside the authors': the same weights, batches and noise, and how far apart both end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tests.fidelity import authors
from tests.training.games import batch_of, losses_of, method_of
from torch import Tensor, nn

from gantry.methods.adversarial import Adversarial
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

OUTCOMES, LATENT, BATCH = 5, 16, 20
WIDTH, RESOLUTION = 4, 32


@dataclass(frozen=True)
class Apart:
    """After some iterations, the distance between both, as a share of the way that the authors' weights went."""

    discriminator: float
    generators: float
    losses: float
    """The largest difference of two losses."""


def toy_recipe(generators: int, **told: Any) -> Recipe:
    """Section 3.2's, on smaller networks."""
    judged = 2 if generators == 3 else None
    plain = {
        "workload": "",
        "networks": {"family": "mlp", "width": 40},
        "objective": {"name": "realness", "atoms": OUTCOMES, "judged": judged},
        "generators": generators,
        "latent": {"dimension": LATENT},
        "optimiser": {"lr_g": 1e-4, "lr_d": 1e-4, "betas": (0.8, 0.999)},
        "updates": {"discriminator": 1, "generator": 3},
        "batch_size": BATCH,
    }
    return Recipe.model_validate(plain | told)


def image_recipe(generators: int, **told: Any) -> Recipe:
    """Section 3.3's, on smaller networks."""
    networks = {"family": "dcgan", "width": WIDTH} | told.pop("networks", {})
    return toy_recipe(generators, networks=networks, optimiser={}, updates={}, **told)


def build(recipe: Recipe, seed: int = 0) -> tuple[Adversarial, authors.AuthorsGame]:
    """Both games in double precision, the authors' with Gantry's initial weights and vectors."""
    torch.manual_seed(seed)
    images = recipe.networks.makes == "images"
    method = method_of(recipe, (3, RESOLUTION, RESOLUTION) if images else (2,)).double().train()
    latent = recipe.latent.dimension
    if images:
        discriminator: nn.Module = authors.ImageDiscriminator(OUTCOMES, WIDTH, RESOLUTION)
        generators = [authors.image_generator(latent, WIDTH, RESOLUTION) for _ in method.generators]
    else:
        discriminator = authors.toy_discriminator(OUTCOMES, recipe.networks.units)
        generators = [authors.toy_generator(latent, recipe.networks.width) for _ in method.generators]
    for theirs, ours in zip(
        [discriminator, *generators], [method.discriminator, *method.generators], strict=True
    ):
        theirs.double().train()
        for copied, parameter in zip(theirs.parameters(), ours.parameters(), strict=True):
            copied.data = parameter.detach().clone()
    norms = [
        part.parametrizations.weight[0]
        for part in method.discriminator.modules()
        if hasattr(part, "parametrizations")
    ]
    normalised = [part for part in discriminator.modules() if hasattr(part, "weight_u")]
    for norm, layer in zip(norms, normalised, strict=True):
        layer.weight_u.copy_(norm.u)
        layer.weight_v.copy_(norm.v.flatten())
    optimiser, terms = recipe.optimiser, recipe.terms
    other = authors.AuthorsGame(
        discriminator,
        generators,
        optimiser.lr_d,
        optimiser.betas,
        terms.logit_agreement,
        terms.sample_spread,
    )
    return method, other


class Draws:
    """Batches, latents and anchors of both, and the noise of D's head."""

    def __init__(self, recipe: Recipe, seed: int = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.shape = (3, RESOLUTION, RESOLUTION) if recipe.networks.makes == "images" else (2,)
        self.recipe = recipe

    def update(self) -> tuple[Tensor, Tensor]:
        """A real batch and latents."""
        size = self.recipe.batch_size
        real = self.random.normal(0, 0.5, (size, *self.shape)).clip(-1, 1)
        latents = self.random.normal(0, 1, (size, self.recipe.latent.dimension))
        return torch.from_numpy(real), torch.from_numpy(latents)

    def seed(self) -> int:
        """What both set PyTorch's generator to before an update."""
        return int(self.random.integers(2**31))


@torch.no_grad()
def flat(*networks: nn.Module) -> Tensor:
    """All weights of some networks."""
    return torch.cat(
        [parameter.flatten() for network in networks for parameter in network.parameters()]
    ).clone()


def apart_after(recipe: Recipe, iterations: int = 20) -> Apart:
    """Train both for some iterations on the same draws."""
    method, other = build(recipe)
    step = Step(method, recipe, torch.device("cpu"))
    draws = Draws(recipe)
    start = flat(other.discriminator), flat(*other.generators)
    losses = []
    for _ in range(iterations):
        real, fake = authors.anchors(draws.random, OUTCOMES)
        method.adversary.objective.load_state_dict({"real": real, "fake": fake})
        moves = [("discriminator", other.update_discriminator)] * recipe.updates.discriminator
        moves += [("generator", other.update_generators)] * recipe.updates.generator
        for ours, theirs in moves:
            (x, z), seed = draws.update(), draws.seed()
            torch.manual_seed(seed)
            loss = step.update(ours, batch_of(x, [z])).item()
            torch.manual_seed(seed)
            losses.append(abs(loss - theirs(x, z, real, fake)))
    ends = flat(other.discriminator), flat(*other.generators)
    ours_now = flat(method.discriminator), flat(*method.generators)
    shares = [
        ((here - there).norm() / (there - before).norm()).item()
        for here, there, before in zip(ours_now, ends, start, strict=True)
    ]
    return Apart(*shares, max(losses))


def losses_of_three() -> tuple[float, float, float]:
    """loss_D of three constrained generators on the same weights: the authors', Gantry's as theirs, Gantry's."""
    told = {"terms": {"logit_agreement": 1.0, "sample_spread": 0.005}}
    recipe = toy_recipe(3, **told)
    method, other = build(recipe)
    draws = Draws(recipe)
    real, fake = authors.anchors(draws.random, OUTCOMES)
    x, z = draws.update()
    found = [other.discriminator_loss(x, z, real, fake).item()]
    for judged in (2, None):
        method.adversary.objective.judged = judged
        method.adversary.objective.load_state_dict({"real": real, "fake": fake})
        found.append(losses_of(method, batch_of(x, [z]))[0].item())
    return found[0], found[1], found[2]
