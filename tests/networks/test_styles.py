"""StyleGAN's generator: layers counted, what a style does, mixing, noise and truncation."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from gantry.networks import build_discriminator, build_generator
from gantry.networks.pggan import growing_widths
from gantry.networks.stylegan import Blur, StyledLayer, StyleGenerator
from gantry.plan.blocks.networks import Networks
from gantry.plan.blocks.stepwise_networks import StyleganNetworks

CPU = torch.device("cpu")
BLOCK = {"family": "stylegan", "width": 8, "base": 64, "group": 2, "mapping_depth": 2}


def generator_of(**told: Any) -> StyleGenerator:
    torch.manual_seed(0)
    networks = TypeAdapter(Networks).validate_python(BLOCK | told)
    generator = build_generator(networks, 5, (3, 32, 32)).eval()
    assert isinstance(generator, StyleGenerator)
    with torch.no_grad():  # as a little training would leave them
        for layer in generator.layers:
            layer.noise.normal_()
    return generator


def features_of(generator: StyleGenerator, *given: Any, **noise: Any) -> list[torch.Tensor]:
    """What each layer puts out."""
    found: list[torch.Tensor] = []
    hooks = [layer.register_forward_hook(lambda *told: found.append(told[2])) for layer in generator.layers]
    generator(*given, **noise)
    for hook in hooks:
        hook.remove()
    return found


def test_at_1024_pixels_there_are_as_many_weights_as_published() -> None:
    """26.2M with all layers that make images; counted from the authors' layers, 26,219,627."""
    networks = StyleganNetworks(family="stylegan")
    _, *widths = growing_widths(networks, 1024)
    with torch.device("meta"):
        generator = StyleGenerator(networks, widths, 512, 3, 1024)
    assert sum(parameter.numel() for parameter in generator.parameters()) == 26_219_627
    assert len(generator.layers) == 18


@pytest.mark.parametrize("crossover", [1, 3, 5, 8])
def test_features_before_the_crossover_are_of_the_first_w_and_styles_from_it_on_of_the_second(
    crossover: int,
) -> None:
    generator = generator_of()
    z, other = torch.randn(3, 5), torch.randn(3, 5)
    noise = generator.draws(3, CPU)
    first = features_of(generator, z, **noise)
    mixed = features_of(generator, z, other, torch.full((3,), crossover), **noise)
    for layer in range(8):
        assert torch.equal(mixed[layer], first[layer]) == (layer < crossover)
    if crossover < 8:
        shifts = [
            generator.layers[7].style(generator.mapping(latents)).chunk(2, 1)[1] for latents in (z, other)
        ]
        torch.testing.assert_close(mixed[7].mean((2, 3)), shifts[1], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(shifts[0], shifts[1], atol=1e-2), "the styles do differ"


def test_behind_a_style_a_channel_has_its_mean_and_deviation() -> None:
    torch.manual_seed(0)
    layer = StyledLayer(4, 6, 5, convolves=True, doubles=True)
    w = torch.randn(3, 5)
    out = layer(torch.randn(3, 4, 8, 8), w, torch.randn(3, 1, 16, 16))
    scale, shift = layer.style(w).chunk(2, 1)
    assert out.shape == (3, 6, 16, 16)
    torch.testing.assert_close(out.mean((2, 3)), shift, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out.std((2, 3), unbiased=False), (scale + 1).abs(), atol=1e-4, rtol=1e-3)


def test_noise_acts_through_its_scale_alone_and_by_layer() -> None:
    generator = generator_of()
    z = torch.randn(2, 5)
    one, other = generator.draws(2, CPU), generator.draws(2, CPU)
    assert [one[f"noise_{layer}"].shape[-1] for layer in range(8)] == [4, 4, 8, 8, 16, 16, 32, 32]
    assert not torch.equal(generator(z, **one), generator(z, **other))
    swapped = features_of(generator, z, **(one | {"noise_5": other["noise_5"]}))
    before = features_of(generator, z, **one)
    assert [torch.equal(a, b) for a, b in zip(before, swapped, strict=True)] == [True] * 5 + [False] * 3
    with torch.no_grad():
        for layer in generator.layers:
            layer.noise.zero_()
    assert torch.equal(generator(z, **one), generator(z, **other))


@pytest.mark.parametrize("cutoff", [None, 3])
def test_truncation_goes_to_the_mean_and_not_beyond_its_cutoff(cutoff: int | None) -> None:
    """w̄ + ψ·(w − w̄): ψ = 1 is the identity, ψ = 0 one image."""
    generator = generator_of()
    generator.mean.normal_()
    w = generator.mapping(torch.randn(4, 5))
    mean, values = generator.mean.numpy(), w.detach().numpy()
    near = generator.truncated(w, 0.3, cutoff)
    for layer in range(8):
        expected = mean + 0.3 * (values - mean) if cutoff is None or layer < cutoff else values
        np.testing.assert_allclose(near[layer].detach(), expected, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(row, w) for row in generator.truncated(w, 1.0, cutoff))
    images = generator.synthesise(generator.truncated(w, 0.0, cutoff))
    assert (images.std(0).max() < 1e-5) == (cutoff is None)


def test_the_mean_of_w_is_followed_in_training_and_stands_in_evaluation() -> None:
    generator = generator_of(mean_decay=0.9)
    z = torch.randn(7, 5)
    expected = 0.1 * generator.mapping(z).mean(0)
    generator(z)
    assert generator.mean.abs().max() == 0
    generator.train()(z)
    torch.testing.assert_close(generator.mean, expected.detach())


def test_crossovers_are_uniform_over_active_layers_and_as_often_as_said() -> None:
    generator = generator_of(mixing=0.75)
    generator.stand(16, fading=False)
    torch.manual_seed(1)
    drawn = np.asarray([int(generator.draw_crossover(4, CPU)[0]) for _ in range(6000)])
    counts = np.bincount(drawn, minlength=7)
    assert counts[0] == 0 and len(counts) == 7, "six layers are active, and layer 0 is always the first w's"
    expected = np.asarray([0.15] * 5 + [0.25]) * 6000
    assert ((counts[1:] - expected) ** 2 / expected).sum() < 20.5  # χ² of 5 degrees, 0.1 %
    assert len(set(generator.draw_crossover(4, CPU).tolist())) == 1, "one for a batch"


@pytest.mark.parametrize(
    "told", [{}, {"constant": False}, {"mapping_depth": 0}, {"mapping_width": 3}, {"noise": False}]
)
def test_variants_fade_as_the_plain_pair_does(told: dict[str, Any]) -> None:
    generator = generator_of(**told)
    z = torch.randn(2, 5)
    generator.stand(16, fading=False)
    small = generator(z)
    generator.stand(32, fading=True)
    assert torch.equal(generator(z), small.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert len(generator.draws(2, CPU)) == (0 if told == {"noise": False} else 8)


@pytest.mark.parametrize(("told", "width"), [({}, 8), ({"mapping_width": 13}, 13), ({"mapping_depth": 0}, 5)])
def test_w_is_as_wide_as_said_the_channels_or_z(told: dict[str, Any], width: int) -> None:
    generator = generator_of(**told)
    assert generator.mapping(torch.randn(2, 5)).shape == (2, width) and generator.mean.shape == (width,)
    assert {layer.style.in_features for layer in generator.layers} == {width}


def test_the_blur_is_a_binomial_and_stands_before_the_discriminators_halvings() -> None:
    image = torch.zeros(1, 2, 5, 5)
    image[0, 1, 2, 2] = 16
    row = np.asarray([1, 2, 1])
    np.testing.assert_allclose(Blur()(image)[0, 1, 1:4, 1:4], np.outer(row, row))
    discriminator = build_discriminator(TypeAdapter(Networks).validate_python(BLOCK), (3, 32, 32), 1)
    assert sum(isinstance(module, Blur) for module in discriminator.modules()) == 3
    assert discriminator(torch.randn(4, 3, 32, 32)).shape == (4, 1)
