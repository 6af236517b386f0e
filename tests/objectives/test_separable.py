"""Objectives that are a mean of one function for each role: the functions, the means, and D's best table."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.objectives.conftest import batches_of, best_discriminator, objective_of, random_counts, shares
from torch import nn

Function = Callable[[np.ndarray], np.ndarray]


def log_sigmoid(v: np.ndarray) -> np.ndarray:
    return -np.log1p(np.exp(-v))


COSTS: dict[str, tuple[dict[str, Any], Function, Function, Function]] = {
    "smoothed": (
        {"name": "minimax", "real_label": 0.9},
        lambda v: -0.9 * log_sigmoid(v) - 0.1 * log_sigmoid(-v),
        lambda v: -log_sigmoid(-v),
        lambda v: log_sigmoid(-v),
    ),
    "smoothed, non-saturating": (
        {"name": "non_saturating", "real_label": 0.7},
        lambda v: -0.7 * log_sigmoid(v) - 0.3 * log_sigmoid(-v),
        lambda v: -log_sigmoid(-v),
        lambda v: -log_sigmoid(v),
    ),
    "LSGAN": (
        {"name": "least_squares"},
        lambda v: (v - 1) ** 2 / 2,
        lambda v: v**2 / 2,
        lambda v: (v - 1) ** 2 / 2,
    ),
    "LSGAN, Pearson": (
        {"name": "least_squares", "a": -1, "b": 1, "c": 0},
        lambda v: (v - 1) ** 2 / 2,
        lambda v: (v + 1) ** 2 / 2,
        lambda v: v**2 / 2,
    ),
    "hinge": (
        {"name": "hinge"},
        lambda v: np.maximum(0, 1 - v),
        lambda v: np.maximum(0, 1 + v),
        lambda v: -v,
    ),
    "Wasserstein": ({"name": "wasserstein"}, lambda v: -v, lambda v: v, lambda v: -v),
}


@pytest.mark.parametrize("case", COSTS)
@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("generators", [1, 3])
def test_losses_are_means_over_all_verdicts_and_sums_over_generators(
    case: str, width: int, generators: int
) -> None:
    block, on_real, on_fake, of_generator = COSTS[case]
    objective = objective_of(**block)
    random = np.random.default_rng(width)
    real, *fakes = random.normal(0, 2, (1 + generators, 7, width))
    given = torch.from_numpy(real), [torch.from_numpy(fake) for fake in fakes]
    # The critic's difference is taken with each generator; the others see the real batch once.
    times = generators if case == "Wasserstein" else 1
    expected_d = times * on_real(real).mean() + sum(on_fake(fake).mean() for fake in fakes)
    assert objective.discriminator_loss(*given).item() == pytest.approx(expected_d, rel=1e-12)
    expected_g = sum(of_generator(fake).mean() for fake in fakes)
    assert objective.generator_loss(None, given[1]).item() == pytest.approx(expected_g, rel=1e-12)
    assert (objective.outputs, objective.generator_uses_real) == (1, False)


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
@pytest.mark.parametrize("label", [1.0, 0.9])
def test_the_standard_optimum_is_the_smoothed_share_of_real_mass(name: str, label: float) -> None:
    """D* = α p / (p + q): Goodfellow et al., proposition 1; Salimans et al., section 3.4."""
    counts = random_counts(0)
    p, q = shares(counts)
    table, _ = best_discriminator(objective_of(name=name, real_label=label), counts)
    np.testing.assert_allclose(table.sigmoid()[:, 0], label * p / (p + q), atol=1e-6)


def test_least_squares_optimum_is_the_share_of_real_mass() -> None:
    """D* = (b p + a q)/(p + q), Mao et al.; with 0 and 1 that is p/(p + q)."""
    counts = random_counts(1)
    p, q = shares(counts)
    for (a, b), expected in {(0, 1): p / (p + q), (-1, 1): (p - q) / (p + q)}.items():
        table, _ = best_discriminator(objective_of(name="least_squares", a=a, b=b), counts)
        np.testing.assert_allclose(table[:, 0], expected, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_least_squares_generator_minimises_pearson(seed: int) -> None:
    """With b − c = 1 and b − a = 2: E_p(D* − c)² + E_q(D* − c)² = χ²_Pearson(p + q ‖ 2q). Mao et al."""
    counts = random_counts(seed)
    p, q = shares(counts)
    objective = objective_of(name="least_squares", a=-1, b=1, c=0)
    table, _ = best_discriminator(objective, counts)
    both = objective.generator_loss(None, batches_of(table, counts)).item()
    assert 2 * both == pytest.approx(np.sum((2 * q - (p + q)) ** 2 / (p + q)), rel=1e-6)


def test_hinge_optimum_is_the_sign_and_its_loss_the_total_variation() -> None:
    """D* = sign(p − q), and loss_D = 2 − Σ|p − q| there (Lim and Ye 2017)."""
    counts = random_counts(2)
    p, q = shares(counts)
    objective = objective_of(name="hinge")
    signs = torch.from_numpy(np.sign(p - q))[:, None]
    best = objective.discriminator_loss(
        *(lambda real, fake: (real, [fake]))(*batches_of(signs, counts))
    ).item()
    assert best == pytest.approx(2 - np.abs(p - q).sum(), rel=1e-12)
    random = torch.Generator().manual_seed(0)
    for _ in range(200):
        other = signs + torch.randn(signs.shape, generator=random, dtype=torch.float64)
        real, fake = batches_of(other, counts)
        assert objective.discriminator_loss(real, [fake]).item() >= best - 1e-12


def test_wasserstein_over_lipschitz_tables_is_the_distance() -> None:
    """On a line, the best 1-Lipschitz critic's difference of means is ∫|F − G| (Vallender 1974)."""
    counts = random_counts(3)
    p, q = shares(counts)
    places = np.array([0.0, 0.3, 1.0, 1.1, 2.5, 4.0])
    gaps = np.diff(places)
    objective = objective_of(name="wasserstein")
    # A 1-Lipschitz table climbs or falls by at most each gap; tanh reaches every such table.
    slopes = torch.zeros(len(gaps), 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([slopes], lr=0.5)
    for _ in range(200):
        climbs = torch.tanh(slopes) * torch.from_numpy(gaps)[:, None]
        table = torch.cat([torch.zeros(1, 1, dtype=torch.float64), climbs.cumsum(0)])
        real, fake = batches_of(table, counts)
        loss = objective.discriminator_loss(real, [fake])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    expected = np.sum(np.abs(np.cumsum(p - q))[:-1] * gaps)
    assert -loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("generators", [1, 2, 3])
def test_a_constant_added_to_the_critic_changes_nothing(generators: int) -> None:
    real, *fakes = torch.randn(1 + generators, 9, 1).unbind()
    objective = objective_of(name="wasserstein")
    moved = objective.discriminator_loss(real + 100, [fake + 100 for fake in fakes])
    torch.testing.assert_close(moved, objective.discriminator_loss(real, fakes), rtol=0, atol=1e-3)


def test_clipping_bounds_every_weight_and_leaves_the_rest() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    objective_of(name="wasserstein").constrain(network)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), before, strict=True))
    objective_of(name="wasserstein", clip=0.2).constrain(network)
    for now, once in zip(network.parameters(), before, strict=True):
        assert torch.equal(now, once.clamp(-0.2, 0.2)) and now.requires_grad
