"""Virtual batch normalisation against NumPy, sample by sample; its reference batch, chosen once and kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.training.games import batch_of, method_of
from torch import nn

from gantry.methods.adversarial import GeneratorSampler
from gantry.methods.checkpoint import load_sampler
from gantry.networks import build_generator
from gantry.networks.virtual import VirtualBatchNorm, WithReference
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.blocks.point_networks import MlpAutoencoderNetworks, MlpNetworks
from gantry.plan.recipe import Recipe
from gantry.training.step import Step

FAMILIES = {
    "mlp": (MlpNetworks(family="mlp", width=8, depth=2, virtual_batch_norm={"reference": 5}), (2,)),
    "mlp_autoencoder": (
        MlpAutoencoderNetworks(family="mlp_autoencoder", width=8, virtual_batch_norm={"reference": 5}),
        (2,),
    ),
    "dcgan": (DcganNetworks(family="dcgan", width=2, virtual_batch_norm={"reference": 5}), (3, 32, 32)),
    "residual": (
        DcganNetworks(
            family="dcgan", width=2, generator="residual", virtual_batch_norm={"reference": 5}
        ),
        (3, 32, 32),
    ),
}  # fmt: skip


@pytest.mark.parametrize("places", [(), (3, 4)])
def test_normalisation(places: tuple[int, ...]) -> None:
    """All values of the union, each sample of it with the same share, their mean and variance taken directly."""
    random = np.random.default_rng(0)
    x = random.normal(2, 3, (7, 2, *places))
    norm = VirtualBatchNorm(2, reference=4).double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.5, -0.5]))
        norm.bias.copy_(torch.tensor([0.25, 3.0]))
    found = norm(torch.from_numpy(x)).detach().numpy()
    for sample in range(7):
        for feature, (weight, bias) in enumerate([(1.5, 0.25), (-0.5, 3.0)]):
            group = [*range(4)] if sample < 4 else [*range(4), sample]
            values = np.stack([x[other, feature] for other in group])
            expected = (x[sample, feature] - values.mean()) / np.sqrt(values.var() + 1e-5)
            np.testing.assert_allclose(found[sample, feature], weight * expected + bias, rtol=1e-10)


def test_the_reference_batch_is_normalised_as_batch_norm_does() -> None:
    x = torch.randn(9, 3, 4, 4, dtype=torch.float64)
    virtual, usual = VirtualBatchNorm(3, reference=6).double(), nn.BatchNorm2d(3).double()
    torch.testing.assert_close(virtual(x)[:6], usual(x[:6]))


def test_gradient_flows_through_the_reference_batch_too() -> None:
    norm = VirtualBatchNorm(2, reference=3).double()
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, x)
    norm(x)[3:].square().sum().backward()
    assert x.grad is not None and (x.grad[:3].abs() > 0).all()


def test_half_precision_normalises_in_single() -> None:
    x = (1000 + torch.randn(9, 2)).bfloat16()
    norm = VirtualBatchNorm(2, reference=6)
    found = norm(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), norm.double()(x.double()), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_sample_depends_on_itself_and_the_reference_only(name: str) -> None:
    networks, shape = FAMILIES[name]
    torch.manual_seed(0)
    generator = build_generator(networks, 6, shape)
    assert not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in generator.modules())
    z = torch.randn(4, 6)
    with torch.no_grad():
        whole = generator(z)
        assert whole.shape == (4, *shape)
        torch.testing.assert_close(generator(z[:1]), whole[:1])
        assert torch.equal(generator.eval()(z), whole)  # nothing is averaged while it trains
        generator.reference += 1
        assert not torch.allclose(generator(z), whole, atol=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_are_those_of_the_pair_with_batch_norm(name: str) -> None:
    networks, shape = FAMILIES[name]
    usual = networks.model_copy(update={"virtual_batch_norm": None})
    counts = [
        sum(p.numel() for p in build_generator(pair, 6, shape).parameters()) for pair in (networks, usual)
    ]
    assert counts[0] == counts[1]
    torch.manual_seed(3)
    norms = [
        part for part in build_generator(networks, 6, shape).modules() if isinstance(part, VirtualBatchNorm)
    ]
    scales = torch.cat([norm.weight.detach() for norm in norms])
    assert 0 < scales.std() < 0.06 and abs(scales.mean() - 1) < 0.02
    assert all((norm.bias == 0).all() for norm in norms)


def recipe_of(**latent: object) -> Recipe:
    networks, _ = FAMILIES["mlp"]
    return Recipe(
        workload="", networks=networks, objective={"name": "hinge"}, latent={"dimension": 6} | latent,
        generators=2, ema=0.5,
    )  # fmt: skip


def test_the_reference_is_drawn_as_the_games_latents_are() -> None:
    torch.manual_seed(0)
    method = method_of(recipe_of(distribution="uniform", scale=0.1), (2,))
    for generator in method.generators:
        assert isinstance(generator, WithReference)
        assert 0.05 < generator.reference.abs().max() <= 0.1
    first, second = (generator.reference for generator in method.generators)
    assert not torch.equal(first, second)


def test_training_and_averaging_keep_the_reference_and_checkpoints_hold_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = recipe_of()
    step = Step(method_of(recipe, (2,)), recipe, torch.device("cpu"))
    references = [generator.reference.clone() for generator in step.method.generators]
    for _ in range(3):
        step.update("discriminator", batch_of(torch.randn(8, 2), [torch.randn(8, 6)]))
        step.update("generator", batch_of(torch.randn(8, 2), [torch.randn(8, 6)]))
    averaged = step.sampling_networks()
    save_file(averaged.state_dict(), tmp_path / "generators.safetensors")
    sampler = load_sampler(method_of(recipe, (2,)), tmp_path / "generators.safetensors")
    assert isinstance(sampler, GeneratorSampler)
    loaded = sampler.generators.values()
    z = torch.randn(3, 6)
    for ours, kept, reference in zip(loaded, averaged, references, strict=True):
        assert torch.equal(ours.reference, reference)
        assert torch.equal(ours(z), kept(z))
