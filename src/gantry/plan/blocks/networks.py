"""`networks`: the pair of a generator and a discriminator, by family."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

# Read for their families alone, which are among those that are found below.
from gantry.plan.blocks import autoencoders, code_translators, stepwise_networks  # noqa: F401
from gantry.plan.blocks.base import by_tag, union
from gantry.plan.blocks.image_networks import ImageNetworks
from gantry.plan.blocks.point_networks import PointNetworks
from gantry.plan.blocks.translators import ImageTranslators, PointTranslators

# A block by the family that it names: all there are, in the order in which they are written.
FAMILIES = by_tag("family", PointNetworks, ImageNetworks, PointTranslators, ImageTranslators)

if TYPE_CHECKING:
    Networks = PointNetworks | ImageNetworks | PointTranslators | ImageTranslators
else:
    Networks = Annotated[union(FAMILIES), Field(discriminator="family")]
