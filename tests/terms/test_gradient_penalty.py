"""Gradient penalties against discriminators whose gradients are known."""

from typing import Any, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from gantry.methods.discriminators import Packed
from gantry.networks import build_discriminator
from gantry.networks.maxout import Maxout
from gantry.objectives.moments import MmdGan
from gantry.plan.blocks.image_networks import DcganNetworks
from gantry.plan.blocks.point_networks import MlpNetworks
from gantry.plan.blocks.terms import GradientPenalty as Options
from gantry.plan.recipe import Recipe
from gantry.terms import TermInputs
from gantry.terms.gradient_penalty import POINTS, THROUGH, GradientPenalty


def term(**told: Any) -> GradientPenalty:
    return GradientPenalty("paper", Options(weight=1, **told))


def batch_of(discriminator: nn.Module, real: Tensor, *fakes: Tensor) -> TermInputs:
    return TermInputs(fakes, [], real, None, discriminator, nn.ModuleList())


class Quadratic(nn.Module):
    """D(x) = ½ xᵀ A x + bᵀ x, as (B, 1), with gradient ½ (A + Aᵀ) x + b; keeps the points it is asked about."""

    def __init__(self, dimension: int = 3) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(dimension, dimension, dtype=torch.float64))
        self.b = nn.Parameter(torch.randn(dimension, dtype=torch.float64))
        self.asked: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.asked.append(x.detach())
        return (((x @ self.a) * x).sum(1) / 2 + x @ self.b)[:, None]

    def slopes(self, x: Tensor) -> Tensor:
        return x @ (self.a + self.a.t()).detach() / 2 + self.b.detach()

    def norms(self, x: Tensor) -> Tensor:
        return self.slopes(x).square().sum(1).sqrt()


@pytest.fixture
def three() -> tuple[Quadratic, Tensor, Tensor, Tensor]:
    """A discriminator, a real batch and two generated ones."""
    torch.manual_seed(0)
    return Quadratic(), *torch.randn(3, 5, 3, dtype=torch.float64)


def test_r1_and_r2(three: Any) -> None:
    discriminator, real, one, two = three
    batch = batch_of(discriminator, real, one, two)
    r1 = 0.5 * discriminator.norms(real).square().mean()
    r2 = 0.5 * (discriminator.norms(one).square().mean() + discriminator.norms(two).square().mean())
    torch.testing.assert_close(term(center=0, points="real", halved=True)(batch), r1)
    torch.testing.assert_close(term(center=0, points="generated", halved=True)(batch), r2)


@pytest.mark.parametrize("center", [0.0, 1.0, 2.5])
def test_lines_between_real_and_generated_samples(three: Any, center: float) -> None:
    discriminator, real, one, two = three
    found = term(center=center)(batch_of(discriminator, real, one, two))
    first, second = discriminator.asked
    expected = sum((discriminator.norms(points) - center).square().mean() for points in (first, second))
    torch.testing.assert_close(found, expected)
    for points, fake in ((first, one), (second, two)):
        along = (points - real) / (fake - real)
        assert ((along >= 0) & (along <= 1)).all() and along[:, 0].unique().numel() == 5
        torch.testing.assert_close(along, along[:, :1].expand(-1, 3))


def test_one_sided_it_is_on_slopes_above_the_center_alone(three: Any) -> None:
    discriminator, real, _, _ = three
    batch, norms = batch_of(discriminator, real), discriminator.norms(real).detach()
    center = norms.median().item()  # so that there are slopes on both sides
    found = term(center=center, points="real", one_sided=True)(batch)
    torch.testing.assert_close(found, (norms - center).clamp(min=0).square().mean().to(found))
    both = term(center=center, points="real")(batch)
    below = (center - norms).clamp(min=0).square().mean()
    assert below > 0 and both.item() == pytest.approx((found + below).item())
    above_all = norms.max().item() + 1
    assert term(center=above_all, points="real", one_sided=True)(batch) == 0
    assert term(center=above_all, points="real")(batch) >= 1


def test_one_place_on_each_line_of_images() -> None:
    seen: list[Tensor] = []
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(48, 1))
    discriminator.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    term()(batch_of(discriminator, torch.zeros(8, 3, 4, 4), torch.ones(8, 3, 4, 4)))
    (points,) = seen
    assert all(image.unique().numel() == 1 for image in points) and points.unique().numel() == 8


def test_perturbed_points_lie_beside_the_real_ones(three: Any) -> None:
    discriminator, _, fake, _ = three
    real = 0.2 * torch.randn(400, 3, dtype=torch.float64)  # whose deviation is not its variance
    found = term(points="perturbed", perturbation=0.3)(batch_of(discriminator, real, fake))
    (points,) = discriminator.asked
    torch.testing.assert_close(found, (discriminator.norms(points) - 1).square().mean())
    moved = (points - real) / (0.3 * real.std())
    assert moved.min() >= 0 and 0.8 < moved.max() < 1
    assert moved.mean().item() == pytest.approx(0.25, abs=0.03)  # two uniform numbers, multiplied


def test_through_the_sigmoid(three: Any) -> None:
    discriminator, real, _, _ = three
    verdicts = torch.sigmoid(discriminator(real))
    norms = discriminator.norms(real) * (verdicts * (1 - verdicts)).squeeze(1)
    found = term(points="real", through="sigmoid", center=0)(batch_of(discriminator, real))
    torch.testing.assert_close(found, norms.square().mean())


def test_several_outputs_are_summed() -> None:
    torch.manual_seed(1)
    discriminator = nn.Linear(4, 5)
    expected = (discriminator.weight.sum(0).norm() - 1).square()
    found = term()(batch_of(discriminator, torch.randn(6, 4), torch.randn(6, 4)))
    torch.testing.assert_close(found, expected)


def test_a_flat_discriminator_has_finite_gradients() -> None:
    discriminator = nn.Linear(4, 1)
    nn.init.zeros_(discriminator.weight)
    value = term(center=0, points="real")(batch_of(discriminator, torch.randn(6, 4)))
    value.backward()
    assert value == 0 and torch.equal(discriminator.weight.grad, torch.zeros(1, 4))


@pytest.mark.parametrize("through", sorted(THROUGH.keys() - {"witness"}))
def test_gradient_of_the_penalty_by_finite_differences(three: Any, through: str) -> None:
    discriminator, real, _, _ = three
    ours, batch = term(points="real", through=through), batch_of(discriminator, real)
    assert torch.autograd.gradcheck(lambda *_: ours(batch), [discriminator.a, discriminator.b])


class Embedding(nn.Module):
    """D(x) = sin(W x), two numbers of three; keeps the points it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, 2, dtype=torch.float64))
        self.asked: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.asked.append(x.detach())
        return (x @ self.w).sin()


@pytest.mark.parametrize("kernel", ["rbf", "rational_quadratic"])
def test_the_slope_of_the_witness_function(three: Any, kernel: str) -> None:
    """Against NumPy and SciPy: differences, point by point, of the kernel's means."""
    _, real, one, two = three
    scales = (0.5, 2.0)
    discriminator, objective = Embedding(), MmdGan(outputs=2, kernel=kernel, scales=scales)

    def batch() -> TermInputs:
        embedded = [discriminator(samples) for samples in (real, one, two)]
        discriminator.asked.clear()
        networks = discriminator, nn.ModuleList()
        return TermInputs((one, two), embedded[1:], real, embedded[0], *networks, objective=objective)

    def k(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        squared = cdist(a, b, "sqeuclidean")
        if kernel == "rbf":
            return sum(np.exp(-squared / (2 * scale**2)) for scale in scales)
        return sum((1 + squared / (2 * scale)) ** -scale for scale in scales)

    def h(points: np.ndarray, fake: Tensor) -> np.ndarray:
        a, x, y = (
            np.sin(np.asarray(samples) @ discriminator.w.detach().numpy()) for samples in (points, real, fake)
        )
        return k(a, x).mean(1) - k(a, y).mean(1)

    found = term(through="witness", center=0.3)(batch())
    expected = 0.0
    for points, fake in zip([asked.numpy() for asked in discriminator.asked], (one, two), strict=True):
        steps = 1e-6 * np.eye(3)
        slopes = np.stack([(h(points + by, fake) - h(points - by, fake)) / 2e-6 for by in steps], 1)
        expected += np.mean((np.linalg.norm(slopes, axis=1) - 0.3) ** 2)
    assert found.item() == pytest.approx(expected, rel=1e-6)

    def seeded(weights: Tensor) -> Tensor:
        torch.manual_seed(5)
        return term(through="witness")(batch())

    assert torch.autograd.gradcheck(seeded, [discriminator.w])


def test_a_witness_needs_a_line_and_a_kernel() -> None:
    with pytest.raises(ValidationError, match="set points to lines"):
        term(through="witness", points="real")
    block = {"workload": "w", "networks": {"family": "mlp"}, "objective": {"name": "hinge"}}
    with pytest.raises(ValidationError, match="only mmd_gan has a witness function"):
        Recipe.model_validate(block | {"terms": {"gradient_penalty": {"weight": 1, "through": "witness"}}})


def test_maxout_is_differentiable_twice() -> None:
    torch.manual_seed(2)
    layer = Maxout(3, 4, 5).double()
    x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    weights = list(layer.parameters())
    assert torch.autograd.gradgradcheck(lambda x, *_: layer(x).square(), [x, *weights])


MLP = MlpNetworks(family="mlp", maxout_units=20, maxout_pieces=3, maxout_depth=2)
DISCRIMINATORS = {
    "mlp": (MLP, (2,)),
    "plain": (DcganNetworks(family="dcgan", width=2, head="linear", spectral_norm=False), (3, 32, 32)),
    "spectral norm": (DcganNetworks(family="dcgan", width=2, head="linear"), (3, 32, 32)),
}


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_the_projects_own_discriminators(name: str) -> None:
    """Along a random direction in weight space; in evaluation mode, where spectral norm stands still."""
    torch.manual_seed(3)
    networks, shape = DISCRIMINATORS[name]
    discriminator = build_discriminator(networks, shape, 3).double().eval()
    weights = list(discriminator.parameters())
    directions = [torch.randn_like(weight) for weight in weights]
    ours, batch = term(points="real"), batch_of(discriminator, torch.randn(4, *shape, dtype=torch.float64))

    def moved(by: float) -> float:
        with torch.no_grad():
            for weight, direction in zip(weights, directions, strict=True):
                weight += by * direction
        return ours(batch).item()

    slopes = torch.autograd.grad(ours(batch), weights, allow_unused=True)
    along = sum(
        (slope * direction).sum()
        for slope, direction in zip(slopes, directions, strict=True)
        if slope is not None
    )
    step = 1e-6
    ahead, behind = moved(step), moved(-2 * step)
    assert along.item() == pytest.approx((ahead - behind) / (2 * step), rel=1e-4, abs=1e-8)
    assert abs(along.item()) > 1e-6


def test_products_by_onednn_give_the_same_penalty_and_gradient() -> None:
    torch.manual_seed(4)
    single = build_discriminator(MLP.model_copy(update={"maxout_units": 32}), (2,), 3)
    double = build_discriminator(MLP.model_copy(update={"maxout_units": 32}), (2,), 3).double()
    double.load_state_dict(single.state_dict())
    real = torch.randn(40, 2)
    found = []
    for discriminator, points in ((single, real), (double, real.double())):
        value = term(points="real")(batch_of(discriminator, points))
        slopes = torch.autograd.grad(value, list(discriminator.parameters()), allow_unused=True)
        found.append([value, *[slope for slope in slopes if slope is not None]])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one.double(), two, rtol=1e-3, atol=1e-5)


def test_the_plan_and_the_registries_know_the_same_names() -> None:
    for name, registry in (("points", POINTS), ("through", THROUGH)):
        assert set(get_args(Options.model_fields[name].annotation)) == set(registry)


def test_a_perturbation_of_points_that_have_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="only points perturbed have it"):
        term(perturbation=0.5)


def test_several_verdicts_an_image_count_by_their_mean(three: Any) -> None:
    discriminator, real, *_ = three

    class Patches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            verdicts = discriminator(x)
            return torch.cat([verdicts / 2, verdicts * 3 / 2], dim=1).reshape(-1, 1)  # two rows an image

    options = {"center": 1, "points": "real"}
    torch.testing.assert_close(
        term(**options)(batch_of(Patches(), real, real)),
        term(**options)(batch_of(discriminator, real, real)),
    )


@pytest.mark.parametrize("points", ["lines", "real", "perturbed"])
def test_a_pack_is_one_point(points: str) -> None:
    """D(x₁, x₂) = a·x₁ + b·x₂ has a slope of √(‖a‖² + ‖b‖²) at every pack, not two of ‖a‖ and ‖b‖."""
    packed = Packed(nn.Linear(6, 1), 2)
    penalty = term(points=points)(batch_of(packed, torch.randn(8, 3), torch.randn(8, 3)))
    expected = (packed.discriminator.weight.norm() - 1).square()
    torch.testing.assert_close(penalty, expected)
    images = Packed(nn.Sequential(nn.Flatten(), nn.Linear(24, 1)), 2)
    real = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    penalty = term(points=points)(batch_of(images, real, -real))
    torch.testing.assert_close(penalty, (images.discriminator[1].weight.norm() - 1).square())
