"""BigGAN-deep's blocks and sizes, the clamp of σ₀, and BatchNorm's standing statistics."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from gantry.data.shape import DataShape
from gantry.methods import build_method
from gantry.methods.conditional import condition_of
from gantry.methods.latents import Truncation
from gantry.methods.standing import batch_norms, stand
from gantry.networks.biggan_deep import Discriminator, DiscriminatorBlock, Generator, GeneratorBlock
from gantry.networks.conditions import ConditionalDiscriminator, SharedEmbedding
from gantry.networks.spectral import ClampedRatio, clamp, is_normalised
from gantry.plan.methods.conditional import Options
from gantry.plan.recipe import Recipe

DEEP = {
    "name": "conditional",
    "generator": "shared",
    "discriminator": "projection",
    "chunks": "whole",
    "width": 3,
}
IMAGES = DataShape((3, 32, 32), classes=5)
BASE: dict[str, Any] = {
    "workload": "",
    "networks": {"family": "biggan_deep", "width": 2},
    "objective": {"name": "hinge"},
    "latent": {"dimension": 4},
    "batch_size": 4,
    "method": DEEP,
}


def method_of(**more: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(BASE | more), IMAGES)


# ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────


def silenced(block: nn.Module) -> nn.Module:
    """The block whose residual adds nothing."""
    nn.init.zeros_(block.residual[-1].weight)
    nn.init.zeros_(block.residual[-1].bias)
    return block


def test_the_generators_shortcut_drops_channels_and_the_discriminators_joins_them() -> None:
    x = torch.randn(2, 8, 4, 4)
    made = silenced(GeneratorBlock(8, 4, up=True))(x)
    torch.testing.assert_close(made, x[:, :4].repeat_interleave(2, 2).repeat_interleave(2, 3))
    block = silenced(DiscriminatorBlock(8, 12, down=True))
    halved = nn.functional.avg_pool2d(x, 2)
    torch.testing.assert_close(block(x)[:, :8], halved)
    torch.testing.assert_close(block(x)[:, 8:], block.joined(halved))
    assert DiscriminatorBlock(8, 8, down=False).joined is None


def test_at_128_pixels_there_are_as_many_weights_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """50.4 and 34.6 million (Brock et al. 2019, from memory), of 1,000 classes; ours but for two things.

    Their attention sums values of C/2 channels, SAGAN's of C/8; their code's last layer makes 128 channels.
    """
    monkeypatch.setattr(nn.init, "orthogonal_", lambda weight: weight)
    options = Options(**DEEP | {"width": 128})
    with torch.device("meta"):
        generator = SharedEmbedding(lambda latent: Generator(128, latent, 3, 128, 64), 128, 1000, options)
        discriminator = ConditionalDiscriminator(
            lambda shape: Discriminator(128, 3, 128, 1, 64), (3, 128, 128), "projection", 1000, options
        )
    weights = [
        sum(parameter.numel() for parameter in player.parameters()) for player in (generator, discriminator)
    ]
    attention, last = 2 * 256 * (256 // 2 - 256 // 8), 125 * (128 * 3 * 3 + 1)
    assert round((weights[0] + attention + last) / 1e6, 1) == 50.4
    assert round((weights[1] + attention) / 1e6, 1) == 34.6


def test_all_of_z_and_the_class_reach_every_norm_which_has_spectral_norm() -> None:
    generator = method_of().generator
    assert len(generator.norms) == 24  # four in each of six blocks
    assert all(norm.scale.in_features == 4 + 3 and is_normalised(norm.scale) for norm in generator.norms)
    z, seen = torch.randn(3, 4, requires_grad=True), {}
    y = condition_of(torch.arange(3), IMAGES).requires_grad_()
    generator.norms[0].register_forward_hook(lambda norm, x, out: seen.update(first=out))
    generator(z, y)
    reached = torch.autograd.grad(seen["first"].square().sum(), [z, y])
    assert all((gradient != 0).any(0).all() for gradient in (reached[0], reached[1][:, :3]))


# ── the clamp of σ₀ ──────────────────────────────────────────────────────────────────────────────────────


def layer_of(kind: type, values: torch.Tensor) -> Any:
    """A layer whose weight, as (outputs, everything else), has these singular values."""
    layer: Any = nn.Conv2d(3, 4, 2) if kind is nn.Conv2d else nn.Linear(12, 4)
    with torch.no_grad():
        u, _, v = torch.linalg.svd(layer.weight.flatten(1), full_matrices=False)
        layer.weight.copy_((u * values @ v).view_as(layer.weight))
    return layer


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Linear])
def test_the_largest_singular_value_is_held_and_the_others_stay(kind: type) -> None:
    torch.manual_seed(0)
    layer = layer_of(kind, torch.tensor([5.0, 1.5, 0.7, 0.2]))
    original = layer.weight.detach().clone()
    clamp(layer, 2.0)
    held = torch.linalg.svdvals(layer.weight.flatten(1))
    torch.testing.assert_close(held.detach(), torch.tensor([2.0, 1.5, 0.7, 0.2]), rtol=1e-4, atol=1e-4)
    clamp(free := layer_of(kind, torch.tensor([1.9, 1.5, 0.7, 0.2])), 2.0)
    unchanged = free.parametrizations.weight.original
    assert torch.equal(free.weight, unchanged), "the control: below the limit nothing changes"
    # Along u₀v₀ᵀ the loss has no slope any more, so the optimiser cannot drive σ₀ further.
    u, _, v = torch.linalg.svd(original.flatten(1), full_matrices=False)
    (slope,) = torch.autograd.grad(
        layer.weight.square().sum(), layer.parametrizations.weight.original, retain_graph=True
    )
    assert (u[:, 0] @ slope.flatten(1) @ v[0]).abs() < 1e-3 < (u[:, 1] @ slope.flatten(1) @ v[1]).abs()


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.Linear])
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_largest_singular_value_is_held_at_a_multiple_of_the_second(
    kind: type, channels_last: bool
) -> None:
    torch.manual_seed(0)
    layer = layer_of(kind, torch.tensor([5.0, 1.5, 0.7, 0.2]))
    if channels_last:
        layer = layer.to(memory_format=torch.channels_last)
    clamp(layer, None, ratio=1.2)
    assert type(layer.parametrizations.weight[0]) is ClampedRatio
    held = torch.linalg.svdvals(layer.weight.flatten(1))
    torch.testing.assert_close(held.detach(), torch.tensor([1.8, 1.5, 0.7, 0.2]), rtol=1e-3, atol=1e-3)
    # The second one moves: so does the limit, and neither has a slope along u₀v₀ᵀ, or by way of the limit along u₁v₁ᵀ.
    original = layer.parametrizations.weight.original
    u, values, v = torch.linalg.svd(original.detach().flatten(1), full_matrices=False)
    loss = (u[:, :1] * layer.weight.flatten(1) @ v[0]).sum()
    (slope,) = torch.autograd.grad(loss, original)
    along = [(u[:, k] @ slope.flatten(1) @ v[k]).abs() for k in (0, 1)]
    assert along[0] < 1e-3 and along[1] < 1e-3
    with torch.no_grad():
        original.copy_((u * (values * torch.tensor([1.0, 2.0, 1.0, 1.0])) @ v).view_as(original))
    for _ in range(20):
        layer.weight  # noqa: B018
    moved = torch.linalg.svdvals(layer.weight.flatten(1))
    torch.testing.assert_close(moved.detach()[:2], torch.tensor([3.6, 3.0]), rtol=1e-3, atol=1e-3)
    assert torch.equal(layer.eval().weight, layer.weight), "no step in evaluation"
    clamp(free := layer_of(kind, torch.tensor([1.7, 1.5, 0.7, 0.2])), None, ratio=1.2)
    assert torch.equal(free.weight, free.parametrizations.weight.original), "the control: within the limit"


def test_a_single_row_has_no_second_singular_value_and_stays() -> None:
    for layer in (nn.Linear(7, 1), nn.Linear(1, 7)):
        weight = layer.weight.detach().clone()
        clamp(layer, None, ratio=0.5)
        assert torch.equal(layer.weight, weight)


def test_a_recipe_says_one_limit() -> None:
    shared = DEEP | {"chunks": False, "discriminator": "projection"}
    for family in ("resnet", "sngan"):
        method = method_of(networks={"family": family, "width": 4, "clamp_ratio": 1.5}, method=shared)
        held = [m for m in method.generator.generator.modules() if isinstance(m, ClampedRatio)]
        assert held and all(each.limit == 1.5 for each in held)
    with pytest.raises(ValidationError, match="both say where the largest singular value is held"):
        Recipe.model_validate(BASE | {"networks": {"family": "resnet", "clamp": 2, "clamp_ratio": 2}})


def test_a_recipe_clamps_the_generator_alone() -> None:
    shared = DEEP | {"chunks": False, "discriminator": "projection"}
    method = method_of(networks={"family": "resnet", "width": 4, "clamp": 0.5}, method=shared)
    layers = [module for module in method.generator.generator.modules() if isinstance(module, nn.Conv2d)]
    assert layers and all(
        type(layer.parametrizations.weight[0]).__name__ == "ClampedSpectrum" for layer in layers
    )
    body = method.adversary.discriminator.body
    assert all(is_normalised(module) for module in body.modules() if isinstance(module, nn.Conv2d))
    with pytest.raises(ValidationError, match="clamp"):
        Recipe.model_validate(BASE | {"networks": {"family": "biggan_deep", "clamp": 2}})


# ── standing statistics ─────────────────────────────────────────────────────────────────────────────────


def test_standing_statistics_are_the_means_of_the_batches() -> None:
    norm, batches = nn.BatchNorm1d(3), [torch.randn(6, 3) * scale for scale in (1, 2, 4)]
    norm(torch.randn(5, 3) + 100)
    assert norm.running_mean.min() > 5, "the control: the running ones are of what came last"
    stand(norm, [(batch,) for batch in batches])
    torch.testing.assert_close(norm.running_mean, torch.stack([batch.mean(0) for batch in batches]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([batch.var(0) for batch in batches]).mean(0))
    assert not norm.training


def test_a_sampler_stands_at_its_own_threshold_and_only_where_the_recipe_asks() -> None:
    resnet = {"networks": {"family": "resnet", "width": 2}}
    shared = DEEP | {"chunks": False}
    plain = method_of(**resnet, method=shared)
    sampler = plain.sampler(plain.kept.eval())
    assert sampler.standing_at(Truncation(0.5)) is sampler
    method = method_of(**resnet, method=shared | {"standing": 3})
    sampler = method.sampler(method.kept.eval())
    narrow, wide = (batch_norms(at.generator)[-1] for at in (sampler.standing_at(Truncation(0.1)), sampler))
    assert wide is batch_norms(method.kept)[-1], "what is exported"
    assert not torch.allclose(narrow.running_var, wide.running_var, rtol=0.01)
    again = sampler.standing_at(Truncation(0.1))
    inputs = sampler.inputs("G1", range(3), torch.Generator().manual_seed(0))
    assert torch.equal(again.sample("G1", inputs), sampler.standing_at(Truncation(0.1)).sample("G1", inputs))
    assert not torch.equal(again.sample("G1", inputs), sampler.sample("G1", inputs))
    scaled = sampler.standing_at(Truncation(0.1, scaled=True))
    assert not torch.equal(again.sample("G1", inputs), scaled.sample("G1", inputs)), "τ alone says not how"
