"""Translators: losses against NumPy, and what theory says of cycles and medians."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import ortho_group
from tests.methods.translators import (
    CYCLEGAN,
    IMAGES,
    PAIRS,
    PIX2PIX,
    POINTS,
    UNET,
    batch_for,
    method_of,
    numpy,
    softplus,
)

from gantry.data.shape import DataShape
from gantry.methods import Batch
from gantry.networks.translators import at_depths
from gantry.terms import translation as losses

# ── losses, written anew ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sees", ["pair", "output"])
@pytest.mark.parametrize(("data", "networks"), [(PAIRS, POINTS), (IMAGES, UNET)], ids=["points", "images"])
def test_pix2pixs_losses(sees: str, data: DataShape, networks: dict[str, Any]) -> None:
    method = method_of(PIX2PIX | {"sees": sees, "match": 7}, data, networks=networks)
    batch = batch_for(data, 3)
    x, y = batch.data["input"], batch.x
    there = method.translator(x)
    join = (lambda y: torch.cat([x, y], 1)) if sees == "pair" else (lambda y: y)
    real, fake = (method.scales[0].discriminator(join(samples)) for samples in (y, there))
    expected = softplus(-real).mean() + softplus(fake).mean()
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-6)
    expected = softplus(-fake).mean() + 7 * np.abs(numpy(y) - numpy(there)).mean()
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=2e-6)


def test_several_scales_feature_matching_and_total_variation() -> None:
    """Wang et al. 2018, eqs. 3 to 5: a discriminator for each scale; L1 of features at every depth."""
    told = PIX2PIX | {"scales": 2, "match": 0, "feature_matching": 3, "total_variation": 0.5}
    method = method_of(told, IMAGES, networks=UNET)
    batch = batch_for(IMAGES, 2)
    x, y = batch.data["input"], batch.x
    there = method.translator(x)
    pixels = numpy(there)
    expected = 0.5 * (np.diff(pixels, axis=2) ** 2).mean() + 0.5 * (np.diff(pixels, axis=3) ** 2).mean()
    for scale in range(2):
        discriminator = method.scales[scale].discriminator
        real, fake = method.seen(x, y, scale), method.seen(x, there, scale)
        assert real.shape[-1] == 32 >> scale
        expected += softplus(-discriminator(fake)).mean()
        depths = [at_depths(discriminator, samples) for samples in (real, fake)]
        expected += 3 * np.mean([np.abs(numpy(a) - numpy(b)).mean() for a, b in zip(*depths, strict=True)])
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=5e-6)


def test_cyclegans_losses() -> None:
    told = CYCLEGAN | {"adversarial": 2, "cycle": 10, "identity": 5}
    method = method_of(told, objective={"name": "least_squares"})
    batch = batch_for()
    a, b = batch.data["x_a"], batch.x
    in_b, in_a = method.to_b(a), method.to_a(b)
    d_b, d_a = method.of_b.discriminator, method.of_a.discriminator
    expected = sum(
        0.5 * ((numpy(d(real)) - 1) ** 2).mean() + 0.5 * (numpy(d(fake)) ** 2).mean()
        for d, real, fake in ((d_b, b, in_b), (d_a, a, in_a))
    )
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-6)
    l1 = lambda one, other: np.abs(numpy(one) - numpy(other)).mean()  # noqa: E731
    expected = sum(((numpy(d(fake)) - 1) ** 2).mean() for d, fake in ((d_b, in_b), (d_a, in_a)))
    expected += 10 * (l1(method.to_a(in_b), a) + l1(method.to_b(in_a), b))
    expected += 5 * (l1(method.to_b(b), b) + l1(method.to_a(a), a))
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=2e-6)


def test_discogans_losses() -> None:
    """(1 − r)(0.1·L_adv + 0.9·FM) + r·cycle MSE, a direction; r changes on the device. Kim et al. 2017, their code."""
    told = {"adversarial": 0.1, "feature_matching": 0.9, "cycle": 1, "distance": "l2", "identity": 0}
    method = method_of(CYCLEGAN | told | {"balance": {"before": 0.25, "after": 0.5, "start": 3}})
    batch = batch_for()
    a, b = batch.data["x_a"], batch.x
    for iteration, r in ((0, 0.25), (2, 0.25), (3, 0.5)):
        method.begin(iteration, torch.device("cpu"))
        expected = 0.0
        for x, y, there, back, adversary in (
            (a, b, method.to_b, method.to_a, method.of_b),
            (b, a, method.to_a, method.to_b, method.of_a),
        ):
            made = there(x)
            real, fake = (at_depths(adversary.discriminator, samples) for samples in (y, made))
            apart = [
                ((numpy(p).mean(0) - numpy(q).mean(0)) ** 2).mean() for p, q in zip(real, fake, strict=True)
            ]
            played = 0.1 * softplus(-adversary.discriminator(made)).mean() + 0.9 * np.mean(apart)
            expected += (1 - r) * played + r * ((numpy(back(made)) - numpy(x)) ** 2).mean()
        assert method.loss("generator", batch).item() == pytest.approx(expected, rel=2e-6)


def test_gradients_are_those_of_central_differences() -> None:
    method = method_of(CYCLEGAN).double()
    batch = Batch({name: value.double() for name, value in batch_for().data.items()})
    weight = method.to_b[0].weight
    method.loss("generator", batch).backward()
    for place in ((0, 0), (3, 1)):
        found, step, values = weight.grad[place].item(), 1e-6, []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
                values.append(method.loss("generator", batch).item())
                weight[place] -= sign * step
        assert found == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_a_phase_moves_its_own_networks_alone(phase: str) -> None:
    for told, data in ((PIX2PIX, PAIRS), (CYCLEGAN, PAIRS)):
        method = method_of(told, data)
        named = {trained.name: trained.trains for trained in method.phases}
        method.loss(phase, batch_for()).backward()
        translators = [
            name for name, weight in method.named_parameters() if name.startswith(("to_", "trans"))
        ]
        moved = {
            name for name, w in method.named_parameters() if w.grad is not None and w.grad.abs().sum() > 0
        }
        assert bool(moved & set(translators)) == (phase == "generator")
        own = {name for name, _ in method.named_parameters() if name.startswith(named[phase])}
        assert own <= moved, "every weight of the phase has a gradient"


# ── theory ──────────────────────────────────────────────────────────────────────────────────────────────


def test_cycle_consistency_does_not_identify_and_the_identity_term_does() -> None:
    """Between N(0, S₁) and N(0, S₂) every S₂^½·Q·S₁^−½ pushes forward exactly, there and back without an error."""
    random = np.random.default_rng(0)
    first, second = (a @ a.T + np.eye(2) for a in random.standard_normal((2, 2, 2)))
    x = torch.from_numpy(random.multivariate_normal(np.zeros(2), first, 500))
    for q in ortho_group.rvs(2, size=20, random_state=1):
        forward = sqrtm(second).real @ q @ np.linalg.inv(sqrtm(first).real)
        assert forward @ first @ forward.T == pytest.approx(second, abs=1e-9)
        there = x @ torch.from_numpy(forward.T)
        back = there @ torch.from_numpy(np.linalg.inv(forward).T)
        assert losses.cycle(back, x).item() == pytest.approx(0, abs=1e-9)
        assert losses.identity(x @ torch.from_numpy(q.T), x).item() > 1e-3
    assert losses.identity(x @ torch.eye(2, dtype=torch.float64), x).item() == 0


def test_nine_modes_that_become_three_cannot_be_told_apart_again() -> None:
    """Whatever F makes of the merged mode, the squared cycle error is at least the spread of its three centres: 8/3."""
    axis = np.array([-2.0, 0, 2])
    best = min(((axis - guess) ** 2).mean() for guess in np.linspace(-3, 3, 601))
    assert best == pytest.approx(8 / 3, abs=1e-9)
    assert min(np.abs(axis - guess).mean() for guess in np.linspace(-3, 3, 601)) == pytest.approx(4 / 3)
    back = torch.zeros(3, 2, dtype=torch.float64)
    x = torch.tensor([[coordinate, 0.0] for coordinate in axis], dtype=torch.float64)
    assert 2 * losses.cycle(back, x, "l2").item() == pytest.approx(8 / 3)


@pytest.mark.parametrize(("distance", "constant"), [("l1", 0.0), ("l2", 0.45)])
def test_l1_fits_the_median_and_l2_the_mean(distance: str, constant: float) -> None:
    """y | x is 1 with chance 0.45, else 0: neither constant is a sample, or only the more frequent one."""
    y = torch.tensor([0.0] * 55 + [1.0] * 45, dtype=torch.float64)[:, None]
    guesses = torch.linspace(0, 1, 1001, dtype=torch.float64)
    errors = [losses.match(guess.expand(100, 1), y, distance).item() for guess in guesses]
    assert guesses[int(np.argmin(errors))].item() == pytest.approx(constant, abs=1e-9)


def test_perceptual_loss_is_a_weighted_l1_of_features() -> None:
    ours, theirs = ([torch.randn(2, 3), torch.randn(2, 5)] for _ in range(2))
    expected = sum(
        w * np.abs(numpy(a) - numpy(b)).mean() for w, a, b in zip((0.25, 2), ours, theirs, strict=True)
    )
    assert losses.perceptual(ours, theirs, (0.25, 2)).item() == pytest.approx(expected, rel=1e-6)
