"""The entropy distance: a metric, exact where entropies are known, and how far off its estimates are elsewhere."""

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from gantry.plan.blocks.terms import EntropyDistance as Options
from gantry.terms import TermInputs
from gantry.terms.entropy_distance import (
    DISTANCES,
    ESTIMATORS,
    PAIRINGS,
    SOURCES,
    EntropyDistance,
    Parzen,
    entropy_distance,
)
from gantry.terms.histograms import SoftBins, entropy, joint_histogram
from gantry.terms.information import BOUNDS, StatisticNetwork, donsker_varadhan, infonce

RANGE = (-1.0, 1.0)


def options(**told: Any) -> Options:
    return Options(weight=1, **({"estimator": "parzen"} | told))


def term(shape: tuple[int, ...] = (3, 8, 8), **told: Any) -> EntropyDistance:
    return EntropyDistance("paper", options(**told), shape)


def batch_of(real: Tensor, *fakes: Tensor, discriminator: nn.Module | None = None) -> TermInputs:
    return TermInputs(fakes, [], real, None, discriminator or nn.Identity(), nn.ModuleList())


def numpy_entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def numpy_distance(joint: np.ndarray) -> float:
    """H(X|Y) + H(Y|X), from the conditional distributions."""
    total = 0.0
    for x, y in np.argwhere(joint > 0):
        p = joint[x, y]
        total -= p * np.log(p / joint[:, y].sum()) + p * np.log(p / joint[x].sum())
    return float(total)


@st.composite
def distributions(draw: Any, dimensions: int) -> np.ndarray:
    """P(X₁, X₂, …), with zeros."""
    shape = tuple(draw(st.integers(1, 4)) for _ in range(dimensions))
    counts = draw(arrays(int, shape, elements=st.integers(0, 20)).filter(lambda table: table.sum() > 0))
    return counts / counts.sum()


def distance(joint: np.ndarray) -> float:
    return entropy_distance(torch.from_numpy(joint)).item()


@given(distributions(2))
@settings(max_examples=60, deadline=None)
def test_it_is_the_sum_of_the_conditional_entropies_positive_and_symmetric(joint: np.ndarray) -> None:
    assert distance(joint) == pytest.approx(numpy_distance(joint), abs=1e-12)
    assert distance(joint) >= -1e-12
    assert distance(joint.T) == pytest.approx(distance(joint), abs=1e-12)


@given(distributions(3))
@settings(max_examples=60, deadline=None)
def test_triangle_inequality(joint: np.ndarray) -> None:
    x_y, y_z, x_z = joint.sum(2), joint.sum(0), joint.sum(1)
    assert distance(x_y) + distance(y_z) >= distance(x_z) - 1e-12


@given(distributions(1), st.randoms())
@settings(max_examples=30, deadline=None)
def test_it_is_zero_where_each_determines_the_other_and_only_there(p: np.ndarray, random: Any) -> None:
    order = list(range(len(p)))
    random.shuffle(order)
    assert distance(np.diag(p)[:, order]) == pytest.approx(0, abs=1e-12)
    blurred = 0.9 * np.diag(p) + 0.1 * np.outer(p, p)
    if (p > 0).sum() > 1:
        assert distance(blurred) > 1e-3


@pytest.mark.parametrize("bins", [4, 16, 32])
def test_narrow_kernels_count_as_a_plain_histogram_does(bins: int) -> None:
    random = np.random.default_rng(bins)
    x = random.integers(bins, size=500)
    y = (x + random.integers(3, size=500)) % bins
    counts, _, _ = np.histogram2d(x, y, bins=bins, range=[[-0.5, bins - 0.5]] * 2)
    centres = -1 + (np.arange(bins) + 0.5) * 2 / bins
    parzen = Parzen(options(bins=bins, bandwidth=0.05), RANGE)
    found = parzen(torch.from_numpy(centres[x]), torch.from_numpy(centres[y])).item()
    assert found == pytest.approx(numpy_distance(counts / 500), abs=1e-4)


def test_the_kernel_is_a_gaussian_read_at_the_bins() -> None:
    values = np.linspace(-1.2, 1.2, 41)
    centres, sigma = -1 + (np.arange(10) + 0.5) * 0.2, 0.7 * 0.2
    expected = np.exp(-((values[:, None] - centres) ** 2) / (2 * sigma**2))
    expected /= expected.sum(1, keepdims=True)
    weights = SoftBins(options(bins=10, bandwidth=0.7), RANGE)(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(weights, expected, atol=1e-5)


@pytest.mark.parametrize(("bins", "count"), [(8, 4_000), (8, 64_000), (16, 16_000), (32, 64_000)])
def test_independent_uniform_values(bins: int, count: int) -> None:
    """δ = 2 log(bins); counting N pairs misses about (bins − 1)²/N of 2H(X, Y) − H(X) − H(Y)."""
    torch.manual_seed(0)
    x, y = 2 * torch.rand(2, count, dtype=torch.float64) - 1
    found = Parzen(options(bins=bins, bandwidth=0.05), RANGE)(x, y).item()
    bias = ((bins**2 - 1) - (bins - 1)) / count
    assert 2 * np.log(bins) - found == pytest.approx(bias, rel=0.25)


def gaussian_pairs(correlation: float, deviation: float, count: int) -> tuple[Tensor, Tensor]:
    x, noise = deviation * torch.randn(2, count, dtype=torch.float64)
    return x, correlation * x + (1 - correlation**2) ** 0.5 * noise


@pytest.mark.parametrize(
    ("bins", "count", "close"),
    [(16, 2_000, 0.15), (16, 50_000, 0.01), (32, 50_000, 0.03), (64, 100_000, 0.06)],
)
@pytest.mark.parametrize("correlation", [0.0, 0.7, 0.95])
def test_gaussian_values_with_the_kernels_own_noise(
    bins: int, count: int, close: float, correlation: float
) -> None:
    """δ = log(2πe · det Σ / σ²) − 2 log Δ, Σ being the covariance with the kernel's variance on its diagonal."""
    torch.manual_seed(1)
    deviation, width, bandwidth = 0.2, 2 / bins, 0.5
    x, y = gaussian_pairs(correlation, deviation, count)
    found = Parzen(options(bins=bins, bandwidth=bandwidth), RANGE)(x, y).item()
    variance = deviation**2 + (bandwidth * width) ** 2
    determinant = variance**2 - (correlation * deviation**2) ** 2
    exact = np.log(2 * np.pi * np.e * determinant / variance) - 2 * np.log(width)
    assert found == pytest.approx(exact, abs=close)


def test_identical_batches_are_as_near_as_the_kernel_allows_and_independent_ones_as_far_as_can_be() -> None:
    torch.manual_seed(2)
    real, other = 2 * torch.rand(2, 16, 3, 16, 16) - 1
    near = {width: term(bandwidth=width)(batch_of(real, real)).item() for width in (0.05, 0.2, 0.5)}
    assert 0 <= near[0.05] < 0.15 < near[0.2] < near[0.5]
    # Two bins drawn with the default kernel, σ = ½ bin: H(K′|K) of the kernel with itself, either way.
    offsets = (np.arange(-4000, 4000) + 0.5) / 1000 % 1 - 0.5
    kernel = np.exp(-((offsets[:, None] - np.arange(-6, 7)) ** 2) / (2 * 0.25))
    kernel /= kernel.sum(1, keepdims=True)
    together = np.zeros(25)
    for row in kernel:
        together += np.convolve(row, row[::-1]) / len(kernel)
    assert near[0.5] == pytest.approx(2 * numpy_entropy(together), abs=0.08)
    far = term()(batch_of(real, other)).item()
    assert 2 * np.log(32) - 0.15 < far < 2 * np.log(32)


def test_on_independent_pairs_the_gradient_is_that_of_the_generated_entropy() -> None:
    torch.manual_seed(15)
    real = 2 * torch.rand(64, 3, 16, 16) - 1
    fake = (0.6 * torch.rand_like(real)).requires_grad_()
    ours = term(bins=8)
    (found,) = torch.autograd.grad(ours(batch_of(real, fake)), fake)
    (alone,) = torch.autograd.grad(entropy(ours.distance.estimator.bins(fake.flatten()).mean(0)), fake)
    assert torch.cosine_similarity(found.flatten(), alone.flatten(), dim=0) > 0.99


def test_sorted_pairs_see_distributions_and_no_order() -> None:
    torch.manual_seed(3)
    real = 2 * torch.rand(16, 3, 8, 8) - 1
    shuffled = torch.stack([plane[torch.randperm(16)] for plane in real.flatten(1).t()], dim=1)
    same = term(pairs="sorted")(batch_of(real, real))
    torch.testing.assert_close(term(pairs="sorted")(batch_of(real, shuffled.view_as(real))), same)
    assert term(pairs="batch")(batch_of(real, shuffled.view_as(real))) > same + 2
    assert term(pairs="sorted")(batch_of(real, 0.5 * real**2)) > same + 0.5


def test_generated_batches_are_summed() -> None:
    torch.manual_seed(4)
    real, one, two = 2 * torch.rand(3, 4, 3, 8, 8) - 1
    apart = [term()(batch_of(real, samples)) for samples in (one, two)]
    torch.testing.assert_close(term()(batch_of(real, one, two)), apart[0] + apart[1])


def test_points_are_standardised_by_the_real_batch() -> None:
    torch.manual_seed(5)
    real, fake = torch.randn(2, 64, 2)
    near = term((2,))(batch_of(real, fake))
    torch.testing.assert_close(term((2,))(batch_of(100 * real + 7, 100 * fake + 7)), near, atol=1e-3, rtol=0)
    fixed = term((2,), range=(-3, 3))
    assert abs(fixed(batch_of(100 * real + 7, 100 * fake + 7)) - near) > 0.5
    centred = (torch.cat([real, fake]) - real.mean()) / real.std()
    torch.testing.assert_close(fixed(batch_of(centred[:64], centred[64:])), near)


def test_a_draw_of_pixels_keeps_pairs_together() -> None:
    torch.manual_seed(6)
    seen: list[tuple[Tensor, Tensor]] = []
    drawing = term(pixels=500)
    drawing.distance.estimator.register_forward_pre_hook(lambda _, pair: seen.append(pair))
    real = 2 * torch.rand(16, 3, 8, 8) - 1
    drawing(batch_of(real, -real))
    drawing(batch_of(real, -real))
    (x, y), (later, _) = seen
    assert len(x) == 500 and torch.equal(x, -y) and not torch.equal(x, later)


@pytest.mark.parametrize("told", [{}, {"pairs": "sorted"}, {"of": "features"}, {"bandwidth": 1.0, "bins": 5}])
def test_gradient(told: dict[str, Any]) -> None:
    torch.manual_seed(7)
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 1)).double()
    discriminator.requires_grad_(False)
    real = 1.6 * torch.rand(6, 3, 2, 2, dtype=torch.float64) - 0.8
    fake = (1.6 * torch.rand_like(real) - 0.8).requires_grad_()
    ours = term((3, 2, 2), **({"bins": 8} | told)).double()
    assert torch.autograd.gradcheck(
        lambda fake: ours(batch_of(real, fake, discriminator=discriminator)), [fake], atol=1e-7
    )


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_neural_estimators_gradient(bound: str) -> None:
    torch.manual_seed(8)
    ours = term((2,), estimator="neural", bound=bound, width=4, bins=6).double()
    real, fake = torch.randn(2, 6, 2, dtype=torch.float64)

    def value(fake: Tensor, *weights: Tensor) -> Tensor:
        torch.manual_seed(9)  # the same noise and order for each difference
        return ours(batch_of(real, fake))

    assert torch.autograd.gradcheck(value, [fake.requires_grad_(), *ours.parameters()], atol=1e-7)


def test_bounds_are_their_equations() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 128))
    torch.manual_seed(10)
    found = donsker_varadhan(lambda a, b: a * b, torch.from_numpy(x), torch.from_numpy(y)).item()
    torch.manual_seed(10)
    others = y[torch.randperm(128).numpy()]
    assert found == pytest.approx(np.mean(x * y) - np.log(np.mean(np.exp(x * others))))
    expected = 0.0
    for group in range(2):
        a, b = x[64 * group :][:64], y[64 * group :][:64]
        expected += sum(np.log(np.exp(a[i] * b[i]) / np.mean(np.exp(a[i] * b))) for i in range(64)) / 128
    found = infonce(lambda a, b: a * b, torch.from_numpy(x), torch.from_numpy(y)).item()
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("bound", BOUNDS)
def test_trained_bounds_find_the_information_of_gaussians(bound: str) -> None:
    torch.manual_seed(11)
    statistic = StatisticNetwork(24)
    optimiser = torch.optim.Adam(statistic.parameters(), lr=1e-2)
    late = []
    for step in range(120):
        x, y = (side.float() for side in gaussian_pairs(0.8, 1.0, 512))
        value = BOUNDS[bound](statistic, x, y)
        optimiser.zero_grad()
        (-value).backward()
        optimiser.step()
        if step >= 90:
            late.append(value.item())
    assert np.mean(late) == pytest.approx(-0.5 * np.log(1 - 0.8**2), abs=0.1)


def test_the_statistic_network_gains_where_the_generators_do() -> None:
    """Descending the term raises the bound; on equal batches it then comes near the Parzen value, from above."""
    torch.manual_seed(12)
    real = 2 * torch.rand(8, 3, 16, 16) - 1
    ours = term(estimator="neural", bins=8)
    optimiser = torch.optim.Adam(ours.parameters(), lr=1e-2)
    values = []
    for _ in range(120):
        value = ours(batch_of(real, real))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    exact = term(bins=8)(batch_of(real, real)).item()
    assert values[0] == pytest.approx(2 * np.log(8), abs=0.1)
    assert exact - 0.3 < np.mean(values[-20:]) < exact + 0.5


def test_half_precision_counts_in_single() -> None:
    torch.manual_seed(13)
    real, fake = 2 * torch.rand(2, 4, 3, 8, 8) - 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = term()(batch_of(real, fake.bfloat16()))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, term()(batch_of(real, fake.bfloat16().float())))


def test_joint_histograms_have_the_single_ones_as_marginals() -> None:
    torch.manual_seed(14)
    x, y = 2.4 * torch.rand(2, 300, dtype=torch.float64) - 1.2
    bins = SoftBins(options(), RANGE)
    joint = joint_histogram(bins(x), bins(y))
    torch.testing.assert_close(joint.sum(1), bins(x).mean(0))
    torch.testing.assert_close(joint.sum(0), bins(y).mean(0))
    assert joint.sum().item() == pytest.approx(1)
    assert entropy(joint).item() == pytest.approx(numpy_entropy(joint.numpy()), rel=1e-6)


def test_the_plan_and_the_registries_know_the_same_names() -> None:
    fields = Options.model_fields
    registries = {"estimator": ESTIMATORS | DISTANCES, "pairs": PAIRINGS, "bound": BOUNDS, "of": SOURCES}
    for name, registry in registries.items():
        assert set(get_args(fields[name].annotation)) == set(registry)
