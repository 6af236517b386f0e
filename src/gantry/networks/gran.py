"""GRAN: an image is a sum of canvases, each drawn in view of the one before. Im et al. 2016, section 4."""

import torch
from torch import Tensor, nn

from gantry.networks.drawn import build_discriminator, check_shares
from gantry.networks.initialise import initialise
from gantry.networks.shapes import image_shape
from gantry.plan.blocks.stepwise_networks import GranNetworks

SMALLEST = 4


class Generator(nn.Module):
    """z (B, T·Z) → images (B, C, R, R) = tanh Σ_t ΔC_t, with ΔC_t = f(tanh(W z_t), h_t) and h_{t+1} = g(ΔC_t), h_0 = 0.

    f is a DCGAN's generator from 4×4 on, g the mirror of it; both are the same at all steps. Their eqs. 9 to 13.
    """

    def __init__(self, width: int, steps: int, latent: int, channels: int, resolution: int) -> None:
        super().__init__()
        doublings = (resolution // SMALLEST).bit_length() - 1
        widths = [width << level for level in range(doublings)][::-1]
        self.steps, self.features = steps, widths[0]
        self.start = nn.Linear(latent // steps, widths[0] * SMALLEST**2)
        ups: list[nn.Module] = []
        for inputs, outputs in zip([2 * widths[0], *widths[1:]], [*widths[1:], channels], strict=True):
            ups += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
            ups += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)] if outputs != channels else []
        self.decoder = nn.Sequential(*ups)
        downs: list[nn.Module] = []
        for inputs, outputs in zip([channels, *widths[:0:-1]], widths[::-1], strict=True):
            downs += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        self.encoder = nn.Sequential(*downs)

    def canvases(self, z: Tensor) -> list[Tensor]:
        """Return ΔC_1, …, ΔC_T, (B, C, R, R) each."""
        shape = (z.shape[0], self.features, SMALLEST, SMALLEST)
        seen, drawn = z.new_zeros(shape), []
        for number, part in enumerate(z.chunk(self.steps, dim=1), 1):
            drawn.append(self.decoder(torch.cat([torch.tanh(self.start(part)).view(shape), seen], dim=1)))
            if number < self.steps:
                seen = self.encoder(drawn[-1])
        return drawn

    def parts(self, z: Tensor) -> dict[str, Tensor]:
        """Return "canvas 1", …, "canvas T": the image as it stands after each step, tanh Σ ΔC so far."""
        sums = torch.stack(self.canvases(z)).cumsum(dim=0)
        return {f"canvas {number}": torch.tanh(drawn) for number, drawn in enumerate(sums, 1)}

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(torch.stack(self.canvases(z)).sum(dim=0))


def build_generator(
    networks: GranNetworks, latent_dimension: int, sample_shape: tuple[int, ...]
) -> Generator:
    """See `gantry.networks.build_generator`. Raises UserError for latents that do not fall into steps."""
    check_shares(networks, latent_dimension)
    generator = Generator(
        networks.width, networks.steps, latent_dimension, *image_shape(networks, sample_shape)
    )
    initialise(generator)
    return generator


__all__ = ["build_discriminator", "build_generator"]
