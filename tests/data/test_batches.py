"""Batches: complete epochs, exact resume, the same batches from every storage."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.data import PreparedSet
from gantry.data.batches import Batches, as_input
from gantry.errors import UserError

STORAGES = ["device", "memory", "mapped"]


def points(count: int) -> PreparedSet:
    """A set whose rows name themselves: row i is (i, i)."""
    rows = np.repeat(np.arange(count, dtype=np.float32)[:, None], 2, axis=1)
    return PreparedSet(Path("nowhere"), {"name": "rows", "kind": "points", "digest": "d"}, rows, None)


def images(count: int, side: int = 4) -> PreparedSet:
    rows = np.random.default_rng(1).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return PreparedSet(Path("nowhere"), {"name": "rows", "kind": "images", "digest": "d"}, rows, None)


def drawn(batches: Batches, number: int) -> list[int]:
    return [int(i) for _ in range(number) for i in batches.next()[:, 0]]


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("count", "size"), [(10, 3), (12, 4), (5, 12)])
def test_every_epoch_has_every_row_once_and_every_batch_is_full(count, size, storage):
    batches = Batches(points(count), size, seed=0, device="cpu", storage=storage)
    rows = drawn(batches, 5 * count)
    epochs = [rows[start : start + count] for start in range(0, len(rows), count)]
    assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > len(epochs) / 2
    batches.close()


def test_shuffling_is_uniform():
    first = [drawn(Batches(points(4), 4, seed, "cpu"), 1)[0] for seed in range(800)]
    assert np.bincount(first, minlength=4) == pytest.approx(200, abs=50)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 40),
    size=st.integers(1, 17),
    before=st.integers(0, 20),
    storage=st.sampled_from(STORAGES),
    ahead=st.integers(0, 5),
)
def test_resumed_anywhere_the_batches_are_the_same(count, size, before, storage, ahead):
    straight = Batches(points(count), size, seed=3, device="cpu", storage=storage)
    drawn(straight, before)
    state = straight.state_dict()
    rest = drawn(straight, 8)
    resumed = Batches(points(count), size, seed=3, device="cpu", storage=storage)
    drawn(resumed, ahead)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert drawn(resumed, 8) == rest
    straight.close()
    resumed.close()


@pytest.mark.parametrize("flip", [False, True])
def test_the_batches_do_not_depend_on_the_residence(flip):
    sets = [Batches(images(11), 4, 5, "cpu", flip=flip, storage=storage) for storage in STORAGES]
    for _ in range(9):
        one, *others = [batches.next() for batches in sets]
        assert all(torch.equal(one, other) for other in others)


def test_images_become_planes_between_minus_one_and_one():
    pixels = torch.tensor([[[[0, 51, 255], [255, 0, 102]]]], dtype=torch.uint8)
    planes = as_input(pixels)
    assert planes.shape == (1, 3, 1, 2) and planes.dtype == torch.float32
    assert planes.is_contiguous(memory_format=torch.channels_last)
    expected = torch.tensor([[[[-1.0, 1.0]], [[-0.6, -1.0]], [[1.0, -0.2]]]])
    torch.testing.assert_close(planes, expected)


def test_flip_mirrors_half_of_the_images_anew_each_epoch():
    data = images(400)
    plain = Batches(data, 400, 2, "cpu")
    flipped = Batches(data, 400, 2, "cpu", flip=True)
    masks = []
    for _ in range(2):
        one, other = plain.next(), flipped.next()
        # The mirror mask is drawn after the permutation, so the order is the same with and without it.
        same = (one == other).flatten(1).all(dim=1)
        mirrored = (one.flip(3) == other).flatten(1).all(dim=1)
        assert bool((same | mirrored).all())
        assert float(mirrored.float().mean()) == pytest.approx(0.5, abs=0.1)
        masks.append(mirrored)
    assert not torch.equal(*masks)


def test_seeds_differ_and_training_randomness_is_left_alone():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    assert drawn(Batches(points(50), 50, 0, "cpu"), 1) != drawn(Batches(points(50), 50, 1, "cpu"), 1)
    assert torch.equal(state, torch.get_rng_state())


def test_state_of_other_data_or_seed_is_refused():
    state = Batches(points(5), 2, 0, "cpu").state_dict()
    with pytest.raises(UserError, match="another seed"):
        Batches(points(5), 2, 1, "cpu").load_state_dict(state)
    with pytest.raises(UserError, match="another data"):
        Batches(points(5), 2, 0, "cpu").load_state_dict(state | {"data": "e"})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_batches_are_those_of_the_cpu():
    reference = Batches(images(300, 32), 32, 5, "cpu", flip=True, storage="device")
    others = [Batches(images(300, 32), 32, 5, "cuda", flip=True, storage=where) for where in STORAGES]
    for _ in range(40):
        expected = reference.next()
        for batches in others:
            torch.testing.assert_close(batches.next().cpu(), expected, rtol=0, atol=1e-6)
