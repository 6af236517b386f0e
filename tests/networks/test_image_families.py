"""Every family for images: shapes, ranges, layers and parameters counted by hand, one step of each player."""

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn.functional import softplus
from torch.nn.utils.parametrize import is_parametrized

from gantry.errors import UserError
from gantry.networks import build_discriminator, build_generator
from gantry.networks.attention import SelfAttention
from gantry.plan.blocks.image_networks import ImageNetworks
from gantry.plan.blocks.networks import Networks

SHAPE = (3, 32, 32)
OPTIMISED = {"family": "dcgan32", "spectral_penultimate": True, "r311": True}
WGAN_GP = {"family": "resnet", "generator_ratio": 1, "pooling": "mean", "spectral_norm": False}
VARIANTS = {
    "dcgan": {"family": "dcgan"},
    "dcgan, residual": {"family": "dcgan", "generator": "residual"},
    "dcgan, patchgan": {"family": "dcgan", "discriminator": "patchgan"},
    "dcgan32": {"family": "dcgan32"},
    "dcgan32, optimised": OPTIMISED,
    "dcgan32, 4 verdicts": {"family": "dcgan32", "head_channels": 4},
    "dcgan32, critic": {"family": "dcgan32", "batch_norm": False},
    "sngan": {"family": "sngan"},
    "resnet": {"family": "resnet"},
    "resnet, critic": WGAN_GP,
    "sagan": {"family": "sagan"},
    "biggan_deep": {"family": "biggan_deep"},
}
# Verdicts on each image, where there are several: PatchGAN has 2 × 2 patches at 32 × 32.
VERDICTS = {"dcgan, patchgan": 4, "dcgan32, 4 verdicts": 4}
variants = pytest.mark.parametrize("name", VARIANTS)


def block(**options) -> ImageNetworks:
    return TypeAdapter(Networks).validate_python(options)


def pair(name: str, latent: int = 6, outputs: int = 3) -> tuple[nn.Module, nn.Module]:
    networks = block(width=4, **VARIANTS[name])
    return build_generator(networks, latent, SHAPE), build_discriminator(networks, SHAPE, outputs)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def layers(network: nn.Module, *kinds: type[nn.Module]) -> list:
    return [layer for layer in network.modules() if isinstance(layer, kinds)]


@variants
def test_shapes_and_range(name: str) -> None:
    torch.manual_seed(0)
    generator, discriminator = pair(name)
    images = generator(torch.randn(5, 6))
    assert images.shape == (5, *SHAPE)
    with torch.no_grad():
        layers(generator, nn.BatchNorm2d)[-1].weight.mul_(1000)
    assert 0.9 < generator(torch.randn(5, 6)).abs().max() <= 1
    assert discriminator(images).shape == (5 * VERDICTS.get(name, 1), 3)


@variants
def test_each_image_is_judged_by_itself_and_its_verdicts_stand_together(name: str) -> None:
    torch.manual_seed(0)
    options = {"head": "linear"} if VARIANTS[name]["family"] == "dcgan" else {}
    discriminator = build_discriminator(block(width=4, **VARIANTS[name], **options), SHAPE, 3).eval()
    images = torch.randn(3, *SHAPE)
    alone = torch.cat([discriminator(image[None]) for image in images])
    torch.testing.assert_close(discriminator(images), alone, rtol=1e-4, atol=1e-5)


@variants
def test_both_players_take_a_step_with_finite_losses(name: str) -> None:
    torch.manual_seed(0)
    generator, discriminator = pair(name, outputs=1)
    players = {"d": discriminator, "g": generator}
    optimisers = {key: torch.optim.Adam(network.parameters(), 1e-3) for key, network in players.items()}
    before = {
        key: [parameter.clone() for parameter in player.parameters()] for key, player in players.items()
    }
    real, z = torch.rand(4, *SHAPE) * 2 - 1, torch.randn(4, 6)
    loss_d = softplus(-discriminator(real)).mean() + softplus(discriminator(generator(z).detach())).mean()
    loss_d.backward()
    optimisers["d"].step()
    loss_g = softplus(-discriminator(generator(z))).mean()
    loss_g.backward()
    optimisers["g"].step()
    assert loss_d.isfinite() and loss_g.isfinite()
    for key, player in players.items():
        assert all(parameter.isfinite().all() for parameter in player.parameters())
        moved = [not torch.equal(a, b) for a, b in zip(before[key], player.parameters(), strict=True)]
        # Only what self-attention's γ = 0 cuts off may stay.
        assert all(moved) if name != "sagan" else sum(moved) == len(moved) - 4


@variants
def test_a_gradient_penalty_reaches_the_critics_weights(name: str) -> None:
    torch.manual_seed(0)
    discriminator = pair(name, outputs=1)[1]
    x = torch.randn(3, *SHAPE, requires_grad=True)
    (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    slope.square().sum().backward()
    first = next(parameter for parameter in discriminator.parameters() if parameter.ndim > 1)
    assert first.grad.isfinite().all() and first.grad.abs().sum() > 0


@pytest.mark.parametrize("family", ["dcgan32", "sngan", "resnet", "sagan"])
@pytest.mark.parametrize("shape", [(2,), (3, 128, 128), (3, 32, 64)])
def test_other_shapes_are_refused_with_those_that_fit(family: str, shape: tuple[int, ...]) -> None:
    networks = block(family=family, width=2)
    fits = ", ".join(map(str, networks.resolutions))
    for build in (
        lambda: build_generator(networks, 8, shape),
        lambda: build_discriminator(networks, shape, 5),
    ):
        with pytest.raises(UserError, match=rf"family {family}: .* with R one of {fits};"):
            build()


# ── dcgan32: EDGAN's figures 2 and 3 ──────────────────────────────────────────────────────────────────


def signature(layer: nn.Conv2d) -> tuple[int, int, int, int]:
    """As the figure writes it: "conv 64 3 1 1"."""
    return layer.out_channels, layer.kernel_size[0], layer.stride[0], layer.padding[0]


def test_dcgan32_is_figure_2() -> None:
    generator = build_generator(block(family="dcgan32"), 128, SHAPE)
    discriminator = build_discriminator(block(family="dcgan32", head_channels=512), SHAPE, 1)
    up = layers(generator, nn.ConvTranspose2d)
    down = layers(discriminator, nn.Conv2d)
    assert [signature(layer) for layer in up] == [
        (512, 3, 1, 1), (512, 4, 2, 1), (256, 3, 1, 1), (256, 4, 2, 1), (128, 3, 1, 1), (128, 4, 2, 1), (3, 3, 1, 1)
    ]  # fmt: skip
    assert [signature(layer) for layer in down] == [
        (64, 3, 1, 1), (64, 4, 2, 1), (128, 3, 1, 1), (128, 4, 2, 1), (256, 3, 1, 1), (256, 4, 2, 1), (512, 4, 1, 0)
    ]  # fmt: skip
    assert all(layer.bias is None for layer in [*up, *down])
    assert [norm.num_features for norm in layers(generator, nn.BatchNorm2d)] == [512, 512, 256, 256, 128, 128]
    assert [norm.num_features for norm in layers(discriminator, nn.BatchNorm2d)] == [
        64,
        64,
        128,
        128,
        256,
        256,
    ]
    assert [leak.negative_slope for leak in layers(discriminator, nn.LeakyReLU)] == [0.2] * 6
    # (128 + 1)·512·16; 9·(512·512 + 512·256 + 256·128 + 128·3); 16·(512·512 + 256·256 + 128·128); BatchNorms
    deconvs = 9 * (262_144 + 131_072 + 32_768 + 384) + 16 * (262_144 + 65_536 + 16_384)
    assert parameters(generator) == 129 * 8_192 + deconvs + 2 * 2 * (512 + 256 + 128)
    # 9·(3·64 + 64·128 + 128·256); 16·(64·64 + 128·128 + 256·256 + 256·512); BatchNorms
    convs = 9 * (192 + 8_192 + 32_768) + 16 * (4_096 + 16_384 + 65_536 + 131_072)
    assert parameters(discriminator) == convs + 2 * 2 * (64 + 128 + 256)


def test_r311_takes_away_the_generators_3_1_1_layers_but_the_last() -> None:
    up = layers(build_generator(block(family="dcgan32", r311=True), 128, SHAPE), nn.ConvTranspose2d)
    assert [signature(layer) for layer in up] == [
        (512, 4, 2, 1),
        (256, 4, 2, 1),
        (128, 4, 2, 1),
        (3, 3, 1, 1),
    ]
    assert [layer.in_channels for layer in up] == [512, 512, 256, 128]
    plain, r311 = (
        build_discriminator(block(family="dcgan32", r311=option), SHAPE, 1) for option in (False, True)
    )
    assert str(plain) == str(r311)


def test_sn_in_p_touches_the_last_convolution_of_the_discriminator_only() -> None:
    networks = block(family="dcgan32", width=8, spectral_penultimate=True)
    wrapped = [
        layer
        for network in (build_generator(networks, 8, SHAPE), build_discriminator(networks, SHAPE, 1))
        for layer in layers(network, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
        if is_parametrized(layer)
    ]
    assert [signature(layer) for layer in wrapped] == [(1, 4, 1, 0)]
    discriminator = build_discriminator(block(family="dcgan32", width=8), SHAPE, 1)
    assert not any(is_parametrized(layer) for layer in discriminator.modules())


def test_the_mean_over_verdicts_is_the_loss_averaged_over_the_channels() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(block(family="dcgan32", width=4, head_channels=5), SHAPE, 1).eval()
    images = torch.randn(3, *SHAPE)
    channels = discriminator.penultimate(discriminator.layers(images)).flatten(1)
    assert channels.shape == (3, 5)
    torch.testing.assert_close(discriminator(images), channels.reshape(15, 1))


def test_a_critic_without_batch_norm_has_no_normalisation() -> None:
    critic = build_discriminator(block(family="dcgan32", batch_norm=False), SHAPE, 1)
    assert {type(layer) for layer in critic.layers} == {nn.Conv2d, nn.LeakyReLU}
    assert layers(build_generator(block(family="dcgan32", batch_norm=False), 8, SHAPE), nn.BatchNorm2d)


# ── sngan: Miyato et al. 2018, table 3 ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("resolution", [32, 64])
def test_sngans_standard_cnn_is_table_3(resolution: int) -> None:
    shape, side = (3, resolution, resolution), resolution // 8
    generator = build_generator(block(family="sngan"), 128, shape)
    discriminator = build_discriminator(block(family="sngan"), shape, 1)
    up, down = layers(generator, nn.ConvTranspose2d), layers(discriminator, nn.Conv2d)
    assert [signature(layer) for layer in up] == [(256, 4, 2, 1), (128, 4, 2, 1), (64, 4, 2, 1), (3, 3, 1, 1)]
    assert [signature(layer) for layer in down] == [
        (64, 3, 1, 1), (64, 4, 2, 1), (128, 3, 1, 1), (128, 4, 2, 1), (256, 3, 1, 1), (256, 4, 2, 1), (512, 3, 1, 1)
    ]  # fmt: skip
    assert [leak.negative_slope for leak in layers(discriminator, nn.LeakyReLU)] == [0.1] * 7
    assert not layers(discriminator, nn.BatchNorm2d)
    dense = 512 * side * side
    deconvs = 16 * (512 * 256 + 256 * 128 + 128 * 64) + 9 * 64 * 3 + (256 + 128 + 64 + 3)
    assert parameters(generator) == (128 + 1) * dense + 2 * dense + deconvs + 2 * (256 + 128 + 64)
    convs = 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 16 * (64 * 64 + 128 * 128 + 256 * 256)
    assert parameters(discriminator) == convs + 2 * (64 + 128 + 256) + 512 + dense + 1
    assert all(is_parametrized(layer) for layer in [*down, discriminator.head])
    assert generator(torch.randn(2, 128)).shape == (2, *shape)


# ── resnet: Miyato et al. 2018, table 4; Gulrajani et al. 2017 ────────────────────────────────────────


def test_resnet_is_table_4() -> None:
    generator = build_generator(block(family="resnet"), 128, SHAPE)
    discriminator = build_discriminator(block(family="resnet"), SHAPE, 1)
    up = 2 * (9 * 256 * 256 + 256) + (256 * 256 + 256) + 4 * 256  # two 3×3, a shortcut, two BatchNorms
    assert parameters(generator) == 129 * 4_096 + 3 * up + 2 * 256 + (9 * 256 * 3 + 3)
    same = 2 * (9 * 128 * 128 + 128)
    first = (9 * 3 * 128 + 128) + (9 * 128 * 128 + 128) + (3 * 128 + 128)
    assert parameters(discriminator) == first + (same + 128 * 128 + 128) + 2 * same + 129
    assert not layers(discriminator, nn.BatchNorm2d)
    assert all(is_parametrized(layer) for layer in layers(discriminator, nn.Conv2d, nn.Linear))
    assert not any(is_parametrized(layer) for layer in generator.modules())


def test_the_critic_of_wgan_gp_has_no_normalisation_and_averages() -> None:
    torch.manual_seed(0)
    generator = build_generator(block(**WGAN_GP), 128, SHAPE)
    assert {layer.out_channels for layer in layers(generator, nn.Conv2d)} == {128, 3}
    critic = build_discriminator(block(width=8, **WGAN_GP), SHAPE, 1)
    assert not layers(critic, nn.BatchNorm2d)
    assert not any(is_parametrized(layer) for layer in critic.modules())
    x = torch.randn(2, *SHAPE)
    adding = build_discriminator(block(width=8, **WGAN_GP | {"pooling": "sum"}), SHAPE, 1)
    adding.load_state_dict(critic.state_dict())
    # Sums over 8 × 8 places are 64 means.
    torch.testing.assert_close(adding(x) - adding.head.bias, 64 * (critic(x) - critic.head.bias))


def test_blocks_of_the_generator_double_and_of_the_discriminator_halve() -> None:
    generator = build_generator(block(family="resnet", width=2), 8, SHAPE)
    sizes: list[int] = []
    for layer in layers(generator, nn.Conv2d):
        layer.register_forward_hook(lambda _, given, made: sizes.append(made.shape[2]))
    generator(torch.randn(2, 8))
    # In each block two at the new size and the shortcut at the old one; then the last convolution.
    assert sizes == [8, 8, 4, 16, 16, 8, 32, 32, 16, 32]


def test_a_block_is_its_formula() -> None:
    """Upsampling and pooling around the 1×1 convolution commute with it: the published order, computed."""
    torch.manual_seed(0)
    generator = build_generator(block(family="resnet", width=2), 8, SHAPE).eval()
    up = generator.layers[2]
    x = torch.randn(2, 4, 4, 4)
    repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(up.shortcut(x), up.shortcut[0](repeated))
    relu, norm = torch.relu, up.residual[0]
    hidden = up.residual[3](relu(norm(x)).repeat_interleave(2, 2).repeat_interleave(2, 3))
    torch.testing.assert_close(up.residual(x), up.residual[6](relu(up.residual[4](hidden))))
    torch.testing.assert_close(up(x), up.residual(x) + up.shortcut(x))
    down = build_discriminator(block(family="resnet", width=4, spectral_norm=False), SHAPE, 1).layers[1]
    x = torch.randn(2, 4, 8, 8)
    pooled = down.shortcut[1](x).unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5))
    torch.testing.assert_close(down.shortcut(x), pooled)
    inner = down.residual[3](relu(down.residual[1](relu(x))))
    torch.testing.assert_close(down.residual(x), inner.unflatten(2, (4, 2)).unflatten(4, (4, 2)).mean((3, 5)))


def test_the_first_block_reads_pixels_as_they_are() -> None:
    discriminator = build_discriminator(block(family="resnet", width=2), SHAPE, 1)
    assert isinstance(discriminator.layers[0].residual[0], nn.Conv2d)
    assert isinstance(discriminator.layers[1].residual[0], nn.ReLU)


def test_glorot_with_gain_in_the_blocks_and_without_it_elsewhere() -> None:
    torch.manual_seed(0)
    generator = build_generator(block(family="resnet", width=32), 128, SHAPE)
    up = generator.layers[2]
    glorot = (2 / (64 * 9 + 64 * 9)) ** 0.5
    assert up.residual[3].weight.std().item() == pytest.approx(2**0.5 * glorot, rel=0.02)
    assert up.shortcut[0].weight.std().item() == pytest.approx((2 / 128) ** 0.5, rel=0.03)
    assert generator.layers[0].weight.std().item() == pytest.approx((2 / (128 + 1024)) ** 0.5, rel=0.02)


# ── sagan: Zhang et al. 2019 ──────────────────────────────────────────────────────────────────────────


def test_sagan_attends_at_16_pixels_and_normalises_both_networks() -> None:
    networks = block(family="sagan", width=16)
    generator, discriminator = build_generator(networks, 8, SHAPE), build_discriminator(networks, SHAPE, 1)
    for network, channels, inputs in ((generator, 32, (2, 8)), (discriminator, 16, (2, *SHAPE))):
        (attention,) = layers(network, SelfAttention)
        seen = []
        attention.register_forward_hook(lambda _, given, made, seen=seen: seen.append(tuple(made.shape)))
        network(torch.randn(*inputs))
        assert seen == [(2, channels, 16, 16)]
        weighted = layers(network, nn.Conv2d, nn.Linear)
        assert weighted and all(is_parametrized(layer) for layer in weighted)
    plain = block(family="resnet", width=16)
    # f, g, h and v have an eighth of the channels on one side; γ is one number.
    assert parameters(generator) == parameters(build_generator(plain, 8, SHAPE)) + 4 * 32 * 4 + 1
    assert parameters(discriminator) == parameters(build_discriminator(plain, SHAPE, 1)) + 4 * 16 * 2 + 1


@pytest.mark.parametrize("name", ["dcgan, patchgan", "sngan", "resnet", "sagan", "dcgan32, optimised"])
def test_normalised_layers_have_spectral_norm_one(name: str) -> None:
    torch.manual_seed(0)
    for network, inputs in zip(pair(name), (torch.randn(2, 6), torch.randn(2, *SHAPE)), strict=True):
        for _ in range(40):  # each forward pass makes one step of the power iteration
            network(inputs)
        for layer in layers(network, nn.Conv2d, nn.ConvTranspose2d, nn.Linear):
            if is_parametrized(layer):
                matrix = (
                    layer.weight.transpose(0, 1) if isinstance(layer, nn.ConvTranspose2d) else layer.weight
                )
                norm = torch.linalg.matrix_norm(matrix.flatten(1), 2).item()
                assert norm == pytest.approx(1, rel=0.02)


# ── dcgan: BCGAN's table 4 ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("resolution", [32, 256])
def test_the_residual_generator_has_two_blocks_more(resolution: int) -> None:
    shape = (3, resolution, resolution)
    plain = build_generator(block(family="dcgan", width=4), 8, shape)
    residual = build_generator(block(family="dcgan", width=4, generator="residual"), 8, shape)
    # At R/8 there are 4·width = 16 channels; a block has two 3×3 convolutions and two BatchNorms.
    assert parameters(residual) == parameters(plain) + 2 * (2 * 9 * 16 * 16 + 4 * 16)
    assert residual(torch.randn(2, 8)).shape == (2, *shape)


def receptive_field(convs: list[nn.Conv2d]) -> int:
    field, jump = 1, 1
    for conv in convs:
        field += (conv.kernel_size[0] - 1) * jump
        jump *= conv.stride[0]
    return field


@pytest.mark.parametrize(("resolution", "side"), [(32, 2), (64, 6), (128, 14), (256, 30)])
def test_patchgan_judges_patches_of_70_pixels(resolution: int, side: int) -> None:
    shape = (3, resolution, resolution)
    networks = block(family="dcgan", width=2, discriminator="patchgan", head="linear")
    discriminator = build_discriminator(networks, shape, 5)
    convs = layers(discriminator, nn.Conv2d)
    assert receptive_field(convs) == 70
    assert [conv.out_channels for conv in convs] == [4, 8, 16, 32, 5]  # C64-C128-C256-C512 at width 32
    images = torch.randn(2, *shape)
    assert discriminator(images).shape == (2 * side * side, 5)


def test_a_patchs_verdict_knows_its_70_pixels_only() -> None:
    torch.manual_seed(0)
    networks = block(family="dcgan", width=2, discriminator="patchgan", head="linear")
    discriminator = build_discriminator(networks, (3, 128, 128), 5).eval()
    images = torch.randn(1, 3, 128, 128)
    images.requires_grad_()
    rows = discriminator(images).unflatten(0, (14, 14))
    for row, column in ((0, 0), (0, 7), (6, 7), (13, 3)):
        (slope,) = torch.autograd.grad(rows[row, column].sum(), images, retain_graph=True)
        places = slope[0].abs().sum(0).nonzero()
        # Strides multiply to 8; the paddings, 1 at each of five layers, to 1 + 2 + 4 + 8 + 8.
        for place, index in ((places[:, 0], row), (places[:, 1], column)):
            first = 8 * index - 23
            assert place.min() == max(first, 0) and place.max() == min(first + 69, 127)
