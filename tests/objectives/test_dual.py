"""D2GAN against NumPy, and its two best discriminators."""

import numpy as np
import pytest
import torch
from tests.objectives.conftest import best_discriminator, objective_of, random_counts, shares

from gantry.objectives.dual import log_softplus


def softplus(v: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(v))


@pytest.mark.parametrize("generators", [1, 2])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.2, 0.1)])
def test_losses(alpha: float, beta: float, generators: int) -> None:
    real, *fakes = np.random.default_rng(0).normal(0, 2, (1 + generators, 9, 2))
    objective = objective_of(name="d2gan", alpha=alpha, beta=beta)
    d1, d2 = softplus(real[:, 0]), softplus(real[:, 1])
    on_real = alpha * np.log(d1).mean() - d2.mean()
    on_fake = sum(-softplus(f[:, 0]).mean() + beta * np.log(softplus(f[:, 1])).mean() for f in fakes)
    given = torch.from_numpy(real), [torch.from_numpy(fake) for fake in fakes]
    assert objective.discriminator_loss(*given).item() == pytest.approx(-on_real - on_fake, rel=1e-12)
    assert objective.generator_loss(None, given[1]).item() == pytest.approx(on_fake, rel=1e-12)
    assert (objective.discriminators, objective.outputs, objective.generator_uses_real) == (2, 1, False)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.3, 0.6)])
def test_the_best_discriminators_are_the_ratios_and_leave_both_divergences(alpha: float, beta: float) -> None:
    """D₁* = α p/q, D₂* = β q/p; J = α(log α − 1) + β(log β − 1) + α KL(p ‖ q) + β KL(q ‖ p) there."""
    counts = random_counts(1)
    p, q = shares(counts)
    table, loss = best_discriminator(objective_of(name="d2gan", alpha=alpha, beta=beta), counts, width=2)
    found = softplus(table.numpy())
    np.testing.assert_allclose(found, np.stack([alpha * p / q, beta * q / p], axis=1), rtol=1e-4)
    divergences = alpha * (p * np.log(p / q)).sum() + beta * (q * np.log(q / p)).sum()
    expected = alpha * (np.log(alpha) - 1) + beta * (np.log(beta) - 1) + divergences
    assert -loss == pytest.approx(expected, rel=1e-8)


def test_log_softplus_far_below_zero() -> None:
    x = torch.tensor([-1e4, -100, -20.001, -19.999, 0, 50], requires_grad=True)
    value = log_softplus(x)
    expected = [-1e4, -100, -20.001, -19.999, np.log(np.log(2)), np.log(50)]
    assert value.tolist() == pytest.approx(expected, rel=1e-6)
    value.sum().backward()
    assert x.grad is not None
    # σ(x)/softplus(x), which goes to 1.
    assert x.grad.tolist() == pytest.approx([1, 1, 1, 1, 0.5 / np.log(2), 1 / 50], rel=1e-4)
