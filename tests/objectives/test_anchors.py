"""Anchors: NumPy's histogram, C51's projection, the overlaps that set the two formulations apart."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.objectives.anchors import DRAWS, Anchors, draw_anchors, histogram, shift


@given(seed=st.integers(0, 2**32 - 1), bins=st.integers(2, 60), normal=st.booleans())
@settings(max_examples=60, deadline=None)
def test_histogram_is_numpys(seed: int, bins: int, normal: bool) -> None:
    random = np.random.default_rng(seed)
    draws = (random.normal(0, 0.1, DRAWS) if normal else random.uniform(-1, 1, DRAWS)).astype(np.float32)
    expected = np.histogram(draws, bins)[0]
    ours = histogram(torch.from_numpy(draws), bins).double().numpy() * DRAWS
    # A draw that float32 cannot tell from an edge may fall on its other side.
    np.testing.assert_allclose(ours, expected, atol=1.01)
    assert np.abs(ours - expected).sum() <= 4
    assert ours.sum() == pytest.approx(DRAWS)


def test_histogram_closes_the_last_bin_and_spans_the_samples_own_range() -> None:
    draws = torch.tensor([5.0, 6.0, 7.0, 7.0, 9.0])  # bins [5, 7) and [7, 9]
    assert histogram(draws, 2).tolist() == pytest.approx([0.4, 0.6])


def projected_atom_by_atom(masses: np.ndarray, by: float) -> np.ndarray:
    """C51's projection as its authors write it: move, clamp, split between floor and ceiling."""
    atoms = len(masses)
    spacing = 2 / (atoms - 1)
    moved = np.zeros(atoms)
    for atom, mass in enumerate(masses):
        position = (np.clip(-1 + atom * spacing + by, -1, 1) + 1) / spacing
        below = min(int(np.floor(position)), atoms - 2)
        moved[below] += mass * (below + 1 - position)
        moved[below + 1] += mass * (position - below)
    return moved


@given(
    masses=st.lists(st.floats(0.0, 1.0, width=32), min_size=2, max_size=60).filter(lambda m: sum(m) > 0.01),
    by=st.sampled_from([1.0, -1.0]) | st.floats(-2, 2, width=32),
)
@settings(max_examples=100, deadline=None)
def test_shift_is_the_categorical_projection(masses: list[float], by: float) -> None:
    share = np.array(masses) / sum(masses)
    ours = shift(torch.tensor(share, dtype=torch.float32), by).numpy()
    np.testing.assert_allclose(ours, projected_atom_by_atom(share, by), atol=1e-5)
    assert ours.sum() == pytest.approx(1, abs=1e-5)


def test_shift_by_hand() -> None:
    # Three atoms at −1, 0, 1, moved by +1: the last two pile up on 1.
    assert shift(torch.tensor([0.2, 0.3, 0.5]), 1.0).tolist() == pytest.approx([0, 0.2, 0.8])
    # Four atoms are 2/3 apart: +1 is one and a half atoms, so the first splits between the second and third.
    assert shift(torch.tensor([1.0, 0, 0, 0]), 1.0).tolist() == pytest.approx([0, 0.5, 0.5, 0], abs=1e-6)


def means(shifted: bool, atoms: int = 51, repeats: int = 200) -> tuple[float, float, float]:
    """Mean over redraws of A1's last atom, A0's first atom, and the overlap Σ min(A1, A0)."""
    torch.manual_seed(0)
    drawn = [draw_anchors(atoms, shifted, "cpu") for _ in range(repeats)]
    figures = [(a.real[-1], a.fake[0], torch.minimum(a.real, a.fake).sum()) for a in drawn]
    last, first, overlap = torch.tensor(figures).mean(0).tolist()
    return last, first, overlap


def test_shifted_anchors_lie_on_the_outer_atoms_and_hardly_overlap() -> None:
    last, first, overlap = means(shifted=True)
    assert last == pytest.approx(0.51, abs=0.01)
    assert first == pytest.approx(0.52, abs=0.015)
    assert overlap == pytest.approx(0.0015, abs=0.0004)


def test_raw_anchors_overlap_by_more_than_half() -> None:
    # 0.58 ± 0.03 over redraws, so that single draws reach 0.61 and more.
    last, first, overlap = means(shifted=False)
    assert last == pytest.approx(1 / 51, abs=0.002)
    assert first < 0.003
    assert overlap == pytest.approx(0.583, abs=0.01)


@given(seed=st.integers(0, 1000), atoms=st.integers(2, 60), shifted=st.booleans())
@settings(max_examples=40, deadline=None)
def test_anchors_are_float32_distributions(seed: int, atoms: int, shifted: bool) -> None:
    torch.manual_seed(seed)
    anchors: Anchors = draw_anchors(atoms, shifted, "cpu")
    for anchor in (anchors.real, anchors.fake):
        assert anchor.shape == (atoms,)
        assert anchor.dtype == torch.float32
        assert (anchor >= 0).all()
        assert anchor.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_default_generator_decides_the_draw() -> None:
    def drawn() -> torch.Tensor:
        torch.manual_seed(7)
        return draw_anchors(5, True, "cpu").real

    assert torch.equal(drawn(), drawn())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_drawing_never_waits_for_the_device() -> None:
    draw_anchors(51, True, "cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        draw_anchors(51, True, "cuda")
    finally:
        torch.cuda.set_sync_debug_mode("default")
