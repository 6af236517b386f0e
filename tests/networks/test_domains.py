"""Encoders and decoders of two domains: counts of weights, what is shared, what a style does."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from gantry.errors import UserError
from gantry.networks import build_translator
from gantry.networks.content_style import Modulated
from gantry.networks.domains import build_code_discriminator
from gantry.plan.blocks.autoencoders import (
    ContentStyleNetworks,
    MlpAutoencodersNetworks,
    MlpStyleTranslatorNetworks,
    SharedAutoencodersNetworks,
    StyleUnetNetworks,
    VectorAutoencodersNetworks,
)

SHAPE = (3, 64, 64)
UNIT = SharedAutoencodersNetworks(family="shared_autoencoders")
MUNIT = ContentStyleNetworks(family="content_style")
DRIT = MUNIT.model_copy(update={"blocks": 3, "shared": 1, "modulation": "joined", "gaussian": True})
XGAN = VectorAutoencodersNetworks(family="vector_autoencoders")
BICYCLE = StyleUnetNetworks(family="style_unet", dropout=False)
POINTS = MlpAutoencodersNetworks(family="mlp_autoencoders", width=8, depth=4, shared=2, code=3, style=2)


def weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def conv(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


def dense(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


BLOCK = 2 * conv(256, 256, 3)
DOWN = {k: conv(3, 64, 7) + conv(64, 128, k) + conv(128, 256, k) for k in (3, 4)}
STYLE = conv(3, 64, 7) + conv(64, 128, 4) + conv(128, 256, 4) + 2 * conv(256, 256, 4)
# Of each family the encoder, the decoder and the encoder of styles of one domain, what both share counted once.
OF_UNIT = 2 * (DOWN[3] + 6 * BLOCK + conv(256, 128, 3) + conv(128, 64, 3) + conv(64, 3, 1)) + 2 * BLOCK
OF_DRIT = (
    2 * (DOWN[3] + 3 * BLOCK + 6 * conv(264, 264, 3) + conv(272, 136, 3) + conv(144, 72, 3) + conv(80, 3, 1))
    + 2 * BLOCK
    + 2 * (STYLE + dense(256, 16))
)
MODULATION = dense(8, 256) + dense(256, 256) + dense(256, 2 * 256 * 8)
UP = conv(256, 128, 5) + 2 * 128 + conv(128, 64, 5) + 2 * 64 + conv(64, 3, 7)
OF_MUNIT = 2 * (DOWN[4] + 8 * BLOCK + MODULATION + UP + STYLE + dense(256, 8))
OF_XGAN = (
    2 * (conv(3, 64, 4) + conv(64, 128, 4) + conv(128, 64, 4) + conv(64, 3, 4))
    + (conv(128, 256, 4) + conv(256, 512, 4) + dense(512 * 16, 1024) + dense(1024, 1024))
    + (dense(1024, 1024) + dense(1024, 512 * 16) + conv(512, 256, 4) + conv(256, 128, 4))
)
WIDTHS = [3, 64, 128, 256, 512, 512, 512]
OF_BICYCLE = (
    sum(conv(a + 8, b, 4) for a, b in pairwise(WIDTHS))
    + conv(512, 512, 4)
    + sum(conv(2 * b, a, 4) for a, b in pairwise(WIDTHS[:-1]))
    + STYLE
    + dense(256, 16)
)


@pytest.mark.parametrize(
    ("networks", "count", "listed"),
    [
        (UNIT, OF_UNIT, 18_017_286),
        (MUNIT, OF_MUNIT, 30_052_374),  # 15.03 million a domain, as MUNIT's code counts
        (DRIT, OF_DRIT, 24_115_974),
        (XGAN, OF_XGAN, 24_666_758),
        (BICYCLE, OF_BICYCLE, 32_262_675),
    ],
    ids=["unit", "munit", "drit", "xgan", "bicyclegan"],
)
def test_there_are_as_many_weights_as_the_layers_have(networks: Any, count: int, listed: int) -> None:
    with torch.device("meta"):
        assert weights(build_translator(networks, SHAPE, SHAPE)) == count == listed


@pytest.mark.parametrize("networks", [POINTS, UNIT, DRIT, XGAN], ids=["points", "unit", "drit", "xgan"])
def test_what_is_shared_is_the_same_object_and_what_is_not_is_not(networks: Any) -> None:
    shape: tuple[int, ...] = (2,) if networks is POINTS else SHAPE
    with torch.device("meta"):
        pair = build_translator(networks, shape, shape)
    for two in (pair.encoders, pair.decoders):
        one, other = (set(map(id, network.parameters())) for network in two)
        assert one & other and one - other and other - one
    if networks is not XGAN:
        with torch.device("meta"):
            apart = build_translator(networks.model_copy(update={"shared": 0}), shape, shape)
        assert not {*map(id, apart.encoders[0].parameters())} & {*map(id, apart.encoders[1].parameters())}
        assert not {*map(id, apart.decoders[0].parameters())} & {*map(id, apart.decoders[1].parameters())}


@pytest.mark.parametrize("networks", [MUNIT, DRIT, UNIT, XGAN], ids=["munit", "drit", "unit", "xgan"])
def test_codes_and_translations_have_the_shapes_that_they_should(networks: Any) -> None:
    narrow = networks.model_copy(update={"width": 4} | ({"code": 6} if networks is XGAN else {}))
    torch.manual_seed(0)
    pair = build_translator(narrow, (3, 32, 32), (3, 32, 32))
    x = torch.randn(2, 3, 32, 32)
    code = pair.encode(x, 0)
    assert code.shape[1:] == pair.code_shape == ((6,) if networks is XGAN else (16, 8, 8))
    style, log_deviation = pair.style_of(x, 0)
    assert style.shape == log_deviation.shape == (2, networks.style)
    assert bool(log_deviation.any()) == (networks is DRIT)
    made = pair.decode(code, style, 1)
    assert made.shape == x.shape and made.abs().max() <= 1
    other = pair.decode(code, style + 1, 1)
    assert torch.equal(made, other) == (networks.style == 0), "a style makes a difference, where there is one"
    assert build_code_discriminator(narrow, pair.code_shape)(code).shape == (2, 1)


def test_gains_and_shifts_are_the_deviations_and_means_of_what_comes_out() -> None:
    """Huang and Belongie 2017, eq. 8: AdaIN puts the style's mean and deviation in the place of the content's."""
    layer = Modulated(4)
    gain, shift = torch.rand(2, 4) + 0.5, torch.randn(2, 4)
    made = layer(3 * torch.randn(2, 4, 16, 16) + 1, gain, shift)
    assert made.mean((2, 3)).detach().numpy() == pytest.approx(shift.numpy(), abs=1e-5)
    assert made.std((2, 3), correction=0).detach().numpy() == pytest.approx(gain.numpy(), rel=1e-3)


def test_the_style_of_a_unet_reaches_each_layer_down() -> None:
    network = build_translator(BICYCLE.model_copy(update={"width": 2, "halvings": 3}), SHAPE, SHAPE)
    for number, block in enumerate(network.generator.down):
        style = torch.randn(1, 8, requires_grad=True)
        read = block[-1] if number == 2 else next(module for module in block if isinstance(module, nn.Conv2d))
        assert read.in_channels == (3, 2, 4)[number] + 8
        network.generator(torch.randn(1, *SHAPE), style).sum().backward()
        assert style.grad is not None and bool(style.grad.abs().min() > 0)


@pytest.mark.parametrize(
    ("networks", "shapes", "message"),
    [
        (POINTS, (SHAPE, SHAPE), "take family shared_autoencoders or content_style"),
        (UNIT, ((1, 64, 64), SHAPE), "inputs have 1 channels and outputs 3"),
        (MlpStyleTranslatorNetworks(family="mlp_style_translator"), (SHAPE, SHAPE), "take family style_unet"),
    ],
)
def test_shapes_that_a_family_cannot_map_are_refused(networks: Any, shapes: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_translator(networks, *shapes)


def test_sides_that_cannot_be_halved_are_refused() -> None:
    assert "no multiple of 4" in (UNIT.model_copy(update={"patches": 2}).obstacle(42) or "")
    assert "no multiple of 16" in (XGAN.model_copy(update={"patches": 2}).obstacle(40) or "")
    assert UNIT.obstacle(64) is None and XGAN.obstacle(64) is None
    with pytest.raises(ValueError, match="set shared: 3 or less"):
        MlpAutoencodersNetworks(family="mlp_autoencoders", depth=4, shared=4)
