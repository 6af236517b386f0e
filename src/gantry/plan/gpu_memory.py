"""How much of a GPU's memory a run takes, estimated from layer sizes: so that no more runs share one than fit."""

from collections.abc import Iterable
from math import ceil

from gantry.plan.layers import Attention, Conv, Layer, Residual
from gantry.plan.recipe import Recipe
from gantry.plan.runs import Run
from gantry.plan.work import Work, layers, sizes

# What CUDA, its libraries and PyTorch take before anything is computed.
CONTEXT_MB = 1500
# Copies of a layer's result that wait for its gradient: before and after normalisation and activation.
KEPT = 3
# The penalty's gradient has a gradient of its own.
PENALISED = 2
# A step that D looks ahead keeps its passes and their gradients, and what the gradient of both needs.
AHEAD = 2
# Workspaces, and what an allocator cannot use.
MARGIN = 2


def training_gpu_mb(run: Run) -> int:
    """Weights, gradients, two moments, and what the layers put out, with a margin, in MB.

    Without the data: they lie on the GPU only if they fit into half of the run's share of it.
    """
    recipe, side = run.recipe, run.workload.resolution
    of_generator, of_discriminator = sizes(recipe, side)
    weights = recipe.generators * of_generator.weights + of_discriminator.weights
    return CONTEXT_MB + ceil(MARGIN * 4 * (4 * weights + kept_numbers(recipe, side)) / 1e6)


def kept_numbers(recipe: Recipe, resolution: int | None) -> int:
    """Numbers that an update keeps until its gradient is taken; those of all players at once, for simplicity."""
    largest = max(recipe.method.phases, key=lambda phase: recipe.with_batch_of(phase).batch_size)
    work = Work(recipe.with_batch_of(largest), resolution)
    generator, discriminator = (put_out(each) for each in layers(recipe, resolution))
    judged = (1 + AHEAD * recipe.unroll) * recipe.objective.discriminators * work.packs * discriminator
    numbers = recipe.views * work.latents * generator + (recipe.views + 1) * judged
    # Kernels within each batch and across: both embeddings, and at every pair what goes in and what comes out.
    kernels = recipe.objective.kernels
    compared = 3 * (2 * work.packs * work.embedding + 2 * kernels * work.packs**2) if kernels else 0
    penalised = PENALISED if recipe.terms.gradient_penalty.weight else 1
    return KEPT * penalised * numbers + recipe.views * compared


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
