"""Discriminators that reconstruct: their energies against NumPy, their shapes, and what the plan counts."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gantry.errors import UserError
from gantry.networks import build_discriminator, build_generator
from gantry.networks.autoencoder import Autoencoder
from gantry.plan.blocks.image_networks import AutoencoderNetworks
from gantry.plan.blocks.point_networks import MlpAutoencoderNetworks

POINTS: dict[str, Any] = {"family": "mlp_autoencoder", "width": 20, "depth": 2, "code": 3}
IMAGES: dict[str, Any] = {"family": "autoencoder", "width": 4, "code": 10}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("norm", lambda d: np.sqrt((d**2).sum(1))),
        ("squared", lambda d: (d**2).mean(1)),
        ("absolute", lambda d: np.abs(d).mean(1)),
    ],
)
@pytest.mark.parametrize("images", [False, True])
def test_the_energy_is_the_error_of_reconstruction(error: str, expected: Any, images: bool) -> None:
    torch.manual_seed(0)
    block = (AutoencoderNetworks if images else MlpAutoencoderNetworks).model_validate(
        (IMAGES if images else POINTS) | {"error": error}
    )
    shape = (3, 32, 32) if images else (2,)
    discriminator = build_discriminator(block, shape, 1)
    assert isinstance(discriminator, Autoencoder)
    x = torch.randn(5, *shape)
    codes = discriminator.encode(x)
    assert codes.shape == (5, block.code)
    difference = (discriminator.decoder(codes) - x).flatten(1).detach().numpy()
    energies = discriminator(x)
    assert energies.shape == (5, 1)
    np.testing.assert_allclose(energies[:, 0].detach(), expected(difference), rtol=1e-5)


@pytest.mark.parametrize("resolution", [32, 64])
def test_images(resolution: int) -> None:
    torch.manual_seed(0)
    block, shape = AutoencoderNetworks.model_validate(IMAGES), (3, resolution, resolution)
    images = build_generator(block, 16, shape)(torch.randn(2, 16) * 50)
    assert images.shape == (2, *shape) and images.abs().max() <= 1
    discriminator = build_discriminator(block, shape, 1)
    sizes = [layer.stride for layer in discriminator.encoder.modules() if isinstance(layer, nn.Conv2d)]
    assert sizes.count((2, 2)) == {32: 2, 64: 3}[resolution]  # down to 8×8
    last = [layer for layer in discriminator.encoder.modules() if isinstance(layer, nn.Conv2d)][-1]
    assert last.out_channels == 4 * {32: 3, 64: 4}[resolution]  # linearly more with every halving


def test_initial_weights_by_name_and_wrong_shapes() -> None:
    orthogonal = AutoencoderNetworks.model_validate(
        IMAGES | {"initialisation": {"discriminator": "orthogonal"}}
    )
    discriminator = build_discriminator(orthogonal, (3, 32, 32), 1)
    code = next(layer for layer in discriminator.encoder.modules() if isinstance(layer, nn.Linear))
    torch.testing.assert_close(code.weight @ code.weight.t(), torch.eye(10), rtol=0, atol=1e-4)
    with pytest.raises(UserError, match=r"networks\.family mlp_autoencoder"):
        build_discriminator(MlpAutoencoderNetworks.model_validate(POINTS), (3, 32, 32), 1)
    with pytest.raises(UserError, match=r"networks\.family autoencoder"):
        build_discriminator(orthogonal, (2,), 1)
