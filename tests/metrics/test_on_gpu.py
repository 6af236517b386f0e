"""On a GPU: the numbers of the CPU, with images of any batch size. Skipped where PyTorch sees none."""

import numpy as np
import pytest
import torch

from gantry.metrics.features.fid_networks import prepare
from gantry.metrics.features.inception import FidInception
from gantry.metrics.features.network import FeatureNetwork
from gantry.metrics.fid_infinity import frechet_distance_infinity
from gantry.metrics.frechet import frechet_distance, gaussian_statistics
from gantry.metrics.swd import sliced_wasserstein

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU"),
]


def test_frechet_distances_are_those_of_the_cpu() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((400, 100)), rng.standard_normal((300, 100)) + 0.1
    real = gaussian_statistics(a)
    assert frechet_distance(real, gaussian_statistics(b, device="cuda"), "cuda") == pytest.approx(
        frechet_distance(real, gaussian_statistics(b)), rel=1e-9
    )
    there, here = (frechet_distance_infinity(real, b, device=device) for device in ("cuda", "cpu"))
    assert there.value == pytest.approx(here.value, rel=1e-6)


def test_swd_is_that_of_the_cpu() -> None:
    real, generated = np.random.default_rng(0).integers(0, 256, (2, 50, 64, 64, 3), dtype=np.uint8)
    there, here = (sliced_wasserstein(real, generated, device=device) for device in ("cuda", "cpu"))
    assert there.levels == pytest.approx(here.levels, rel=1e-3)


@pytest.mark.parametrize("mode", ["clean", "legacy_pytorch", "legacy_tensorflow"])
def test_features_are_those_of_the_cpu_in_any_batch(mode: str) -> None:
    torch.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
    body = FidInception(768)
    here = FeatureNetwork("inception-768", lambda x: prepare(x, mode), body, None, "cpu").extract(images)
    network = FeatureNetwork("inception-768", lambda x: prepare(x, mode), body, None, "cuda")
    largest = np.abs(here.features).max()
    for size in (None, 1, 4):
        there = network.extract(images, size)
        np.testing.assert_allclose(there.features, here.features, atol=1e-4 * largest)
