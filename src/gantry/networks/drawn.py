"""What generators that draw an image step by step have in common: shares of the latent, and a DCGAN's discriminator."""

from torch import nn

from gantry.errors import UserError
from gantry.networks import dcgan
from gantry.networks.shapes import image_shape
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.blocks.stepwise_networks import GranNetworks, LrganNetworks


def check_shares(networks: GranNetworks | LrganNetworks, latent_dimension: int) -> None:
    """Raise UserError for a latent that does not fall into a share for each step."""
    if latent_dimension % networks.steps:
        nearest = max(1, round(latent_dimension / networks.steps)) * networks.steps
        raise UserError(
            f"latent.dimension {latent_dimension} does not fall into networks.steps {networks.steps}: take {nearest}"
        )


def build_discriminator(
    networks: GranNetworks | LrganNetworks, sample_shape: tuple[int, ...], outputs: int
) -> nn.Module:
    """See `gantry.networks.build_discriminator`: a DCGAN's, with BatchNorm and without spectral norm."""
    image_shape(networks, sample_shape)
    like = DcganNetworks(
        family="dcgan", width=networks.width, head="linear", spectral_norm=False, batch_norm=True
    )
    return dcgan.build_discriminator(like, sample_shape, outputs)
