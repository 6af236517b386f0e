"""The pool of earlier images: the loop of CycleGAN's code, and how old what comes out of it is."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from gantry.methods.pool import Pool


def test_the_pool_is_the_papers_loop() -> None:
    """CycleGAN's code, ten lines, with the same coins and places."""
    pool, kept = Pool(5, (1,)), []
    torch.manual_seed(3)
    state = torch.get_rng_state()
    given = torch.arange(60.0)[:, None, None]
    handed_out = [pool(image).item() for image in given]
    torch.set_rng_state(state)
    expected = []
    for image in given:
        coin, place = torch.rand(1).item() < 0.5, torch.rand(5).topk(1).indices.item()
        if len(kept) < 5:
            kept.append(image.item())
            expected.append(image.item())
        elif coin:
            expected.append(kept[place])
            kept[place] = image.item()
        else:
            expected.append(image.item())
    assert handed_out == expected
    assert pool.images.flatten().tolist() == kept
    assert set(handed_out) != set(given.flatten().tolist()), "old ones come in the place of new ones"


def test_old_images_are_of_geometric_age() -> None:
    """Each batch of one takes a place with chance ½·1/P, so ages are geometric with mean 2P."""
    torch.manual_seed(0)
    pool = Pool(10, ())
    ages = [number - int(pool(torch.tensor([float(number)]))) for number in range(6_000)]
    old = np.array([age for age in ages if age])
    assert old.mean() == pytest.approx(20, rel=0.1)
    jittered = old + np.random.default_rng(0).random(len(old)) - 1
    continuous = lambda age: 1 - (1 - 1 / 20) ** np.floor(age) * (1 - (age - np.floor(age)) / 20)  # noqa: E731
    assert kstest(jittered, continuous).pvalue > 0.01
    assert kstest(2 * jittered, continuous).pvalue < 1e-6, "the control: other ages are told apart"


def test_places_of_a_batch_are_distinct_and_filling_is_in_order() -> None:
    pool = Pool(6, (2,))
    torch.manual_seed(0)
    for number in range(3):
        new = torch.full((2, 2), float(number))
        assert torch.equal(pool(new), new)
    assert pool.count == 6 and pool.images[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    for number in range(3, 50):
        seen = pool(torch.full((2, 2), float(number)) + torch.tensor([[0.0], [0.5]]))
        assert len(set(seen[:, 0].tolist())) == 2 or (seen[:, 0] < 3).all()
