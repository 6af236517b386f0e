"""SIFID: an image against itself, Gaussians in closed form, places in another order, and which layers it reads."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gantry.errors import UserError
from gantry.metrics.features import FeatureNetwork
from gantry.metrics.features.embedded import classifier, to_side
from gantry.metrics.features.inception import FidInception
from gantry.metrics.sifid import maps, places, single_image_distance


def embedded() -> FeatureNetwork:
    torch.manual_seed(0)
    network = classifier(3)
    return FeatureNetwork("embedded", to_side, network.get_submodule("body"), network.get_submodule("head"))


def test_two_gaussians_have_the_distance_of_the_closed_form() -> None:
    """‖µ₁ − µ₂‖² + Σ (σ₁ − σ₂)² of diagonal covariances; an image and itself have none."""
    random = np.random.default_rng(0)
    whitened = random.standard_normal((500, 3))
    whitened = (whitened - whitened.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(whitened.T))).T
    one, other = whitened * [1.0, 2.0, 0.5], whitened * [3.0, 1.0, 0.5] + [1.0, 0.0, -2.0]
    assert single_image_distance(one, one) == pytest.approx(0, abs=1e-8)
    assert single_image_distance(one, other) == pytest.approx(5 + 4 + 1, rel=1e-6)
    assert single_image_distance(one, random.permutation(other)) == pytest.approx(10, rel=1e-6)


def test_places_are_the_map_before_the_networks_last_pooling() -> None:
    network, image = embedded(), np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found = places(network, image)
    assert found.shape == (16, 64)
    pooled = network.extract(image[None]).features[0]
    np.testing.assert_allclose(found.mean(0), pooled, rtol=1e-4, atol=1e-5)
    assert single_image_distance(found, places(network, image.copy())) == pytest.approx(0, abs=1e-6)
    other = np.random.default_rng(2).integers(0, 128, (32, 32, 3), dtype=np.uint8)
    assert single_image_distance(found, places(network, other)) > 1e-3


@pytest.mark.parametrize("width", [192, 768])
def test_of_the_inception_it_reads_what_stands_before_the_second_maximum(width: int) -> None:
    with torch.device("meta"):
        body = FidInception(width)
    network: Any = FeatureNetwork.__new__(FeatureNetwork)
    network.name, network.body = f"inception-{width}", body
    names = [type(layer).__name__ for layer in maps(network)]
    assert names == ["Conv", "Conv", "Conv", "HalvingPool", "Conv", "Conv"]
    found = maps(network)(torch.empty(1, 3, 299, 299, device="meta"))
    assert found.shape == (1, 192, 71, 71)


def test_networks_without_places_are_refused() -> None:
    network = FeatureNetwork("inception", to_side, nn.Sequential(nn.Flatten()), None)
    with pytest.raises(UserError, match="network inception gives none: take features inception-64"):
        maps(network)
