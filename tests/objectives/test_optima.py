"""Optima that theory gives, found by training tables on discrete distributions: D's, and whole games'.

Those of the f-divergences stand in test_f_gan.py, of D2GAN in test_dual.py, of RealnessGAN in test_theorems.py, of
smooth objectives on one verdict and of the Wasserstein distance on a line in test_separable.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize
from tests.objectives.conftest import (
    POINTS,
    batches_of,
    best_discriminator,
    minimised,
    objective_of,
    random_counts,
    shares,
)
from torch import Tensor

from gantry.objectives import Objective


def descended(loss: Callable[[Tensor], Tensor], start: Tensor, steps: int = 400, rate: float = 0.1) -> Tensor:
    """Where Adam, slowing down to nothing, ends: for losses with corners."""
    table = start.double().clone().requires_grad_()
    optimiser = torch.optim.Adam([table], lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(table).backward()
        optimiser.step()
        schedule.step()
    return table.detach()


def of_batches(objective: Objective, counts: list[Tensor]) -> Callable[[Tensor], Tensor]:
    """D's loss as a function of its table."""

    def loss(table: Tensor) -> Tensor:
        real, *fakes = batches_of(table, counts)
        return objective.discriminator_loss(real, fakes)

    return loss


def without_constant(table: Any) -> np.ndarray:
    """A critic's table (points,), of which only differences matter."""
    values = np.asarray(table).reshape(-1)
    return values - values.mean()


# ── one table ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("generators", [1, 2, 3])
def test_against_several_generators_the_standard_verdict_is_the_share_of_all_mass(generators: int) -> None:
    """D* = p/(p + Σ q_k), from V = E_p log D + Σ_k E_{q_k} log(1 − D)."""
    counts = random_counts(4, 1 + generators)
    p, *qs = shares(counts)
    table, _ = best_discriminator(objective_of(name="minimax"), counts)
    np.testing.assert_allclose(table.sigmoid()[:, 0], p / (p + sum(qs)), atol=1e-6)


@pytest.mark.parametrize(("a", "b"), [(0, 1), (-1, 1), (-0.5, 2), (3, 1)])
def test_least_squares(a: float, b: float) -> None:
    """D* = (b p + a q)/(p + q): Mao et al. 2017, eq. 5."""
    counts = random_counts(5)
    p, q = shares(counts)
    table, _ = best_discriminator(objective_of(name="least_squares", a=a, b=b), counts)
    np.testing.assert_allclose(table[:, 0], (b * p + a * q) / (p + q), atol=1e-8)


@pytest.mark.parametrize("seed", range(2))
def test_hinge(seed: int) -> None:
    """D* = sign(p − q), where loss_D = 2 Σ min(p, q)."""
    counts = random_counts(seed)
    p, q = shares(counts)
    loss = of_batches(objective_of(name="hinge"), counts)
    table = descended(loss, torch.zeros(POINTS, 1))
    differ = p != q
    np.testing.assert_allclose(table[:, 0].numpy()[differ], np.sign(p - q)[differ], atol=0.02)
    assert loss(table).item() == pytest.approx(2 * np.minimum(p, q).sum(), abs=2e-3)


@pytest.mark.parametrize("margin", [0.5, 2.0])
def test_ebgan(margin: float) -> None:
    """D* is 0 where p > q and the margin where p < q: Zhao et al. 2017, lemma 1. Energies are squares here, ≥ 0."""
    counts = random_counts(2)
    p, q = shares(counts)
    loss = of_batches(objective_of(name="ebgan", margin=margin), counts)
    energies = descended(lambda roots: loss(roots.square()), torch.full((POINTS, 1), 0.3)).square()
    expected = np.where(p < q, margin, 0.0)
    differ = p != q
    np.testing.assert_allclose(energies[:, 0].numpy()[differ], expected[differ], atol=0.05 * margin)
    assert loss(energies).item() == pytest.approx(margin * np.minimum(p, q).sum(), rel=0.02)


def every_pair(table: Tensor, counts: list[Tensor]) -> tuple[Tensor, Tensor]:
    """D's outputs for batches in which each real sample meets each generated one."""
    real, fake = batches_of(table, counts)
    return real.repeat_interleave(len(fake), dim=0), fake.repeat(len(real), 1)


@pytest.mark.parametrize("seed", range(2))
def test_rgan_finds_the_logarithm_of_the_odds(seed: int) -> None:
    """C* = log(p/q) + constant: σ(C_i − C_j) is then p_i q_j/(p_i q_j + p_j q_i), the chance that i is the real one."""
    counts = random_counts(seed)
    p, q = shares(counts)
    objective = objective_of(name="relativistic", of="non_saturating", average=False)

    def loss(table: Tensor) -> Tensor:
        real, fake = every_pair(table, counts)
        return objective.discriminator_loss(real, [fake])

    table, found = minimised(loss, torch.zeros(POINTS, 1))
    odds = np.log(p / q)
    np.testing.assert_allclose(without_constant(table), without_constant(odds), atol=1e-5)
    chances = 1 / (1 + np.exp(odds[None] - odds[:, None]))
    assert found == pytest.approx(-(p[:, None] * q * np.log(chances)).sum(), rel=1e-10)


def average_loss(f1: Callable, f2: Callable, p: np.ndarray, q: np.ndarray) -> Callable[[np.ndarray], float]:
    """RaGAN's loss_D from its definition: E_p f₁(C − E_q C) + E_q f₂(C − E_p C)."""
    return lambda c: float(p @ f1(c - q @ c) + q @ f2(c - p @ c))


@pytest.mark.parametrize("seed", range(2))
def test_ragan_against_a_search_of_its_own(seed: int) -> None:
    counts = random_counts(seed)
    p, q = shares(counts)
    objective = objective_of(name="relativistic", of="non_saturating")
    table, loss = best_discriminator(objective, counts)
    written_out = average_loss(lambda v: np.log1p(np.exp(-v)), lambda v: np.log1p(np.exp(v)), p, q)
    found = minimize(written_out, np.zeros(POINTS), method="BFGS", options={"gtol": 1e-9})
    assert loss == pytest.approx(found.fun, rel=1e-8)
    np.testing.assert_allclose(without_constant(table), without_constant(found.x), atol=1e-4)


@pytest.mark.parametrize("seed", range(2))
def test_ralsgan_is_a_linear_system(seed: int) -> None:
    """½E_p(C − E_q C − 1)² + ½E_q(C − E_p C + 1)² is the squared length of AC − y, which NumPy solves."""
    counts = random_counts(seed)
    p, q = shares(counts)
    table, loss = best_discriminator(objective_of(name="relativistic", of="least_squares"), counts)
    one, roots = np.eye(POINTS), (np.sqrt(p)[:, None], np.sqrt(q)[:, None])
    a = np.concatenate([roots[0] * (one - q), roots[1] * (one - p)])
    y = np.concatenate([roots[0], -roots[1]])[:, 0]
    solution = np.linalg.lstsq(a, y, rcond=None)[0]
    np.testing.assert_allclose(without_constant(table), without_constant(solution), atol=1e-7)
    assert loss == pytest.approx(np.square(a @ solution - y).sum() / 2, rel=1e-9)


def test_rahinge_is_a_linear_programme() -> None:
    """With slack variables s ≥ 1 − (C − E_q C) and t ≥ 1 + (C − E_p C), both ≥ 0: minimise p·s + q·t."""
    counts = random_counts(1)
    p, q = shares(counts)
    one, none = np.eye(POINTS), np.zeros((POINTS, POINTS))
    limits = np.block([[q - one, -one, none], [one - p, none, -one]])
    solution = linprog(
        np.concatenate([0 * p, p, q]),
        A_ub=limits,
        b_ub=-np.ones(2 * POINTS),
        bounds=[(None, None)] * POINTS + [(0, None)] * (2 * POINTS),
    )
    loss = of_batches(objective_of(name="relativistic", of="hinge"), counts)
    table = descended(loss, torch.zeros(POINTS, 1), steps=500)
    assert loss(table).item() == pytest.approx(solution.fun, rel=5e-3)


def test_the_critic_of_points_in_the_plane_finds_the_cost_of_transport() -> None:
    """W₁ by the best 1-Lipschitz table, and by the linear programme of the cheapest transport."""
    counts = random_counts(6)
    p, q = shares(counts)
    places = np.random.default_rng(0).normal(0, 2, (POINTS, 2))
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    leaves, arrives = np.kron(np.eye(POINTS), np.ones(POINTS)), np.kron(np.ones(POINTS), np.eye(POINTS))
    transport = linprog(
        distances.ravel(), A_eq=np.concatenate([leaves, arrives]), b_eq=np.concatenate([p, q])
    )
    loss = of_batches(objective_of(name="wasserstein"), counts)

    def penalised(table: Tensor) -> Tensor:
        """Climbs above 1 cost more than they pay: their multipliers are the masses transported, at most 1."""
        return loss(table) + (table - table.t() - torch.from_numpy(distances)).relu().sum()

    table = descended(penalised, torch.zeros(POINTS, 1), steps=600)
    climbs = (table - table.t()).abs() - torch.from_numpy(distances)
    assert climbs.max() < 0.01
    assert -loss(table).item() == pytest.approx(transport.fun, rel=5e-3)


# ── games: the generator is a table, too ──────────────────────────────────────────────────────────────

GAMES: dict[str, tuple[dict[str, Any], Callable[[Tensor], Tensor]]] = {
    "minimax": ({"name": "minimax"}, lambda free: free),
    "Jensen–Shannon": ({"name": "f_gan", "divergence": "jensen_shannon"}, lambda free: free),
    "hinge": ({"name": "hinge"}, lambda free: free),
    "EBGAN": ({"name": "ebgan", "margin": 2.0}, lambda free: free.square()),
}
# V = −loss_D where q = p, but for EBGAN, whose value is loss_D itself: its margin (theorem 1 there).
VALUES = {"minimax": 2 * np.log(2), "Jensen–Shannon": 0.0, "hinge": 2.0, "EBGAN": 2.0}


@pytest.mark.parametrize("name", GAMES)
def test_the_game_ends_where_the_generator_is_the_data(name: str) -> None:
    """D keeps near its best table while G's probabilities move slowly along their own loss."""
    block, outputs_of = GAMES[name]
    objective: Any = objective_of(**block)
    p = torch.from_numpy(np.random.default_rng(7).dirichlet(np.full(4, 4.0)))
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    table = torch.full((4,), 0.5, dtype=torch.float64, requires_grad=True)
    for_d, for_g = torch.optim.Adam([table], lr=0.05), torch.optim.SGD([logits], lr=0.2)
    updates = 120
    found, losses = torch.zeros(4, dtype=torch.float64), 0.0
    for update in range(updates):
        for_g.param_groups[0]["lr"] = 0.2 * (1 - update / updates) + 0.01
        for _ in range(10):
            q, outputs = logits.softmax(0).detach(), outputs_of(table)
            loss = (p * objective.real_cost(outputs) + q * objective.fake_cost(outputs)).sum()
            for_d.zero_grad()
            loss.backward()
            for_d.step()
        for_g.zero_grad()
        (logits.softmax(0) * objective.generator_cost(outputs_of(table.detach()))).sum().backward()
        for_g.step()
        if update >= updates - 50:
            found += logits.softmax(0).detach() / 50
            losses += loss.item() / 50
    np.testing.assert_allclose(found, p, atol=0.02)
    assert losses == pytest.approx(VALUES[name], abs=0.03)


def test_began_holds_its_equilibrium() -> None:
    """E L(G) = γ E L(x), with the k that this takes.

    D's errors are a table that is held at 1 as if by a spring of stiffness s, the capacity that an autoencoder
    has: its best answer to k is 1 − (p − k q)/s. The balance is then a linear equation in k.
    """
    diversity, stiffness = 0.9, 0.6
    counts = [torch.tensor([10, 6, 4]), torch.tensor([18, 1, 1])]  # G has collapsed on what is easy
    p, q = shares(counts)
    objective = objective_of(name="began", diversity=diversity, gain=0.1)
    objective.load_state_dict({"k": torch.zeros((), dtype=torch.float64)})
    table = torch.ones(3, 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([table], lr=0.5)
    for _ in range(400):
        real, fake = batches_of(table, counts)
        loss = objective.discriminator_loss(real, [fake]) + stiffness / 2 * (table - 1).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        objective.advance(real.detach(), [fake.detach()])
    # 1 − (p·q − k q·q)/s = γ (1 − (p·p − k p·q)/s)
    s, pp, pq, qq = stiffness, p @ p, p @ q, q @ q
    k = (diversity * (1 - pp / s) - (1 - pq / s)) / (qq / s - diversity * pq / s)
    errors = 1 - (p - k * q) / s
    assert 0 < k < 1
    assert objective.state_dict()["k"].item() == pytest.approx(k, abs=1e-3)
    np.testing.assert_allclose(table.detach()[:, 0], errors, atol=1e-3)
    real, fake = batches_of(table.detach(), counts)
    assert fake.mean().item() == pytest.approx(diversity * real.mean().item(), rel=1e-3)
