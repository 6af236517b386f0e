"""What goes into a network and what comes out of a discriminator."""

from torch import Tensor

from gantry.errors import UserError
from gantry.plan.blocks.image_networks import ImageNetworks
from gantry.plan.blocks.point_networks import PointNetworks


def image_shape(networks: ImageNetworks, sample_shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (channels, resolution); UserError unless the family is made for samples of this shape."""
    is_square_image = len(sample_shape) == 3 and sample_shape[1] == sample_shape[2]
    if not is_square_image or sample_shape[1] not in networks.resolutions:
        raise UserError(
            f"networks.family {networks.family}: the data set's samples have shape {tuple(sample_shape)}, but this "
            f"family is for square images (channels, R, R) with R one of "
            f"{', '.join(map(str, networks.resolutions))}; prepare the data at one of these resolutions, "
            "or use family mlp for points"
        )
    return sample_shape[0], sample_shape[1]


def dimension(networks: PointNetworks, sample_shape: tuple[int, ...]) -> int:
    """Return D of points (D,). UserError for samples of another shape."""
    if len(sample_shape) != 1:
        raise UserError(
            f"networks.family {networks.family}: the data set's samples have shape {tuple(sample_shape)}, but this "
            "family is for points such as (2,); use family dcgan for images"
        )
    return sample_shape[0]


def logit_rows(maps: Tensor, outputs: int) -> Tensor:
    """(B, v·outputs, S, S) → (B·S²·v, outputs): one row a logit, those of an image together.

    The mean of a loss over such rows is its mean over images and over the logits of each.
    """
    return maps.permute(0, 2, 3, 1).reshape(-1, outputs)
