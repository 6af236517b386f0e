"""Labels as inputs and outputs: losses against NumPy, ways in, refusals, and what a wrong label would change."""

from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import log_softmax, logsumexp
from scipy.stats import kstest, truncnorm
from scipy.stats import norm as normal
from tests.methods.points import BASE, CPU
from torch import nn
from torch.nn.functional import one_hot

from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation.asked import AskedScorer
from gantry.methods import Batch, build_method
from gantry.methods.conditional import condition_of
from gantry.methods.latents import Truncation, draw_latents, draw_truncated
from gantry.metrics.classes import class_frechet_distances, label_accuracy, purity, within_class_spread
from gantry.metrics.frechet import gaussian_statistics
from gantry.networks.conditions import ConditionalNorm
from gantry.plan import load_plan
from gantry.plan.blocks.players import Latent
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe
from gantry.terms.classification import code_information

POINTS = DataShape((2,), classes=5)


def method_of(method: dict[str, Any], data: DataShape = POINTS, **more: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(BASE | {"method": method} | more), data)


def batch_for(method: Any, phase: str, data: DataShape = POINTS, size: int = 8) -> Batch:
    torch.manual_seed(1)
    real = {"x": torch.randn(size, *data.sample)}
    return Batch(real, torch.randint(data.classes, (size,)), method.draw(phase, size, CPU))


def softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def cross_entropy(logits: Any, y: Any) -> float:
    return float(-(log_softmax(logits, axis=1) * y).sum(1).mean())


def said(method: Any, x: torch.Tensor, y: torch.Tensor) -> list[Any]:
    """What D says of pairs, as NumPy: logits and class logits."""
    with torch.no_grad():
        output = method.adversary.discriminator(x, y)
    return [None if part is None else part.double().numpy() for part in (output.logits, output.class_logits)]


CONDITIONAL = {"name": "conditional"}
NONE = CONDITIONAL | {"discriminator": "none"}
METHODS = {
    "CGAN": CONDITIONAL,
    "joined": CONDITIONAL | {"discriminator": "joined", "width": 6},
    "projection": CONDITIONAL | {"discriminator": "projection"},
    "matching-aware": CONDITIONAL | {"mismatched": 0.5},
    "AC-GAN": NONE | {"classification": {"weight": 0.7, "of": "both"}},
    "AC-GAN, real": NONE | {"classification": {"of": "real"}},
    "twin": NONE | {"classification": {"of": "twin"}},
    "norms": CONDITIONAL | {"generator": "batch_norm"},
}


@pytest.mark.parametrize("name", METHODS)
def test_losses_are_those_of_the_papers(name: str) -> None:
    told = METHODS[name]
    method = method_of(told)
    batch = batch_for(method, "discriminator")
    y, asked = condition_of(batch.labels, POINTS), method.asked(batch)
    with torch.no_grad():
        fake = method.generator(batch.noise["z"], asked)
    (real_v, real_c), (fake_v, fake_c) = said(method, batch.x, y), said(method, fake, asked)
    share = told.get("mismatched", 0)
    expected = softplus(-real_v).mean() + (1 - share) * softplus(fake_v).mean()
    if share:
        wrong = one_hot((batch.labels + batch.noise["further"]) % 5, 5).float()
        assert not (wrong * y).any(), "a mismatched pair has another class"
        expected += share * softplus(said(method, batch.x, wrong)[0]).mean()
    of = told.get("classification", {"of": None})
    weight = of.get("weight", 1.0)
    if of["of"]:
        expected += weight * cross_entropy(real_c[:, :5], y.numpy())
        if of["of"] != "real":
            expected += weight * cross_entropy(fake_c[:, -5:], asked.numpy())
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-6)

    # A new batch statistic in G's norms, but the same batch: the same samples.
    expected_g = softplus(-fake_v).mean()
    if of["of"]:
        expected_g += weight * cross_entropy(fake_c[:, :5], asked.numpy())
        expected_g -= weight * cross_entropy(fake_c[:, -5:], asked.numpy()) if of["of"] == "twin" else 0
    assert method.loss("generator", batch).item() == pytest.approx(expected_g, rel=2e-6)


def test_information_is_bounded_by_the_codes_entropy() -> None:
    """L_I of a categorical code is at most ln K, reached by a Q that knows it; of blind Q it is at most 0."""
    code = torch.cat([one_hot(torch.arange(6) % 3, 3).float(), torch.linspace(-1, 1, 6)[:, None]], 1)
    knows = torch.cat([100 * code[:, :3], code[:, 3:]], 1)
    best = np.log(3) + np.log(2) - 0.5 * np.log(2 * np.pi)
    assert code_information(knows, code, (3,)).item() == pytest.approx(best, abs=1e-6)
    blind = torch.zeros_like(knows)
    value = code[:, 3].double().numpy()
    expected = np.log(2) + (-0.5 * value**2 - 0.5 * np.log(2 * np.pi)).mean()
    assert code_information(blind, code, (3,)).item() == pytest.approx(expected, abs=1e-6)


def test_log_sum_of_classes_is_the_softmax_with_one_class_more() -> None:
    """σ(log Σ e^ℓ) = Σ softmax([ℓ, 0]) over the K classes. Salimans et al. 2016, section 5."""
    method = method_of({"name": "semi_supervised", "known": 10})
    x = torch.randn(7, 2)
    with torch.no_grad():
        output = method.adversary.discriminator(x)
    wider = np.exp(log_softmax(np.c_[output.class_logits.double().numpy(), np.zeros(7)], axis=1))
    one = 1 / (1 + np.exp(-output.logits[:, 0].double().numpy()))
    assert one == pytest.approx(wider[:, :5].sum(1), abs=1e-6)


def test_the_semi_supervised_losses() -> None:
    method = method_of({"name": "semi_supervised", "known": 10, "unlabelled": 0.5})
    data = {"x": torch.randn(8, 2), "known": torch.randn(8, 2), "known_labels": torch.arange(8) % 5}
    batch = Batch(data, None, {"z": torch.randn(8, 4)})
    discriminator = method.adversary.discriminator
    with torch.no_grad():
        fake = method.generators[0](batch.noise["z"])
        known, real, made = (discriminator(samples) for samples in (data["known"], batch.x, fake))
    y = one_hot(data["known_labels"], 5).numpy()
    value = lambda output: logsumexp(output.class_logits.double().numpy(), axis=1)  # noqa: E731
    expected = cross_entropy(known.class_logits.double().numpy(), y)
    expected += 0.5 * (softplus(-value(real)).mean() + softplus(value(made)).mean())
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-6)
    gap = real.features.mean(0) - made.features.mean(0)
    assert method.loss("generator", batch).item() == pytest.approx(gap.square().mean().item(), rel=1e-5)


# ── optima, on a table of five values and two classes (uniform classes) ─────────────────────────────────

P = np.array([[0.4, 0.3, 0.2, 0.1, 0.0], [0.0, 0.1, 0.2, 0.3, 0.4]])


def descend(loss: Any, steps: int = 3000) -> np.ndarray:
    """The generator (2, 5), a softmax table for each class, that minimises `loss` of it."""
    table = torch.tensor(np.log(P + 0.02), requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [table], max_iter=steps, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(table.softmax(1))
        value.backward()
        return value

    optimiser.step(closure)
    return table.softmax(1).detach().numpy()


def jensen_shannon_to(q: torch.Tensor, wrong: torch.Tensor, share: float) -> torch.Tensor:
    """G's value against the optimal D* = p/(p + m), m = (1 − share)·q + share·wrong."""
    p, m = torch.tensor(P), (1 - share) * q + share * wrong
    tiny = 1e-300
    return (p * ((p + tiny) / (p + m + tiny)).log() + m * ((m + tiny) / (p + m + tiny)).log()).sum()


def test_cgan_has_its_optimum_at_the_data_and_matching_aware_has_not_where_classes_overlap() -> None:
    unbiased = descend(lambda q: jensen_shannon_to(q, q, 0.0))
    assert unbiased == pytest.approx(P, abs=2e-3)
    other = torch.tensor(P[::-1].copy())
    biased = descend(lambda q: jensen_shannon_to(q, other, 0.5))
    assert biased[0] == pytest.approx([0.578, 0.333, 0.089, 0, 0], abs=2e-3)


def test_the_auxiliary_classifier_lowers_the_entropy_of_classes_and_the_twin_does_not() -> None:
    """H(Y | X) of the table is 0.3636 nats; AC-GAN with λ = ½ on its optimum has next to none."""

    def entropy(q: Any) -> Any:
        joint = q / 2
        posterior = joint / (joint.sum(0, keepdim=True) + 1e-300)
        return -(joint * (posterior + 1e-300).log()).sum()

    def game(q: torch.Tensor, weight: float, twin: bool) -> torch.Tensor:
        p = torch.tensor(P).mean(0)
        marginal = q.mean(0)
        m = (p + marginal) / 2
        divergence = (p * (p / m).log()).sum() + (marginal * (marginal / m).log()).sum()
        posterior = torch.tensor(P) / torch.tensor(P).sum(0)
        classification = -(q / 2 * (posterior + 1e-12).log()).sum()
        if twin:
            classification = classification - entropy(q)
        return divergence + weight * classification

    assert entropy(torch.tensor(P)).item() == pytest.approx(0.3636, abs=1e-4)
    biased = descend(lambda q: game(q, 0.5, twin=False))
    cured = descend(lambda q: game(q, 0.5, twin=True))
    assert entropy(torch.tensor(biased)).item() < 0.1
    assert cured == pytest.approx(P, abs=5e-3)


# ── ways in ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_norm_of_one_class_is_batch_norm() -> None:
    plain, conditional = nn.BatchNorm1d(6), ConditionalNorm(nn.BatchNorm1d(6), 1)
    x = torch.randn(9, 6)
    conditional.given = torch.ones(9, 1)
    torch.testing.assert_close(conditional(x), plain(x))


def test_a_chunk_of_z_does_not_reach_what_stands_before_it() -> None:
    image = DataShape((3, 32, 32), classes=5)
    shared = CONDITIONAL | {"generator": "shared", "discriminator": "projection", "chunks": True, "width": 4}
    network = {"family": "resnet", "width": 2}
    norms = len(method_of(shared | {"chunks": False}, image, networks=network).generator.norms)
    method = method_of(shared, image, networks=network, latent={"dimension": 2 * (norms + 1)})
    seen = {}
    for index, norm in enumerate(method.generator.norms):
        norm.register_forward_hook(lambda _, given, out, index=index: seen.update({index: out}))
    z = torch.randn(4, 2 * (norms + 1), requires_grad=True)
    method.generator(z, condition_of(torch.arange(4), image))
    for index, out in seen.items():
        (gradient,) = torch.autograd.grad(out.square().sum(), z, retain_graph=True)
        reached = gradient.view(4, norms + 1, 2).abs().sum((0, 2)) > 0
        assert reached[: index + 2].all() and not reached[index + 2 :].any()


def test_renaming_classes_with_their_weights_changes_nothing() -> None:
    method = method_of(METHODS["projection"] | {"generator": "batch_norm"})
    batch = batch_for(method, "generator")
    before = method.loss("generator", batch)
    order = torch.tensor([2, 0, 3, 1, 4])
    renamed = torch.empty_like(order).scatter_(0, order, torch.arange(5))
    with torch.no_grad():
        for layer in [*method.generator.norms, method.adversary.discriminator.entry]:
            for part in layer.children():
                if isinstance(part, nn.Linear):
                    part.weight.copy_(part.weight[:, order])
    noise = dict(batch.noise) | {"fake_labels": renamed[batch.noise["fake_labels"]]}
    after = method.loss("generator", Batch(batch.data, renamed[batch.labels], noise))
    torch.testing.assert_close(before, after)


def test_truncated_latents_follow_the_truncated_normal() -> None:
    z = (
        draw_truncated(Latent(dimension=50), 400, 0.7, torch.Generator().manual_seed(3))
        .double()
        .numpy()
        .ravel()
    )
    assert abs(z).max() <= 0.7
    assert kstest(z, truncnorm(-0.7, 0.7).cdf).pvalue > 0.01
    assert kstest(z, truncnorm(-0.8, 0.8).cdf).pvalue < 1e-6, "the control: another threshold is told apart"


@pytest.mark.parametrize("scaled", [False, True])
def test_truncation_narrows_as_the_paper_does_or_as_its_demo(scaled: bool) -> None:
    """Var = 1 − 2τφ(τ)/(2Φ(τ) − 1) where numbers are drawn anew; τ² times that of ±2 in the demo."""
    tau, count = 0.6, 60_000
    z = (
        Truncation(tau, scaled)
        .draw(Latent(dimension=1), count, torch.Generator().manual_seed(4))
        .double()
        .numpy()[:, 0]
    )
    cut, factor = (2.0, tau) if scaled else (tau, 1.0)
    variance = factor**2 * (1 - 2 * cut * normal.pdf(cut) / (2 * normal.cdf(cut) - 1))
    assert z.var() == pytest.approx(variance, rel=0.02)
    assert variance == pytest.approx(factor**2 * truncnorm(-cut, cut).var(), rel=1e-9)
    assert 0.99 * cut * factor < abs(z).max() <= cut * factor + 1e-6
    assert kstest(z / factor, truncnorm(-cut, cut).cdf).pvalue > 0.01
    other = Truncation(tau, not scaled).draw(Latent(dimension=1), count, torch.Generator().manual_seed(4))
    assert kstest(other.double().numpy()[:, 0] / factor, truncnorm(-cut, cut).cdf).pvalue < 1e-6, (
        "the control"
    )


@pytest.mark.parametrize("scaled", [False, True])
def test_a_method_samples_as_its_truncation_says(scaled: bool) -> None:
    method = method_of(CONDITIONAL | {"truncation": 0.5, "scaled": scaled})
    z = method.sampler(method.kept.eval()).inputs("G1", range(2000), torch.Generator().manual_seed(0))["z"]
    assert (0.9 < z.abs().max() <= 1.0) if scaled else (0.45 < z.abs().max() <= 0.5)


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        (NONE, {}, "add classification"),
        (CONDITIONAL | {"scaled": True}, {}, "no truncation to scale by: set truncation"),
        (CONDITIONAL | {"chunks": True}, {}, "only generator shared"),
        (CONDITIONAL, {"generators": 2}, "take it away"),
        (CONDITIONAL, {"objective": {"name": "realness", "atoms": 5}}, "take another objective"),
        (CONDITIONAL, {"terms": {"gradient_penalty": 10}}, "terms.gradient_penalty"),
        (CONDITIONAL | {"truncation": 1}, {"latent": {"distribution": "uniform"}}, "latent.distribution"),
        ({"name": "semi_supervised", "known": 10}, {"objective": {"name": "hinge"}}, "non_saturating"),
        ({"name": "infogan", "categorical": []}, {}, "no code"),
        ({"name": "condtional"}, {}, "did you mean 'conditional'"),
        ({"name": "sgan"}, {}, "three methods have this name: write semi_supervised"),
        (
            CONDITIONAL,
            {"networks": {"family": "mlp", "virtual_batch_norm": {}}},
            "its reference batch is of latents, without conditions",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(method: Any, more: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": method} | more)


@pytest.mark.parametrize(
    ("method", "data", "more", "message"),
    [
        (CONDITIONAL, DataShape((2,)), {}, "has no labels"),
        (METHODS["AC-GAN"], DataShape((2,), attributes=3), {}, "are attributes"),
        (
            METHODS["norms"] | {"generator": "shared", "chunks": True},
            POINTS,
            {"latent": {"dimension": 5}},
            "equal chunks",
        ),
    ],
)
def test_what_the_data_cannot_give_is_refused(method: Any, data: DataShape, more: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        method_of(method, data, **more)


SETS = {
    "china": DatasetSpec(title="", source="photograph"),
    "faces": DatasetSpec(title="", source="celeba", options={"attributes": ["all"]}, held_out=500),
    "digits": DatasetSpec(title="", source="digits", images=1797, held_out=297),
    "mixture": DatasetSpec(title="", source="gaussian_grid", images=100000, options={"side": 3}),
    "pictures": DatasetSpec(title="", source="folder"),
}
KNOWN = {"name": "semi_supervised", "known": 100}


@pytest.mark.parametrize(
    ("method", "dataset", "message"),
    [
        (CONDITIONAL, "china", "data set china has no labels; sets that have: mixture, digits"),
        (METHODS["AC-GAN"], "faces", "labels of data set faces are attributes"),
        (KNOWN, "faces", "labels of data set faces are attributes"),
        (KNOWN, "mixture", "take a multiple of 9"),
        (KNOWN | {"known": 1510}, "digits", "has 1,500 samples"),
        (KNOWN | {"name": "triple_gan", "known": 15}, "digits", "take a multiple of 10"),
        (KNOWN | {"name": "s3gan", "known": 15}, "digits", "take a multiple of 10"),
        (KNOWN | {"name": "s2gan", "features": "samples"}, "mixture", "take a multiple of 9"),
        (CONDITIONAL, "faces", None),
        (METHODS["AC-GAN"], "pictures", None),
        (KNOWN, "digits", None),
        ({"name": "s2gan", "features": "samples", "clusters": 7}, "china", None),
    ],
)
def test_a_plan_refuses_what_a_data_set_has_not(method: Any, dataset: str, message: str | None) -> None:
    recipe = Recipe.model_validate(BASE | {"method": method})
    if message is None:
        recipe.method.check_data(recipe, dataset, SETS[dataset])
    else:
        with pytest.raises(ValueError, match=message):
            recipe.method.check_data(recipe, dataset, SETS[dataset])


def test_a_whole_plan_says_which_runs_have_no_labels_and_which_metrics_nobody_computes() -> None:
    with pytest.raises(UserError) as refused:
        load_plan({"scale": "smoke", "papers": ["conditional"], "substitute": {"digits_split": "china"}})
    said = str(refused.value)
    assert "recipes.pictures_semi_supervised: method semi_supervised: data set china has no labels" in said
    assert "metrics: test_error is of held-out samples, and data set china holds none out" in said
    with pytest.raises(UserError) as refused:
        workload = {"points_with_a_code": {"metrics": ["label_accuracy_points"]}}
        load_plan({"scale": "smoke", "papers": ["conditional"], "workloads": workload})
    assert "method infogan asks for values of a code here, which are no classes: take code_purity" in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("distribution", "mean", "square", "values"),
    [("bernoulli", 0.5, 0.5, 2), ("censored", 0.3989, 0.5, None)],
)
def test_latents_of_other_distributions(
    distribution: Any, mean: float, square: float, values: int | None
) -> None:
    """E max(0, N) = 1/√(2π), and half of N² remains; of 0 and 1 both moments are ½."""
    torch.manual_seed(0)
    z = draw_latents(Latent(dimension=50, distribution=distribution), 2000, CPU)
    assert z.mean().item() == pytest.approx(mean, abs=0.01)
    assert z.square().mean().item() == pytest.approx(square, abs=0.015)
    assert (z == 0).float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert values is None or len(z.unique()) == values


# ── scores ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_scores_of_classes() -> None:
    rng = np.random.default_rng(0)
    asked = np.repeat(np.arange(3), 4000)
    means = np.array([[0.0, 0], [4, 0], [0, 4]])
    real = {k: gaussian_statistics(means[k] + rng.standard_normal((4000, 2))) for k in range(3)}
    right = means[asked] + 0.5 * rng.standard_normal((12000, 2))
    spread = within_class_spread(right, asked, real)
    assert spread == pytest.approx(0.5, rel=0.05)
    distances = class_frechet_distances(right, asked, real)
    assert distances[1] == pytest.approx(2 * 0.5**2, rel=0.15), "(1 − ½)² in each of two directions"
    permuted = class_frechet_distances(right, rng.permutation(asked), real)
    assert min(permuted.values()) > 5 * max(distances.values())
    predicted = ((right[:, None] - means) ** 2).sum(-1).argmin(1)
    assert label_accuracy(predicted, asked) > 0.999
    codes = (asked + 1) % 3
    assert purity(codes, predicted) > 0.999
    some = rng.integers(5, size=(2, 200))
    brute = max(sum(naming[a] == b for a, b in some.T) for naming in permutations(range(5))) / 200
    assert purity(*some) == pytest.approx(brute)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([2, 2, 2, 2], "all 4 labels are 2: is the folder layout right"),
        ([0, 4, 0, 1], r"5 classes, but only 3 of them have samples .0: 2, 1: 1, 4: 1."),
        ([0, 4, 3, 2, 1], None),
    ],
)
def test_classes_that_no_sample_has_are_found_before_training(labels: list[int], message: str | None) -> None:
    points = np.zeros((len(labels), 2), np.float32)
    prepared: Any = PreparedSet(Path(), {"name": "some", "kind": "points"}, points, np.array(labels))  # type: ignore[arg-type]
    method = method_of(CONDITIONAL)
    if message is None:
        assert method.streams(prepared)["x"].beside == ("labels",)
        return
    with pytest.raises(UserError, match=message):
        method.streams(prepared)


def test_a_referee_that_cannot_tell_real_classes_says_nothing_of_samples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    means = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    labels = np.arange(40) % 4
    told = {"name": "some", "kind": "points", "variance": 0.01}

    def scores(of: np.ndarray) -> dict[str, float]:
        prepared: Any = PreparedSet(
            Path(),
            told | {"means": of.tolist()},
            means[labels].astype(np.float32),
            labels,  # type: ignore[arg-type]
        )
        asked: Any = SimpleNamespace(asked=lambda source, rows, held_out: labels[: len(rows)])
        random = np.random.default_rng(0).normal(0, 0.1, (40, 2))
        return AskedScorer(prepared, None).by_class(asked, "G1", means[labels] + random)

    assert scores(means)["label_accuracy_points"] == 1
    assert not capsys.readouterr().err
    mistaken = scores(means[[1, 2, 3, 0]])
    assert "label_accuracy_points" not in mistaken and "within_class_spread_points" in mistaken
    assert "right about 0.000 of 8 unseen real samples, below 0.500" in capsys.readouterr().err
