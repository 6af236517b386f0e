"""Estimates against numbers counted by hand, and against the layers that are really built.

Counted are multiply-adds of products and convolutions, two operations each: forward once, backward twice
that (gradients of inputs and of weights), but for the first layer's input; D's update runs the generators
forward only, and the generators' update leaves out the gradients of D's weights. Biases, normalisations and
activations are left out.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gantry.networks import build_discriminator, build_generator
from gantry.plan import Plan, load_plan
from gantry.plan.blocks.networks import DcganNetworks
from gantry.plan.estimate import disk_bytes, training_seconds
from gantry.plan.recipe import Recipe
from gantry.plan.work import flops_per_iteration, sizes


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan({"scale": "paper", "seeds": [0]}, Path(__file__).resolve().parents[2])


def flops(plan: Plan, recipe: str) -> float:
    found = plan.recipes[recipe]
    return flops_per_iteration(found, plan.workloads[found.workload].resolution)


def test_bcgan_on_points_takes_4_gflop_an_iteration(plan: Plan) -> None:
    generator = 128 * 400 + 3 * 400 * 400 + 400 * 2
    discriminator = 2 * 1000 + 2 * 200 * 1000 + 200 * 5
    assert [size.macs for size in sizes(plan.recipes["synthetic_bcgan"], None)] == [generator, discriminator]
    # One update of D: two generators forward, D forward and backward on three batches.
    update_d = 2 * generator + 3 * (3 * discriminator - 2 * 1000)
    # Three of the generators: forward and backward; D forward and backward to its input; D on a real batch.
    update_g = 2 * (3 * generator - 128 * 400) + 2 * 2 * discriminator + discriminator
    assert flops(plan, "synthetic_bcgan") == 2 * 100 * (update_d + 3 * update_g)
    assert flops(plan, "synthetic_bcgan") == pytest.approx(4.0e9, rel=1e-3)


def test_images_of_256_take_a_teraflop_an_iteration(plan: Plan) -> None:
    # Every level but the outermost halves the pixels and doubles both numbers of channels: equal work.
    level = 1024 * 512 * 4 * 4 * 4 * 4
    convolutions = 5 * level + 32 * 3 * 4 * 4 * 128 * 128
    generator = 128 * 1024 * 4 * 4 + convolutions
    discriminator = convolutions + 1024 * 4 * 4 * 51 * 2
    assert [size.macs for size in sizes(plan.recipes["bcgan"], 256)] == [generator, discriminator]
    of_g, of_d = 128 * 1024 * 4 * 4, 32 * 3 * 4 * 4 * 128 * 128  # the first layers
    bcgan = (2 * generator + 9 * discriminator - 3 * of_d) + (6 * generator - 2 * of_g + 5 * discriminator)
    realness = (generator + 6 * discriminator - 2 * of_d) + (3 * generator - of_g + 3 * discriminator)
    assert flops(plan, "bcgan") == 2 * 32 * bcgan == pytest.approx(0.978e12, rel=1e-3)
    assert flops(plan, "realnessgan") == 2 * 32 * realness == pytest.approx(0.578e12, rel=1e-3)


def test_a_second_view_costs_like_a_second_generator(plan: Plan) -> None:
    assert flops(plan, "synthetic_shifted_latent") == flops(plan, "synthetic_bcgan")
    assert flops(plan, "synthetic_three_generators") > 1.4 * flops(plan, "synthetic_bcgan")


def multiply_adds(model: nn.Module, inputs: Tensor) -> int:
    """Products with weights in one forward pass of one sample."""
    counts: list[int] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
        weight = layer.weight
        # A weight of a convolution is used once a pixel: of the output, or of the input if transposed.
        of = given[0] if isinstance(layer, nn.ConvTranspose2d) else made
        counts.append(weight.numel() * (of[0, 0].numel() if weight.ndim == 4 else 1))

    layers = [layer for layer in model.modules() if getattr(getattr(layer, "weight", None), "ndim", 0) > 1]
    for layer in layers:
        layer.register_forward_hook(note)
    with torch.no_grad():
        model(inputs)
    return sum(counts)


@pytest.mark.parametrize("resolution", [32, 64])
@pytest.mark.parametrize("head", ["linear", "adaptive"])
def test_image_networks_count_as_they_are_built(resolution: int, head: str) -> None:
    networks = DcganNetworks(family="dcgan", width=4, head=head, spectral_norm=False)
    recipe = Recipe(
        workload="images",
        networks=networks,
        objective={"name": "realness", "outcomes": 6},
        latent={"dimension": 7},
    )
    shape = (3, resolution, resolution)
    models = build_generator(networks, 7, shape).eval(), build_discriminator(networks, shape, 6).eval()
    for model, inputs, size in zip(
        models, (torch.randn(1, 7), torch.randn(1, *shape)), sizes(recipe, resolution), strict=True
    ):
        assert multiply_adds(model, inputs) == size.macs
        assert sum(weight.numel() for weight in model.parameters() if weight.ndim > 1) == size.weights


def test_point_networks_have_the_weights_that_are_counted(plan: Plan) -> None:
    recipe = plan.recipes["synthetic_bcgan"]
    models = build_generator(recipe.networks, 128, (2,)), build_discriminator(recipe.networks, (2,), 5)
    for model, size in zip(models, sizes(recipe, None), strict=True):
        assert sum(weight.numel() for weight in model.parameters() if weight.ndim > 1) == size.weights


def test_time_is_the_iterations_times_the_work(plan: Plan) -> None:
    run = plan.run("mixture", "synthetic_bcgan", 0)
    assert training_seconds(run, "cpu") == pytest.approx(50_000 * (3.99976e9 / 5e10 + 1e-3))
    assert training_seconds(run, "cuda") < training_seconds(run, "cpu") / 5


def test_disk_holds_every_checkpoint_and_one_state(plan: Plan) -> None:
    run = plan.run("mixture", "synthetic_bcgan", 0)
    generators, discriminator = 2 * 532_000, 403_000
    checkpoints, points = 50, 2_000
    expected = (
        4 * (checkpoints * generators + 3 * (generators + discriminator)) + checkpoints * points * 2 * 8
    )
    assert disk_bytes(run) == expected


@pytest.mark.parametrize(
    "networks",
    [
        {"family": "dcgan", "generator": "residual", "discriminator": "patchgan"},
        {"family": "dcgan32", "head_channels": 3},
        {"family": "dcgan32", "spectral_penultimate": True, "r311": True},
        {"family": "sngan"},
        {"family": "resnet"},
        {"family": "resnet", "generator_ratio": 1, "pooling": "mean", "spectral_norm": False},
        {"family": "sagan"},
    ],
    ids=lambda networks: " ".join(map(str, networks.values())),
)
def test_every_familys_work_is_what_pytorch_counts(networks: dict[str, object]) -> None:
    """Matrix products, convolutions, and the products of activations within self-attention."""
    recipe = Recipe(
        workload="images",
        networks=networks | {"width": 8},
        objective={"name": "realness", "outcomes": 6},
        latent={"dimension": 7},
    )
    shape = (3, 32, 32)
    models = build_generator(recipe.networks, 7, shape), build_discriminator(recipe.networks, shape, 6)
    for model, inputs, size in zip(
        models, (torch.randn(1, 7), torch.randn(1, *shape)), sizes(recipe, 32), strict=True
    ):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.eval()(inputs)
        assert counter.get_total_flops() == 2 * size.macs
        assert sum(weight.numel() for weight in model.parameters() if weight.ndim > 1) == size.weights
