"""Optima of conditional games on tables, bounds by enumeration, and what ways in and scores must be equal to.

Tables are of five values and two classes alike often: p(x | 0) = (.4 .3 .2 .1 0), p(x | 1) mirrored.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from tests.methods.test_conditional import (
    METHODS,
    P,
    batch_for,
    descend,
    jensen_shannon_to,
    method_of,
    softplus,
)
from torch import nn
from torch.nn.functional import one_hot
from torch.nn.functional import softplus as torch_softplus

from gantry.data import open_prepared, prepare
from gantry.evaluation.referee import ClassReferee, train_on_samples_scores
from gantry.methods import Batch
from gantry.metrics.classes import label_accuracy
from gantry.networks import build_generator
from gantry.networks.conditions import Concatenated, ConditionalNorms, Projection, SharedEmbedding
from gantry.plan.blocks.point_networks import MlpNetworks
from gantry.plan.dataset import DatasetSpec
from gantry.terms.classification import code_information

TINY = 1e-300
DISJOINT = np.array([[0.6, 0.4, 0.0, 0.0, 0.0], [0.0, 0.0, 0.1, 0.3, 0.6]])


def minimised(loss: Callable[[], torch.Tensor], *over: torch.Tensor) -> float:
    """Minimise `loss` over leaves that ask for a gradient; return its value there."""
    optimiser = torch.optim.LBFGS(
        over, max_iter=3000, tolerance_grad=1e-13, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return float(loss().detach())


def zeros(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape, dtype=torch.float64, requires_grad=True)


# ── what the discriminator makes of it ──────────────────────────────────────────────────────────────────


def test_projection_is_the_log_ratio_of_pairs() -> None:
    """f* = log p(x, y)/q(x, y), which bᵀφ + ⟨e_y, φ⟩ is where φ is one-hot. Miyato and Koyama 2018, eq. 3."""
    random = np.random.default_rng(0)
    p, q = (torch.from_numpy(random.dirichlet(np.ones(10)).reshape(2, 5)) for _ in range(2))
    head, entry = nn.Linear(5, 1, bias=False).double(), Projection(5, 2, None).double()
    features, condition = torch.eye(5).double().repeat(2, 1), torch.eye(2).double().repeat_interleave(5, 0)

    def logits() -> torch.Tensor:
        return entry.logits(features, condition, head).view(2, 5)

    value = minimised(
        lambda: (p * torch_softplus(-logits()) + q * torch_softplus(logits())).sum(),
        *head.parameters(),
        *entry.parameters(),
    )
    np.testing.assert_allclose(logits().detach(), (p / q).log(), atol=1e-5)
    m = (p + q) / 2
    two_js = float((p * (p / m).log() + q * (q / m).log()).sum())
    assert value == pytest.approx(2 * np.log(2) - two_js, abs=1e-9)


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_the_semi_supervised_optimum_tells_classes_and_how_often_they_are_made(weight: float) -> None:
    """Σ e^ℓ = p/p_G and softmax ℓ = p(y | x), whatever the game weighs; the code has ½. Salimans et al., section 5."""
    p = torch.from_numpy((P + 0.02) / (P + 0.02).sum() * 1.0)
    made = torch.tensor([0.1, 0.3, 0.2, 0.25, 0.15], dtype=torch.float64)
    logits = zeros(2, 5)

    def loss() -> torch.Tensor:
        value, real = logits.logsumexp(0), p.sum(0)
        game = (real * torch_softplus(-value) + made * torch_softplus(value)).sum()
        return weight * game - (p * logits.log_softmax(0)).sum()

    minimised(loss, logits)
    ratio, posterior = logits.detach().exp().sum(0), logits.detach().softmax(0)
    np.testing.assert_allclose(ratio, p.sum(0) / made, rtol=1e-4)
    np.testing.assert_allclose(posterior, p / p.sum(0), rtol=1e-4)


def test_the_discriminator_of_three_players_weighs_both_kinds_of_pairs() -> None:
    """D* = p/(p + ½p_g + ½p_c), of the losses that the method has: real pairs 1, generated and completed ½ each."""
    random = np.random.default_rng(1)
    p, g, c = (torch.from_numpy(random.dirichlet(np.ones(6))) for _ in range(3))
    logit = zeros(6)
    minimised(lambda: (p * torch_softplus(-logit) + (0.5 * g + 0.5 * c) * torch_softplus(logit)).sum(), logit)
    np.testing.assert_allclose(logit.detach().sigmoid(), p / (p + 0.5 * g + 0.5 * c), rtol=1e-5)


# ── where generators end ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("drawn independently", [0.511, 0.333, 0.156, 0, 0]),
        ("of the other class", [0.578, 0.333, 0.089, 0, 0]),
    ],
)
@pytest.mark.parametrize("weights", ["halves", "ones"])
def test_matching_aware_is_biased_by_how_wrong_pairs_are_drawn_and_not_by_weights(
    wrong: str, expected: list[float], weights: str
) -> None:
    other = P.mean(0, keepdims=True).repeat(2, 0) if wrong == "drawn independently" else P[::-1].copy()

    def ones(q: torch.Tensor) -> torch.Tensor:
        """G's value where real, generated and mismatched pairs weigh 1 each, as the handbook has it."""
        p, m = torch.tensor(P), q + torch.tensor(other)
        return (p * ((p + TINY) / (p + m + TINY)).log() + m * ((m + TINY) / (p + m + TINY)).log()).sum()

    halves = lambda q: jensen_shannon_to(q, torch.tensor(other), 0.5)  # noqa: E731
    found = descend(halves if weights == "halves" else ones)
    assert found[0] == pytest.approx(expected, abs=2e-3)
    assert found[1] == pytest.approx(expected[::-1], abs=2e-3)


def free(loss: Callable[[torch.Tensor], torch.Tensor], start: np.ndarray) -> np.ndarray:
    """As `descend`, from a table of one's own."""
    table = torch.tensor(np.log(start + 0.02), requires_grad=True)
    minimised(lambda: loss(table.softmax(1)), table)
    return table.detach().softmax(1).numpy()


def test_matching_aware_is_not_biased_where_classes_are_disjoint() -> None:
    p, wrong = torch.tensor(DISJOINT), torch.tensor(DISJOINT[::-1].copy())

    def value(q: torch.Tensor) -> torch.Tensor:
        m = 0.5 * q + 0.5 * wrong
        return (p * ((p + TINY) / (p + m + TINY)).log() + m * ((m + TINY) / (p + m + TINY)).log()).sum()

    assert free(value, DISJOINT) == pytest.approx(DISJOINT, abs=2e-3)


def entropy(q: torch.Tensor) -> torch.Tensor:
    """H(Y | X) in nats of a table of two classes alike often."""
    joint = q / 2
    return -(joint * ((joint + TINY) / (joint.sum(0) + TINY)).log()).sum()


def auxiliary(q: torch.Tensor, p: torch.Tensor, weight: float, of_fakes: bool) -> torch.Tensor:
    """AC-GAN's value for G: 2·JS of the marginals and λ·CE of a classifier at its optimum, with fakes or without."""
    real, made = p.mean(0), q.mean(0)
    m = (real + made) / 2
    divergence = (real * (real / m).log()).sum() + (made * ((made + TINY) / m).log()).sum()
    learnt = p + of_fakes * q
    return divergence - weight * (q / 2 * (learnt / learnt.sum(0) + 1e-12).log()).sum()


@pytest.mark.parametrize(
    ("weight", "of_fakes", "expected"),
    [(0.1, False, 0.127), (0.5, False, 0.090), (1.0, False, 0.059), (0.1, True, 0.125), (0.5, True, 0.0)],
)
def test_the_auxiliary_classifier_lowers_entropy_the_more_it_weighs(
    weight: float, of_fakes: bool, expected: float
) -> None:
    """Of 0.3636 nats so many are left; a constrained solver of SciPy's found the same, to three digits."""
    found = descend(lambda q: auxiliary(q, torch.tensor(P), weight, of_fakes))
    assert entropy(torch.tensor(found)).item() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("of_fakes", [False, True])
def test_the_auxiliary_classifier_is_not_biased_where_classes_are_disjoint(of_fakes: bool) -> None:
    found = free(lambda q: auxiliary(q, torch.tensor(DISJOINT), 1.0, of_fakes), DISJOINT)
    assert found == pytest.approx(DISJOINT, abs=5e-3)


# ── codes ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_information_of_a_table_bounds_what_any_recogniser_says() -> None:
    """L_I ≤ I(c; G) ≤ H(c) = ln 3, with equality on the left at Q = the posterior: every (c, x) by its share."""
    counts = np.array([[6, 3, 2, 1, 0], [1, 6, 3, 2, 0], [0, 0, 2, 4, 6]])  # of x for each code, twelve each
    codes, values = (
        torch.from_numpy(np.repeat(axis, counts.ravel())) for axis in np.indices((3, 5)).reshape(2, -1)
    )
    joint = counts / counts.sum()
    posterior = joint / joint.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = float(np.nansum(joint * np.log(joint / (joint.sum(0) * joint.sum(1, keepdims=True)))))
        logits = torch.from_numpy(np.log(posterior)).clamp_min(-700)
    code = one_hot(codes, 3).double()
    assert code_information(logits[:, values].T, code, (3,)).item() == pytest.approx(information, abs=1e-6)
    assert 0 < information < np.log(3)
    random = torch.Generator().manual_seed(0)
    for scale in (0.1, 1.0, 3.0):
        worse = logits.clamp_min(-20) + scale * torch.randn(3, 5, generator=random, dtype=torch.float64)
        assert code_information(worse[:, values].T, code, (3,)).item() < information - 1e-4


def test_a_recogniser_of_a_continuous_code_reaches_its_gaussian_at_most() -> None:
    """max E log Q = −½ ln 2π = −0.919 with σ = 1, at the code itself; H(c) = ln 2 stands beside it."""
    code = torch.linspace(-1, 1, 11, dtype=torch.float64)[:, None]
    said = zeros(11, 1)
    lost = minimised(lambda: -code_information(said, code, ()), said)
    np.testing.assert_allclose(said.detach(), code, atol=1e-6)
    assert -lost - np.log(2) == pytest.approx(-0.9189385, abs=1e-7)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_losses_of_infogan(weight: float) -> None:
    """Both players have −λ·L_I; with λ = 0 Q learns with weight 1, and G is left alone."""
    method = method_of({"name": "infogan", "categorical": [3], "continuous": 1, "information": weight})
    batch = batch_for(method, "discriminator")
    code = batch.noise["code"]
    with torch.no_grad():
        fake = method.generator(batch.noise["z"], code)
        real, made = (method.adversary.discriminator(x, code) for x in (batch.x, fake))
    information = code_information(made.code, code, (3,)).item()
    verdicts = [output.logits.double().numpy() for output in (real, made)]
    adversarial = softplus(-verdicts[0]).mean() + softplus(verdicts[1]).mean()
    expected = adversarial - (weight or 1.0) * information
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-5)
    expected = softplus(-verdicts[1]).mean() - weight * information
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=2e-5)


# ── ways in ─────────────────────────────────────────────────────────────────────────────────────────────


class Width:
    """What the entries read of a method's options."""

    width = 4
    chunks = False


def test_a_shared_embedding_that_is_the_identity_is_a_table_for_each_class() -> None:
    build = lambda latent: build_generator(MlpNetworks(family="mlp", width=8, depth=3), latent, (2,))  # noqa: E731
    torch.manual_seed(0)
    table = ConditionalNorms(build, 5, 4, Width)
    shared = SharedEmbedding(build, 5, 4, Width)
    shared.generator.load_state_dict(table.generator.state_dict())
    with torch.no_grad():
        shared.embedding.weight.copy_(torch.eye(4))
        for own, other in zip(table.norms, shared.norms, strict=True):
            for name in ("scale", "shift"):
                weight = torch.randn_like(getattr(own, name).weight)
                getattr(own, name).weight.copy_(weight)
                getattr(other, name).weight.copy_(weight)
    z, y = torch.randn(9, 5), one_hot(torch.arange(9) % 4, 4).float()
    torch.testing.assert_close(shared(z, y), table(z, y))
    assert not torch.allclose(shared(z, y), shared(z, y.roll(1, 0))), "the control: another class"


def test_a_condition_of_no_numbers_is_the_generator_without() -> None:
    build = lambda latent: build_generator(MlpNetworks(family="mlp", width=8, depth=3), latent, (2,))  # noqa: E731
    torch.manual_seed(0)
    told = Concatenated(build, 5, 0, Width)
    torch.manual_seed(0)
    plain = build(5)
    z = torch.randn(6, 5)
    assert torch.equal(told(z, torch.empty(6, 0)), plain(z))


@pytest.mark.parametrize("name", ["CGAN", "joined", "projection", "AC-GAN", "twin"])
def test_renaming_classes_with_their_weights_changes_no_loss(name: str) -> None:
    """Of both players: what reads the condition, and what says the class, takes its columns and rows along."""
    method = method_of(METHODS[name] | {"generator": "batch_norm"})
    order = torch.tensor([2, 0, 3, 1, 4])
    renamed = torch.empty_like(order).scatter_(0, order, torch.arange(5))
    batches = {phase: batch_for(method, phase) for phase in ("discriminator", "generator")}
    before = {phase: method.loss(phase, batch).item() for phase, batch in batches.items()}
    discriminator = method.adversary.discriminator
    with torch.no_grad():
        for norm in method.generator.norms:
            for layer in (norm.scale, norm.shift):
                layer.weight.copy_(layer.weight[:, order])
        if (embedding := getattr(discriminator.entry, "embedding", None)) is not None:
            embedding.weight.copy_(embedding.weight[:, order])
        if name == "CGAN":
            first = next(layer for layer in discriminator.body.modules() if isinstance(layer, nn.Linear))
            first.weight[:, 2:] = first.weight[:, 2:][:, order]
        if (head := discriminator.class_head) is not None:
            for start in range(0, head.out_features, 5):
                rows = torch.arange(start, start + 5)
                head.weight[rows] = head.weight[rows[order]]
                head.bias[rows] = head.bias[rows[order]]
    for phase, batch in batches.items():
        noise = dict(batch.noise) | {"fake_labels": renamed[batch.noise["fake_labels"]]}
        again = method.loss(phase, Batch(batch.data, renamed[batch.labels], noise)).item()
        assert again == pytest.approx(before[phase], rel=1e-5), phase
        unnamed = method.loss(phase, batch).item()
        assert unnamed != pytest.approx(before[phase], rel=1e-5), "the control: weights alone renamed"


# ── referees ────────────────────────────────────────────────────────────────────────────────────────────


def mixture(folder: Path, variance: float) -> ClassReferee:
    options = {"count": 60_000, "side": 3, "spacing": 2.0, "variance": variance, "seed": 0}
    prepare(
        DatasetSpec(title="", source="gaussian_grid", options=options),
        "mixture",
        folder,
        None,
        folder / "out",
    )
    return ClassReferee(open_prepared(folder / "out/manifest.json"), None)


@pytest.mark.parametrize(("variance", "bayes"), [(0.05, 1 - 1.03e-5), (0.6, 0.755)])
def test_the_referee_of_points_is_the_best_there_is(tmp_path: Path, variance: float, bayes: float) -> None:
    """An axis of modes 2 apart is right with Φ(1/σ) at both ends and 2Φ(1/σ) − 1 in the middle."""
    end = ndtr(1 / np.sqrt(variance))
    exact = ((2 * end + 2 * end - 1) / 3) ** 2
    assert exact == pytest.approx(bayes, abs=5e-4 if variance > 0.1 else 1e-7)
    referee = mixture(tmp_path, variance)
    seen = label_accuracy(referee.predict(np.asarray(referee.prepared.samples)), referee.labels)
    assert seen == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 60_000))


def test_samples_that_are_the_real_training_half_train_the_referee_itself(tmp_path: Path) -> None:
    spec = DatasetSpec(title="", source="digits", held_out=300)
    prepare(spec, "digits", tmp_path, 32, tmp_path / "out")
    prepared = open_prepared(tmp_path / "out/manifest.json")

    class Pixels:
        """A network whose features are every fourth pixel of the first channel."""

        def extract(self, images: Any) -> Any:
            return type(
                "Found", (), {"features": np.asarray(images)[:, ::4, ::4, 0].reshape(len(images), -1)}
            )

    referee = ClassReferee(prepared, Pixels())  # type: ignore[arg-type]
    learnt, labels, _, _ = referee.real
    own = train_on_samples_scores(referee, learnt, labels)["train_on_samples_accuracy"]
    assert own == referee.accuracy[0] > 0.9
    shuffled = np.random.default_rng(0).permutation(labels)
    assert train_on_samples_scores(referee, learnt, shuffled)["train_on_samples_accuracy"] < 0.3, (
        "the control"
    )
