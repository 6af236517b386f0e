"""Products by oneDNN: those of float64, and NumPy's where oneDNN does not go."""

import numpy as np
import pytest
import torch

from gantry.metrics import kernel_distance as module
from gantry.metrics.kernel_distance import kernel_distance
from gantry.metrics.products import packed, product


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 13), (65, 129, 300)])
def test_products_are_those_of_float64(dtype: type, shape: tuple[int, int, int]) -> None:
    n, m, width = shape
    rng = np.random.default_rng(0)
    a, b = (rng.random((rows, width)).astype(dtype) for rows in (n, m))
    found = product(packed(a), packed(b)).numpy()
    assert found.dtype == dtype and found.shape == (n, m)
    expected = a.astype(np.float64) @ b.astype(np.float64).T
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == np.float32 else 1e-13)


def test_without_onednn_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.random((90, 40)).astype(np.float32) + shift for shift in (np.float32(0), np.float32(0.1)))
    monkeypatch.setattr(module, "BLOCK", 32)
    first = kernel_distance(x, y, subsets=20, subset_size=50)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not packed(x).is_mkldnn
    assert kernel_distance(x, y, subsets=20, subset_size=50) == pytest.approx(first, rel=1e-4)
    in_double = kernel_distance(x.astype(np.float64), y.astype(np.float64), subsets=20, subset_size=50)
    assert in_double == pytest.approx(first, rel=1e-4)
