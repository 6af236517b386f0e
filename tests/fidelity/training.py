"""Training beside the authors' code."""

from collections.abc import Iterator

from tests.fidelity.beside import apart_after, image_recipe, losses_of_three, toy_recipe
from tests.fidelity.checks import Figure, check

from gantry.networks import build_discriminator, build_generator
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.recipe import Recipe

PAIR = {"logit_agreement": 1.0, "sample_spread": 0.5}
# Adam divides by the root of a gradient's square: the biases before BatchNorm have no gradient but rounding.
TOY_LIMIT, IMAGE_LIMIT = 1e-9, 1e-12


def steps(recipe: Recipe, limit: float) -> Iterator[Figure]:
    """Twenty iterations beside the authors' step."""
    apart = apart_after(recipe)
    yield Figure("D apart, share of the way", apart.discriminator, limit)
    yield Figure("G apart, share of the way", apart.generators, limit)
    yield Figure("largest difference of a loss", apart.losses, 1e-12)


@check("points, one generator (RealnessGAN), 20 iterations in float64")
def points_one() -> Iterator[Figure]:
    yield from steps(toy_recipe(1), TOY_LIMIT)


@check("points, two generators (BCGAN, figure 3), 20 iterations in float64")
def points_two() -> Iterator[Figure]:
    yield from steps(toy_recipe(2), TOY_LIMIT)


@check("points, two generators with both constraints, 20 iterations in float64")
def points_two_constrained() -> Iterator[Figure]:
    yield from steps(toy_recipe(2, terms=PAIR), TOY_LIMIT)


@check("points, three generators as coded, 20 iterations in float64")
def points_three() -> Iterator[Figure]:
    terms = {"logit_agreement": 1.0, "sample_spread": 0.005}
    yield from steps(toy_recipe(3, terms=terms), TOY_LIMIT)


@check("loss_D of three generators on the same weights")
def third_generator() -> Iterator[Figure]:
    theirs, as_coded, ours = losses_of_three()
    yield Figure("the authors' (third term left out)", theirs, 12)
    yield Figure("judged: 2, difference from it", abs(as_coded - theirs), 1e-12)
    yield Figure("with the third term, more by", ours - theirs, 1.8, at_least=1.4)  # about log 5


@check("images 32×32, one generator (RealnessGAN), 20 iterations in float64")
def images_one() -> Iterator[Figure]:
    yield from steps(image_recipe(1), IMAGE_LIMIT)


@check("images 32×32, two generators (BCGAN), 20 iterations in float64")
def images_two() -> Iterator[Figure]:
    yield from steps(image_recipe(2, terms=PAIR), IMAGE_LIMIT)


@check("the same with power_iteration: shared, which is not the authors'")
def images_shared() -> Iterator[Figure]:
    apart = apart_after(image_recipe(2, terms=PAIR, networks={"power_iteration": "shared"}))
    yield Figure("D apart, share of the way", apart.discriminator, 1, at_least=0.01)
    yield Figure("G apart, share of the way", apart.generators, 1, at_least=0.01)


@check("weights of the networks at 256×256")
def weights() -> Iterator[Figure]:
    networks = DcganNetworks(family="dcgan", power_iteration="per_batch")
    pair = build_discriminator(networks, (3, 256, 256), 51), build_generator(networks, 128, (3, 256, 256))
    counts = [sum(parameter.numel() for parameter in network.parameters()) for network in pair]
    yield Figure("D", counts[0], 12_846_592, at_least=12_846_592)
    yield Figure("G", counts[1], 13_276_608, at_least=13_276_608)
