"""How much of a GPU's memory a run takes, estimated from layer sizes: so that no more runs share one than fit."""

from collections.abc import Iterable
from math import ceil

from gantry.plan.architectures import ARCHITECTURES
from gantry.plan.estimate import sizes
from gantry.plan.layers import Attention, Conv, Layer, Residual
from gantry.plan.runs import Run

# What CUDA, its libraries and PyTorch take before anything is computed.
CONTEXT_MB = 1500
# Copies of a layer's result that wait for its gradient: before and after normalisation and activation.
KEPT = 3
# The penalty's gradient has a gradient of its own.
PENALISED = 2
# Workspaces, and what an allocator cannot use.
MARGIN = 2


def training_gpu_mb(run: Run) -> int:
    """Weights, gradients, two moments, and what the layers put out, with a margin, in MB.

    Without the data: they lie on the GPU only if they fit into half of the run's share of it.
    """
    recipe, side = run.recipe, run.workload.resolution
    shape = (2,) if side is None else (3, side)
    pair = ARCHITECTURES[recipe.networks.family]
    generator = put_out(pair.generator(recipe.networks, recipe.latent.dimension, *shape))
    discriminator = put_out(pair.discriminator(recipe.networks, *shape, 1))
    layers = recipe.views * generator + (recipe.views + 1) * discriminator
    kept = KEPT * (PENALISED if recipe.terms.gradient_penalty.weight else 1) * recipe.batch_size * layers
    of_generator, of_discriminator = sizes(recipe, side)
    weights = recipe.generators * of_generator.weights + of_discriminator.weights
    return CONTEXT_MB + ceil(MARGIN * 4 * (4 * weights + kept) / 1e6)


def put_out(layers: Iterable[Layer]) -> int:
    """Numbers that the layers put out for one sample."""
    return sum(_numbers(layer) for layer in layers)


def _numbers(layer: Layer) -> int:
    match layer:
        case Conv():
            return layer.outputs * layer.after**2
        case Residual():
            return put_out(layer.convolutions)
        case Attention():
            return layer.channels * layer.size**2 + layer.size**4
        case _:
            return int(getattr(layer, "outputs", 0))
