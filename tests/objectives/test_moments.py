"""The discrepancy against NumPy, pair by pair; MMD-GAN and GMMN as settings of it."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from tests.objectives.conftest import objective_of
from torch import nn

from gantry.objectives.kernels import KERNELS, squared_distances, squared_mmd
from gantry.objectives.moments import discrepancy as distance
from gantry.objectives.moments import root_of

FUNCTIONS: dict[str, Callable[[float, float], float]] = {
    "rbf": lambda squared, scale: np.exp(-squared / (2 * scale**2)),
    "rational_quadratic": lambda squared, scale: (1 + squared / (2 * scale)) ** -scale,
}


def discrepancy(
    x: np.ndarray, y: np.ndarray, kernel: str, scales: tuple[float, ...], unbiased: bool
) -> float:
    def k(a: np.ndarray, b: np.ndarray) -> float:
        return sum(FUNCTIONS[kernel](float(((a - b) ** 2).sum()), scale) for scale in scales)

    def within(z: np.ndarray) -> float:
        pairs = [(i, j) for i, j in product(range(len(z)), repeat=2) if not (unbiased and i == j)]
        return float(np.mean([k(z[i], z[j]) for i, j in pairs]))

    return within(x) + within(y) - 2 * float(np.mean([k(a, b) for a, b in product(x, y)]))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("unbiased", [True, False])
def test_squared_mmd(kernel: str, unbiased: bool) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(0, 1, (7, 3)), random.normal(1, 2, (9, 3))
    for scales in ((1.0,), (0.5, 1.0, 4.0)):
        found = squared_mmd(torch.from_numpy(x), torch.from_numpy(y), kernel, scales, unbiased)
        assert found.item() == pytest.approx(discrepancy(x, y, kernel, scales, unbiased), rel=1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
def test_zero_for_equal_distributions(kernel: str) -> None:
    """The biased one is 0 for equal samples; the unbiased one has mean 0 over pairs of samples of one source."""
    torch.manual_seed(0)
    x = torch.randn(20, 2, dtype=torch.float64)
    assert squared_mmd(x, x.flip(0), kernel, (1.0,), unbiased=False).item() == pytest.approx(0, abs=1e-12)
    values = torch.stack(
        [squared_mmd(torch.randn(20, 2), torch.randn(20, 2), kernel, (1.0,), True) for _ in range(400)]
    )
    assert abs(values.mean().item()) < 4 * values.std().item() / 20  # four standard errors
    assert values.min() < 0
    apart = squared_mmd(x, x + 3, kernel, (1.0,), unbiased=True)
    assert apart > 10 * values.std()


def test_distances_of_samples_far_from_the_origin() -> None:
    """In float32, ‖x‖² + ‖y‖² − 2xy alone would be off by whole units here."""
    torch.manual_seed(0)
    x, y = torch.randn(8, 3) + 3000, torch.randn(8, 3) + 3000
    exact = (x.double()[:, None] - y.double()).square().sum(2)
    torch.testing.assert_close(squared_distances(x, y).double(), exact, rtol=1e-3, atol=1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(squared_distances(x, y).double(), exact, rtol=1e-3, atol=1e-3)


def test_the_gradient_against_finite_differences() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(4, 2, dtype=torch.float64), torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    for kernel, unbiased in product(KERNELS, (True, False)):
        assert torch.autograd.gradcheck(lambda z: squared_mmd(x, z, kernel, (0.7, 2.0), unbiased), (y,))  # noqa: B023


@pytest.mark.parametrize("generators", [1, 2])
def test_mmd_gan(generators: int) -> None:
    real, *fakes = np.random.default_rng(1).normal(0, 1, (1 + generators, 5, 4))
    given = torch.from_numpy(real), [torch.from_numpy(fake) for fake in fakes]
    scales = {"rbf": (1, 2, 4, 8, 16), "rational_quadratic": (0.2, 0.5, 1, 2, 5)}
    for kernel, usual in scales.items():
        objective = objective_of(name="mmd_gan", kernel=kernel, outputs=4)
        expected = sum(discrepancy(real, fake, kernel, usual, True) for fake in fakes)
        assert objective.generator_loss(*given).item() == pytest.approx(expected, rel=1e-9)
        assert objective.discriminator_loss(*given).item() == pytest.approx(-expected, rel=1e-9)
        assert (objective.outputs, objective.discriminators, objective.generator_uses_real) == (4, 1, True)
    own = objective_of(name="mmd_gan", kernel="rbf", scales=[0.3])
    expected = sum(discrepancy(real, fake, "rbf", (0.3,), True) for fake in fakes)
    assert own.generator_loss(*given).item() == pytest.approx(expected, rel=1e-9)


def test_the_root_of_mmd_gan_is_the_biased_discrepancy() -> None:
    real, *fakes = np.random.default_rng(3).normal(0, 1, (3, 5, 4))
    given = torch.from_numpy(real), [torch.from_numpy(fake) for fake in fakes]
    objective = objective_of(name="mmd_gan", kernel="rbf", outputs=4, root=True)
    expected = sum(np.sqrt(discrepancy(real, fake, "rbf", (1, 2, 4, 8, 16), False)) for fake in fakes)
    assert objective.generator_loss(*given).item() == pytest.approx(expected, rel=1e-9)
    assert objective.discriminator_loss(*given).item() == pytest.approx(-expected, rel=1e-9)
    near = given[0].clone().requires_grad_()
    objective.generator_loss(given[0], [near]).backward()
    assert near.grad is not None and near.grad.isfinite().all()


def test_mmd_gan_clips_like_the_critic_of_wgan() -> None:
    network = nn.Linear(3, 3)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[-2.0, 0.004, 2.0]] * 3))
        network.bias.copy_(torch.tensor([0.02, -0.004, -0.02]))
    objective_of(name="mmd_gan", clip=0.01).constrain(network)
    assert network.weight[0].tolist() == pytest.approx([-0.01, 0.004, 0.01])
    assert network.bias.tolist() == pytest.approx([0.01, -0.004, -0.01])
    free = nn.Linear(3, 3)
    before = free.weight.detach().clone()
    objective_of(name="mmd_gan").constrain(free)
    assert torch.equal(free.weight, before)


@pytest.mark.parametrize("root", [True, False])
def test_gmmn(root: bool) -> None:
    real, *fakes = np.random.default_rng(2).normal(0, 1, (3, 5, 2))
    given = torch.from_numpy(real), [torch.from_numpy(fake) for fake in fakes]
    objective = objective_of(name="gmmn", scales=[0.5, 2.0], root=root)
    squares = [discrepancy(real, fake, "rbf", (0.5, 2.0), False) for fake in fakes]
    expected = sum(np.sqrt(squares)) if root else sum(squares)
    assert objective.generator_loss(*given).item() == pytest.approx(expected, rel=1e-9)
    assert (objective.discriminators, objective.generator_uses_real) == (0, True)
    same = given[0].clone().requires_grad_()
    objective.generator_loss(given[0], [same]).backward()
    assert same.grad is not None and same.grad.isfinite().all()
    with pytest.raises(RuntimeError, match="no discriminator"):
        objective.discriminator_loss(*given)


def test_samples_that_follow_gmmn_find_the_data() -> None:
    torch.manual_seed(0)
    data = torch.tensor([-2.0, 0.0, 3.0]).repeat(8)[:, None]
    samples = torch.randn(24, 1).requires_grad_()
    objective = objective_of(name="gmmn", scales=[0.3, 1.0, 3.0])
    optimiser = torch.optim.Adam([samples], lr=0.05)
    start = objective.generator_loss(data, [samples]).item()
    for _ in range(200):
        optimiser.zero_grad()
        objective.generator_loss(data, [samples]).backward()
        optimiser.step()
    assert objective.generator_loss(data, [samples]).item() < 0.2 * start
    distances, nearest = (samples.detach() - torch.tensor([-2.0, 0.0, 3.0])).abs().min(1)
    assert (distances < 0.1).float().mean() > 0.9
    assert (torch.bincount(nearest, minlength=3) - 8).abs().max() <= 2


def test_they_ask_for_a_real_batch() -> None:
    for name in ("mmd_gan", "gmmn"):
        with pytest.raises(ValueError, match="real batch"):
            objective_of(name=name).generator_loss(None, [torch.zeros(3, 2)])


def test_equal_batches_have_a_gradient() -> None:
    """The biased MMD² is then 0 but for rounding, and a root has no slope there."""
    for dtype in (torch.float32, torch.float64):
        squared = torch.tensor([0.0, -1e-20, 1e-30, 4.0], dtype=dtype, requires_grad=True)
        roots = root_of(squared)
        roots.sum().backward()
        assert squared.grad is not None and squared.grad.isfinite().all()
        assert squared.grad.max() <= 0.5 / torch.finfo(dtype).eps ** 0.5, (
            "as steep as rounding errors are large"
        )
        assert roots[3] == 2 and squared.grad[3] == 0.25
    x = torch.randn(6, 2, requires_grad=True)
    distance(x, x.detach().clone(), "rbf", (1.0,), root=True).backward()
    assert x.grad is not None and x.grad.isfinite().all()
