"""SIFID: the Fréchet distance between two images' own places. Rott Shaham et al. 2019, section 4.1."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.features.inception import HalvingPool
from gantry.metrics.frechet import frechet_distance, gaussian_statistics
from gantry.metrics.names import NETWORKS_OF_PLACES

POOLS = (HalvingPool, nn.AdaptiveAvgPool2d, nn.Flatten)


def maps(network: FeatureNetwork) -> nn.Sequential:
    """Return the layers of a network up to its last pooling: an image to (B, D, H, W).

    Of `inception-192` and `inception-768` these end before the second maximum, as in the paper. Raises UserError for
    other networks.
    """
    if network.name not in NETWORKS_OF_PLACES or not isinstance(network.body, nn.Sequential):
        raise UserError(
            f"metrics: sifid reads features of single places, and network {network.name} gives none: take features "
            f"{', '.join(NETWORKS_OF_PLACES)}"
        )
    layers = list(network.body.children())
    maxima = [number for number, layer in enumerate(layers) if isinstance(layer, HalvingPool)]
    layers = layers[: maxima[1]] if len(maxima) > 1 else layers
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
