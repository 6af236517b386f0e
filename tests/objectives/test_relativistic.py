"""RGAN and RaGAN against NumPy, pair by pair, and against the losses that the paper prints."""

import numpy as np
import pytest
import torch
from tests.objectives.conftest import best_discriminator, objective_of, random_counts, shares

from gantry.plan.blocks.objectives import RelativisticObjective

COSTS = {
    "non_saturating": (lambda v: np.log1p(np.exp(-v)), lambda v: np.log1p(np.exp(v))),
    "least_squares": (lambda v: (v - 1) ** 2 / 2, lambda v: (v + 1) ** 2 / 2),
    "hinge": (lambda v: np.maximum(0, 1 - v), lambda v: np.maximum(0, 1 + v)),
    "kl": (lambda v: -v, lambda v: np.exp(v - 1)),
}


def relativistic(of: str, average: bool):
    return objective_of(
        name="relativistic", of={"name": "f_gan", "divergence": "kl"} if of == "kl" else of, average=average
    )


@pytest.mark.parametrize("of", COSTS)
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("generators", [1, 2])
@pytest.mark.parametrize("width", [1, 3])
def test_losses(of: str, average: bool, generators: int, width: int) -> None:
    f1, f2 = COSTS[of]
    real, *fakes = np.random.default_rng(0).normal(0, 1, (1 + generators, 4, width))

    def expected(first: np.ndarray, second: np.ndarray) -> float:
        values = []
        for head in range(width):
            a, b = first[:, head], second[:, head]
            for i in range(len(a)):
                if average:
                    values.append(f1(a[i] - b.mean()) + f2(b[i] - a.mean()))
                else:
                    values.append((f1(a[i] - b[i]) + f2(b[i] - a[i])) / 2)
        return float(np.mean(values))

    objective = relativistic(of, average)
    given = torch.from_numpy(real), [torch.from_numpy(fake) for fake in fakes]
    expected_d = sum(expected(real, fake) for fake in fakes)
    assert objective.discriminator_loss(*given).item() == pytest.approx(expected_d, rel=1e-12)
    expected_g = sum(expected(fake, real) for fake in fakes)
    assert objective.generator_loss(*given).item() == pytest.approx(expected_g, rel=1e-12)
    assert (objective.outputs, objective.generator_uses_real) == (1, True)


def test_the_published_losses() -> None:
    """RSGAN: −E log σ(C(x) − C(G(z))). RaHingeGAN and RaLSGAN (there without our ½) as in its appendix."""
    c_real, c_fake = torch.randn(2, 16, 1, dtype=torch.float64)
    rsgan = relativistic("non_saturating", average=False)
    torch.testing.assert_close(
        rsgan.discriminator_loss(c_real, [c_fake]), -(c_real - c_fake).sigmoid().log().mean()
    )
    torch.testing.assert_close(
        rsgan.generator_loss(c_real, [c_fake]), -(c_fake - c_real).sigmoid().log().mean()
    )
    d_real, d_fake = c_real - c_fake.mean(), c_fake - c_real.mean()
    ra_least_squares = relativistic("least_squares", average=True)
    published = (d_real - 1).square().mean() + (d_fake + 1).square().mean()
    torch.testing.assert_close(2 * ra_least_squares.discriminator_loss(c_real, [c_fake]), published)
    ra_hinge = relativistic("hinge", average=True)
    published = (1 + d_real).clamp(min=0).mean() + (1 - d_fake).clamp(min=0).mean()
    torch.testing.assert_close(ra_hinge.generator_loss(c_real, [c_fake]), published)


def test_a_constant_added_to_the_critic_changes_nothing() -> None:
    c_real, c_fake = torch.randn(2, 16, 1, dtype=torch.float64)
    for of in COSTS:
        for average in (False, True):
            objective = relativistic(of, average)
            for loss in (objective.discriminator_loss, objective.generator_loss):
                torch.testing.assert_close(loss(c_real + 7, [c_fake + 7]), loss(c_real, [c_fake]))


def test_the_generator_feels_the_mean_of_its_own_samples() -> None:
    """The real half of RaGAN's loss reaches G through E C(G(z)), which the standard generator's has not."""
    real, fake = torch.zeros(4, 1), torch.full((4, 1), 100.0, requires_grad=True)
    # At 100 the generated half −log σ(fake − E real) is flat; what is left comes through the mean.
    relativistic("non_saturating", average=True).generator_loss(real, [fake]).backward()
    assert fake.grad is not None and fake.grad.abs().sum() < 1e-6
    fake.grad = None
    fake.data.fill_(-100)
    relativistic("non_saturating", average=True).generator_loss(real, [fake]).backward()
    np.testing.assert_allclose(fake.grad, -2 / 4, rtol=1e-6)


def test_the_best_average_discriminator_orders_points_by_their_odds() -> None:
    counts = random_counts(0)
    p, q = shares(counts)
    table, loss = best_discriminator(relativistic("non_saturating", average=True), counts)
    assert loss < 2 * np.log(2)  # which equal verdicts cost
    order = np.argsort(p / q)
    assert (np.diff(table[order, 0].numpy()) > -1e-6).all()


def test_of_may_be_a_name_or_a_block() -> None:
    by_name = RelativisticObjective(name="relativistic", of="least_squares")  # type: ignore[arg-type]
    by_block = RelativisticObjective.model_validate(
        {"name": "relativistic", "of": {"name": "least_squares", "a": -1.0}}
    )
    assert by_name == by_block
    for a in (-1.0, 0.0):
        block = RelativisticObjective.model_validate(
            {"name": "relativistic", "of": {"name": "least_squares", "a": a}}
        )
        spec = block.model_dump(exclude_defaults=True)
        assert RelativisticObjective.model_validate(spec) == block


def test_it_asks_for_a_real_batch() -> None:
    with pytest.raises(ValueError, match="real batch"):
        relativistic("hinge", average=True).generator_loss(None, [torch.zeros(2, 1)])
