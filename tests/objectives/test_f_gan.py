"""Each f-divergence from its definition: f as the paper prints it, everything else computed from f."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.optimize import minimize_scalar
from scipy.special import lambertw
from tests.objectives.conftest import batches_of, best_discriminator, objective_of, random_counts, shares

from gantry.objectives.f_gan import DIVERGENCES, WEIGHTED, wright_omega

PI = 0.3
F: dict[str, Callable] = {
    "total_variation": lambda u: abs(u - 1) / 2,
    "kl": lambda u: u * np.log(u),
    "reverse_kl": lambda u: -np.log(u),
    "pearson": lambda u: (u - 1) ** 2,
    "neyman": lambda u: (1 - u) ** 2 / u,
    "squared_hellinger": lambda u: (np.sqrt(u) - 1) ** 2,
    "jeffrey": lambda u: (u - 1) * np.log(u),
    "jensen_shannon": lambda u: -(u + 1) * np.log((1 + u) / 2) + u * np.log(u),
    "weighted_jensen_shannon": lambda u: PI * u * np.log(u) - (1 - PI + PI * u) * np.log(1 - PI + PI * u),
    "gan": lambda u: u * np.log(u) - (u + 1) * np.log(u + 1),
}
# The divergences, written out for p and q instead of through f.
WRITTEN_OUT: dict[str, Callable] = {
    "total_variation": lambda p, q: np.abs(p - q).sum() / 2,
    "kl": lambda p, q: (p * np.log(p / q)).sum(),
    "reverse_kl": lambda p, q: (q * np.log(q / p)).sum(),
    "pearson": lambda p, q: ((p - q) ** 2 / q).sum(),
    "neyman": lambda p, q: ((p - q) ** 2 / p).sum(),
    "squared_hellinger": lambda p, q: ((np.sqrt(p) - np.sqrt(q)) ** 2).sum(),
    "jeffrey": lambda p, q: ((p - q) * np.log(p / q)).sum(),
    "jensen_shannon": lambda p, q: (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))).sum(),
    "weighted_jensen_shannon": lambda p, q: (
        PI * p * np.log(p / (PI * p + (1 - PI) * q)) + (1 - PI) * q * np.log(q / (PI * p + (1 - PI) * q))
    ).sum(),
    "gan": lambda p, q: (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))).sum() - np.log(4),
}
NAMES = list(F)


def f_gan(name: str, **options):
    share = {"data_share": PI} if name == "weighted_jensen_shannon" else {}
    return objective_of(name="f_gan", divergence=name, **share, **options)


def test_all_ten_are_here() -> None:
    assert {*DIVERGENCES, *WEIGHTED} == set(F) == set(WRITTEN_OUT) and len(F) == 10


@pytest.mark.parametrize("name", NAMES)
def test_the_conjugate_is_the_largest_value_of_ut_minus_f(name: str) -> None:
    """f*(T) = sup_u (uT − f(u)), found by search over log u."""
    entry = f_gan(name).divergence
    # Below −2 Pearson's sup over u ≥ 0 is f*(T) = −1; the paper's T²/4 + T is the sup over all u, which lies above.
    outputs = torch.linspace(-2 if name == "pearson" else -2.5, 2.5, 21, dtype=torch.float64)
    for t, conjugate in zip(
        entry.activation(outputs).tolist(), entry.conjugate(outputs).tolist(), strict=True
    ):

        def negative(log_u: float, t: float = t) -> float:
            return F[name](np.exp(log_u)) - np.exp(log_u) * t

        grid = np.linspace(-14, 14, 600)
        start = grid[np.argmin([negative(point) for point in grid])]
        found = minimize_scalar(
            negative, bounds=(start - 0.1, start + 0.1), method="bounded", options={"xatol": 1e-10}
        )
        assert conjugate == pytest.approx(-found.fun, rel=1e-5, abs=2e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(2))
def test_the_best_discriminator_reaches_the_divergence_where_t_is_the_slope_of_f(
    name: str, seed: int
) -> None:
    counts = random_counts(seed)
    p, q = shares(counts)
    objective = f_gan(name)
    table, loss = best_discriminator(objective, counts)
    divergence = WRITTEN_OUT[name](p, q)
    assert divergence == pytest.approx((q * F[name](p / q)).sum(), rel=1e-12)
    found = objective.divergence.activation(table)[:, 0].numpy()
    if name == "total_variation":  # T* = ±½ is reached at infinity only
        assert -loss == pytest.approx(divergence, abs=1e-3)
        np.testing.assert_allclose(found, np.sign(p - q) / 2, atol=1e-2)
        return
    assert -loss == pytest.approx(divergence, rel=1e-7)
    u, h = p / q, 1e-6
    np.testing.assert_allclose(found, (F[name](u + h) - F[name](u - h)) / (2 * h), atol=2e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("generators", [1, 2])
def test_losses(name: str, generators: int) -> None:
    """From g and the conjugate's definition through its maximiser: f*(T) = uT − f(u), where T = f′(u)."""
    ratio = np.random.default_rng(0).uniform(0.3, 3, (1 + generators, 5, 2))  # u = p/q, which fixes T
    h = 1e-6
    t = (F[name](ratio + h) - F[name](ratio - h)) / (2 * h)
    inverse = {
        "total_variation": lambda t: np.arctanh(2 * t * (1 - 1e-9)),
        "kl": lambda t: t,
        "reverse_kl": lambda t: -np.log(-t),
        "pearson": lambda t: t,
        "neyman": lambda t: -np.log(1 - t),
        "squared_hellinger": lambda t: -np.log(1 - t),
        "jeffrey": lambda t: t,
        "jensen_shannon": lambda t: -np.log(np.exp(np.log(2) - t) - 1),
        "weighted_jensen_shannon": lambda t: -np.log(np.exp(-PI * np.log(PI) - t) - 1),
        "gan": lambda t: -np.log(np.exp(-t) - 1),
    }[name]
    real, *fakes = torch.from_numpy(inverse(t)).unbind()
    conjugates = [(u * value - F[name](u)).mean() for u, value in zip(ratio[1:], t[1:], strict=True)]
    expected_d = -t[0].mean() + sum(conjugates)
    assert f_gan(name).discriminator_loss(real, fakes).item() == pytest.approx(expected_d, abs=1e-5)
    assert f_gan(name).generator_loss(None, fakes).item() == pytest.approx(-sum(conjugates), abs=1e-5)
    heuristic = f_gan(name, non_saturating=True)
    assert heuristic.discriminator_loss(real, fakes).item() == pytest.approx(expected_d, abs=1e-5)
    expected = -sum(values.mean() for values in t[1:])
    assert heuristic.generator_loss(None, fakes).item() == pytest.approx(expected, abs=1e-5)


def test_gan_is_the_standard_game() -> None:
    real, fake = torch.randn(2, 8, 1)
    minimax, f = objective_of(name="minimax"), f_gan("gan")
    torch.testing.assert_close(f.discriminator_loss(real, [fake]), minimax.discriminator_loss(real, [fake]))
    torch.testing.assert_close(f.generator_loss(None, [fake]), minimax.generator_loss(None, [fake]))


def test_wright_omega_is_lamberts_w_of_the_exponential_with_its_derivatives() -> None:
    y = torch.linspace(-30, 30, 241, dtype=torch.float64, requires_grad=True)
    omega = wright_omega(y)
    np.testing.assert_allclose(omega.detach(), lambertw(np.exp(y.detach().numpy())).real, rtol=1e-12)
    (first,) = torch.autograd.grad(omega.sum(), y, create_graph=True)
    torch.testing.assert_close(first, omega / (1 + omega), rtol=1e-10, atol=0)
    (second,) = torch.autograd.grad(first.sum(), y)
    torch.testing.assert_close(second, omega / (1 + omega) ** 3, rtol=1e-9, atol=0)
    extreme = wright_omega(torch.tensor([-1e4, 1e4, 3e8]))
    assert extreme.tolist() == pytest.approx([0, 1e4 - np.log(1e4), 3e8], rel=1e-6)


@pytest.mark.parametrize("name", ["total_variation", "jensen_shannon", "weighted_jensen_shannon", "gan"])
def test_costs_that_grow_linearly_stay_finite(name: str) -> None:
    objective = f_gan(name)
    outputs = torch.tensor([[-1e4], [0.0], [39.9], [40.1], [1e4]], requires_grad=True)
    loss = objective.discriminator_loss(outputs, [outputs]) + objective.generator_loss(None, [outputs])
    loss.backward()
    assert loss.isfinite() and outputs.grad is not None and outputs.grad.isfinite().all()
    near = objective.fake_cost(torch.tensor([40 - 1e-3, 40 + 1e-3], dtype=torch.float64))
    assert near.diff().item() == pytest.approx(
        0 if name == "total_variation" else 2e-3 * (1 - PI if name == "weighted_jensen_shannon" else 1),
        rel=1e-6,
        abs=1e-12,
    )


def test_only_the_weighted_divergence_has_a_share() -> None:
    with pytest.raises(
        ValidationError, match="data_share belongs to divergence weighted_jensen_shannon, not kl"
    ):
        objective_of(name="f_gan", divergence="kl", data_share=0.2)


def test_the_generators_gradient_is_that_of_the_bound() -> None:
    counts = random_counts(5)
    objective = f_gan("kl")
    table, _ = best_discriminator(objective, counts)
    _, fake = batches_of(table, counts)
    fake = fake.requires_grad_()
    objective.generator_loss(None, [fake]).backward()
    assert fake.grad is not None
    np.testing.assert_allclose(fake.grad, -np.exp(fake.detach().numpy() - 1) / len(fake), rtol=1e-10)


@pytest.mark.parametrize("pi", [0.1, 0.5, 0.9])
def test_the_weighted_conjugate_to_the_last_digits(pi: float) -> None:
    """On both sides of v = 40, where its formula changes."""
    v = np.array([-30.0, 0.0, 10.0, 25.0, 35.0, 39.99, 40.01, 60.0, 700.0])
    objective = objective_of(name="f_gan", divergence="weighted_jensen_shannon", data_share=pi)
    conjugate = objective.fake_cost(torch.tensor(v))
    # log(1 − σ(v)^(1/π)); for large v, 1 − σ(v) is e^−v.
    log_rest = np.where(
        v < 36, np.log(-np.expm1(-np.log1p(np.exp(-np.minimum(v, 36))) / pi)), -v - np.log(pi)
    )
    expected = (1 - pi) * (np.log(1 - pi) - log_rest)
    np.testing.assert_allclose(conjugate, expected, rtol=1e-12, atol=1e-12)
