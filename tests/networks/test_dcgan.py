"""The image experiments' pair: layers by resolution, sizes, initial weights under spectral norm, heads."""

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from gantry.errors import UserError
from gantry.networks import build_discriminator, build_generator
from gantry.networks.dcgan import AdaptiveHead
from gantry.networks.spectral import normalise
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.blocks.networks import Networks

RESOLUTIONS = [32, 64, 128, 256]
# Channels from 4×4 pixels up to half the resolution, at width 32: the first is 32·resolution/8.
CHANNELS = {
    32: [128, 64, 32],
    64: [256, 128, 64, 32],
    128: [512, 256, 128, 64, 32],
    256: [1024, 512, 256, 128, 64, 32],
}


def dcgan(**options) -> DcganNetworks:
    return DcganNetworks(family="dcgan", **options)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def layers(network: nn.Module, kind: type[nn.Module]) -> list:
    return [layer for layer in network.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_shapes_and_range(resolution: int) -> None:
    torch.manual_seed(resolution)
    generator = build_generator(dcgan(width=2), 5, (3, resolution, resolution))
    discriminator = build_discriminator(dcgan(width=2), (3, resolution, resolution), 7)
    images = generator(torch.randn(3, 5))
    assert images.shape == (3, 3, resolution, resolution)
    with torch.no_grad():
        layers(generator, nn.ConvTranspose2d)[-1].weight.mul_(1000)
    assert 0.9 < generator(torch.randn(3, 5)).abs().max() <= 1
    assert discriminator(images).shape == (3, 7)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_channels_kernels_strides_and_no_biases(resolution: int) -> None:
    shape, channels = (3, resolution, resolution), [width // 8 for width in CHANNELS[resolution]]
    up = layers(build_generator(dcgan(width=4), 128, shape), nn.ConvTranspose2d)
    plain = build_discriminator(dcgan(width=4, spectral_norm=False), shape, 51)
    down = layers(plain, nn.Conv2d)
    assert [layer.in_channels for layer in up] == [128, *channels]
    assert [layer.out_channels for layer in up] == [*channels, 3]
    assert [layer.in_channels for layer in down] == [3, *channels[:0:-1]]
    assert [layer.out_channels for layer in down] == channels[::-1]
    assert [layer.stride for layer in up] == [(1, 1)] + [(2, 2)] * len(channels)
    assert [layer.padding for layer in up] == [(0, 0)] + [(1, 1)] * len(channels)
    assert {(*layer.stride, *layer.padding) for layer in down} == {(2, 2, 1, 1)}
    assert {layer.kernel_size for layer in [*up, *down]} == {(4, 4)}
    assert all(layer.bias is None for layer in [*up, *down])
    assert not layers(plain, nn.BatchNorm2d)
    assert [layer.negative_slope for layer in layers(plain, nn.LeakyReLU)] == [0.2] * len(channels)


@pytest.mark.parametrize("kind", ["dcgan", "patchgan"])
def test_batch_norm_is_behind_all_convolutions_but_the_first(kind: str) -> None:
    plain = dcgan(width=3, head="linear", spectral_norm=False, batch_norm=True, discriminator=kind)
    kinds = [type(part) for part in build_discriminator(plain, (3, 32, 32), 1).layers]
    first, rest = [nn.Conv2d, nn.LeakyReLU], [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    expected = first + rest * (3 if kind == "patchgan" else 2)
    assert kinds[: len(expected)] == expected


@pytest.mark.parametrize("family", ["gran", "lrgan"])
def test_a_narrow_discriminator_of_drawn_images_gives_its_generator_a_gradient(family: str) -> None:
    """Weights of N(0, 0.02) with nothing behind them let 4 channels' logits vanish; their authors have BatchNorm."""
    torch.manual_seed(0)
    networks = TypeAdapter(Networks).validate_python({"family": family, "width": 4, "steps": 2})
    images = torch.rand(32, 3, 32, 32) * 2 - 1
    kept = build_discriminator(networks, (3, 32, 32), 1)(images)
    vanishing = dcgan(width=4, head="linear", spectral_norm=False)
    lost = build_discriminator(vanishing, (3, 32, 32), 1)(images)
    assert kept.std() > 0.1
    assert lost.std() < 1e-3


def test_parameters_at_256_counted_by_hand() -> None:
    generator = build_generator(dcgan(), 128, (3, 256, 256))
    discriminator = build_discriminator(dcgan(), (3, 256, 256), 51)
    # 4·4·(128·1024 + 1024·512 + 512·256 + 256·128 + 128·64 + 64·32 + 32·3) and BatchNorms on 2016 channels
    assert parameters(generator) == 16 * 829_536 + 2 * 2_016
    # 4·4·(3·32 + 32·64 + 64·128 + 128·256 + 256·512 + 512·1024) and the head from 16,384 features,
    # without biases: the number of RealnessGAN's and BCGAN's code
    assert parameters(discriminator) == 16 * 698_464 + 16_384 * 102 == 12_846_592


def test_parameters_at_32_counted_by_hand() -> None:
    shape = (3, 32, 32)
    # 4·4·(128·128 + 128·64 + 64·32 + 32·3) and BatchNorms on 224 channels
    assert parameters(build_generator(dcgan(), 128, shape)) == 16 * 26_720 + 2 * 224
    convolutions = 16 * (3 * 32 + 32 * 64 + 64 * 128)
    # Spectral norm adds no parameters: its vectors are buffers.
    assert parameters(build_discriminator(dcgan(), shape, 51)) == convolutions + 2_048 * 102
    linear = build_discriminator(dcgan(head="linear", spectral_norm=False), shape, 51)
    assert parameters(linear) == convolutions + (2_048 + 1) * 51


def test_generator_starts_from_the_stated_weights() -> None:
    torch.manual_seed(0)
    generator = build_generator(dcgan(), 128, (3, 64, 64))
    for layer in layers(generator, nn.ConvTranspose2d)[:-1]:
        assert layer.weight.mean().item() == pytest.approx(0, abs=5e-4)
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
    scales = torch.cat([norm.weight.detach() for norm in layers(generator, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.003)
    assert scales.std().item() == pytest.approx(0.02, rel=0.15)
    assert all((norm.bias == 0).all() for norm in layers(generator, nn.BatchNorm2d))


def test_the_wrapped_weights_carry_the_initial_distribution() -> None:
    """Initialising after wrapping would leave PyTorch's default, uniform and wider, under spectral norm."""
    torch.manual_seed(0)
    discriminator = build_discriminator(dcgan(), (3, 64, 64), 51)
    for layer in layers(discriminator, nn.Conv2d):
        original = layer.parametrizations.weight.original
        assert original.std().item() == pytest.approx(0.02, rel=0.05)
        # A normal distribution's fourth moment; a uniform one has 1.8.
        assert (original / original.std()).pow(4).mean().item() == pytest.approx(3, rel=0.15)
    linear = discriminator.head.linear.parametrizations.weight.original
    assert linear.abs().max().item() == pytest.approx(1 / 4096**0.5, rel=1e-3)


def test_every_layer_of_the_discriminator_has_spectral_norm_one() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(dcgan(width=4), (3, 32, 32), 5)
    for _ in range(30):  # each forward pass makes one step of the power iteration
        discriminator(torch.randn(2, 3, 32, 32))
    wrapped = layers(discriminator, nn.Conv2d) + layers(discriminator, nn.Linear)
    assert len(wrapped) == 4
    for layer in wrapped:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.02)


def test_power_iteration_advances_in_train_mode_only() -> None:
    network = nn.Sequential(nn.Linear(6, 4))
    normalise(network)
    vector = network[0].parametrizations.weight[0].u
    before = vector.clone()
    network.eval()(torch.randn(2, 6))
    assert torch.equal(vector, before)
    network.train()(torch.randn(2, 6))
    assert not torch.equal(vector, before)


def test_adaptive_head_draws_logits_with_its_mean_and_variance() -> None:
    torch.manual_seed(0)
    head = AdaptiveHead(2, outputs=3)
    mean, log_variance = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.0, 1.0, -3.0])
    with torch.no_grad():
        head.linear.weight.copy_(torch.cat([mean, log_variance])[:, None].expand(-1, 2))
    logits = head(torch.tensor([1.0, 0.0]).expand(40_000, 2))
    torch.testing.assert_close(logits.mean(0), mean, rtol=0, atol=0.03)
    torch.testing.assert_close(logits.var(0), log_variance.exp(), rtol=0.03, atol=0)


def test_adaptive_head_passes_gradients_to_mean_and_variance() -> None:
    head = AdaptiveHead(4, outputs=3)
    head(torch.randn(5, 4)).square().sum().backward()
    assert (head.linear.weight.grad.abs().sum(1) > 0).all()


def test_linear_head_is_deterministic_and_adaptive_is_not() -> None:
    images = torch.randn(2, 3, 32, 32)
    linear = build_discriminator(dcgan(width=2, head="linear"), (3, 32, 32), 5).eval()
    adaptive = build_discriminator(dcgan(width=2), (3, 32, 32), 5).eval()
    assert torch.equal(linear(images), linear(images))
    assert not torch.equal(adaptive(images), adaptive(images))


def test_discriminator_judges_each_image_by_itself() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(dcgan(width=2, head="linear"), (3, 32, 32), 5).eval()
    real, fake = torch.randn(4, 3, 32, 32), torch.randn(4, 3, 32, 32)
    apart = torch.cat([discriminator(real), discriminator(fake)])
    torch.testing.assert_close(discriminator(torch.cat([real, fake])), apart)


def test_same_seed_same_bits_through_a_training_step() -> None:
    def trained() -> torch.Tensor:
        torch.manual_seed(6)
        generator = build_generator(dcgan(width=2), 8, (3, 32, 32))
        discriminator = build_discriminator(dcgan(width=2), (3, 32, 32), 5)
        optimiser = torch.optim.Adam([*generator.parameters(), *discriminator.parameters()])
        for _ in range(2):
            optimiser.zero_grad()
            discriminator(generator(torch.randn(4, 8))).square().mean().backward()
            optimiser.step()
        return torch.cat([parameter.detach().flatten() for parameter in generator.parameters()])

    assert torch.equal(trained(), trained())


@pytest.mark.parametrize("shape", [(2,), (3, 48, 48), (3, 16, 16), (3, 512, 512), (3, 64, 32)])
def test_other_shapes_are_refused_with_those_that_fit(shape: tuple[int, ...]) -> None:
    for build in (
        lambda: build_generator(dcgan(), 8, shape),
        lambda: build_discriminator(dcgan(), shape, 5),
    ):
        with pytest.raises(UserError, match=r"family dcgan.*32, 64, 128, 256"):
            build()
