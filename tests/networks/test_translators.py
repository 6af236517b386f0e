"""Translators and patch discriminators: counts of weights as published, what a verdict sees, what is mirrored."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gantry.errors import UserError
from gantry.networks import build_discriminator, build_translator
from gantry.networks.translators import at_depths
from gantry.plan.blocks.translators import (
    ImageTranslators,
    MlpTranslatorNetworks,
    ResnetBlocksNetworks,
    SrResnetNetworks,
    UnetNetworks,
)

UNET = UnetNetworks(family="unet", norm="batch")
BLOCKS = ResnetBlocksNetworks(family="resnet_blocks")
SR = SrResnetNetworks(family="sr_resnet")


def image(side: int, channels: int = 3) -> tuple[int, ...]:
    return channels, side, side


def weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("networks", "inputs", "side", "count"),
    [
        (UNET, 256, 256, 54_413_955),
        (UNET, 128, 128, 41_828_995),
        (UNET, 64, 64, 29_244_035),
        (UNET, 32, 32, 16_659_075),
        (BLOCKS, 64, 64, 7_837_699),
        (BLOCKS.model_copy(update={"blocks": 9}), 64, 64, 11_378_179),
        (SR, 24, 96, 1_549_462),
    ],
)
def test_translators_have_as_many_weights_as_published(
    networks: Any, inputs: int, side: int, count: int
) -> None:
    with torch.device("meta"):
        assert weights(build_translator(networks, image(inputs), image(side))) == count


def test_discriminators_have_as_many_weights_as_published() -> None:
    with torch.device("meta"):
        assert weights(build_discriminator(BLOCKS, image(256), 1)) == 2_764_737
        assert weights(build_discriminator(UNET, image(256, 6), 1)) == 2_768_705
        assert weights(build_discriminator(SR, image(96), 1)) == 23_565_505


def narrow(patches: int) -> ImageTranslators:
    return UNET.model_copy(update={"patches": patches, "patch_width": 2})


@pytest.mark.parametrize(("patches", "field"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_the_receptive_field_of_patches(patches: int, field: int) -> None:
    """r ← (r − 1)·stride + kernel, from the last layer on."""
    with torch.device("meta"):
        discriminator = build_discriminator(narrow(patches), image(256), 1)
    side = 1
    for layer in reversed([module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]):
        side = (side - 1) * layer.stride[0] + layer.kernel_size[0]
    assert side == field


@pytest.mark.parametrize("patches", [0, 1, 2, 3])
def test_a_verdict_sees_as_many_pixels_and_no_others(patches: int) -> None:
    """Measured: the gradient of a central verdict of a discriminator without norm."""
    field, side = {0: 1, 1: 16, 2: 34, 3: 70}[patches], 128
    discriminator = build_discriminator(narrow(patches), image(side), 1)
    for name, layer in list(discriminator.layers.named_children()):
        if isinstance(layer, nn.BatchNorm2d):
            setattr(discriminator.layers, name, nn.Identity())
    discriminator.double()
    pixels = torch.randn(1, *image(side), dtype=torch.float64, requires_grad=True)
    verdicts = discriminator(pixels)
    across = int(len(verdicts) ** 0.5)
    assert across**2 == len(verdicts)
    verdicts[across * (across // 2) + across // 2].backward()
    assert pixels.grad is not None
    seen = (pixels.grad[0] != 0).any(0).numpy()
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert seen.sum() == field**2 and np.ptp(rows) == np.ptp(columns) == field - 1


@pytest.mark.parametrize(
    ("patches", "side", "across"), [(3, 256, 30), (3, 64, 6), (3, 32, 2), (2, 32, 6), (0, 32, 32)]
)
def test_how_many_verdicts_there_are(patches: int, side: int, across: int) -> None:
    assert build_discriminator(narrow(patches), image(side), 1)(torch.zeros(2, *image(side))).shape == (
        2 * across**2,
        1,
    )


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_instance_norm_sees_one_image_alone_and_batch_norm_does_not(norm: str) -> None:
    for block in (UNET.model_copy(update={"halvings": 4, "dropout": False}), BLOCKS):
        networks = block.model_copy(update={"norm": norm, "width": 2})
        torch.manual_seed(0)
        translator = build_translator(networks, image(32), image(32)).train()
        x = torch.randn(3, *image(32))
        alone, together = translator(x[:1]), translator(x)[:1]
        assert torch.allclose(alone, together, atol=1e-5) == (norm == "instance")
        kinds = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}
        assert any(isinstance(module, kinds[norm]) for module in translator.modules())


def test_the_unets_skips_carry_what_its_code_loses() -> None:
    """With the innermost layers at 0 an output still depends on the input, and without skips it does not."""
    for skips in (True, False):
        networks = UNET.model_copy(update={"width": 2, "skips": skips, "dropout": False})
        translator = build_translator(networks, image(32), image(32)).eval()
        with torch.no_grad():
            translator.down[-1][1].weight.zero_()
            made = translator(torch.randn(2, *image(32)))
        assert torch.equal(made[0], made[1]) != skips


def test_dropout_is_in_training_alone() -> None:
    translator = build_translator(UNET.model_copy(update={"width": 2}), image(32), image(32))
    x = torch.randn(1, *image(32))
    translator.eval()
    assert torch.equal(translator(x), translator(x))
    translator.train()
    assert not torch.equal(translator(x.expand(2, -1, -1, -1)), translator(x.expand(2, -1, -1, -1)))


def test_edges_are_mirrored_unless_the_recipe_says_zeros() -> None:
    """A constant image stays constant under reflection, and gets a frame under zeros."""
    torch.manual_seed(0)
    for padding, even in (("reflection", True), ("zeros", False)):
        first = build_translator(
            BLOCKS.model_copy(update={"width": 2, "padding": padding}), image(32), image(32)
        )[: 2 if even else 1]
        made = first(torch.ones(1, *image(32)))
        assert (made.std((2, 3)).max().item() < 1e-6) == even


def test_pixel_shuffle_puts_subpixels_in_the_papers_order() -> None:
    """Out[c, 2y + i, 2x + j] = in[4c + 2i + j, y, x]. Shi et al. 2016, eq. 4."""
    x = torch.randn(1, 8, 3, 3)
    made, expected = nn.PixelShuffle(2)(x), torch.empty(1, 2, 6, 6)
    for c in range(2):
        for i in range(2):
            for j in range(2):
                expected[0, c, i::2, j::2] = x[0, 4 * c + 2 * i + j]
    assert torch.equal(made, expected)


def test_depths_are_what_activations_put_out() -> None:
    discriminator = build_discriminator(narrow(2), image(32), 1)
    depths = at_depths(discriminator, torch.randn(2, *image(32)))
    assert [depth.shape[1:] for depth in depths] == [(2, 16, 16), (4, 8, 8), (8, 7, 7)]
    points = build_discriminator(MlpTranslatorNetworks(family="mlp_translator", width=8), (2,), 1)
    assert [depth.shape for depth in at_depths(points, torch.randn(5, 2))] == [(5, 4)] * 3


@pytest.mark.parametrize(
    ("networks", "shapes", "message"),
    [
        (UNET, (image(8), image(32)), "take sr_resnet for larger outputs"),
        (SR, (image(16), image(32)), "factor 4: inputs have shape"),
        (MlpTranslatorNetworks(family="mlp_translator"), (image(32), image(32)), "is for points"),
    ],
)
def test_shapes_that_a_family_cannot_map_are_refused(networks: Any, shapes: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_translator(networks, *shapes)


def test_what_halves_too_often_is_refused_with_the_number_that_does_not() -> None:
    for patches, side, fewer in ((5, 32, 3), (4, 32, 3), (5, 64, 4)):
        found = narrow(patches).obstacle(side)
        assert found is not None and f"set patches: {fewer}" in found
        assert narrow(fewer).obstacle(side) is None
    deep = UNET.model_copy(update={"halvings": 6})
    assert "set halvings: 5" in (deep.obstacle(32) or "") and deep.obstacle(64) is None
