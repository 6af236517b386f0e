"""Spectral norm beside PyTorch's two: the same vectors, σ and gradients, twice; layouts, precision, and how often."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from gantry.networks import build_discriminator, mixes_samples, one_pass_is_exact
from gantry.networks.spectral import SpectralNorm, normalise_layer
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.recipe import Recipe

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(7, 5),
    "conv": lambda: nn.Conv2d(3, 6, 4),
    "deconv": lambda: nn.ConvTranspose2d(6, 3, 4),
    "1×1": lambda: nn.Conv2d(4, 6, 1),
}


def norm_of(layer: nn.Module) -> SpectralNorm:
    (norm,) = layer.parametrizations.weight
    return norm


def pytorchs(layer: nn.Module) -> nn.Module:
    """What "shared" is held against."""
    return parametrizations.spectral_norm(layer)


def hooks(layer: nn.Module) -> nn.Module:
    """What "per_batch" is held against: the norm of RealnessGAN's code."""
    dimension = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    return torch.nn.utils.spectral_norm(layer, dim=dimension)


def passed(layer: nn.Module) -> Tensor:
    """The normalised weight of one pass."""
    for hook in layer._forward_pre_hooks.values():
        hook(layer, ())
    return layer.weight


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize(("way", "theirs"), [("shared", pytorchs), ("per_batch", hooks)])
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_weights_and_both_gradients_are_pytorchs(way: str, theirs: Any, kind: str, order: Any) -> None:
    torch.manual_seed(0)
    other = LAYERS[kind]().double()
    ours = copy.deepcopy(other)
    torch.manual_seed(1)
    theirs(other)
    torch.manual_seed(1)
    normalise_layer(ours, way)
    ours.to(memory_format=order)
    for training in (True, True, False, True):
        other.train(training), ours.train(training)
        expected, found = passed(other), passed(ours)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
        assert found.stride() == ours.parametrizations.weight.original.stride()
    originals = [
        ours.parametrizations.weight.original,
        other.weight_orig if way == "per_batch" else other.parametrizations.weight.original,
    ]
    towards = torch.randn_like(expected)
    slopes = [
        torch.autograd.grad((weight.sin() * towards).sum(), original, create_graph=True)[0]
        for weight, original in zip((found, expected), originals, strict=True)
    ]
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-13)
    curvatures = [
        torch.autograd.grad(slope.square().sum(), original)[0]
        for slope, original in zip(slopes, originals, strict=True)
    ]
    torch.testing.assert_close(*curvatures, rtol=1e-11, atol=1e-11)


def test_a_weight_in_channels_last_order_is_not_copied() -> None:
    layer = nn.Conv2d(3, 6, 4)
    normalise_layer(layer)
    layer.to(memory_format=torch.channels_last)
    norm, weight = norm_of(layer), layer.parametrizations.weight.original
    seen: list[Tensor] = []
    step = norm.step
    norm.step = lambda matrix, u, v: seen.append(matrix) or seen.append(v) or step(matrix, u, v)
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    matrix, v = seen
    assert matrix.data_ptr() == weight.data_ptr() and v.data_ptr() == norm.v.data_ptr()


@pytest.mark.parametrize("way", ["shared", "per_batch"])
def test_a_pass_makes_two_products_in_single_precision_under_autocast(way: str) -> None:
    layer = nn.Linear(7, 5)
    normalise_layer(layer, way)
    plain = copy.deepcopy(layer)
    products: list[torch.dtype] = []

    class Counting(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
            if function in (Tensor.mv, torch.mv, Tensor.dot, torch.dot):
                products.append(given[0].dtype)
                assert not torch.is_autocast_enabled("cpu")
            return function(*given, **(named or {}))

    with Counting(), torch.autocast("cpu", torch.bfloat16):
        weight = layer.weight
    assert products == [torch.float32] * 2
    assert weight.dtype == torch.float32
    assert torch.equal(weight, plain.weight)


def test_vectors_of_half_precision_weights_are_wide() -> None:
    layer = nn.Linear(7, 5)
    normalise_layer(layer)
    norm, weight = norm_of(layer), layer.parametrizations.weight.original
    assert norm(weight.detach().bfloat16()).dtype == torch.float32


def test_state_and_copies_go_on_where_they_were() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 4), nn.Conv2d(3, 6, 4)]
    for layer in layers:
        normalise_layer(layer)
    layers[0].to(memory_format=torch.channels_last)
    layers[1].load_state_dict(layers[0].state_dict())
    layers.append(copy.deepcopy(layers[0]))
    for _ in range(2):
        first, *others = [layer.weight for layer in layers]
        for other in others:
            torch.testing.assert_close(other, first, rtol=1e-6, atol=1e-8)


def test_the_reference_iterates_with_each_batch_and_from_nothing() -> None:
    def built(**told: Any) -> nn.Module:
        torch.manual_seed(0)
        return build_discriminator(
            DcganNetworks(family="dcgan", width=2, head="linear", **told), (3, 32, 32), 5
        )

    shared, per_batch = built(), built(power_iteration="per_batch")
    assert one_pass_is_exact(shared) and not one_pass_is_exact(per_batch) and not mixes_samples(per_batch)
    assert one_pass_is_exact(built(spectral_norm=False))
    # Before training its σ is of random vectors, far below the largest singular value.
    norms = [
        torch.linalg.matrix_norm(network.eval().layers[2].weight.flatten(1), 2).item()
        for network in (shared, per_batch)
    ]
    assert norms[0] == pytest.approx(1, rel=0.02) and norms[1] > 2


def recipe(**told: Any) -> Recipe:
    plain = {"workload": "", "networks": {"family": "dcgan"}, "objective": {"name": "realness"}}
    return Recipe.model_validate(plain | told)


def test_the_formulation_says_how_it_iterates_unless_the_recipe_does() -> None:
    hinge = {"name": "hinge"}
    as_printed = {"name": "realness", "formulation": "paper"}
    assert recipe().networks.power_iteration == "per_batch"
    assert recipe(objective=as_printed).networks.power_iteration is None
    assert recipe(objective=hinge).networks.power_iteration is None
    for way in ("shared", "per_batch"):
        for objective in (hinge, as_printed, {"name": "realness"}):
            networks = {"family": "dcgan", "power_iteration": way}
            assert recipe(networks=networks, objective=objective).networks.power_iteration == way
    assert recipe(networks={"family": "dcgan", "spectral_norm": False}).networks.power_iteration is None
    written = recipe().model_dump(mode="json", exclude_defaults=True)
    assert Recipe.model_validate(written) == recipe()
    with pytest.raises(
        ValidationError, match=r"power_iteration per_batch: there is no spectral norm; take it away"
    ):
        recipe(networks={"family": "dcgan", "spectral_norm": False, "power_iteration": "per_batch"})
