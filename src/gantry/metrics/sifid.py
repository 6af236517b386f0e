"""SIFID: the Fréchet distance between two images' own places. Rott Shaham et al. 2019, section 4.1."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.features.inception import HalvingPool
from gantry.metrics.frechet import frechet_distance, gaussian_statistics

POOLS = (HalvingPool, nn.AdaptiveAvgPool2d, nn.Flatten)
NETWORKS = ("inception-192", "inception-64", "embedded")


def maps(network: FeatureNetwork) -> nn.Sequential:
    """Return the layers of a network up to its last pooling: an image to (B, D, H, W).

    Of `inception-192` these end before the second maximum, as in the paper. Raises UserError for other networks.
    """
    if network.name not in NETWORKS or not isinstance(network.body, nn.Sequential):
        raise UserError(
            f"metrics: sifid reads features of single places, and network {network.name} gives none: take features "
            f"{', '.join(NETWORKS)}"
        )
    layers = list(network.body.children())
    while isinstance(layers[-1], POOLS):
        layers.pop()
    return nn.Sequential(*layers)


@torch.inference_mode()
def places(network: FeatureNetwork, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the features of every place of an image (H, W, 3): (places, D), rows of the map one after the other."""
    pixels = torch.from_numpy(np.array(image)).to(network.device).permute(2, 0, 1)[None].float()
    found: Tensor = maps(network)(network.prepare(pixels))
    return found[0].flatten(1).T.double().cpu().numpy()


def single_image_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the Fréchet distance of two images' places, (P, D) each; where a place lies does not matter."""
    return frechet_distance(gaussian_statistics(one), gaussian_statistics(other))
