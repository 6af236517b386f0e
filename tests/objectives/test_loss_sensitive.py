"""LS-GAN and GLS-GAN against NumPy pair by pair, a linear programme, and WGAN, which they meet at slope 1."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from tests.objectives.conftest import POINTS, batches_of, objective_of, random_counts, shares
from tests.objectives.test_optima import descended

from gantry.objectives.loss_sensitive import per_row


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("generators", [1, 2])
def test_losses(slope: float, generators: int) -> None:
    random = np.random.default_rng(0)
    samples = random.normal(0, 1, (1 + generators, 5, 2, 3))
    outputs = random.normal(0, 2, (1 + generators, 5, 1))
    objective = objective_of(name="loss_sensitive", margin=0.4, slope=slope)
    real, *fakes = torch.from_numpy(outputs)
    objective.look(torch.from_numpy(samples[0]), list(torch.from_numpy(samples[1:])))
    expected = 0.0
    for batch in range(1, 1 + generators):
        for i in range(5):
            lacking = (
                0.4 * np.abs(samples[0, i] - samples[batch, i]).sum()
                + outputs[batch, i, 0]
                - outputs[0, i, 0]
            )
            expected += max(lacking, slope * lacking) / 5
    assert objective.discriminator_loss(real, fakes).item() == pytest.approx(expected, rel=1e-12)
    mean = outputs[1:].mean(axis=(1, 2)).sum()
    assert objective.generator_loss(None, fakes).item() == pytest.approx(-mean, rel=1e-12)


def test_at_slope_one_it_is_wgan_up_to_the_mean_margin() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(2, 6, 3, dtype=torch.float64)
    real, fake = torch.randn(2, 6, 1, dtype=torch.float64)
    wasserstein = objective_of(name="wasserstein").discriminator_loss(real, [fake])
    for slope, equal in ((1.0, True), (0.5, False)):
        ours = objective_of(name="loss_sensitive", margin=0.1, slope=slope)
        ours.look(x, [y])
        found = ours.discriminator_loss(real, [fake]) - 0.1 * (x - y).abs().sum(1).mean()
        assert torch.allclose(found, wasserstein) is equal


@pytest.mark.parametrize("seed", range(2))
def test_the_best_discriminator_is_that_of_a_linear_programme(seed: int) -> None:
    """min Σ p_i q_j s_ij with s_ij ≥ Δ_ij + D_j − D_i and s_ij ≥ 0."""
    counts = random_counts(seed)
    p, q = shares(counts)
    places = np.random.default_rng(seed).normal(0, 1, (POINTS, 2))
    margins = 0.5 * np.abs(places[:, None] - places).sum(axis=2)
    pairs = [(i, j) for i in range(POINTS) for j in range(POINTS)]
    above = np.zeros((len(pairs), POINTS + len(pairs)))
    for row, (i, j) in enumerate(pairs):
        above[row, j] += 1
        above[row, i] -= 1
        above[row, POINTS + row] = -1
    solution = linprog(
        np.concatenate([np.zeros(POINTS), [p[i] * q[j] for i, j in pairs]]),
        A_ub=above,
        b_ub=[-margins[pair] for pair in pairs],
        bounds=[(None, None)] * POINTS + [(0, None)] * len(pairs),
    )
    objective = objective_of(name="loss_sensitive", margin=0.5)
    where = batches_of(torch.from_numpy(places), counts)
    x = where[0].repeat_interleave(len(where[1]), dim=0)
    objective.look(x, [where[1].repeat(len(where[0]), 1)])

    def loss(table: torch.Tensor) -> torch.Tensor:
        real, fake = batches_of(table, counts)
        return objective.discriminator_loss(
            real.repeat_interleave(len(fake), dim=0), [fake.repeat(len(real), 1)]
        )

    table = descended(loss, torch.zeros(POINTS, 1))
    assert loss(table).item() == pytest.approx(solution.fun, rel=5e-3)
    assert loss(torch.zeros(POINTS, 1).double()).item() > 1.05 * solution.fun


def test_patches_have_their_samples_margin_and_packs_the_sum() -> None:
    margins = torch.tensor([1.0, 2.0])
    assert per_row(margins, 4).tolist() == [1, 1, 2, 2]
    assert per_row(margins, 2).tolist() == [1, 2]
    assert per_row(margins, 1).tolist() == [3]
