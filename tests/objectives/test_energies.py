"""EBGAN and BEGAN against NumPy; BEGAN's equilibrium by hand and over a restart."""

import numpy as np
import pytest
import torch
from tests.objectives.conftest import objective_of, random_counts, shares
from torch import Tensor


@pytest.mark.parametrize("generators", [1, 2])
def test_ebgan(generators: int) -> None:
    real, *fakes = np.random.default_rng(0).uniform(0, 3, (1 + generators, 9, 1))
    objective = objective_of(name="ebgan", margin=1.5)
    given = torch.from_numpy(real), [torch.from_numpy(fake) for fake in fakes]
    expected = real.mean() + sum(np.maximum(0, 1.5 - fake).mean() for fake in fakes)
    assert objective.discriminator_loss(*given).item() == pytest.approx(expected, rel=1e-12)
    expected = sum(fake.mean() for fake in fakes)
    assert objective.generator_loss(None, given[1]).item() == pytest.approx(expected, rel=1e-12)


def test_the_best_energies_are_0_where_real_samples_abound_and_the_margin_elsewhere() -> None:
    """Zhao et al. 2017, lemma 1 in the proof of theorem 1: at those, loss_D = m Σ min(p, q)."""
    counts = random_counts(2)
    p, q = shares(counts)
    margin = 2.0
    energies = torch.from_numpy(np.where(p < q, margin, 0.0))[:, None]
    objective = objective_of(name="ebgan", margin=margin)

    def loss(table: Tensor) -> float:
        real, fake = (table.repeat_interleave(count, dim=0) for count in counts)
        return objective.discriminator_loss(real, [fake]).item()

    assert loss(energies) == pytest.approx(margin * np.minimum(p, q).sum(), rel=1e-12)
    random = torch.Generator().manual_seed(0)
    for _ in range(200):  # energies are not below 0
        noise = torch.randn(energies.shape, generator=random, dtype=torch.float64)
        assert loss((energies + noise).clamp(min=0)) >= loss(energies) - 1e-12


def errors(real: float, fake: float) -> tuple[Tensor, list[Tensor]]:
    return torch.full((4, 1), real), [torch.full((4, 1), fake)]


def test_began_by_hand() -> None:
    """λ = 0.1, γ = 0.5: k ← k + 0.1(0.5·L(x) − L(G)), in [0, 1]."""
    objective = objective_of(name="began", diversity=0.5, gain=0.1)
    assert objective.generator_uses_real
    assert objective.discriminator_loss(*errors(3.0, 1.0)).item() == 3.0  # k = 0
    expected = 0.0
    for real, fake in [(3.0, 1.0), (3.0, 1.0), (1.0, 0.9), (20.0, 1.0), (1.0, 2.0), (0.0, 50.0), (2.0, 0.5)]:
        given = errors(real, fake)
        assert objective.generator_loss(*given).item() == pytest.approx(fake)
        objective.advance(*given)
        expected = min(1.0, max(0.0, expected + 0.1 * (0.5 * real - fake)))
        assert objective.state_dict()["k"].item() == pytest.approx(expected, abs=1e-6)
        assert objective.discriminator_loss(*given).item() == pytest.approx(real - expected * fake, abs=1e-5)


def test_began_balances_the_mean_of_its_generators() -> None:
    objective = objective_of(name="began", diversity=1.0, gain=0.1)
    real, first = errors(4.0, 1.0)
    objective.advance(real, [*first, *errors(4.0, 2.0)[1]])
    assert objective.state_dict()["k"].item() == pytest.approx(0.1 * (4.0 - 1.5))
    loss = objective.discriminator_loss(real, [*first, *errors(4.0, 2.0)[1]])
    assert loss.item() == pytest.approx(4.0 - 0.25 * 3.0)


def test_k_survives_a_restart_and_is_a_constant_of_both_losses() -> None:
    first, second = (objective_of(name="began", gain=0.1) for _ in range(2))
    first.advance(*errors(3.0, 1.0))
    state = first.state_dict()
    first.advance(*errors(3.0, 1.0))
    assert state["k"].item() == pytest.approx(0.05)  # a copy
    second.load_state_dict(state)
    second.redraw("cpu")
    second.advance(*errors(3.0, 1.0))
    assert torch.equal(second.state_dict()["k"], first.state_dict()["k"])
    fake = torch.ones(2, 1, requires_grad=True)
    second.advance(torch.ones(2, 1), [fake])
    assert not second.state_dict()["k"].requires_grad
    with pytest.raises(ValueError, match="one number, k"):
        second.load_state_dict({"real": torch.ones(3), "fake": torch.ones(3)})
    with pytest.raises(ValueError, match="keeps no state"):
        objective_of(name="hinge").load_state_dict(state)


def test_the_reconstruction_is_best_where_k_lets_it() -> None:
    """With k > 0, D would have large errors where k·q > p: the loss falls in them without bound."""
    objective = objective_of(name="began", gain=1.0)
    objective.advance(*errors(2.0, 0.0))
    counts = random_counts(3)
    p, q = shares(counts)
    loss_slope = p - objective.state_dict()["k"].item() * q
    table = torch.rand(6, 1, dtype=torch.float64, requires_grad=True)
    real, fake = (table.repeat_interleave(count, dim=0) for count in counts)
    objective.discriminator_loss(real, [fake]).backward()
    assert table.grad is not None
    np.testing.assert_allclose(table.grad[:, 0], loss_slope, rtol=1e-6)
