"""Initial weights by name: their statistics, where they reach, and that spectral norm comes after."""

from math import sqrt

import pytest
import torch
from torch import nn

from gantry.networks import build_discriminator, build_generator
from gantry.networks.initialise import initialise_as
from gantry.plan.blocks.image_networks import Dcgan32Networks, DcganNetworks, ImageNetworks, SnganNetworks

# Layers with their numbers of inputs and outputs, the kernel's places counted in.
CONV, CONV_IN, CONV_OUT = nn.Conv2d(48, 96, 3), 48 * 9, 96 * 9
DECONV, DECONV_IN, DECONV_OUT = nn.ConvTranspose2d(48, 96, 4), 48 * 16, 96 * 16
LINEAR, LINEAR_IN, LINEAR_OUT = nn.Linear(200, 300), 200, 300
LAYERS = [
    (CONV, CONV_IN, CONV_OUT),
    (DECONV, DECONV_IN, DECONV_OUT),
    (LINEAR, LINEAR_IN, LINEAR_OUT),
]


def nothing(network: nn.Module) -> None:
    """A family's default that leaves everything as it is."""


@pytest.mark.parametrize("layer", [case[0] for case in LAYERS])
@pytest.mark.parametrize("scheme", ["orthogonal", "orthogonal_by_outputs"])
def test_orthogonal_is_exact(scheme: str, layer: nn.Module) -> None:
    torch.manual_seed(0)
    initialise_as(layer, scheme, nothing)
    turned = scheme.endswith("by_outputs") and isinstance(layer, nn.ConvTranspose2d)
    rows = (layer.weight.detach().transpose(0, 1) if turned else layer.weight.detach()).flatten(1)
    product = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    torch.testing.assert_close(product, torch.eye(len(product)), rtol=0, atol=1e-5)


def test_edgans_generator_starts_as_pytorchs_orthogonal_makes_it() -> None:
    """The last deconvolution, (128, 3, 3, 3): 27 orthonormal columns, of norm √27; by outputs 3 rows, of norm √3."""
    found = {}
    for scheme in ("orthogonal", "orthogonal_by_outputs"):
        torch.manual_seed(0)
        networks = Dcgan32Networks(family="dcgan32", r311=True, initialisation={"generator": scheme})
        generator = build_generator(networks, 128, (3, 32, 32)).train()
        (*_, last) = [module for module in generator.modules() if isinstance(module, nn.ConvTranspose2d)]
        images = generator(torch.randn(64, 128)).detach()
        found[scheme] = last.weight.detach().norm().item(), images.std().item()
    assert found["orthogonal"] == pytest.approx((sqrt(27), 0.74), rel=0.07)
    assert found["orthogonal_by_outputs"] == pytest.approx((sqrt(3), 0.45), rel=0.07)


@pytest.mark.parametrize(("layer", "inputs", "outputs"), LAYERS)
@pytest.mark.parametrize(
    "scheme", ["glorot_normal", "kaiming_normal", "kaiming_normal_by_outputs", "normal_0.02", "normal_1"]
)
def test_the_normal_ones_have_their_deviation(
    scheme: str, layer: nn.Module, inputs: int, outputs: int
) -> None:
    # Of a transposed convolution's weight as it is stored, PyTorch takes the second dimension, outputs, for the fan-in.
    stored = outputs if isinstance(layer, nn.ConvTranspose2d) else inputs
    deviation = {
        "glorot_normal": sqrt(2 / (inputs + outputs)),
        "kaiming_normal": sqrt(2 / stored),
        "kaiming_normal_by_outputs": sqrt(2 / inputs),
        "normal_0.02": 0.02,
        "normal_1": 1.0,
    }[scheme]
    torch.manual_seed(0)
    initialise_as(layer, scheme, nothing)
    standardised = layer.weight.detach() / deviation
    assert standardised.mean().item() == pytest.approx(0, abs=0.02)
    assert standardised.std().item() == pytest.approx(1, rel=0.02)
    # A normal distribution's fourth moment; a uniform one has 1.8.
    assert standardised.pow(4).mean().item() == pytest.approx(3, rel=0.1)
    assert (layer.bias == 0).all()


def weights(network: nn.Module) -> list[torch.Tensor]:
    """Every matrix and kernel, before spectral norm where there is one."""
    return [parameter.detach() for parameter in network.parameters() if parameter.ndim > 1]


@pytest.mark.parametrize(
    "networks",
    [
        DcganNetworks(family="dcgan", width=4, initialisation={"discriminator": "normal_1"}),
        Dcgan32Networks(
            family="dcgan32", width=8, spectral_penultimate=True, initialisation={"discriminator": "normal_1"}
        ),
        SnganNetworks(family="sngan", width=8, initialisation={"discriminator": "normal_1"}),
    ],
    ids=lambda networks: networks.family,
)
def test_a_scheme_is_one_players_and_comes_before_spectral_norm(networks: ImageNetworks) -> None:
    torch.manual_seed(0)
    for weight in weights(build_discriminator(networks, (3, 32, 32), 8)):
        assert weight.std().item() == pytest.approx(1, rel=0.1)
    for weight in weights(build_generator(networks, 16, (3, 32, 32)))[:-1]:
        assert weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_batch_norm_starts_as_before() -> None:
    torch.manual_seed(0)
    networks = Dcgan32Networks(family="dcgan32", initialisation={"generator": "orthogonal"})
    generator = build_generator(networks, 128, (3, 32, 32))
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    scales = torch.cat([norm.weight.detach() for norm in norms])
    assert scales.mean().item() == pytest.approx(1, abs=0.003)
    assert scales.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_default_of_dcgan32_is_radfords_in_every_layer() -> None:
    torch.manual_seed(0)
    networks = Dcgan32Networks(family="dcgan32")
    both = build_generator(networks, 128, (3, 32, 32)), build_discriminator(networks, (3, 32, 32), 1)
    for network in both:
        for weight in weights(network):
            assert weight.std().item() == pytest.approx(0.02, rel=0.06)
