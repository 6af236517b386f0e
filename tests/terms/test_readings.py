"""EDGAN's distance read in other ways, and Jensen–Shannon by image: values and slopes against NumPy and SciPy."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.optimize import approx_fprime
from scipy.special import softmax
from torch import Tensor, nn

from gantry.plan.blocks.terms import COUNTED, READINGS
from gantry.plan.blocks.terms import EntropyDistance as Options
from gantry.plan.blocks.terms import JensenShannon as ShannonOptions
from gantry.terms import TermInputs
from gantry.terms.entropy_distance import DISTANCES, ESTIMATORS, SOURCES, EntropyDistance
from gantry.terms.information import BOUNDS
from gantry.terms.jensen_shannon import JensenShannon

SHAPE, SIZE = (2, 3, 3), 5


def term(**told: Any) -> EntropyDistance:
    return EntropyDistance("paper", Options(weight=1, **told), SHAPE).double()


class Verdicts(nn.Module):
    """A discriminator whose outputs NumPy can compute: tanh(x)·w, (B, outputs)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(int(np.prod(SHAPE)), outputs, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).tanh() @ self.weights

    def numpy(self, x: np.ndarray) -> np.ndarray:
        return np.tanh(x.reshape(SIZE, -1)) @ self.weights.detach().numpy()


def batch_of(
    real: Tensor, fakes: list[Tensor], discriminator: nn.Module, known: bool = False, networks: int = 1
) -> TermInputs:
    outputs = [discriminator(fake) for fake in fakes]
    real_outputs = discriminator(real).detach() if known else None
    return TermInputs(fakes, outputs, real, real_outputs, discriminator, nn.ModuleList(), networks)


def entropies_across(p: np.ndarray, q: np.ndarray) -> float:
    """CE(p, q) + CE(q, p), written out; the mean over rows."""
    return float(
        np.mean(
            [
                -sum(a * np.log(b) + b * np.log(a) for a, b in zip(*rows, strict=True))
                for rows in zip(p, q, strict=True)
            ]
        )
    )


def of_images(real: np.ndarray, fake: np.ndarray, discriminator: Verdicts) -> float:
    return entropies_across(*(softmax(x.reshape(SIZE, -1), axis=1) for x in (real, fake)))


def of_mean_image(real: np.ndarray, fake: np.ndarray, discriminator: Verdicts) -> float:
    return entropies_across(*(softmax(x.mean(axis=0).reshape(1, -1), axis=1) for x in (real, fake)))


def of_one_logit(real: np.ndarray, fake: np.ndarray, discriminator: Verdicts) -> float:
    a, b = (1 / (1 + np.exp(-discriminator.numpy(x)[:, 0])) for x in (real, fake))
    return entropies_across(np.stack([a, 1 - a], 1), np.stack([b, 1 - b], 1))


def of_outcomes(real: np.ndarray, fake: np.ndarray, discriminator: Verdicts) -> float:
    return entropies_across(*(softmax(discriminator.numpy(x), axis=1) for x in (real, fake)))


def shannon(real: np.ndarray, fake: np.ndarray, discriminator: Verdicts) -> float:
    """½ KL(p ‖ m) + ½ KL(q ‖ m) of each pair of images, written out."""
    total = 0.0
    for p, q in zip(*(softmax(x.reshape(SIZE, -1), axis=1) for x in (real, fake)), strict=True):
        m = (p + q) / 2
        total += 0.5 * np.sum(p * np.log(p / m)) + 0.5 * np.sum(q * np.log(q / m))
    return total / SIZE


CASES: dict[str, tuple[Any, Any, int]] = {
    "images": (term(estimator="cross_entropy", of="images"), of_images, 1),
    "mean image": (term(estimator="cross_entropy", of="mean_image"), of_mean_image, 1),
    "one logit": (term(estimator="cross_entropy", of="logits"), of_one_logit, 1),
    "outcomes": (term(estimator="cross_entropy", of="logits"), of_outcomes, 4),
    "Jensen–Shannon": (JensenShannon("paper", ShannonOptions(weight=1, of="images"), SHAPE), shannon, 1),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("known", [False, True])
def test_value_and_slope_are_those_of_the_formula(name: str, known: bool) -> None:
    ours, formula, outputs = CASES[name]
    torch.manual_seed(0)
    discriminator = Verdicts(outputs)
    real, fake, other = torch.randn(3, SIZE, *SHAPE, dtype=torch.float64)
    fake.requires_grad_()
    found = ours(batch_of(real, [fake], discriminator, known))
    expected = formula(real.numpy(), fake.detach().numpy(), discriminator)
    assert found.item() == pytest.approx(expected, rel=1e-10)
    (slope,) = torch.autograd.grad(found, fake)
    written = approx_fprime(
        fake.detach().numpy().ravel(),
        lambda x: formula(real.numpy(), x.reshape(SIZE, *SHAPE), discriminator),
        1e-7,
    )
    np.testing.assert_allclose(slope.numpy().ravel(), written, atol=3e-6)
    assert np.abs(written).max() > 1e-3
    both = ours(batch_of(real, [fake, other], discriminator, known))
    alone = formula(real.numpy(), other.numpy(), discriminator)
    assert both.item() == pytest.approx(expected + alone, rel=1e-10)


def test_two_discriminators_are_read_each_for_itself() -> None:
    torch.manual_seed(1)
    discriminator = Verdicts(2)
    real, fake = torch.randn(2, SIZE, *SHAPE, dtype=torch.float64)
    found = CASES["one logit"][0](batch_of(real, [fake], discriminator, networks=2)).item()
    alone = []
    for column in range(2):
        one = Verdicts(1)
        one.weights.data = discriminator.weights.data[:, column : column + 1]
        alone.append(of_one_logit(real.numpy(), fake.numpy(), one))
    assert found == pytest.approx(np.mean(alone), rel=1e-10)


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_bound_on_pairs_of_images(bound: str) -> None:
    """−2 Î, Î being the bound's formula with the network's own numbers; and its slopes towards images and weights."""
    torch.manual_seed(2)
    ours = term(estimator="neural", of="images", bound=bound, width=6)
    real, fake = torch.randn(2, SIZE, *SHAPE, dtype=torch.float64)
    scores = np.empty((SIZE, SIZE))
    weights = [parameter.detach().numpy() for parameter in ours.distance.statistic.parameters()]

    def silu(values: np.ndarray) -> np.ndarray:
        return values / (1 + np.exp(-values))

    for i in range(SIZE):
        for j in range(SIZE):
            pair = np.concatenate([real[i].numpy().ravel(), fake[j].numpy().ravel()])
            hidden = silu(weights[2] @ silu(weights[0] @ pair + weights[1]) + weights[3])
            scores[i, j] = (weights[4] @ hidden).item()
    if bound == "infonce":
        expected = np.mean(
            [np.log(SIZE * np.exp(scores[i, i]) / np.exp(scores[i]).sum()) for i in range(SIZE)]
        )
    else:
        torch.manual_seed(3)
        others = torch.randperm(SIZE).numpy()
        expected = np.diag(scores).mean() - np.log(np.mean(np.exp(scores[np.arange(SIZE), others])))

    def value(fake: Tensor, *weights: Tensor) -> Tensor:
        torch.manual_seed(3)
        return ours(batch_of(real, [fake], nn.Identity()))

    assert value(fake).item() == pytest.approx(-2 * expected, rel=1e-9)
    assert torch.autograd.gradcheck(value, [fake.requires_grad_(), *ours.parameters()], atol=1e-7)


def test_detached_it_has_its_value_and_moves_nobody() -> None:
    torch.manual_seed(4)
    real, fake = 2 * torch.rand(2, SIZE, *SHAPE, dtype=torch.float64) - 1
    fake.requires_grad_()
    for told in ({"estimator": "parzen", "bins": 8}, {"estimator": "cross_entropy", "of": "images"}):
        batch = batch_of(real, [fake], nn.Identity())
        moving, null = term(**told)(batch), term(**told, detached=True)(batch)
        assert moving.requires_grad and not null.requires_grad
        assert null.item() == moving.item()


def test_descended_alone_cross_entropies_go_towards_the_datas_mean_and_histograms_away() -> None:
    torch.manual_seed(5)
    real = torch.full((16, 1, 4, 4), -0.8)
    real[:, :, :2] = 0.8
    real += 0.1 * torch.randn_like(real)
    fake = (0.3 * torch.randn_like(real)).requires_grad_()
    gains = {}
    for name, told in (
        ("mean image", {"estimator": "cross_entropy", "of": "mean_image"}),
        ("images", {"of": "images"}),
        ("histogram", {"estimator": "parzen", "bins": 8}),
    ):
        ours = EntropyDistance("paper", Options(weight=1, **told), (1, 4, 4))
        (slope,) = torch.autograd.grad(ours(batch_of(real, [fake], nn.Identity())), fake)
        towards = real.mean(0) - fake.mean(0)
        gains[name] = torch.cosine_similarity(
            -slope.mean(0).flatten(), towards.detach().flatten(), dim=0
        ).item()
    assert gains["mean image"] > 0.9 and gains["images"] > 0.9 > 0.5 > gains["histogram"]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"estimator": "parzen", "of": "images"}, "of images: estimator parzen takes of: samples, features"),
        (
            {"estimator": "cross_entropy", "of": "samples"},
            "cross_entropy takes of: mean_image, images, logits",
        ),
        ({"estimator": "neural", "of": "logits"}, "estimator neural takes of: samples, features, images"),
        ({"estimator": "cross_entropy", "of": "images", "bins": 8}, "bins: no values are counted of images"),
        (
            {"estimator": "cross_entropy", "of": "logits", "pairs": "sorted"},
            "pairs: no values are counted of logits",
        ),
        ({"estimator": "cross_entropy", "of": "images", "width": 8}, "width: only estimator neural has it"),
        ({"estimator": "neural", "detached": True}, "detached: nobody would train the statistic network"),
    ],
)
def test_what_does_not_go_together_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Options(weight=1, **told)


@pytest.mark.parametrize(
    ("told", "estimator", "of"),
    [
        ({}, "cross_entropy", "mean_image"),
        ({"estimator": "parzen"}, "parzen", "samples"),
        ({"estimator": "neural"}, "neural", "samples"),
        ({"of": "features"}, "parzen", "features"),
        ({"of": "images"}, "cross_entropy", "images"),
        ({"estimator": "neural", "of": "images"}, "neural", "images"),
    ],
)
def test_estimator_and_what_it_is_of_say_each_other(told: dict[str, Any], estimator: str, of: str) -> None:
    options = Options(weight=1, **told)
    assert (options.estimator, options.of) == (estimator, of)


def test_images_have_no_histogram() -> None:
    with pytest.raises(ValidationError, match="pixels: no values are counted of images"):
        ShannonOptions(weight=1, of="images", pixels=100)


def test_every_reading_is_there() -> None:
    readings = {reading for named in READINGS.values() for reading in named}
    assert readings == set(SOURCES) and set(COUNTED) < readings
    for estimator, of in READINGS.items():
        assert estimator in (ESTIMATORS if set(of) <= set(COUNTED) else DISTANCES)
