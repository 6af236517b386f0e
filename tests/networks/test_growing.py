"""Growing networks: layers counted, what fades to what, and the layers of PGGAN against NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from gantry.networks import build_discriminator, build_generator, mixes_samples
from gantry.networks.equalised import DeviationMap, EqualisedConv, EqualisedLinear, PixelNorm
from gantry.networks.pggan import Discriminator, Generator, enlarged, growing_widths, shrunk
from gantry.plan.blocks.networks import Networks
from gantry.plan.blocks.stepwise_networks import PgganNetworks

SMALL = {"family": "pggan", "width": 8, "base": 64, "group": 2}


def block(**told: Any) -> Any:
    return TypeAdapter(Networks).validate_python(SMALL | told)


def pair(**told: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    networks = block(**told)
    return build_generator(networks, 5, (3, 32, 32)), build_discriminator(networks, (3, 32, 32), 1)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_at_1024_pixels_there_are_as_many_weights_as_published() -> None:
    """Karras et al. 2018, table 2: 23.1M in each; counted from the authors' layers, 23,079,115 and 23,087,249."""
    hidden, *widths = growing_widths(PgganNetworks(family="pggan"), 1024)
    assert widths == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    with torch.device("meta"):
        generator = Generator(widths, 512, 3, 1024)
        discriminator = Discriminator(widths, hidden, 3, 1024, 1, 4)
    assert (parameters(generator), parameters(discriminator)) == (23_079_115, 23_087_249)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_a_fade_begins_with_the_level_below_and_ends_with_the_new_one(size: int) -> None:
    """α = 0: G(z) = up(G_old(z)) and D(x) = D_old(pool(x)), to the bit; α = 1: the new path, as if nothing faded."""
    generator, discriminator = pair()
    z, x = torch.randn(4, 5), torch.randn(4, 3, size, size)

    def said(at: int, share: float | None, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for network in (generator, discriminator):
            network.stand(at, share is not None)
            network.share.fill_(1.0 if share is None else share)
        return generator(z), discriminator(images)

    small, judged_small = said(size // 2, None, shrunk(x))
    images, judged = said(size, 0.0, x)
    assert torch.equal(images, enlarged(small)) and torch.equal(judged, judged_small)
    whole, judged_whole = said(size, None, x)
    images, judged = said(size, 1.0, x)
    assert torch.equal(images, whole) and torch.equal(judged, judged_whole)
    images, judged = said(size, 0.25, x)
    torch.testing.assert_close(images, 0.75 * enlarged(small) + 0.25 * whole)
    assert not torch.equal(judged, judged_small) and not torch.equal(judged, judged_whole)


def test_a_checkpoint_says_where_its_networks_stand() -> None:
    generator, _ = pair()
    generator.stand(16, fading=True)
    generator.share.fill_(0.4)
    z = torch.randn(2, 5)
    loaded, _ = pair()
    loaded.load_state_dict(generator.state_dict())
    loaded.recall()
    assert loaded(z).shape == (2, 3, 16, 16) and torch.equal(loaded(z), generator(z))


def test_the_map_of_deviations_compares_strided_groups() -> None:
    """Samples i, i + B/G, …; the population's deviation; a mean over features and pixels, appended as one map."""
    x = torch.randn(12, 5, 4, 4, dtype=torch.float64)
    found = DeviationMap(4)(x.float()).double().numpy()
    values, expected = x.numpy(), np.empty(12)
    for sample in range(12):
        group = values[[other for other in range(12) if other % 3 == sample % 3]]
        expected[sample] = np.sqrt(group.var(axis=0) + 1e-8).mean()
    assert found.shape == (12, 6, 4, 4)
    np.testing.assert_allclose(found[:, 5], expected[:, None, None] * np.ones((12, 4, 4)), rtol=1e-5)
    np.testing.assert_array_equal(found[:, :5], x.float().numpy())
    whole = DeviationMap(64)(x.float())[:, 5]
    np.testing.assert_allclose(whole, np.sqrt(values.var(axis=0) + 1e-8).mean(), rtol=1e-5)
    same = DeviationMap(4)(torch.ones(4, 2, 4, 4))[:, 2]
    assert same.max() == pytest.approx(1e-4), "samples that are all the same have no deviation but √ε"


def test_discriminators_of_real_and_generated_batches_stay_apart() -> None:
    _, discriminator = pair()
    assert mixes_samples(discriminator)
    a, b = torch.randn(4, 3, 32, 32), 3 * torch.randn(4, 3, 32, 32)
    together = discriminator(torch.cat([a, b]))
    assert not torch.allclose(together[:4], discriminator(a)), "the map of a joined batch is another one"


def test_pixel_norm_leaves_every_pixel_at_one() -> None:
    x = torch.randn(3, 7, 2, 2, dtype=torch.float64)
    expected = x.numpy() / np.sqrt((x.numpy() ** 2).mean(axis=1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(PixelNorm()(x), expected, rtol=1e-12)


@pytest.mark.parametrize("inputs", [8, 64, 512])
def test_behind_an_equalised_layer_the_signal_has_its_size_whatever_the_fan_in(inputs: int) -> None:
    """Of inputs of RMS 1, LeakyReLU(0.2) behind a gain of √2 has the second moment 2·(1 + 0.2²)/2 = 1.04."""
    torch.manual_seed(inputs)
    x = PixelNorm()(torch.randn(4096, inputs))
    behind = nn.functional.leaky_relu(EqualisedLinear(inputs, 512)(x), 0.2)
    assert behind.square().mean().item() == pytest.approx(1.04, rel=0.03)
    plain = nn.functional.leaky_relu(nn.functional.linear(x, torch.randn(512, inputs)), 0.2)
    assert plain.square().mean().item() > 3, "without the factor it grows with the fan-in"


@pytest.mark.parametrize(
    "layer", [EqualisedLinear(50, 3), EqualisedConv(6, 3, 3), EqualisedLinear(9, 2, rate=0.01)]
)
def test_a_step_of_adam_moves_every_effective_weight_by_rate_times_gain_over_root_fan_in(layer: Any) -> None:
    x = torch.randn(5, 50 if layer.weight.shape[1] == 50 else 9)
    x = x if isinstance(layer, nn.Linear) else torch.randn(5, 6, 4, 4)
    before = (layer.weight * layer.scale).detach()
    optimiser = torch.optim.Adam(layer.parameters(), lr=1e-3, betas=(0.0, 0.99), eps=1e-12)
    layer(x).sum().backward()
    optimiser.step()
    moved = ((layer.weight * layer.scale).detach() - before).abs()
    rate = getattr(layer, "rate", 1.0)
    fan_in = layer.weight[0].numel()
    np.testing.assert_allclose(moved, 1e-3 * 2**0.5 * rate / fan_in**0.5, rtol=2e-2)


def test_other_starts_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"initialisation: the weights of pggan start as N\(0, 1\)"):
        block(initialisation={"generator": "orthogonal"})
