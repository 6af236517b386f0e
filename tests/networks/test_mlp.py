"""The synthetic experiment's pair: layers, sizes, initial weights, and the maxout layer's arithmetic."""

import numpy as np
import pytest
import torch
from torch import nn

from gantry.errors import UserError
from gantry.networks import build_discriminator, build_generator
from gantry.networks.maxout import Maxout
from gantry.plan.blocks.point_networks import MlpNetworks

PAPER = MlpNetworks(family="mlp")


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_papers_pair_has_the_parameters_counted_by_hand() -> None:
    # (128 + 1)·400 + 3·(400 + 1)·400 + 4 BatchNorms of 2·400 + (400 + 1)·2
    assert parameters(build_generator(PAPER, 128, (2,))) == 51_600 + 481_200 + 3_200 + 802
    # (2 + 1)·1000 + 2·(200 + 1)·1000 + (200 + 1)·5
    assert parameters(build_discriminator(PAPER, (2,), 5)) == 3_000 + 402_000 + 1_005


def test_shapes_follow_latent_data_and_outcomes() -> None:
    small = MlpNetworks(family="mlp", width=8, depth=2, maxout_units=6, maxout_pieces=3, maxout_depth=2)
    points = build_generator(small, 4, (3,))(torch.randn(7, 4))
    assert points.shape == (7, 3)
    assert build_discriminator(small, (3,), 11)(points).shape == (7, 11)


def test_generator_is_depth_times_linear_norm_relu_then_linear() -> None:
    layers = list(build_generator(PAPER, 128, (2,)).children())
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 4 + [nn.Linear]
    assert all(isinstance(layer, kind) for layer, kind in zip(layers, kinds, strict=True))


def test_initial_weights() -> None:
    torch.manual_seed(1)
    generator = build_generator(PAPER, 128, (2,))
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm1d)]
    scales = torch.cat([norm.weight.detach() for norm in norms])
    assert scales.mean().item() == pytest.approx(1.0, abs=0.003)
    assert scales.std().item() == pytest.approx(0.02, rel=0.1)
    assert all((norm.bias == 0).all() for norm in norms)
    # PyTorch's default for Linear is uniform within ±1/√inputs, for weights and biases.
    linears = [layer for layer in generator.modules() if isinstance(layer, nn.Linear)]
    for linear in linears[1:-1]:
        assert 0.0495 < linear.weight.abs().max().item() <= 0.05
        assert linear.weight.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.02)
        assert 0.045 < linear.bias.abs().max().item() <= 0.05


def test_maxout_is_the_largest_of_its_affine_pieces() -> None:
    torch.manual_seed(2)
    layer, x = Maxout(3, units=4, pieces=5), torch.randn(6, 3)
    weight, bias = layer.linear.weight.detach().numpy(), layer.linear.bias.detach().numpy()
    by_hand = np.empty((6, 4), dtype=np.float32)
    for row in range(6):
        for unit in range(4):
            by_hand[row, unit] = max(
                weight[piece * 4 + unit] @ x[row].numpy() + bias[piece * 4 + unit] for piece in range(5)
            )
    np.testing.assert_allclose(layer(x).detach().numpy(), by_hand, rtol=1e-5, atol=1e-6)


def test_maxout_gradients_are_autograds_own() -> None:
    torch.manual_seed(3)
    layer, x = Maxout(3, units=4, pieces=5).double(), torch.randn(6, 3, dtype=torch.float64)

    def gradients(forward: object) -> tuple[torch.Tensor, ...]:
        inputs = x.clone().requires_grad_()
        loss = forward(inputs).square().sum()  # type: ignore[operator]
        return torch.autograd.grad(loss, [inputs, *layer.parameters()])

    plain = gradients(lambda inputs: layer.linear(inputs).unflatten(1, (5, 4)).amax(1))
    for ours, autograds in zip(gradients(layer), plain, strict=True):
        torch.testing.assert_close(ours, autograds)


def test_maxout_can_be_differentiated_twice_as_gradient_penalties_do() -> None:
    torch.manual_seed(4)
    layer, x = Maxout(3, units=4, pieces=5).double(), torch.randn(2, 3, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(layer, x.requires_grad_())


def test_discriminator_judges_each_point_by_itself() -> None:
    torch.manual_seed(5)
    discriminator = build_discriminator(PAPER, (2,), 5)
    real, fake = torch.randn(10, 2), torch.randn(10, 2)
    together = discriminator(torch.cat([real, fake]))
    torch.testing.assert_close(together, torch.cat([discriminator(real), discriminator(fake)]))


def test_same_seed_same_bits_through_a_training_step() -> None:
    def trained() -> torch.Tensor:
        torch.manual_seed(6)
        generator, discriminator = build_generator(PAPER, 128, (2,)), build_discriminator(PAPER, (2,), 5)
        optimiser = torch.optim.Adam([*generator.parameters(), *discriminator.parameters()])
        for _ in range(2):
            optimiser.zero_grad()
            discriminator(generator(torch.randn(20, 128))).square().mean().backward()
            optimiser.step()
        return torch.cat([parameter.detach().flatten() for parameter in generator.parameters()])

    assert torch.equal(trained(), trained())


@pytest.mark.parametrize("build", [lambda: build_generator(PAPER, 128, (3, 32, 32)),
                                   lambda: build_discriminator(PAPER, (3, 32, 32), 5)])  # fmt: skip
def test_images_are_refused_with_the_family_that_makes_them(build) -> None:
    with pytest.raises(UserError, match=r"family mlp.*\(3, 32, 32\).*dcgan"):
        build()
