"""Work shared out to threads: the same numbers on any number of them, and torch's own number left alone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from gantry.metrics import kernel_distance as kernel_module
from gantry.metrics import swd as swd_module
from gantry.metrics.kernel_distance import kernel_distance
from gantry.metrics.swd import sliced_wasserstein
from gantry.metrics.threads import workers


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_worker_computes_alone_and_torch_keeps_its_threads() -> None:
    torch.set_num_threads(3)
    with workers() as pool:
        assert list(pool.map(lambda _: torch.get_num_threads(), range(5))) == [1] * 5
    assert torch.get_num_threads() == 3
    with pytest.raises(ZeroDivisionError), workers() as pool:
        list(pool.map(lambda x: 1 / x, [0]))
    assert torch.get_num_threads() == 3
    # What torch was told last is what later threads begin with.
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == 3


def kid() -> object:
    rng = np.random.default_rng(0)
    x, y = (rng.random((90, 40)).astype(np.float32) + np.float32(shift) for shift in (0, 0.1))
    return kernel_distance(x, y, 20, 50), kernel_distance(x, y, 2, 20)


def swd() -> object:
    real, generated = np.random.default_rng(0).integers(0, 256, (2, 40, 32, 32, 3), dtype=np.uint8)
    return sliced_wasserstein(real, generated)


@pytest.mark.parametrize("compute", [kid, swd])
def test_the_number_of_threads_changes_no_bit(
    compute: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_module, "BLOCK", 32)
    monkeypatch.setattr(swd_module, "BLOCK_PIXELS", 1 << 12)
    monkeypatch.setattr(swd_module, "BLOCK_PATCHES", 1 << 9)
    found = []
    for count in (1, 2, 4):
        torch.set_num_threads(count)
        found.append(compute())
    assert found[0] == found[1] == found[2]


def test_features_of_other_precisions() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 8)), rng.random((50, 8)) + 0.2
    expected = kernel_distance(x, y, 10, 30)
    assert kernel_distance(x.astype(np.float32), y, 10, 30) == pytest.approx(expected, rel=1e-5)
    halves = kernel_distance(x.astype(np.float16), y.astype(np.float16), 10, 30)
    assert halves == pytest.approx(expected, rel=1e-2)
    assert halves == kernel_distance(
        x.astype(np.float16).astype(np.float64), y.astype(np.float16).astype(np.float64), 10, 30
    )
