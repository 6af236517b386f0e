"""XGAN's pairs for images, whose codes are vectors, and the patch discriminator. Royer et al. 2017, figure 3."""

from torch import nn

from gantry.networks.domains import DOMAINS, Autoencoders, Decoder, alike, begun
from gantry.networks.patchgan import build_discriminator
from gantry.networks.translators import NORMS, Shape
from gantry.plan.blocks.autoencoders import VectorAutoencodersNetworks


def build_generator(networks: VectorAutoencodersNetworks, inputs: Shape, outputs: Shape) -> Autoencoders:
    """Four halvings of 64, 128 (each domain's own), 256, 512 (of both), two dense layers of both; decoders mirrored.

    ReLU, norm but in the first layer, tanh. Royer et al. 2017, figure 3, with the widths of another's account.
    """
    channels, resolution = alike(networks.family, inputs, outputs)
    norm, width, code = NORMS[networks.norm], networks.width, networks.code
    side = resolution // 16
    flat = 8 * width * side**2

    def halving(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 4, 2, 1), norm(after), nn.ReLU()]

    def doubling(before: int, after: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(before, after, 4, 2, 1), norm(after), nn.ReLU()]

    last: list[nn.Module] = [nn.Conv2d(4 * width, 8 * width, 4, 2, 1), nn.ReLU(), nn.Flatten()]
    into = nn.Sequential(
        *halving(2 * width, 4 * width), *last, nn.Linear(flat, code), nn.ReLU(), nn.Linear(code, code)
    )
    back: list[nn.Module] = [nn.Linear(code, code), nn.ReLU(), nn.Linear(code, flat), nn.ReLU()]
    back += [
        nn.Unflatten(1, (8 * width, side, side)),
        *doubling(8 * width, 4 * width),
        *doubling(4 * width, 2 * width),
    ]
    out = nn.Sequential(*back)
    encoders: list[nn.Module] = []
    decoders: list[nn.Module] = []
    for _ in DOMAINS:
        first = [nn.Conv2d(channels, width, 4, 2, 1), nn.ReLU()]
        encoders.append(nn.Sequential(*first, *halving(width, 2 * width), into))
        image = [nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
        decoders.append(Decoder(out, [nn.Sequential(*doubling(2 * width, width), *image)]))
    return begun(Autoencoders(encoders, decoders, (code,)))


__all__ = ["build_discriminator", "build_generator"]
