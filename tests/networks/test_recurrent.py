"""GRAN: what its canvases are made of, and one step as a plain generator."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from gantry.errors import UserError
from gantry.networks import build_discriminator, build_generator
from gantry.plan.blocks.networks import Networks

SHAPE = (3, 32, 32)


def generator_of(steps: int, latent: int = 12) -> Any:
    torch.manual_seed(0)
    networks = TypeAdapter(Networks).validate_python({"family": "gran", "width": 2, "steps": steps})
    return build_generator(networks, latent, SHAPE).eval()


def test_images_are_the_sum_of_canvases_and_each_follows_the_one_before() -> None:
    generator, z = generator_of(3), torch.randn(4, 12)
    drawn = generator.canvases(z)
    assert len(drawn) == 3
    torch.testing.assert_close(generator(z), torch.tanh(drawn[0] + drawn[1] + drawn[2]))
    seen = torch.zeros(4, 8, 4, 4)
    for number, canvas in enumerate(drawn):
        part = torch.tanh(generator.start(z[:, 4 * number : 4 * number + 4])).view(4, 8, 4, 4)
        torch.testing.assert_close(canvas, generator.decoder(torch.cat([part, seen], 1)))
        seen = generator.encoder(canvas)
    late = z.clone()
    late[:, 8:] += 1
    again = generator.canvases(late)
    assert torch.equal(again[0], drawn[0]) and torch.equal(again[1], drawn[1])
    assert not torch.equal(again[2], drawn[2])


def test_one_step_is_a_plain_generator() -> None:
    """A dense layer, tanh, and doublings; nothing that has been drawn is read."""
    generator, z = generator_of(1), torch.randn(4, 12)
    start = torch.tanh(generator.start(z)).view(4, 8, 4, 4)
    plain = torch.tanh(generator.decoder(torch.cat([start, torch.zeros(4, 8, 4, 4)], 1)))
    assert torch.equal(generator(z), plain)
    with torch.no_grad():
        for weight in generator.encoder.parameters():
            weight.fill_(7.0)
    assert torch.equal(generator(z), plain)


def test_layers_by_hand() -> None:
    layers = [
        layer for layer in generator_of(5, 20).modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    told = [(layer.in_channels, layer.out_channels) for layer in layers]
    assert told == [(16, 4), (4, 2), (2, 3), (3, 2), (2, 4), (4, 8)]
    networks = TypeAdapter(Networks).validate_python({"family": "gran", "width": 2})
    assert build_discriminator(networks, SHAPE, 1)(torch.randn(3, *SHAPE)).shape == (3, 1)


def test_latents_that_do_not_fall_into_steps_are_refused() -> None:
    with pytest.raises(UserError, match=r"latent.dimension 12 does not fall into networks.steps 5: take 10"):
        generator_of(5)
