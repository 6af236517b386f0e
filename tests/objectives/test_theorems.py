"""BCGAN's theorems 1 and 2 and the reduction to the standard GAN, on small discrete distributions.

A batch that holds each of a few points as often as its probability says has the exact expectation as its mean,
so the objective's own code is what is tested. D is a free table of logits, one row a point.
"""

import numpy as np
import pytest
import torch
from torch import Tensor

from gantry.objectives import Objective, build_objective
from gantry.plan.blocks.objectives import RealnessObjective, StandardObjective

POINTS, COPIES, OUTCOMES = 6, 60, 4


def realness(a1: Tensor, a0: Tensor, formulation: str = "paper") -> Objective:
    block = RealnessObjective(name="realness", atoms=len(a1), formulation=formulation)
    objective = build_objective(block)
    objective.load_state_dict({"real": a1, "fake": a0})
    return objective


def random_anchors(random: np.random.Generator) -> tuple[Tensor, Tensor]:
    a1, a0 = random.dirichlet(np.full(OUTCOMES, 2.0), 2)
    return torch.from_numpy(a1), torch.from_numpy(a0)


def random_counts(random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.multinomial(COPIES, random.dirichlet(np.ones(POINTS))))


def value(objective: Objective, table: Tensor, *counts: Tensor) -> Tensor:
    """V(G, D): D's loss where the real batch, then each generator's, holds `counts` of each point."""
    real, *fakes = (table.repeat_interleave(numbers, dim=0) for numbers in counts)
    return objective.discriminator_loss(real, fakes)


def optimal(a1: Tensor, a0: Tensor, p: Tensor, *p_g: Tensor) -> Tensor:
    """D*(x, u) of theorem 1, (points, outcomes); points of no mass at all are not defined."""
    generated = sum(p_g)
    return (a1 * p[:, None] + a0 * generated[:, None]) / (p + generated)[:, None]


def minimiser(table: Tensor) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(
        [table], max_iter=500, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe"
    )


@pytest.mark.parametrize("formulation", ["paper", "reference"])
@pytest.mark.parametrize("seed", range(3))
def test_theorem_1_the_trained_discriminator_is_the_stated_one(seed: int, formulation: str) -> None:
    random = np.random.default_rng(seed)
    a1, a0 = random_anchors(random)
    counts = [random_counts(random) + 1 for _ in range(3)]  # every point has some mass
    objective = realness(a1, a0, formulation)
    table = torch.zeros(POINTS, OUTCOMES, dtype=torch.float64, requires_grad=True)
    optimiser = minimiser(table)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = value(objective, table, *counts)
        loss.backward()
        return loss

    optimiser.step(closure)
    p, p_g1, p_g2 = (numbers / numbers.sum() for numbers in counts)
    expected = optimal(a1, a0, p, p_g1, p_g2)
    torch.testing.assert_close(table.detach().softmax(1), expected, rtol=0, atol=1e-6)


def best_value(objective: Objective, a1: Tensor, a0: Tensor, *counts: Tensor) -> float:
    """V(G, D*), by theorem 1."""
    p, p_g1, p_g2 = (numbers / numbers.sum() for numbers in counts)
    table = optimal(a1, a0, p, p_g1, p_g2).log().nan_to_num(0.0)
    return value(objective, table, *counts).item()


@pytest.mark.parametrize("seed", range(3))
def test_theorem_2_generators_whose_mean_is_the_data_are_optimal_and_no_others(seed: int) -> None:
    random = np.random.default_rng(seed)
    a1, a0 = random_anchors(random)
    objective = realness(a1, a0)
    p = random_counts(random)
    best = best_value(objective, a1, a0, p, p, p)

    # At the optimum D* = (A1 + 2·A0)/3 on every point, whatever p is.
    at_optimum = ((a1 + 2 * a0) / 3).log().expand(POINTS, OUTCOMES)
    assert value(objective, at_optimum, p, p, p).item() == pytest.approx(best, rel=1e-12)

    for _ in range(50):
        # Different generators with mean p: what one has more of a point, the other has less.
        whole = p.repeat_interleave(2 * torch.ones_like(p))
        points = torch.arange(POINTS).repeat_interleave(2 * p)[
            torch.from_numpy(random.permutation(2 * COPIES))
        ]
        assert len(whole) == 2 * POINTS
        p_g1, p_g2 = (torch.bincount(half, minlength=POINTS) for half in points.split(COPIES))
        assert best_value(objective, a1, a0, p, p_g1, p_g2) == pytest.approx(best, rel=1e-12)

        # D's best loss is lower, so the generators' game worse, for any other mean.
        other_1, other_2 = random_counts(random), random_counts(random)
        if not torch.equal(other_1 + other_2, 2 * p):
            assert best_value(objective, a1, a0, p, other_1, other_2) < best - 1e-6


def test_theorem_2_needs_an_outcome_where_the_anchors_differ() -> None:
    random = np.random.default_rng(0)
    a1, _ = random_anchors(random)
    objective = realness(a1, a1)
    values = [best_value(objective, a1, a1, *(random_counts(random) for _ in range(3))) for _ in range(5)]
    assert values == pytest.approx([0.0] * 5, abs=1e-12)


def test_theorem_2_generators_that_climb_find_the_data() -> None:
    """Gradient ascent of V(G, D*) on two free distributions ends where their mean is p, each its own way."""
    random = np.random.default_rng(5)
    a1, a0 = random_anchors(random)
    p = torch.from_numpy(random.dirichlet(np.full(POINTS, 3.0)))
    logits = torch.from_numpy(random.normal(size=(2, POINTS))).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [logits], max_iter=1000, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        p_g1, p_g2 = logits.softmax(1)
        verdicts = optimal(a1, a0, p, p_g1, p_g2)
        against_real = (a1 * (a1 / verdicts).log()).sum(1)
        against_fake = (a0 * (a0 / verdicts).log()).sum(1)
        loss = -(p * against_real + (p_g1 + p_g2) * against_fake).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    p_g1, p_g2 = logits.detach().softmax(1)
    torch.testing.assert_close((p_g1 + p_g2) / 2, p, rtol=0, atol=1e-5)
    assert (p_g1 - p_g2).abs().max() > 0.01
    verdicts = optimal(a1, a0, p, p_g1, p_g2)
    torch.testing.assert_close(verdicts, ((a1 + 2 * a0) / 3).expand_as(verdicts), rtol=0, atol=1e-5)


@pytest.mark.parametrize("generators", [1, 2, 3])
def test_two_outcomes_with_certain_anchors_are_the_standard_gan(generators: int) -> None:
    """A0(u0) = A1(u1) = 1: D(x, u1) is the standard D(x) = σ(l1 − l0). BCGAN, below eq. 3."""
    torch.manual_seed(generators)
    two_outcomes = realness(torch.tensor([0.0, 1.0]).double(), torch.tensor([1.0, 0.0]).double())
    minimax = build_objective(StandardObjective(name="minimax"))
    non_saturating = build_objective(StandardObjective(name="non_saturating"))
    real, *fakes = torch.randn(generators + 1, 8, 2, dtype=torch.float64, requires_grad=True).unbind()
    real_logit, *fake_logits = ((logits[:, 1] - logits[:, 0]).unsqueeze(1) for logits in (real, *fakes))

    def same(ours: Tensor, standard: Tensor) -> None:
        torch.testing.assert_close(ours, standard)
        for ours_gradient, gradient in zip(
            torch.autograd.grad(ours, fakes, retain_graph=True),
            torch.autograd.grad(standard, fakes, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(ours_gradient, gradient)

    same(two_outcomes.discriminator_loss(real, fakes), minimax.discriminator_loss(real_logit, fake_logits))
    # −KL(A0‖D) is the minimax generator, KL(A1‖D) the non-saturating one; eq. 15 adds them.
    same(
        two_outcomes.generator_loss(None, fakes),
        minimax.generator_loss(None, fake_logits) + non_saturating.generator_loss(None, fake_logits),
    )
